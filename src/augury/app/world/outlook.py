"""What the world knows about the truth behind its events: for the bots, and for the keeper.

The bots get an outlook as JSON and everything else from the public API. Markets that the world
does not describe, because the operator listed them, have an outlook of their own name.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from augury.app.world.fair_value import FairValue, MarketFacts
from augury.app.world.listing import (
    DEFAULT_SWING,
    EventPlan,
    event_activity,
    fair_value_of,
    list_occurrence,
    list_world,
)
from augury.app.world.model import World
from augury.app.world.times import next_close

Json = dict[str, Any]


@dataclass(slots=True)
class EventOutlook:
    """The truth of one event, or of all occurrences of a rolling one.

    ``start_prices`` and ``activities`` are by the part of a market's ticker that follows the
    event's, so that they hold for every occurrence.
    """

    fair_value: FairValue
    start_prices: dict[str, float] = field(default_factory=dict)
    activities: dict[str, str] = field(default_factory=dict)
    usual_activity: str = "normal"
    determined_by_truth: bool = False
    determine_after_seconds: int = 0

    def facts(self, event_ticker: str, market: MarketFacts) -> MarketFacts:
        """``market`` with the price around which it moves."""
        price = self.start_prices.get(_suffix(event_ticker, market.ticker))
        return market if price is None else market._replace(start_price=price)

    def activity(self, event_ticker: str, market_ticker: str) -> str:
        return self.activities.get(_suffix(event_ticker, market_ticker), self.usual_activity)


@dataclass(slots=True)
class Outlook:
    """``events`` by event ticker, ``series`` (rolling ones) by series ticker."""

    seed: int
    events: dict[str, EventOutlook] = field(default_factory=dict)
    series: dict[str, EventOutlook] = field(default_factory=dict)

    def of(self, event_ticker: str, series_ticker: str, exclusive: bool = False) -> EventOutlook:
        """The outlook of an event; for an unknown one a guess that is always the same."""
        found = self.events.get(event_ticker)
        if found is not None:
            return found
        found = self.series.get(series_ticker)
        if found is None:
            model = FairValue(
                seed=self.seed,
                name=event_ticker,
                swing=DEFAULT_SWING,
                pace=6 * 3600.0,
                mutually_exclusive=exclusive,
                converges=False,
            )
            return EventOutlook(model)
        if found.fair_value.name:
            return found
        # Each occurrence of a rolling event without a number goes its own way.
        return replace(found, fair_value=replace(found.fair_value, name=event_ticker))

    def knows(self, event_ticker: str, series_ticker: str) -> bool:
        return event_ticker in self.events or series_ticker in self.series

    def to_json(self) -> Json:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> "Outlook":
        def events(part: Json) -> dict[str, EventOutlook]:
            return {
                ticker: EventOutlook(**{**given, "fair_value": FairValue(**given["fair_value"])})
                for ticker, given in part.items()
            }

        return cls(data["seed"], events(data["events"]), events(data["series"]))


def outlook_of(world: World, start_ns: int) -> Outlook:
    """The outlook of a world that started at ``start_ns``."""
    outlook = Outlook(world.seed)
    for plan in list_world(world, start_ns).events:
        outlook.events[plan.command.ticker] = _event_outlook(world, plan)
    for rolling in world.rolling:
        close_ns = next_close(start_ns, rolling.every_seconds, rolling.offset_seconds)
        sample = list_occurrence(world, rolling, close_ns)
        numbered = sample.spec.fair_value is not None and sample.spec.fair_value.start is not None
        found = _event_outlook(world, sample)
        if not numbered:
            found.fair_value = replace(found.fair_value, name="")
        outlook.series[sample.command.series_ticker] = found
    return outlook


def _event_outlook(world: World, plan: EventPlan) -> EventOutlook:
    ticker = plan.command.ticker
    found = EventOutlook(
        fair_value_of(world, plan.spec, ticker),
        usual_activity=event_activity(world, plan.spec),
        determined_by_truth=plan.spec.determined_by == "fair_value",
        determine_after_seconds=plan.spec.determine_after_seconds,
    )
    for facts in plan.facts:
        suffix = _suffix(ticker, facts.ticker)
        found.start_prices[suffix] = facts.start_price
        found.activities[suffix] = plan.activity[facts.ticker]
    return found


def _suffix(event_ticker: str, market_ticker: str) -> str:
    return market_ticker.removeprefix(event_ticker)

"""Answers of the operations on event collections and combos."""

from msgspec import UNSET, UnsetType

from augury.gateways.rest.answers import Answer, EventData, Market


class GetMultivariateEventsResponse(Answer):
    events: list[EventData]
    cursor: str


class AssociatedEvent(Answer):
    """An event whose markets may be legs. ``size_*`` count its legs; null is no limit."""

    ticker: str
    is_yes_only: bool
    size_max: int | None
    size_min: int | None
    active_quoters: list[str]


class MultivariateEventCollection(Answer):
    """Which legs may be combined. ``size_max`` 0 is no limit."""

    collection_ticker: str
    series_ticker: str
    title: str
    description: str
    open_date: str
    close_date: str
    associated_events: list[AssociatedEvent]
    associated_event_tickers: list[str]
    is_ordered: bool
    is_single_market_per_event: bool
    is_all_yes: bool
    size_min: int
    size_max: int
    functional_description: str


class GetMultivariateEventCollectionsResponse(Answer):
    multivariate_contracts: list[MultivariateEventCollection]
    cursor: str


class GetMultivariateEventCollectionResponse(Answer):
    multivariate_contract: MultivariateEventCollection


class CreateMarketInMultivariateEventCollectionResponse(Answer):
    """Where the combo trades. ``market`` is there when it was asked for."""

    event_ticker: str
    market_ticker: str
    market: Market | UnsetType = UNSET


class LookupTickersForMarketInMultivariateEventCollectionResponse(Answer):
    event_ticker: str
    market_ticker: str


class SelectedMarket(Answer):
    market_ticker: str
    event_ticker: str
    side: str


class LookupPoint(Answer):
    """A combo that somebody created or looked up."""

    event_ticker: str
    market_ticker: str
    selected_markets: list[SelectedMarket]
    last_queried_ts: str


class GetMultivariateEventCollectionLookupHistoryResponse(Answer):
    lookup_points: list[LookupPoint]

"""Answers of the candlestick and forecast operations.

``PriceDistribution`` sends ``null`` where nothing was traded and then leaves out the twin in
dollars, exactly as the real service does.
"""

from msgspec import UNSET, UnsetType

from augury.gateways.rest.answers import Answer, Number


class BidAskDistribution(Answer):
    """What a quote was in a period, in cents and in dollars."""

    open: int
    open_dollars: str
    low: int
    low_dollars: str
    high: int
    high_dollars: str
    close: int
    close_dollars: str


class PriceDistribution(Answer):
    """What was paid for YES in a period; null where nothing was traded.

    ``previous`` is the last price before the period. ``min`` and ``max`` are the extreme closing
    prices of all markets of an event, in answers about events only.
    """

    open: int | None = None
    low: int | None = None
    high: int | None = None
    close: int | None = None
    mean: int | None = None
    previous: int | None = None
    min: int | None = None
    max: int | None = None
    open_dollars: str | UnsetType = UNSET
    low_dollars: str | UnsetType = UNSET
    high_dollars: str | UnsetType = UNSET
    close_dollars: str | UnsetType = UNSET
    mean_dollars: str | UnsetType = UNSET
    previous_dollars: str | UnsetType = UNSET
    min_dollars: str | UnsetType = UNSET
    max_dollars: str | UnsetType = UNSET


class MarketCandlestick(Answer):
    """One period of one market; ``end_period_ts`` (Unix seconds) belongs to it."""

    end_period_ts: int
    yes_bid: BidAskDistribution
    yes_ask: BidAskDistribution
    price: PriceDistribution
    volume: int
    volume_fp: str
    open_interest: int
    open_interest_fp: str


class GetMarketCandlesticksResponse(Answer):
    ticker: str
    candlesticks: list[MarketCandlestick]


class MarketCandlesticksResponse(Answer):
    market_ticker: str
    candlesticks: list[MarketCandlestick]


class BatchGetMarketCandlesticksResponse(Answer):
    markets: list[MarketCandlesticksResponse]


class GetEventCandlesticksResponse(Answer):
    """Two parallel lists. A range that is too long is cut; ``adjusted_end_ts`` begins the rest."""

    market_tickers: list[str]
    market_candlesticks: list[list[MarketCandlestick]]
    adjusted_end_ts: int


class PercentilePoint(Answer):
    """The value below which the outcome stays with ``percentile`` / 10,000 probability."""

    percentile: int
    raw_numerical_forecast: Number
    numerical_forecast: Number
    formatted_forecast: str


class ForecastPercentilesPoint(Answer):
    """What the markets of an event expected at the end of a period."""

    event_ticker: str
    end_period_ts: int
    period_interval: int
    percentile_points: list[PercentilePoint]


class GetEventForecastPercentilesHistoryResponse(Answer):
    forecast_history: list[ForecastPercentilesPoint]


# --- what is archived, in the later shape ----------------------------------------------------


class BidAskDistributionHistorical(Answer):
    open: str
    low: str
    high: str
    close: str


class PriceDistributionHistorical(Answer):
    open: str | None
    low: str | None
    high: str | None
    close: str | None
    mean: str | None
    previous: str | None


class MarketCandlestickHistorical(Answer):
    """A candle of an archived market: dollars and contracts as texts."""

    end_period_ts: int
    yes_bid: BidAskDistributionHistorical
    yes_ask: BidAskDistributionHistorical
    price: PriceDistributionHistorical
    volume: str
    open_interest: str


class GetMarketCandlesticksHistoricalResponse(Answer):
    ticker: str
    candlesticks: list[MarketCandlestickHistorical]

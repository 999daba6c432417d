"""The error codes of the command protocol (websocket.md, section 2)."""

from typing import Final

UNABLE_TO_PROCESS: Final = 1
PARAMS_REQUIRED: Final = 2
CHANNELS_REQUIRED: Final = 3
SUBSCRIPTION_IDS_REQUIRED: Final = 4
UNKNOWN_COMMAND: Final = 5
UNKNOWN_SUBSCRIPTION_ID: Final = 7
UNKNOWN_CHANNEL: Final = 8
AUTHENTICATION_REQUIRED: Final = 9
INVALID_PARAMETER: Final = 11
ONE_SUBSCRIPTION_ID_REQUIRED: Final = 12
UNSUPPORTED_ACTION: Final = 13
MARKET_TICKER_REQUIRED: Final = 14
ACTION_REQUIRED: Final = 15
MARKET_NOT_FOUND: Final = 16
INTERNAL_ERROR: Final = 17
SHARD_FACTOR_NOT_POSITIVE: Final = 19
SHARD_FACTOR_REQUIRED: Final = 20
SHARD_KEY_OUT_OF_RANGE: Final = 21
SHARD_FACTOR_TOO_LARGE: Final = 22
BUFFER_OVERFLOW: Final = 25
MARKET_LIMIT_EXCEEDED: Final = 26
TOO_MANY_REQUESTS: Final = 27

TEXTS: Final[dict[int, str]] = {
    UNABLE_TO_PROCESS: "Unable to process message",
    PARAMS_REQUIRED: "Params required",
    CHANNELS_REQUIRED: "Channels required",
    SUBSCRIPTION_IDS_REQUIRED: "Subscription IDs required",
    UNKNOWN_COMMAND: "Unknown command",
    UNKNOWN_SUBSCRIPTION_ID: "Unknown subscription ID",
    UNKNOWN_CHANNEL: "Unknown channel name",
    AUTHENTICATION_REQUIRED: "Authentication required",
    INVALID_PARAMETER: "Invalid parameter",
    ONE_SUBSCRIPTION_ID_REQUIRED: "Exactly one subscription ID is required",
    UNSUPPORTED_ACTION: "Unsupported action",
    MARKET_TICKER_REQUIRED: "Market Ticker required",
    ACTION_REQUIRED: "Action required",
    MARKET_NOT_FOUND: "Market not found",
    INTERNAL_ERROR: "Internal error",
    SHARD_FACTOR_NOT_POSITIVE: "shard_factor must be > 0",
    SHARD_FACTOR_REQUIRED: "shard_factor is required when shard_key is set",
    SHARD_KEY_OUT_OF_RANGE: "shard_key must be >= 0 and < shard_factor",
    SHARD_FACTOR_TOO_LARGE: "shard_factor must be <= 100",
    BUFFER_OVERFLOW: "Subscription buffer overflow",
    MARKET_LIMIT_EXCEEDED: "Subscription market limit exceeded",
    TOO_MANY_REQUESTS: "Too many requests",
}

CAUSES: Final[dict[int, str]] = {
    UNABLE_TO_PROCESS: "Not a JSON object in a text frame, or a value of a wrong type.",
    PARAMS_REQUIRED: "`params` is missing.",
    CHANNELS_REQUIRED: "`subscribe` without `channels`, or with none in them.",
    SUBSCRIPTION_IDS_REQUIRED: "`unsubscribe` without `sids`, or with none in them.",
    UNKNOWN_COMMAND: "`cmd` is missing or none of the four commands.",
    UNKNOWN_SUBSCRIPTION_ID: "There is no subscription of this `sid` on this connection.",
    UNKNOWN_CHANNEL: "There is no channel of this name.",
    AUTHENTICATION_REQUIRED: "A private channel on a connection that is not signed.",
    INVALID_PARAMETER: (
        "Markets named in two ways; by id where only tickers are understood; another"
        " `use_yes_price` while the book is subscribed to; markets to be taken from a subscription"
        " to all of them; a snapshot of a market that is not subscribed to."
    ),
    ONE_SUBSCRIPTION_ID_REQUIRED: (
        "`update_subscription` with both `sid` and `sids`, with neither, or not with exactly one."
    ),
    UNSUPPORTED_ACTION: "An unknown `action`, or one that the channel does not have.",
    MARKET_TICKER_REQUIRED: (
        "No market is named, by ticker where only tickers are understood: on `orderbook_delta`,"
        " and in `update_subscription`."
    ),
    ACTION_REQUIRED: "`update_subscription` without `action`.",
    MARKET_NOT_FOUND: "There is no such market; the message names it.",
    INTERNAL_ERROR: "A fault of the server; its log says which.",
    SHARD_FACTOR_NOT_POSITIVE: "`shard_factor` is 0 or less.",
    SHARD_FACTOR_REQUIRED: "`shard_key` without `shard_factor`.",
    SHARD_KEY_OUT_OF_RANGE: "`shard_key` is not one of the shards.",
    SHARD_FACTOR_TOO_LARGE: "`shard_factor` is more than 100.",
    BUFFER_OVERFLOW: (
        "The client reads too slowly: what waited for it is dropped and the connection closed."
    ),
    MARKET_LIMIT_EXCEEDED: "More markets are named on one connection than it may name.",
    TOO_MANY_REQUESTS: "More commands than a connection may send in a second.",
}
"""When each is sent, for people."""


class CommandError(Exception):
    """A command that is answered with ``type: error`` and changes nothing."""

    def __init__(
        self, code: int, *, market_ticker: str | None = None, market_id: str | None = None
    ) -> None:
        super().__init__(TEXTS[code])
        self.code = code
        self.market_ticker = market_ticker
        self.market_id = market_id

"""The form of tickers. Relations between objects are never read out of them."""

from typing import Final

from augury.core import rejections as reject
from augury.core.rejections import Rejection

TICKER_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
TICKER_LENGTH_LIMIT: Final = 200


def check_ticker(ticker: str) -> None:
    """Capitals, digits, dots and dashes, starting with neither of the last two."""
    if (
        not ticker
        or len(ticker) > TICKER_LENGTH_LIMIT
        or ticker[0] in ".-"
        or any(character not in TICKER_ALPHABET for character in ticker)
    ):
        raise Rejection(reject.INVALID_PARAMETERS, "ticker")

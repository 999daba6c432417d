"""What clients send: one JSON object per text frame. Owns decoding, not the meaning.

Types are checked here, all at once, so that a frame with a wrong type anywhere is answered with
error 1 before anything else is looked at (websocket.md, section 2: check order 1, 5, 2).
"""

from typing import Annotated, Final

import msgspec

from augury.gateways.ws.errors import UNABLE_TO_PROCESS, CommandError

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What comes back in replies has to be a number that any client can read."""


class Params(msgspec.Struct, frozen=True):
    """The union of all commands' parameters; null counts as absent, unknown names as noise."""

    channels: list[str] | None = None
    market_ticker: str | None = None
    market_tickers: list[str] | None = None
    market_id: str | None = None
    market_ids: list[str] | None = None
    sid: Number | None = None
    sids: list[Number] | None = None
    action: str | None = None
    send_initial_snapshot: bool | None = None
    skip_ticker_ack: bool | None = None
    use_yes_price: bool | None = None
    shard_factor: Number | None = None
    shard_key: Number | None = None


class Frame(msgspec.Struct, frozen=True):
    """A command as it arrives. An ``id`` of 0 is as good as none."""

    id: Number | None = None
    cmd: str | None = None
    params: Params | None = None


class _OnlyId(msgspec.Struct, frozen=True):
    id: Number | None = None


_frame: Final = msgspec.json.Decoder(Frame)
_only_id: Final = msgspec.json.Decoder(_OnlyId)

_NOT_JSON: Final = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""RecursionError is what nesting without end turns into."""


def decode(text: str) -> Frame:
    """Read one frame. Raises ``CommandError`` 1 for anything that has not the right shape."""
    try:
        return _frame.decode(text)
    except _NOT_JSON:
        raise CommandError(UNABLE_TO_PROCESS) from None


def find_id(text: str) -> int | None:
    """The ``id`` of a frame that could not be decoded, if there is one to be found."""
    try:
        return _only_id.decode(text).id
    except _NOT_JSON:
        return None

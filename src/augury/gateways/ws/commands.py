"""What clients send: one JSON object per text frame. Owns decoding, not the meaning.

Types are checked here, all at once, so that a frame with a wrong type anywhere is answered with
error 1 before anything else is looked at (websocket.md, section 2: check order 1, 5, 2).
"""

from typing import Annotated, Final

import msgspec

from augury.gateways.ws.errors import UNABLE_TO_PROCESS, CommandError
from augury.gateways.ws.fields import about

Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What comes back in replies has to be a number that any client can read."""


class Params(msgspec.Struct, frozen=True):
    """The union of all commands' parameters; null counts as absent, unknown names as noise."""

    channels: Annotated[list[str] | None, about("What to subscribe to; at least one.")] = None
    market_ticker: Annotated[str | None, about("One market.")] = None
    market_tickers: Annotated[list[str] | None, about("Several markets, instead.")] = None
    market_id: Annotated[str | None, about("One market by id, on ticker channels.")] = None
    market_ids: Annotated[list[str] | None, about("Several markets by id, instead.")] = None
    sid: Annotated[Number | None, about("The subscription that is meant.")] = None
    sids: Annotated[
        list[Number] | None,
        about("Subscriptions to end; in `update_subscription` exactly one, instead of `sid`."),
    ] = None
    action: Annotated[str | None, about("`add_markets`, `delete_markets` or `get_snapshot`.")] = (
        None
    )
    send_initial_snapshot: Annotated[
        bool | None, about("Show each market that is named as it stands, on ticker channels.")
    ] = None
    skip_ticker_ack: Annotated[
        bool | None, about("Leave the list of markets out of the replies about the subscription.")
    ] = None
    use_yes_price: Annotated[
        bool | None, about("Show NO levels of the book in YES prices; for good.")
    ] = None
    shard_factor: Annotated[
        Number | None,
        about("How many connections share the markets, 1 to 100, on `communications`."),
    ] = None
    shard_key: Annotated[
        Number | None, about("Which of them this one is, from 0 to `shard_factor` - 1.")
    ] = None


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

"""What answers a command (websocket.md, section 2). Owns the shapes, not when they are sent."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET

from augury.gateways.ws.errors import TEXTS, CommandError
from augury.gateways.ws.fields import (
    CommandId,
    MarketTicker,
    Maybe,
    Seq,
    Sid,
    about,
)

_encode: Final = msgspec.json.Encoder().encode


class SubscribedChannel(msgspec.Struct):
    """A channel and the number under which its messages come."""

    channel: str
    sid: Sid


class Subscribed(msgspec.Struct, kw_only=True):
    """A channel is subscribed to; its messages follow."""

    id: Maybe[CommandId] = UNSET
    type: Annotated[str, about("Always `subscribed`.")]
    msg: SubscribedChannel


class Unsubscribed(msgspec.Struct, kw_only=True):
    """A subscription is over: no message with its `sid` follows."""

    id: Maybe[CommandId] = UNSET
    sid: Sid
    seq: Maybe[Annotated[Seq, about("On channels that count their messages.")]] = UNSET
    type: Annotated[str, about("Always `unsubscribed`.")]


class Updated(msgspec.Struct, kw_only=True):
    """A subscription is now as asked for."""

    id: Maybe[CommandId] = UNSET
    sid: Sid
    seq: Maybe[Annotated[Seq, about("On channels that count their messages.")]] = UNSET
    type: Annotated[str, about("Always `ok`.")]
    market_tickers: Maybe[
        Annotated[
            list[MarketTicker],
            about("All markets of the subscription; absent for all and with `skip_ticker_ack`."),
        ]
    ] = UNSET


class Subscriptions(msgspec.Struct, kw_only=True):
    """All subscriptions of the connection."""

    id: Maybe[CommandId] = UNSET
    type: Annotated[str, about("Always `ok`.")]
    subscriptions: list[SubscribedChannel]


class Fault(msgspec.Struct):
    """What is wrong with a command."""

    code: Annotated[int, about("See the table of error codes.")]
    msg: Annotated[str, about("The text that belongs to the code.")]
    market_ticker: Maybe[Annotated[str, about("What was given and is no market.")]] = UNSET
    market_id: Maybe[Annotated[str, about("What was given and is no market.")]] = UNSET


class Refused(msgspec.Struct, kw_only=True):
    """A command changed nothing. Code 25 comes without a command, before the connection ends."""

    id: Maybe[CommandId] = UNSET
    sid: Maybe[Annotated[int, about("Which of the `sids` of `unsubscribe` is unknown.")]] = UNSET
    type: Annotated[str, about("Always `error`.")]
    msg: Fault


def subscribed(command_id: int | None, channel: str, sid: int) -> bytes:
    msg = SubscribedChannel(channel, sid)
    return _encode(Subscribed(id=command_id or UNSET, type="subscribed", msg=msg))


def unsubscribed(command_id: int | None, sid: int, seq: int | None) -> bytes:
    return _encode(
        Unsubscribed(id=command_id or UNSET, sid=sid, seq=seq or UNSET, type="unsubscribed")
    )


def updated(command_id: int | None, sid: int, seq: int | None, tickers: list[str] | None) -> bytes:
    """``tickers`` None leaves the list out."""
    reply = Updated(id=command_id or UNSET, sid=sid, seq=seq or UNSET, type="ok")
    if tickers is not None:
        reply.market_tickers = tickers
    return _encode(reply)


def subscriptions(command_id: int | None, found: list[SubscribedChannel]) -> bytes:
    return _encode(Subscriptions(id=command_id or UNSET, type="ok", subscriptions=found))


def refused(command_id: int | None, sid: int | None, error: CommandError) -> bytes:
    fault = Fault(error.code, TEXTS[error.code])
    if error.market_ticker is not None:
        fault.market_ticker = error.market_ticker
    if error.market_id is not None:
        fault.market_id = error.market_id
    reply = Refused(id=command_id or UNSET, type="error", msg=fault)
    if sid is not None:
        reply.sid = sid
    return _encode(reply)

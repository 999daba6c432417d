"""Commands as bytes, and back. Owns the tags and the order of fields in the log.

A command is a msgpack row ``[tag, field, field, ...]``. The table below is the format: a tag and
the place of a field never change and are never used again, because logs live longer than code. A
new field goes to the end and gets a default in its class, so that older rows stay readable. What
cannot be said that way is a new ``SCHEMA_VERSION``; every record carries the one it was written
with, and reading an unknown one is an error, never a guess.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

import msgspec

from augury.core import commands as c
from augury.core.commands import Command

SCHEMA_VERSION: Final = 1

FIELDS: Final[dict[int, tuple[type[Command], tuple[str, ...]]]] = {
    # Trading.
    1: (
        c.PlaceOrder,
        (
            "member_id",
            "subaccount",
            "market_ticker",
            "client_order_id",
            "action",
            "side",
            "price",
            "quantity",
            "time_in_force",
            "expiration_ns",
            "post_only",
            "reduce_only",
            "buy_max_cost",
            "self_trade_prevention",
            "order_group_id",
            "cancel_on_pause",
            "origin",
        ),
    ),
    2: (c.CancelOrder, ("member_id", "order_id", "subaccount", "request_id")),
    3: (
        c.AmendOrder,
        (
            "member_id",
            "order_id",
            "market_ticker",
            "action",
            "side",
            "price",
            "quantity",
            "client_order_id",
            "updated_client_order_id",
            "subaccount",
        ),
    ),
    4: (c.DecreaseOrder, ("member_id", "order_id", "reduce_by", "reduce_to", "subaccount")),
    5: (c.CreateOrderGroup, ("member_id", "subaccount", "contracts_limit")),
    6: (c.ResetOrderGroup, ("member_id", "order_group_id")),
    7: (c.TriggerOrderGroup, ("member_id", "order_group_id")),
    8: (c.SetOrderGroupLimit, ("member_id", "order_group_id", "contracts_limit")),
    9: (c.DeleteOrderGroup, ("member_id", "order_group_id")),
    # Members and money.
    20: (c.CreateMember, ("email", "usage_tier", "balance_precision")),
    21: (c.UpdateMember, ("member_id", "usage_tier", "suspended")),
    22: (c.AddApiKey, ("member_id", "name", "public_key_pem", "scopes", "profile", "subaccount")),
    23: (c.RemoveApiKey, ("member_id", "api_key_id")),
    24: (c.CreateSubaccount, ("member_id", "limit")),
    25: (c.Deposit, ("member_id", "subaccount", "amount", "reference")),
    26: (c.Withdraw, ("member_id", "subaccount", "amount", "reference")),
    27: (
        c.TransferBetweenSubaccounts,
        ("member_id", "from_subaccount", "to_subaccount", "amount", "client_transfer_id"),
    ),
    # Listing.
    40: (c.CreateSeries, ("ticker", "fee_type", "fee_multiplier_ppm", "details")),
    41: (c.UpdateSeries, ("ticker", "details")),
    42: (
        c.CreateEvent,
        ("ticker", "series_ticker", "mutually_exclusive", "collateral_return_type", "details"),
    ),
    43: (c.UpdateEvent, ("ticker", "details")),
    44: (
        c.CreateMarket,
        (
            "ticker",
            "event_ticker",
            "market_type",
            "open_ns",
            "close_ns",
            "expected_expiration_ns",
            "latest_expiration_ns",
            "settlement_timer_seconds",
            "can_close_early",
            "price_level_structure",
            "price_ranges",
            "fractional_trading_enabled",
            "is_provisional",
            "fee_waiver_expiration_ns",
            "details",
        ),
    ),
    45: (c.UpdateMarket, ("ticker", "details")),
    46: (c.SetPriceLevelStructure, ("ticker", "price_level_structure", "price_ranges")),
    # Lifecycle.
    60: (c.ChangeCloseTime, ("ticker", "close_ns")),
    61: (c.PauseMarket, ("ticker",)),
    62: (c.ReactivateMarket, ("ticker",)),
    63: (c.DetermineMarket, ("ticker", "result", "settlement_value", "expiration_value")),
    64: (c.DisputeMarket, ("ticker",)),
    65: (c.SetTradingPause, ("paused",)),
    66: (c.SetExchangePause, ("paused", "estimated_resume_ns")),
    67: (c.Tick, ()),
    # Descriptive data.
    80: (c.PublishAnnouncement, ("kind", "message", "status", "delivery_ns")),
    81: (c.SetSchedule, ("details",)),
    82: (c.PutDocument, ("kind", "key", "details")),
    83: (c.RemoveDocument, ("kind", "key")),
    # Requests for quotes.
    100: (
        c.CreateRfq,
        (
            "member_id",
            "subaccount",
            "market_ticker",
            "quantity",
            "target_cost",
            "rest_remainder",
            "replace_existing",
            "client_rfq_id",
            "origin",
        ),
    ),
    101: (c.DeleteRfq, ("member_id", "rfq_id")),
    102: (
        c.CreateQuote,
        (
            "member_id",
            "subaccount",
            "rfq_id",
            "yes_bid",
            "no_bid",
            "rest_remainder",
            "post_only",
            "client_quote_id",
            "origin",
        ),
    ),
    103: (c.DeleteQuote, ("member_id", "quote_id")),
    104: (
        c.AcceptQuote,
        ("member_id", "quote_id", "accepted_side", "client_order_id", "origin"),
    ),
    105: (c.ConfirmQuote, ("member_id", "quote_id", "client_order_id")),
    106: (
        c.ProposeBlockTrade,
        (
            "member_id",
            "buyer_member_id",
            "buyer_subaccount",
            "seller_member_id",
            "seller_subaccount",
            "market_ticker",
            "price",
            "quantity",
            "maker_side",
            "expiration_ns",
        ),
    ),
    107: (c.AcceptBlockTrade, ("member_id", "proposal_id", "subaccount")),
    # Combos.
    120: (
        c.CreateCollection,
        (
            "ticker",
            "series_ticker",
            "open_ns",
            "close_ns",
            "size_min",
            "size_max",
            "is_ordered",
            "associated_events",
            "details",
        ),
    ),
    121: (c.CreateCombo, ("member_id", "collection_ticker", "legs", "weekly_limit")),
    122: (c.LookUpCombo, ("member_id", "collection_ticker", "legs")),
    # Netting, fees, maintenance, clearing members.
    140: (c.SetNetting, ("member_id", "subaccount", "enabled")),
    141: (
        c.ScheduleFeeChange,
        ("series_ticker", "fee_type", "fee_multiplier_ppm", "scheduled_ns"),
    ),
    142: (c.SetMaintenanceWindows, ("windows",)),
    145: (c.SetStrikeOrder, ("event_ticker", "market_tickers", "below")),
    143: (c.CreateSubtrader, ("member_id", "subtrader_id")),
    144: (
        c.TransferPosition,
        (
            "member_id",
            "from_subaccount",
            "to_subaccount",
            "market_ticker",
            "quantity",
            "price",
            "client_transfer_id",
        ),
    ),
}


class CodecError(Exception):
    """The bytes are not what this version of Augury writes or reads."""


def _row_of(tag: int, names: tuple[str, ...]) -> Callable[[Command], tuple[Any, ...]]:
    """A function from a command to the tuple of its fields."""
    if len(names) > 1:
        many: Callable[[Command], tuple[Any, ...]] = attrgetter(*names)
        return many
    if names:
        one: Callable[[Command], Any] = attrgetter(names[0])
        return lambda command: (one(command),)
    return lambda command: ()


def _items(cls: type[Any], place: int) -> Callable[[list[Any]], Command]:
    """For a class whose field at ``place`` is a tuple."""

    def build(row: list[Any]) -> Command:
        row[place] = tuple(row[place])
        command: Command = cls(*row[1:])
        return command

    return build


def _rows(cls: type[Any], place: int) -> Callable[[list[Any]], Command]:
    """For a class whose field at ``place`` is a tuple of tuples."""

    def build(row: list[Any]) -> Command:
        row[place] = tuple([tuple(inner) for inner in row[place]])
        command: Command = cls(*row[1:])
        return command

    return build


_ROW_OF: Final = {cls: (tag, _row_of(tag, names)) for tag, (cls, names) in FIELDS.items()}

# Most commands are built by calling their class with the row. Only where a field is a tuple, which
# msgpack hands back as a list, is there something to convert first.
_CLASS_OF: Final[dict[int, type[Any]]] = {tag: cls for tag, (cls, names) in FIELDS.items()}
_BUILD: Final[dict[int, Callable[[list[Any]], Command]]] = {
    22: _items(c.AddApiKey, 4),
    145: _items(c.SetStrikeOrder, 2),
    44: _rows(c.CreateMarket, 11),
    46: _rows(c.SetPriceLevelStructure, 3),
    120: _rows(c.CreateCollection, 8),
    121: _rows(c.CreateCombo, 3),
    122: _rows(c.LookUpCombo, 3),
    142: _rows(c.SetMaintenanceWindows, 1),
}
for _tag in _BUILD:
    del _CLASS_OF[_tag]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], Any]] = msgspec.msgpack.Decoder().decode


def encode_command(command: Command) -> bytes:
    """The payload of a log record. Raises ``CodecError`` for what the log cannot hold."""
    try:
        tag, row_of = _ROW_OF[type(command)]
        return _encode((tag, *row_of(command)))
    except (KeyError, TypeError, OverflowError, ValueError) as error:
        raise CodecError(f"{type(command).__name__} cannot be logged: {error}") from error


def decode_command(payload: bytes, schema_version: int = SCHEMA_VERSION) -> Command:
    """The command in a record's payload. Raises ``CodecError``."""
    if schema_version != SCHEMA_VERSION:
        raise CodecError(
            f"schema version {schema_version} of the record is not known; "
            f"this version of Augury reads {SCHEMA_VERSION}"
        )
    tag: Any = None
    try:
        row = _decode(payload)
        tag = row[0]
        cls = _CLASS_OF.get(tag)
        if cls is not None:
            del row[0]
            command: Command = cls(*row)
            return command
        return _BUILD[tag](row)
    except KeyError:
        raise CodecError(f"command tag {tag} is not known to this version of Augury") from None
    except (msgspec.DecodeError, TypeError, ValueError, IndexError) as error:
        raise CodecError(f"the record does not hold a command: {error}") from error

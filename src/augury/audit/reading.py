"""The log as it lies on disk: batches of frames, chained by sha256, holding msgpack rows.

The layout is that of docs/log.md: a frame is the length of the payload, sequence, time, schema
version, rules version (little-endian, 4, 8, 8, 4 and 4 bytes), the payload, and sha256 over the
chain of the frame before and this frame. A payload is ``[tag, field, ...]``; the table below says
what the fields are called and what a field is that an older row does not have yet.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Any, Final

import msgspec

FRAME: Final = Struct("<IQQII")

KNOWN_SCHEMA: Final = 1
KNOWN_RULES: Final = 1

TABLE: Final[dict[int, tuple[str, str]]] = {
    1: (
        "PlaceOrder",
        (
            "member_id subaccount market_ticker client_order_id action side price quantity "
            "time_in_force=good_till_canceled expiration_ns=0 post_only=no reduce_only=no "
            "buy_max_cost=0 self_trade_prevention=taker_at_cross order_group_id=0 "
            "cancel_on_pause=no origin="
        ),
    ),
    2: ("CancelOrder", "member_id order_id subaccount=-1 request_id="),
    3: (
        "AmendOrder",
        (
            "member_id order_id market_ticker= action= side= price=0 quantity=0 client_order_id= "
            "updated_client_order_id= subaccount=-1"
        ),
    ),
    4: ("DecreaseOrder", "member_id order_id reduce_by=-1 reduce_to=-1 subaccount=-1"),
    5: ("CreateOrderGroup", "member_id subaccount contracts_limit"),
    6: ("ResetOrderGroup", "member_id order_group_id"),
    7: ("TriggerOrderGroup", "member_id order_group_id"),
    8: ("SetOrderGroupLimit", "member_id order_group_id contracts_limit"),
    9: ("DeleteOrderGroup", "member_id order_group_id"),
    20: ("CreateMember", "email usage_tier=basic balance_precision=10000"),
    21: ("UpdateMember", "member_id usage_tier suspended"),
    22: ("AddApiKey", "member_id name public_key_pem scopes profile= subaccount=-1"),
    23: ("RemoveApiKey", "member_id api_key_id"),
    24: ("CreateSubaccount", "member_id limit=32"),
    25: ("Deposit", "member_id subaccount amount reference="),
    26: ("Withdraw", "member_id subaccount amount reference="),
    27: (
        "TransferBetweenSubaccounts",
        "member_id from_subaccount to_subaccount amount client_transfer_id",
    ),
    40: ("CreateSeries", "ticker fee_type fee_multiplier_ppm details"),
    41: ("UpdateSeries", "ticker details"),
    42: ("CreateEvent", "ticker series_ticker mutually_exclusive collateral_return_type details"),
    43: ("UpdateEvent", "ticker details"),
    44: (
        "CreateMarket",
        (
            "ticker event_ticker market_type open_ns close_ns expected_expiration_ns "
            "latest_expiration_ns settlement_timer_seconds can_close_early price_level_structure "
            "price_ranges fractional_trading_enabled is_provisional fee_waiver_expiration_ns "
            "details"
        ),
    ),
    45: ("UpdateMarket", "ticker details"),
    46: ("SetPriceLevelStructure", "ticker price_level_structure price_ranges"),
    60: ("ChangeCloseTime", "ticker close_ns"),
    61: ("PauseMarket", "ticker"),
    62: ("ReactivateMarket", "ticker"),
    63: ("DetermineMarket", "ticker result settlement_value=0 expiration_value="),
    64: ("DisputeMarket", "ticker"),
    65: ("SetTradingPause", "paused"),
    66: ("SetExchangePause", "paused estimated_resume_ns=0"),
    67: ("Tick", ""),
    80: ("PublishAnnouncement", "kind message status delivery_ns"),
    81: ("SetSchedule", "details"),
    82: ("PutDocument", "kind key details"),
    83: ("RemoveDocument", "kind key"),
    100: (
        "CreateRfq",
        (
            "member_id subaccount market_ticker quantity target_cost rest_remainder "
            "replace_existing=no client_rfq_id= origin="
        ),
    ),
    101: ("DeleteRfq", "member_id rfq_id"),
    102: (
        "CreateQuote",
        (
            "member_id subaccount rfq_id yes_bid no_bid rest_remainder post_only=no "
            "client_quote_id= origin="
        ),
    ),
    103: ("DeleteQuote", "member_id quote_id"),
    104: ("AcceptQuote", "member_id quote_id accepted_side client_order_id= origin="),
    105: ("ConfirmQuote", "member_id quote_id client_order_id="),
    106: (
        "ProposeBlockTrade",
        (
            "member_id buyer_member_id buyer_subaccount seller_member_id seller_subaccount "
            "market_ticker price quantity maker_side expiration_ns"
        ),
    ),
    107: ("AcceptBlockTrade", "member_id proposal_id subaccount=-1"),
    120: (
        "CreateCollection",
        (
            "ticker series_ticker open_ns close_ns size_min size_max is_ordered associated_events "
            "details"
        ),
    ),
    121: ("CreateCombo", "member_id collection_ticker legs weekly_limit=0"),
    122: ("LookUpCombo", "member_id collection_ticker legs"),
    140: ("SetNetting", "member_id subaccount enabled"),
    141: ("ScheduleFeeChange", "series_ticker fee_type fee_multiplier_ppm scheduled_ns"),
    142: ("SetMaintenanceWindows", "windows"),
    143: ("CreateSubtrader", "member_id subtrader_id"),
    144: (
        "TransferPosition",
        "member_id from_subaccount to_subaccount market_ticker quantity price client_transfer_id",
    ),
    145: ("SetStrikeOrder", "event_ticker market_tickers below"),
}
"""Tag -> name of the command, its fields in order, each with its default where it has one."""


class Unreadable(Exception):
    """The log is damaged, or written by a version that this auditor does not know."""


class Entry:
    """One record of the log. ``entry.price`` is the command's field of that name."""

    def __init__(self, sequence: int, time_ns: int, command: str, fields: dict[str, Any]) -> None:
        self.sequence = sequence
        self.time_ns = time_ns
        self.command = command
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(f"{self.command} has no field {name}") from None


def read_log(file: Path) -> Iterator[Entry]:
    """Every record of a log or backup that was there when reading began, each link verified.

    May be used beside an exchange that writes to the log. Raises ``Unreadable``.
    """
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
            yield from _frames(db)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: {error}") from error


def _frames(db: sqlite3.Connection) -> Iterator[Entry]:
    (last,) = db.execute("SELECT max(first_sequence) FROM batches").fetchone()
    chain = bytes(32)
    expected = 1
    while last is not None and expected <= last:
        # One short read at a time: a long one would keep the writer from tidying up.
        row = db.execute(
            "SELECT records FROM batches WHERE first_sequence = ?", (expected,)
        ).fetchone()
        if row is None or not isinstance(row[0], bytes):
            raise Unreadable(f"record {expected} is missing")
        data = row[0]
        position = 0
        while position < len(data):
            try:
                length, sequence, time_ns, schema, rules = FRAME.unpack_from(data, position)
            except Exception as error:
                raise Unreadable(f"record {expected} is cut short") from error
            end = position + FRAME.size + length
            if sha256(chain + data[position:end]).digest() != data[end : end + 32]:
                raise Unreadable(f"record {expected} does not match its checksum")
            if sequence != expected:
                raise Unreadable(f"record {sequence} stands in the place of {expected}")
            chain = data[end : end + 32]
            yield decode(sequence, time_ns, schema, rules, data[position + FRAME.size : end])
            position = end + 32
            expected += 1


def decode(sequence: int, time_ns: int, schema: int, rules: int, payload: bytes) -> Entry:
    """The entry of one record. Raises ``Unreadable``."""
    if schema != KNOWN_SCHEMA or rules != KNOWN_RULES:
        raise Unreadable(f"record {sequence} has schema {schema} and rules {rules}")
    try:
        tag, *values = msgspec.msgpack.decode(payload)
        command, described = TABLE[tag]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"record {sequence} holds no known command: {error}") from error
    fields = {}
    for index, field in enumerate(described.split()):
        name, has_default, default = field.partition("=")
        if index < len(values):
            fields[name] = values[index]
        elif has_default:
            fields[name] = _default(default)
        else:
            raise Unreadable(f"record {sequence}: {command} lacks {name}")
    if len(values) > len(fields):
        raise Unreadable(f"record {sequence}: {command} has fields of a later version")
    return Entry(sequence, time_ns, command, fields)


def _default(text: str) -> Any:
    if text.lstrip("-").isdecimal():
        return int(text)
    return False if text == "no" else text

"""The fields of the FIX dialect: tag, name, type and the values that a field may have.

One table for the codec's checks, the dictionary that clients load, and the documentation. What a
field means in a message is said where the message is handled.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Field:
    """``type`` is FIX's own name of it. ``values`` are those allowed, with a name each; empty
    when anything of the type is. ``pattern`` narrows the type further."""

    tag: int
    name: str
    type: str
    values: Mapping[str, str] = field(default_factory=lambda: _NONE)
    pattern: str = ""


_UUID: Final = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_EXEC_ID: Final = r"\d{1,15};\d{1,15}(?:;\d{1,4})?"
_CLIENT_ID: Final = r"[-A-Za-z0-9_:+=/]{1,64}"
_SMALL: Final = r"\d{1,3}"

PATTERNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "STRING": r"[^\x00-\x1f]{1,4096}",
        "EXCHANGE": r"[^\x00-\x1f]{1,64}",
        "CURRENCY": r"[A-Z]{3}",
        "DATA": r"(?s:.{1,8192})",
        "CHAR": r"[^\x00-\x1f]",
        "BOOLEAN": "[YN]",
        "INT": r"-?\d{1,15}",
        "LENGTH": r"\d{1,9}",
        "SEQNUM": r"\d{1,15}",
        "NUMINGROUP": r"\d{1,6}",
        "PRICE": r"-?\d{1,15}(?:\.\d{1,9})?",
        "QTY": r"\d{1,15}(?:\.\d{1,9})?",
        "AMT": r"-?\d{1,15}(?:\.\d{1,9})?",
        "LOCALMKTDATE": r"[1-9]\d{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])",
        "UTCTIMESTAMP": (
            r"[1-9]\d{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
            r"-(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
        ),
    }
)
"""What a value of each type looks like, whole."""

_YES_NO: Final = ("Y", "N")

_TABLE: Final[tuple[tuple[int, str, str] | tuple[int, str, str, dict[str, str] | str], ...]] = (
    # Frame, header and trailer.
    (8, "BeginString", "STRING"),
    (9, "BodyLength", "LENGTH"),
    (10, "CheckSum", "STRING", r"\d{3}"),
    (34, "MsgSeqNum", "SEQNUM"),
    (35, "MsgType", "STRING"),
    (43, "PossDupFlag", "BOOLEAN"),
    (49, "SenderCompID", "STRING"),
    (50, "SenderSubID", "STRING"),
    (52, "SendingTime", "UTCTIMESTAMP"),
    (56, "TargetCompID", "STRING"),
    (57, "TargetSubID", "STRING"),
    (97, "PossResend", "BOOLEAN"),
    (115, "OnBehalfOfCompID", "STRING"),
    (122, "OrigSendingTime", "UTCTIMESTAMP"),
    (128, "DeliverToCompID", "STRING"),
    (142, "SenderLocationID", "STRING"),
    (369, "LastMsgSeqNumProcessed", "SEQNUM"),
    (1128, "ApplVerID", "STRING"),
    (1129, "CstmApplVerID", "STRING"),
    (1156, "ApplExtID", "INT"),
    # Session messages.
    (7, "BeginSeqNo", "SEQNUM"),
    (16, "EndSeqNo", "SEQNUM"),
    (36, "NewSeqNo", "SEQNUM"),
    (45, "RefSeqNum", "SEQNUM"),
    (58, "Text", "STRING"),
    (95, "RawDataLength", "LENGTH"),
    (96, "RawData", "DATA"),
    (98, "EncryptMethod", "INT", {"0": "NONE_OTHER"}),
    (108, "HeartBtInt", "INT"),
    (112, "TestReqID", "STRING"),
    (123, "GapFillFlag", "BOOLEAN"),
    (141, "ResetSeqNumFlag", "BOOLEAN"),
    (371, "RefTagID", "INT"),
    (372, "RefMsgType", "STRING"),
    (
        373,
        "SessionRejectReason",
        "INT",
        {
            "0": "INVALID_TAG_NUMBER",
            "1": "REQUIRED_TAG_MISSING",
            "2": "TAG_NOT_DEFINED_FOR_THIS_MESSAGE_TYPE",
            "3": "UNDEFINED_TAG",
            "4": "TAG_SPECIFIED_WITHOUT_A_VALUE",
            "5": "VALUE_IS_INCORRECT",
            "6": "INCORRECT_DATA_FORMAT_FOR_VALUE",
            "7": "DECRYPTION_PROBLEM",
            "8": "SIGNATURE_PROBLEM",
            "9": "COMPID_PROBLEM",
            "10": "SENDINGTIME_ACCURACY_PROBLEM",
            "11": "INVALID_MSGTYPE",
            "13": "TAG_APPEARS_MORE_THAN_ONCE",
            "14": "TAG_SPECIFIED_OUT_OF_REQUIRED_ORDER",
            "15": "REPEATING_GROUP_FIELDS_OUT_OF_ORDER",
            "16": "INCORRECT_NUMINGROUP_COUNT_FOR_REPEATING_GROUP",
            "17": "NON_DATA_VALUE_INCLUDES_FIELD_DELIMITER",
        },
    ),
    (379, "BusinessRejectRefID", "STRING"),
    (
        380,
        "BusinessRejectReason",
        "INT",
        {
            "0": "OTHER",
            "1": "UNKNOWN_ID",
            "2": "UNKNOWN_SECURITY",
            "3": "UNSUPPORTED_MESSAGE_TYPE",
            "4": "APPLICATION_NOT_AVAILABLE",
            "5": "CONDITIONALLY_REQUIRED_FIELD_MISSING",
            "6": "NOT_AUTHORIZED",
            "8": "RATE_LIMIT_EXCEEDED",
        },
    ),
    (464, "TestMessageIndicator", "BOOLEAN"),
    (789, "NextExpectedMsgSeqNum", "SEQNUM"),
    (383, "MaxMessageSize", "LENGTH"),
    (553, "Username", "STRING"),
    (554, "Password", "STRING"),
    (1137, "DefaultApplVerID", "STRING"),
    (1407, "DefaultApplExtID", "INT"),
    (1408, "DefaultCstmApplVerID", "STRING"),
    # Logon options of the exchange.
    (8013, "CancelOrdersOnDisconnect", "BOOLEAN"),
    (20126, "ListenerSession", "BOOLEAN"),
    (20127, "ReceiveSettlementReports", "BOOLEAN"),
    (20200, "MessageRetentionPeriod", "INT"),
    (21005, "UseDollars", "BOOLEAN"),
    (21007, "EnableIocCancelReport", "BOOLEAN"),
    (21008, "PreserveOriginalOrderQty", "BOOLEAN"),
    (21011, "SkipPendingExecReports", "BOOLEAN"),
    (21012, "UseExpiredOrdStatus", "BOOLEAN"),
    (21026, "AlwaysEmitNewBeforeTrade", "BOOLEAN"),
    (21027, "SplitCollateralReturn", "BOOLEAN"),
    # Orders and their reports.
    (6, "AvgPx", "PRICE"),
    (11, "ClOrdID", "STRING", _CLIENT_ID),
    (14, "CumQty", "QTY"),
    (17, "ExecID", "STRING"),
    (18, "ExecInst", "CHAR", {"6": "PARTICIPATE_DONT_INITIATE"}),
    (30, "LastMkt", "EXCHANGE"),
    (31, "LastPx", "PRICE"),
    (32, "LastQty", "QTY"),
    (37, "OrderID", "STRING"),
    (38, "OrderQty", "QTY"),
    (
        39,
        "OrdStatus",
        "CHAR",
        {
            "0": "NEW",
            "1": "PARTIALLY_FILLED",
            "2": "FILLED",
            "4": "CANCELED",
            "5": "REPLACED",
            "6": "PENDING_CANCEL",
            "8": "REJECTED",
            "A": "PENDING_NEW",
            "C": "EXPIRED",
            "E": "PENDING_REPLACE",
        },
    ),
    (40, "OrdType", "CHAR", {"2": "LIMIT"}),
    (41, "OrigClOrdID", "STRING", _CLIENT_ID),
    (44, "Price", "PRICE"),
    (54, "Side", "CHAR", {"1": "BUY", "2": "SELL"}),
    (55, "Symbol", "STRING"),
    (
        59,
        "TimeInForce",
        "CHAR",
        {
            "0": "DAY",
            "1": "GOOD_TILL_CANCEL",
            "3": "IMMEDIATE_OR_CANCEL",
            "4": "FILL_OR_KILL",
            "6": "GOOD_TILL_DATE",
        },
    ),
    (60, "TransactTime", "UTCTIMESTAMP"),
    (79, "AllocAccount", "INT", _SMALL),
    (100, "ExDestination", "INT"),
    (
        102,
        "CxlRejReason",
        "INT",
        {
            "0": "TOO_LATE_TO_CANCEL",
            "1": "UNKNOWN_ORDER",
            "2": "BROKER_OPTION",
            "6": "DUPLICATE_CLORDID",
            "18": "INVALID_PRICE_INCREMENT",
            "99": "OTHER",
        },
    ),
    (
        103,
        "OrdRejReason",
        "INT",
        {
            "1": "UNKNOWN_SYMBOL",
            "2": "EXCHANGE_CLOSED",
            "3": "ORDER_EXCEEDS_LIMIT",
            "4": "TOO_LATE_TO_ENTER",
            "6": "DUPLICATE_ORDER",
            "8": "STALE_ORDER",
            "11": "UNSUPPORTED_ORDER_CHARACTERISTIC",
            "13": "INCORRECT_QUANTITY",
            "15": "UNKNOWN_ACCOUNT",
            "99": "OTHER",
        },
    ),
    (126, "ExpireTime", "UTCTIMESTAMP"),
    (136, "NoMiscFees", "NUMINGROUP"),
    (137, "MiscFeeAmt", "AMT"),
    (138, "MiscFeeCurr", "CURRENCY"),
    (139, "MiscFeeType", "STRING", {"4": "EXCHANGE_FEES"}),
    (
        150,
        "ExecType",
        "CHAR",
        {
            "0": "NEW",
            "4": "CANCELED",
            "5": "REPLACED",
            "6": "PENDING_CANCEL",
            "8": "REJECTED",
            "A": "PENDING_NEW",
            "C": "EXPIRED",
            "E": "PENDING_REPLACE",
            "F": "TRADE",
        },
    ),
    (151, "LeavesQty", "QTY"),
    (434, "CxlRejResponseTo", "CHAR", {"1": "ORDER_CANCEL", "2": "ORDER_CANCEL_REPLACE"}),
    (448, "PartyID", "STRING"),
    (447, "PartyIDSource", "CHAR"),
    (
        452,
        "PartyRole",
        "INT",
        {"24": "CUSTOMER_ACCOUNT", "35": "LIQUIDITY_PROVIDER"},
    ),
    (453, "NoPartyIDs", "NUMINGROUP"),
    (526, "SecondaryClOrdID", "STRING", _UUID),
    (530, "MassCancelRequestType", "CHAR"),
    (
        531,
        "MassCancelResponse",
        "CHAR",
        {"0": "CANCEL_REQUEST_REJECTED", "6": "CANCEL_FOR_SESSION"},
    ),
    (532, "MassCancelRejectReason", "INT", {"0": "NOT_SUPPORTED", "99": "OTHER"}),
    (704, "LongQty", "QTY"),
    (705, "ShortQty", "QTY"),
    (880, "TrdMatchID", "STRING"),
    (891, "MiscFeeBasis", "INT", {"0": "ABSOLUTE"}),
    (1057, "AggressorIndicator", "BOOLEAN"),
    (1703, "NoCollateralAmountChanges", "NUMINGROUP"),
    (1704, "CollateralAmountChange", "AMT"),
    (1705, "CollateralAmountType", "STRING", {"BALANCE": "BALANCE", "PAYOUT": "PAYOUT"}),
    (
        2964,
        "SelfTradePreventionType",
        "INT",
        {"1": "TAKER_AT_CROSS", "2": "MAKER"},
    ),
    (21006, "CancelOrderOnPause", "BOOLEAN"),
    (21009, "MaxExecutionCost", "AMT"),
    (21030, "SingleMarketCollateralReturn", "AMT"),
    (21031, "RangedMarketCollateralReturn", "AMT"),
    # Order groups.
    (20130, "OrderGroupID", "STRING", _UUID),
    (
        20131,
        "OrderGroupAction",
        "INT",
        {"1": "CREATE", "2": "RESET", "3": "DELETE", "4": "TRIGGER", "5": "UPDATE"},
    ),
    (20132, "OrderGroupContractsLimit", "INT"),
    # Requests for quotes.
    (117, "QuoteID", "STRING"),
    (131, "QuoteReqID", "STRING", r"[^\x00-\x1f]{1,64}"),
    (132, "BidPx", "PRICE"),
    (133, "OfferPx", "PRICE"),
    (134, "BidSize", "QTY"),
    (135, "OfferSize", "QTY"),
    (146, "NoRelatedSym", "NUMINGROUP"),
    (152, "CashOrderQty", "AMT"),
    (
        297,
        "QuoteStatus",
        "INT",
        {
            "0": "ACCEPTED",
            "1": "CONFIRM_REJECTED",
            "5": "REJECTED",
            "10": "PENDING",
            "17": "CANCELED",
        },
    ),
    (298, "QuoteCancelType", "INT", {"0": "CANCELED", "1": "REJECTED"}),
    (303, "QuoteRequestType", "INT", {"1": "MANUAL"}),
    (
        658,
        "QuoteRequestRejectReason",
        "INT",
        {"1": "UNKNOWN_SYMBOL", "3": "EXCEEDS_LIMIT", "11": "INSUFFICIENT_CREDIT", "99": "OTHER"},
    ),
    (20180, "MultivariateCollectionTicker", "STRING"),
    (20181, "NoMultivariateSelectedLegs", "NUMINGROUP"),
    (20182, "MultivariateSelectedEventTicker", "STRING"),
    (20183, "MultivariateSelectedMarketTicker", "STRING"),
    (20184, "MultivariateSelectedSide", "STRING", {"yes": "YES", "no": "NO"}),
    (20185, "NoOffendingLegs", "NUMINGROUP"),
    (20186, "OffendingLegTicker", "STRING"),
    (20187, "QuoteRequestRejectCode", "STRING"),
    (21010, "QuoteConfirmResult", "INT", {"0": "ACCEPTED", "1": "REJECTED"}),
    (21013, "RFQCancelResult", "INT", {"0": "CANCELED", "1": "REJECTED", "2": "EXPIRED"}),
    (21015, "RestRemainder", "BOOLEAN"),
    (21016, "ReplaceExisting", "BOOLEAN"),
    (21022, "PreferBetterQuote", "BOOLEAN"),
    (21023, "RfqID", "STRING", _UUID),
    (21024, "AcceptedQuoteID", "STRING"),
    (21025, "AcceptQuoteResult", "INT", {"0": "ACCEPTED", "1": "REJECTED"}),
    # Drop copy.
    (21001, "BeginExecID", "STRING", _EXEC_ID),
    (21002, "EndExecID", "STRING", _EXEC_ID),
    (21003, "ResentEventCount", "INT"),
    (
        21004,
        "EventResendRejectReason",
        "INT",
        {
            "1": "TOO_MANY_RESEND_REQUESTS",
            "2": "SERVER_ERROR",
            "3": "BEGIN_EXEC_ID_TOO_SMALL",
            "4": "END_EXEC_ID_TOO_LARGE",
        },
    ),
    # Settlement reports.
    (715, "ClearingBusinessDate", "LOCALMKTDATE"),
    (730, "SettlementPrice", "PRICE"),
    (893, "LastFragment", "BOOLEAN"),
    (20105, "MarketSettlementReportID", "STRING"),
    (20106, "TotNumMarketSettlementReports", "INT"),
    (
        20107,
        "MarketResult",
        "STRING",
        {"yes": "YES", "no": "NO", "scalar": "SCALAR", "void": "VOID"},
    ),
    (20108, "NoMarketSettlementPartyIDs", "NUMINGROUP"),
    (20109, "MarketSettlementPartyID", "STRING"),
    (20110, "MarketSettlementPartyRole", "INT", {"24": "CUSTOMER_ACCOUNT"}),
    # Fields of the standard that engines add to orders by habit; they are accepted and ignored.
    (1, "Account", "STRING"),
    (15, "Currency", "CURRENCY"),
    (21, "HandlInst", "CHAR"),
    (22, "SecurityIDSource", "STRING"),
    (48, "SecurityID", "STRING"),
    (63, "SettlType", "STRING"),
    (64, "SettlDate", "LOCALMKTDATE"),
    (65, "SymbolSfx", "STRING"),
    (77, "PositionEffect", "CHAR"),
    (107, "SecurityDesc", "STRING"),
    (109, "ClientID", "STRING"),
    (110, "MinQty", "QTY"),
    (111, "MaxFloor", "QTY"),
    (167, "SecurityType", "STRING"),
    (168, "EffectiveTime", "UTCTIMESTAMP"),
    (200, "MaturityMonthYear", "STRING"),
    (207, "SecurityExchange", "EXCHANGE"),
    (423, "PriceType", "INT"),
    (432, "ExpireDate", "LOCALMKTDATE"),
    (460, "Product", "INT"),
    (461, "CFICode", "STRING"),
    (528, "OrderCapacity", "CHAR"),
    (529, "OrderRestrictions", "STRING"),
    (537, "QuoteType", "INT"),
    (541, "MaturityDate", "LOCALMKTDATE"),
    (581, "AccountType", "INT"),
    (582, "CustOrderCapacity", "INT"),
    (583, "ClOrdLinkID", "STRING"),
    (660, "AcctIDSource", "INT"),
    (693, "QuoteRespID", "STRING"),
    (854, "QtyType", "INT"),
    (1028, "ManualOrderIndicator", "BOOLEAN"),
    (1031, "CustOrderHandlingInst", "STRING"),
)


def _field(row: tuple[object, ...]) -> Field:
    tag, name, kind = row[:3]
    assert isinstance(tag, int)
    assert isinstance(name, str)
    assert isinstance(kind, str)
    more = row[3] if len(row) > 3 else None
    if isinstance(more, dict):
        return Field(tag, name, kind, MappingProxyType(more))
    return Field(tag, name, kind, _NONE, more if isinstance(more, str) else "")


FIELDS: Final[Mapping[int, Field]] = MappingProxyType({row[0]: _field(row) for row in _TABLE})
"""All fields of the dialect by tag. A tag that is not here is undefined."""


def pattern_of(known: Field) -> re.Pattern[str]:
    """What the field's text must match whole, values aside."""
    return re.compile(known.pattern or PATTERNS[known.type], re.ASCII)

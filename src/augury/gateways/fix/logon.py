"""The checks of a Logon, in the documented order (fix.md, section 3).

Decides who it is and what they chose; whether the session is free and the number right is for the
acceptor and the session to say.
"""

from typing import Final

from augury.gateways.auth import READ, AuthenticationError, Authenticator, Principal
from augury.gateways.fix.codec import Message, parse_timestamp
from augury.gateways.fix.dictionary import APPLICATION_VERSION, BY_COMP_ID, Kind
from augury.gateways.fix.session import NANOS, LogonOptions
from augury.gateways.fix.validation import problem_of

SHORTEST_HEARTBEAT: Final = 4
DEFAULT_RETENTION_HOURS: Final = 24
LONGEST_RETENTION_HOURS: Final = 72


class LogonRefused(Exception):
    """Answered with a Logout whose Text is that of the exception, then the connection closes."""


def check_logon(
    message: Message,
    kind: Kind,
    authenticator: Authenticator,
    now_ns: int,
    tolerance_seconds: int,
) -> tuple[Principal, LogonOptions]:
    """Who logs on to a session of ``kind``, and how. Raises ``LogonRefused``."""
    key_text = (message.get(49) or "").encode("latin-1")
    try:
        principal = authenticator.principal(key_text)
    except AuthenticationError:
        raise LogonRefused("INVALID_API_KEY") from None
    target = message.get(56) or ""
    if target != kind.comp_id:
        known = target in BY_COMP_ID
        raise LogonRefused("TargetCompID does not match port" if known else "unknown TargetCompID")
    problem = problem_of(message)
    if problem is not None:
        raise LogonRefused(f"{problem.text} ({problem.tag})" if problem.tag else problem.text)
    if message.get(1137) != APPLICATION_VERSION:
        raise LogonRefused("DefaultApplVerID must be 9")
    heartbeat = int(message.get(108) or "0")
    if heartbeat < SHORTEST_HEARTBEAT:
        raise LogonRefused("HeartBtInt out of range")
    sending_ns = parse_timestamp(message.get(52) or "")
    if sending_ns is None or abs(now_ns - sending_ns) > tolerance_seconds * NANOS:
        raise LogonRefused("SENDING_TIME_ACCURACY")
    _check_signature(message, authenticator, key_text)
    options = _options(message, kind, heartbeat)
    if not kind.retransmission and not options.reset:
        raise LogonRefused("RESET_SEQ_NUM_REQUIRED")
    if options.listener:
        _check_listener(kind, options)
    if READ not in principal.scopes and (options.listener or kind in (Kind.DC, Kind.PT)):
        raise LogonRefused("INSUFFICIENT_SCOPE")
    return principal, options


def _check_signature(message: Message, authenticator: Authenticator, key_text: bytes) -> None:
    signature = (message.get(96) or "").encode("latin-1")
    length = message.get(95)
    if length is not None and int(length) != len(signature):
        raise LogonRefused("RawDataLength is not the length of RawData")
    # The texts exactly as they were sent, so that any notation of the time will do.
    content = "\x01".join(message.get(tag) or "" for tag in (52, 35, 34, 49, 56))
    if not signature or not authenticator.has_signed(
        key_text, signature, content.encode("latin-1")
    ):
        raise LogonRefused("INVALID_SIGNATURE")


def _options(message: Message, kind: Kind, heartbeat: int) -> LogonOptions:
    retention = int(message.get(20200) or DEFAULT_RETENTION_HOURS)
    if not 1 <= retention <= LONGEST_RETENTION_HOURS:
        raise LogonRefused("MessageRetentionPeriod out of range")
    skip_pending = message.is_yes(21011)
    if not skip_pending and message.get(21003) == "Y":
        skip_pending = True
    return LogonOptions(
        heartbeat_seconds=heartbeat,
        reset=message.is_yes(141),
        cancel_on_disconnect=message.is_yes(8013),
        listener=message.is_yes(20126),
        settlement_reports=message.is_yes(20127, default=kind is Kind.PT),
        retention_hours=retention,
        use_dollars=message.is_yes(21005),
        ioc_cancel_report=message.is_yes(21007),
        preserve_quantity=message.is_yes(21008),
        skip_pending=skip_pending,
        use_expired_status=message.is_yes(21012),
        new_before_trade=message.is_yes(21026),
        split_collateral=message.is_yes(21027),
    )


def _check_listener(kind: Kind, options: LogonOptions) -> None:
    if kind not in (Kind.NR, Kind.RT):
        raise LogonRefused("LISTENER_NOT_SUPPORTED")
    if not options.skip_pending:
        raise LogonRefused("LISTENER_REQUIRES_SKIP_PENDING")
    if options.cancel_on_disconnect:
        raise LogonRefused("LISTENER_CANNOT_CANCEL_ON_DISCONNECT")

"""The settings of a server: what can be chosen, and who wins when several places choose.

A flag beats the environment (``AUGURY_PORT``), which beats the TOML file (``port = 8080``, named
by ``--config`` or ``AUGURY_CONFIG``), which beats the default. The same name is used in all
places. A value that cannot be read stops the start and names its place; an unknown name in the
file does too, because a misspelt setting that is silently ignored is the worst kind.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

PREFIX: Final = "AUGURY_"
CONFIG_VARIABLE: Final = "AUGURY_CONFIG"

# Named the same way but read by the command line and the tests, not by the server.
NOT_SETTINGS: Final = frozenset({"config", "url", "seed", "compile", "hypothesis_profile"})


class SettingsError(Exception):
    """A setting cannot be used. The text names the place, the setting, and what would do."""


def _setting(default: Any, text: str, *, at_least: int | None = None) -> Any:
    """A field with its explanation, which the help, the documentation and errors share."""
    metadata = {"text": text, "at_least": at_least}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be chosen about one server process."""

    data: Path = _setting(Path("data/main"), "Directory of the log, snapshots and history.")
    host: str = _setting("127.0.0.1", "Address to listen on; the default is this machine only.")
    port: int = _setting(8080, "Port to listen on; 0 picks a free one.", at_least=0)
    world: str = _setting("", "World file, or the name of a shipped one such as `demo`.")
    live: bool | None = _setting(
        None,
        "Let the world live: its bots trade, rolling events go on, truths come out. "
        "Default: it does with the real clock.",
    )
    maintenance: bool | None = _setting(
        None,
        "Pause trading in the weekly maintenance, Thursday 03:00 to 05:00 Eastern Time. "
        "Default: with the real clock.",
    )
    clock: Literal["real", "virtual"] = _setting(
        "real", "`virtual` stands still until the operator moves it."
    )
    clock_start: str = _setting(
        "", "Where a virtual clock of an empty log begins (RFC 3339); empty means now."
    )
    profile: Literal["legacy", "3.6", "latest"] = _setting(
        "3.6", "Generation of clients that answers are shaped for, unless key or header says."
    )
    rate_limits: bool = _setting(True, "Refuse requests beyond the limits of a member's tier.")
    rate_limit_model: Literal["requests", "tokens"] = _setting(
        "requests", "What limits count: requests, or tokens as the real service does later."
    )
    signature_window_seconds: int = _setting(
        30, "How far a request's timestamp may be from the server's clock.", at_least=1
    )
    websocket_anonymous: bool = _setting(
        True, "Let in streams that are not signed, for public channels only."
    )
    websocket_public_orderbook: bool = _setting(
        False, "Open the channel orderbook_delta to streams that are not signed."
    )
    websocket_ticker_v2: bool = _setting(
        True, "Offer the channel ticker_v2, which the real service has removed."
    )
    websocket_connections: int = _setting(
        200,
        "Streams that one member may have open, or one address when they are not signed.",
        at_least=1,
    )
    websocket_queue_bytes: int = _setting(
        8_388_608,
        "What may wait for a stream that reads too slowly before it is closed.",
        at_least=65_536,
    )
    websocket_queue_messages: int = _setting(
        20_000, "The same in messages; whichever comes first.", at_least=100
    )
    websocket_ping_seconds: int = _setting(
        10, "How often a stream is asked whether it is still there.", at_least=1
    )
    websocket_idle_seconds: int = _setting(
        30, "How long a stream may send nothing, not even an answer to that.", at_least=2
    )
    websocket_markets: int = _setting(
        500_000, "Markets that the subscriptions of one stream may name.", at_least=1
    )
    websocket_commands_per_second: int = _setting(
        10_000, "Commands of one stream; each market that is named counts as one.", at_least=1
    )
    connections: int = _setting(
        20_000, "Connections that may be open at once, streams included.", at_least=1
    )
    connections_per_address: int = _setting(
        10_000, "The same from one address; a proxy in front is one address.", at_least=1
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "Addresses or networks of proxies in front, whose X-Forwarded-For and -Proto are believed.",
    )
    request_timeout_seconds: int = _setting(
        30,
        "How long the head of a request, then its body, may take to arrive, and how long an answer "
        "may wait for a client that reads nothing.",
        at_least=1,
    )
    operator_token_file: Path | None = _setting(
        None, "File with the operator's token; made when missing. Default: in the data directory."
    )
    tls: bool = _setting(False, "Serve https and wss.")
    tls_cert: Path | None = _setting(None, "Certificate chain (PEM); needs tls_key.")
    tls_key: Path | None = _setting(None, "Private key of tls_cert (PEM).")
    tls_hosts: tuple[str, ...] = _setting(
        (), "Further host names and addresses for the certificate that Augury makes itself."
    )
    fix: bool = _setting(True, "Serve FIX sessions.")
    fix_port: int | None = _setting(
        None,
        "First of five ports for FIX in a row: KalshiNR, KalshiDC, KalshiRT, KalshiPT, KalshiRFQ; "
        "0 picks free ones. Default: 8228, or no FIX and a warning when that is taken.",
        at_least=0,
    )
    fix_plain: bool = _setting(False, "FIX over plain TCP instead of TLS.")
    fix_certificate: Path | None = _setting(
        None,
        "Certificate chain for FIX (PEM); needs fix_key. Default: that of https, or an own one.",
    )
    fix_key: Path | None = _setting(None, "Private key of fix_certificate (PEM).")
    fix_sender: Literal["target", "Kalshi"] = _setting(
        "target", "SenderCompID of FIX messages: the client's TargetCompID, or `Kalshi`."
    )
    fix_sending_time_tolerance: int = _setting(
        120,
        "How many seconds SendingTime of FIX may be off; the later service allows 30.",
        at_least=1,
    )
    history_url: str = _setting(
        "", "Database of the history, as SQLAlchemy writes it. Default: SQLite in the data."
    )
    snapshot_every_records: int = _setting(
        100_000, "Take a snapshot after so many records; 0 never.", at_least=0
    )
    snapshot_every_minutes: int = _setting(
        10,
        "Take a snapshot after so many minutes in which something happened; 0 never.",
        at_least=0,
    )
    verify_log: bool = _setting(
        True, "Check the whole log at the start, not only what follows the newest snapshot."
    )
    stop_timeout_seconds: int = _setting(
        10, "How long a graceful stop may wait for requests in flight.", at_least=0
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "What is worth a line on standard error."
    )
    log_format: Literal["json", "text"] = _setting("json", "One JSON object per line, or prose.")
    access_log: bool = _setting(False, "A line for each request, not only for those that failed.")

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def lives(self) -> bool:
        return self.clock == "real" if self.live is None else self.live

    @property
    def maintains(self) -> bool:
        return self.clock == "real" if self.maintenance is None else self.maintenance

    @property
    def on_this_machine_only(self) -> bool:
        return self.host in {"127.0.0.1", "::1", "localhost"}

    @property
    def token_path(self) -> Path:
        return self.operator_token_file or self.data / "operator.token"


def describe() -> list[tuple[str, str, str]]:
    """(name, default as text, explanation) of every setting, in the order of this file."""
    return [(item.name, _as_text(item.default), item.metadata["text"]) for item in fields(Settings)]


def settings_table() -> str:
    """The settings as a table for the documentation."""
    rows = [f"| `{name}` | {default} | {text} |" for name, default, text in describe()]
    return "\n".join(["| Setting | Default | Meaning |", "|---|---|---|", *rows])


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Bring the four places together.

    ``flags`` holds only what was given (None counts as not given). ``config`` wins over
    ``AUGURY_CONFIG``. Raises ``SettingsError``.
    """
    environment = environment or {}
    chosen: dict[str, Any] = {}
    path = config or (Path(p) if (p := environment.get(CONFIG_VARIABLE)) else None)
    if path is not None:
        chosen.update(_from_file(path))
    chosen.update(_from_environment(environment))
    for name, value in (flags or {}).items():
        if value is not None:
            chosen[name] = _convert(name, value, f"--{name.replace('_', '-')}")
    settings = Settings(**chosen)
    _check_together(settings)
    return settings


def _from_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    hints = _hints()
    found: dict[str, Any] = {}
    for name, value in content.items():
        if name not in hints:
            raise SettingsError(f"{path}: there is no setting `{name}`{_similar(name, hints)}")
        found[name] = _convert(name, value, f"{path}: {name}")
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    hints = _hints()
    found: dict[str, Any] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        # An unknown variable may belong to something around the server, so it does no harm.
        if name in hints and name not in NOT_SETTINGS:
            found[name] = _convert(name, environment[variable], variable)
    return found


def _convert(name: str, value: Any, place: str) -> Any:
    """Turn what was written into the type of the setting; ``place`` goes into the error."""
    hint = _hints()[name]
    if hint in (bool, bool | None):
        return _boolean(value, place)
    if hint in (int, int | None):
        return _whole_number(name, value, place)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        # TOML would read an unquoted 3.6 as a number.
        text = str(value)
        if text not in choices:
            raise SettingsError(f"{place}: expected one of {', '.join(choices)}, not {value!r}")
        return text
    if hint == tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(i, str) for i in items):
            raise SettingsError(f"{place}: expected names separated by commas, not {value!r}")
        return tuple(stripped for item in items if (stripped := item.strip()))
    if not isinstance(value, str | Path):
        raise SettingsError(f"{place}: expected text, not {value!r}")
    if hint is str:
        return str(value)
    if str(value) == "" and hint == Path | None:
        return None
    return Path(value).expanduser()


def _boolean(value: Any, place: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off", ""}:
        return False
    raise SettingsError(f"{place}: expected true or false, not {value!r}")


def _whole_number(name: str, value: Any, place: str) -> int:
    try:
        number = int(value) if isinstance(value, str) else value
    except ValueError:
        number = None
    if not isinstance(number, int) or isinstance(number, bool):
        raise SettingsError(f"{place}: expected a whole number, not {value!r}")
    lowest = next(item.metadata["at_least"] for item in fields(Settings) if item.name == name)
    highest = {"port": 65_535, "fix_port": 65_531}.get(name)
    if lowest is not None and number < lowest:
        raise SettingsError(f"{place}: expected at least {lowest}, not {number}")
    if highest is not None and number > highest:
        raise SettingsError(f"{place}: expected at most {highest}, not {number}")
    return number


def _check_together(settings: Settings) -> None:
    """What no single setting can tell."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("tls_cert and tls_key belong together: give both or neither")
    if settings.tls_cert is not None and not settings.tls:
        raise SettingsError("tls_cert is given but tls is off; switch it on or leave both out")
    if (settings.fix_certificate is None) != (settings.fix_key is None):
        raise SettingsError("fix_certificate and fix_key belong together: give both or neither")
    if settings.fix_certificate is not None and settings.fix_plain:
        raise SettingsError("fix_certificate is given but fix_plain does without")
    if settings.websocket_idle_seconds <= settings.websocket_ping_seconds:
        raise SettingsError("websocket_idle_seconds must be more than websocket_ping_seconds")
    if settings.clock_start and settings.clock != "virtual":
        raise SettingsError("clock_start needs clock = virtual")
    if settings.live and not settings.world:
        raise SettingsError("live needs a world that describes what is to live")


def _hints() -> dict[str, Any]:
    return get_type_hints(Settings)


def _similar(name: str, hints: Mapping[str, Any]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, hints, n=1)
    return f"; did you mean `{found[0]}`?" if found else ""


def _as_text(value: Any) -> str:
    if value is None or value == "" or value == ():
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)

"""``augury serve`` and ``augury demo``: from the command line to a running server."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from augury.app.console import fail
from augury.app.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from augury.app.serve import Server

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings (AUGURY_CONFIG).")
]
DataOption = Annotated[
    Path | None, typer.Option(help="Directory of the log, snapshots and history.")
]
PortOption = Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")]
HostOption = Annotated[str | None, typer.Option(help="Address to listen on.")]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--operator-token-file", help="The operator's token; made when missing."),
]
RateLimitsOption = Annotated[
    bool | None,
    typer.Option("--rate-limits/--no-rate-limits", help="Limit requests by tier, or not (tests)."),
]
TlsOption = Annotated[
    bool | None, typer.Option("--tls/--no-tls", help="https and wss, with an own authority.")
]
TlsHostOption = Annotated[
    list[str] | None,
    typer.Option("--tls-host", help="A further name for the own certificate; may be repeated."),
]
FixOption = Annotated[bool | None, typer.Option("--fix/--no-fix", help="Serve FIX sessions.")]
FixPortOption = Annotated[
    int | None, typer.Option(help="First of five ports for FIX (8228); 0 picks free ones.")
]
FixPlainOption = Annotated[
    bool | None, typer.Option("--fix-plain/--no-fix-plain", help="FIX without TLS.")
]
LogLevelOption = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]
LogFormatOption = Annotated[str | None, typer.Option(help="json or text.")]


def serve(
    data: DataOption = None,
    port: PortOption = None,
    host: HostOption = None,
    world: Annotated[
        str | None, typer.Option(help="World file, or a shipped one's name such as demo.")
    ] = None,
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="The world's bots trade and its events go on; by default in real time.",
        ),
    ] = None,
    maintenance: Annotated[
        bool | None,
        typer.Option(
            "--maintenance/--no-maintenance",
            help="Pause trading Thursday 03:00 to 05:00 ET; by default with the real clock.",
        ),
    ] = None,
    clock: Annotated[
        str | None, typer.Option(help="real, or virtual: moved by the operator only.")
    ] = None,
    clock_start: Annotated[
        str | None, typer.Option(help="Where a virtual clock begins (RFC 3339).")
    ] = None,
    operator_token_file: TokenFileOption = None,
    profile: Annotated[
        str | None, typer.Option(help="Shape of answers: legacy, 3.6 or latest.")
    ] = None,
    rate_limits: RateLimitsOption = None,
    tls: TlsOption = None,
    tls_cert: Annotated[Path | None, typer.Option(help="A certificate of your own (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    tls_host: TlsHostOption = None,
    fix: FixOption = None,
    fix_port: FixPortOption = None,
    fix_plain: FixPlainOption = None,
    fix_certificate: Annotated[
        Path | None, typer.Option(help="A certificate of your own for FIX (PEM).")
    ] = None,
    fix_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    fix_sender: Annotated[
        str | None, typer.Option(help="SenderCompID of the server: target or Kalshi.")
    ] = None,
    fix_sending_time_tolerance: Annotated[
        int | None, typer.Option(help="How many seconds SendingTime may be off.")
    ] = None,
    history_url: Annotated[
        str | None, typer.Option(help="Where history is kept; SQLite in the data by default.")
    ] = None,
    snapshot_every_records: Annotated[
        int | None, typer.Option(help="Snapshot after so many records; 0 never.")
    ] = None,
    snapshot_every_minutes: Annotated[
        int | None, typer.Option(help="Snapshot after so many minutes; 0 never.")
    ] = None,
    verify_log: Annotated[
        bool | None,
        typer.Option("--verify-log/--no-verify-log", help="Check the whole log at the start."),
    ] = None,
    stop_timeout_seconds: Annotated[
        int | None, typer.Option(help="How long a graceful stop waits for requests.")
    ] = None,
    signature_window_seconds: Annotated[
        int | None, typer.Option(help="How far a signature's time may be off.")
    ] = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    access_log: Annotated[
        bool | None,
        typer.Option("--access-log/--no-access-log", help="A line for each request."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Run an exchange until it is told to stop (Ctrl-C or SIGTERM).

    A flag beats the environment (AUGURY_PORT=...), which beats the TOML file, which beats the
    default. The first line of output says where the exchange answers.
    """
    flags = dict(locals())
    flags.pop("config")
    flags["tls_hosts"] = flags.pop("tls_host")
    _run(_settings(flags, config), _announce)


def demo(
    data: DataOption = None,
    port: PortOption = None,
    host: HostOption = None,
    operator_token_file: TokenFileOption = None,
    rate_limits: RateLimitsOption = None,
    tls: TlsOption = None,
    tls_host: TlsHostOption = None,
    fix: FixOption = None,
    fix_port: FixPortOption = None,
    fix_plain: FixPlainOption = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
    config: ConfigOption = None,
) -> None:
    """Run a living demo world: markets that move, and an account with money and a key in hand."""
    flags = dict(locals())
    flags.pop("config")
    flags["tls_hosts"] = flags.pop("tls_host")
    flags["data"] = data or (None if "AUGURY_DATA" in os.environ else Path("data/demo"))
    flags["world"] = None if "AUGURY_WORLD" in os.environ else "demo"
    flags["live"] = True
    # Someone is looking at this terminal, and not through a collector of logs.
    flags["log_format"] = log_format or (None if "AUGURY_LOG_FORMAT" in os.environ else "text")
    flags["log_level"] = log_level or (None if "AUGURY_LOG_LEVEL" in os.environ else "warning")
    _run(_settings(flags, config), _announce_demo)


def _settings(flags: dict[str, Any], config: Path | None) -> Settings:
    try:
        return load_settings(flags, os.environ, config)
    except SettingsError as error:
        fail(str(error), 2)


def _run(settings: Settings, announce: "Any") -> NoReturn:
    # Only here: other commands should not pay for what only a server needs.
    from augury.app.logs import configure_logging
    from augury.app.serve import run

    configure_logging(settings.log_level, settings.log_format)
    raise typer.Exit(run(settings, announce))


def _announce(server: "Server") -> None:
    """The first line is for programs, too: it stays as it is."""
    lines = [f"Augury is listening on {server.url}"]
    if server.certificate is not None:
        lines.append(server.certificate.how_to_trust())
    lines.append(f"Operator token: {server.settings.token_path}")
    lines += server.fix.lines()
    if server.fix.warning:
        print(f"warning: {server.fix.warning}", file=sys.stderr, flush=True)
    print("\n".join(lines), flush=True)


def _announce_demo(server: "Server") -> None:
    _announce(server)
    try:
        print(_demo_text(server), flush=True)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)


def _demo_text(server: "Server") -> str:
    from augury.app.first_request import curl_text, write_script
    from augury.codec.ids import parse_id
    from augury.codec.text import dollars

    state, world = server.gate.state, server.world
    counts = f"{len(state.series)} series, {len(state.events)} events, {len(state.markets)} markets"
    data = server.settings.data
    lines = ["", f"A living world: {counts}, bots trading. Ctrl-C stops it; data is in {data}."]
    own = [] if world is None else [key for key in world.report.keys if not key.is_bot]
    if own:
        # A newcomer trades for themselves, not for customers.
        owners = [
            state.members[state.api_keys[parse_id("api_key", key.api_key_id) or 0].member_id]
            for key in own
        ]
        member = min(owners, key=lambda owner: bool(owner.subtraders))
        key = own[owners.index(member)]
        money = dollars(member.primary.cash)
        path = _short(key.private_key_file)
        program = _short(Path(sys.argv[0]))
        authority = server.certificate.authority if server.certificate else None
        trust = f" --ca-file {_short(authority)}" if authority else ""
        options = f"--url {server.near_url}{trust} --key-id {key.api_key_id} --key-file {path}"
        script = server.settings.data / "first_request.py"
        write_script(script, server.near_url, key.api_key_id, key.private_key_file, authority)
        lines += [
            "",
            "Your account",
            f"  e-mail       {member.email}",
            f"  cash         ${money}",
            f"  API key id   {key.api_key_id}",
            f"  private key  {path}",
            "",
            "Your first signed request",
            f"  {program} request GET /portfolio/balance {options}",
            "",
            "The same in Python",
            f"  {_short(Path(sys.executable))} {_short(script)}",
            "",
            "The same with openssl and curl",
            *(f"  {line}" for line in curl_text(server.near_url, key.api_key_id, path, authority)),
        ]
    lines += [
        "",
        f"Look around: {server.near_url}/  Markets: {server.near_url}/trade-api/v2/markets",
    ]
    return "\n".join(lines)


def _short(path: Path) -> str:
    """As it would be typed here. Links are not followed: a virtual environment is made of them."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)

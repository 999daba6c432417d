"""``augury record``, ``augury recording`` and ``augury replay-feed``."""

import asyncio
import contextlib
import re
import signal
import ssl
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from augury.app.console import JsonOption, fail, print_fields, print_json, print_table, say

if TYPE_CHECKING:
    from augury.client.recording import Recording

_SIZE: Final = re.compile(r"(\d+)(KB|MB|GB)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d+)(s|m|h|d)")
_UNITS: Final = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

DirectoryArgument = Annotated[Path, typer.Argument(help="The recording.", metavar="DIR")]
FromOption = Annotated[
    str | None, typer.Option("--from", help="Begin here (RFC 3339); else at the beginning.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="End here (RFC 3339).")]


def record(
    url: Annotated[
        str, typer.Option(help="The stream: ws://HOST:PORT/trade-api/ws/v2, or just the host.")
    ],
    out: Annotated[
        Path, typer.Option(help="Directory of the recording; continued when it exists.")
    ],
    key_id: Annotated[str, typer.Option(envvar="AUGURY_KEY_ID", help="Id of an API key.")] = "",
    key_file: Annotated[
        Path | None, typer.Option(envvar="AUGURY_KEY_FILE", help="Its private key (PEM).")
    ] = None,
    channels: Annotated[
        str,
        typer.Option(
            help="Separated by commas. Default: orderbook_delta, ticker, trade and "
            "market_lifecycle_v2; without a key all but the first."
        ),
    ] = "",
    markets: Annotated[
        str, typer.Option(help="Tickers separated by commas, or `all`, those to come included.")
    ] = "all",
    rotate: Annotated[
        str, typer.Option(help="Begin a new file at this size or age, or both: 256MB,1d.")
    ] = "256MB",
    flush: Annotated[
        float, typer.Option(min=0.05, help="Write at least so often, in seconds.")
    ] = 1.0,
    rest_url: Annotated[
        str, typer.Option(help="Where to ask for all markets; by default beside the stream.")
    ] = "",
    ca_file: Annotated[
        Path | None, typer.Option(envvar="AUGURY_CA_FILE", help="Authority to trust (PEM).")
    ] = None,
) -> None:
    """Record the stream of an exchange, this one or another that speaks the same protocol.

    Ends with Ctrl-C or SIGTERM. Lost connections are opened again, and recorded as gaps.
    """
    from augury.client.recorder import Recorder, RecorderOptions, RecorderRefused
    from augury.client.recording import RecordingError
    from augury.client.signing import Signer

    if bool(key_id) != (key_file is not None):
        fail("--key-id and --key-file belong together: give both or neither", 2)
    signer = None
    if key_file is not None:
        try:
            signer = Signer.from_file(key_id, key_file)
        except (OSError, ValueError, TypeError) as error:
            fail(f"{key_file}: {error}")
    names = _names(markets)
    rotate_bytes, rotate_seconds = _rotation(rotate)
    options = RecorderOptions(
        channels=_names(channels),
        markets=None if names == ("all",) else names,
        rest_url=rest_url,
        rotate_bytes=rotate_bytes,
        rotate_seconds=rotate_seconds,
        flush_seconds=flush,
    )
    if options.markets == ():
        fail("--markets: name at least one, or say all", 2)
    try:
        recorder = Recorder(
            url if "://" in url else f"ws://{url}",
            out,
            options,
            signer=signer,
            ssl_context=None if ca_file is None else ssl.create_default_context(cafile=ca_file),
            tell=lambda text: print(text, file=sys.stderr, flush=True),
            on_start=lambda: print(
                f"recording {', '.join(recorder.channels)} of {url} to {out}", flush=True
            ),
        )
        _run_until_signalled(recorder.run())
    except (RecorderRefused, RecordingError, OSError) as error:
        fail(str(error))


def recording(
    directory: DirectoryArgument,
    check: Annotated[
        bool, typer.Option("--check", help="Read everything, and tell the first damage.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What a recording holds: files, times, messages, gaps."""
    from augury.client.recording import RecordingError

    try:
        found = _open(directory)
        if check:
            found.check()
        gaps = found.gaps()
    except RecordingError as error:
        fail(str(error))
    answer = {
        "first": _text(found.first_ns),
        "last": _text(found.last_ns),
        "messages": found.message_count,
        "markets": len(found.markets),
        "files": [
            {
                "file": file.path.name,
                "first": _text(file.entries[0].first_ns),
                "last": _text(file.entries[-1].last_ns),
                "blocks": len(file.entries),
                "messages": sum(entry.messages for entry in file.entries),
                "bytes": file.entries[-1].end,
                "incomplete_bytes": file.incomplete_bytes,
            }
            for file in found.files
        ],
        "gaps": [
            {
                "from": _text(gap.from_ns),
                "to": _text(gap.to_ns),
                "connection": gap.connection,
                "sid": gap.sid,
                "reason": gap.reason,
            }
            for gap in gaps
        ],
        "checked": check,
    }
    if as_json:
        print_json(answer)
        return
    print_fields({name: answer[name] for name in ("first", "last", "messages", "markets")})
    for name in ("files", "gaps"):
        rows: Any = answer[name]
        if rows:
            print_table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    if check:
        say("everything can be read")


def replay_feed(
    directory: DirectoryArgument,
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    speed: Annotated[
        str,
        typer.Option(
            help="as-recorded, a factor such as 10 or 0.5, or max: as fast as it is read."
        ),
    ] = "as-recorded",
    start: FromOption = None,
    end: ToOption = None,
    markets: Annotated[str, typer.Option(help="Only these tickers, separated by commas.")] = "",
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Begin when the first client has subscribed."),
    ] = True,
) -> None:
    """Play a recording over the same protocol to any client, which needs no key.

    Ends with the recording; what follows the last message is a Close with code 1000.
    """
    from augury.app.playback.server import PlaybackServer
    from augury.client.recording import RecordingError

    options: dict[str, Any] = {
        "speed": _speed(speed),
        "start_ns": _moment(start, "--from"),
        "end_ns": _moment(end, "--to"),
        "markets": frozenset(_names(markets)) or None,
        "wait_for_client": wait,
    }
    try:
        server = PlaybackServer(_open(directory), **options)
        _run_until_signalled(
            server.serve(host, port, lambda address: print(f"playing at {address}", flush=True))
        )
        say(f"{server.feed.played} messages played")
    except (RecordingError, OSError) as error:
        fail(str(error))


def register(application: typer.Typer) -> None:
    application.command("record")(record)
    application.command("recording")(recording)
    application.command("replay-feed")(replay_feed)


# --- reading the command line ------------------------------------------------------------------


def _open(directory: Path) -> "Recording":
    from augury.client.recording import Recording, RecordingError

    found = Recording(directory)
    if found.is_empty:
        raise RecordingError(f"{directory}: there is no recording in it")
    return found


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _rotation(text: str) -> tuple[int | None, float | None]:
    size: int | None = None
    seconds: float | None = None
    for part in _names(text):
        if found := _SIZE.fullmatch(part):
            size = int(found[1]) * _UNITS[found[2].lower()]
        elif found := _SPAN.fullmatch(part):
            seconds = float(int(found[1]) * _SECONDS[found[2]])
        else:
            fail(f"--rotate: {part!r} is neither a size such as 256MB nor a span such as 1h", 2)
    if size == 0 or seconds == 0:
        fail("--rotate: a file cannot be empty", 2)
    return size, seconds


def _speed(text: str) -> float | None:
    """The factor; None for as fast as possible."""
    if text == "max":
        return None
    if text == "as-recorded":
        return 1.0
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        fail(f"--speed: expected as-recorded, max or a factor above 0, not {text!r}", 2)
    return factor


def _moment(text: str | None, option: str) -> int | None:
    from augury.codec.text import parse_rfc3339

    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        fail(f"{option}: {text!r} is not a time such as 2026-03-01T14:00:00Z", 2)


def _text(moment_ns: int) -> str:
    from augury.codec.text import rfc3339

    return rfc3339(moment_ns)


def _run_until_signalled(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    async def run() -> None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    uvloop.run(run())

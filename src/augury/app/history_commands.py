"""The commands around history: how far it is, and rebuilding it from the log.

History is a projection: nothing in it is lost with it. These commands work on the data directory
itself. ``status`` may be asked beside a running exchange; ``rebuild`` needs it stopped, because a
running one rebuilds a missing history by itself.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from augury.app.console import JsonOption, fail, print_fields, print_json, say

if TYPE_CHECKING:
    from augury.projections.history import History

DEFAULT_DATA: Final = Path("data/main")

DataOption = Annotated[
    Path,
    typer.Option("--data", envvar="AUGURY_DATA", help="The exchange's data directory."),
]
HistoryUrlOption = Annotated[
    str,
    typer.Option(
        "--history-url",
        envvar="AUGURY_HISTORY_URL",
        help="Database of the history. Default: SQLite in the data directory.",
    ),
]

history_app = typer.Typer(no_args_is_help=True, help="Look after the database of the past.")


def register(application: typer.Typer) -> None:
    """Add these commands to the command line."""
    application.add_typer(history_app, name="history")


def history_url(data: Path, url: str = "") -> str:
    """Where the history of the exchange in ``data`` is kept unless ``url`` says otherwise."""
    from augury.app.data_directory import history_path

    return url or f"sqlite:///{history_path(data).absolute()}"


@history_app.command("rebuild")
def rebuild(
    data: DataOption = DEFAULT_DATA, url: HistoryUrlOption = "", as_json: JsonOption = False
) -> None:
    """Drop the history and write it anew from the log. The exchange must be stopped."""
    from augury.app.log_commands import progress_bar
    from augury.log.sqlite import SqliteLog
    from augury.ports.log import LogError
    from augury.projections.history import MissingRecords
    from augury.sequencer.recovery import RecoveryError, recover

    path = _log_of(data)
    history = _history(data, url)
    expected: tuple[type[Exception], ...] = (
        LogError,
        RecoveryError,
        MissingRecords,
        *history.database.errors,
    )
    try:
        # As a writer, so that no exchange runs, or starts, while its history is taken apart.
        with closing(SqliteLog(path)) as log, closing(history):
            total = log.last_sequence
            history.reset()
            _, records = recover(log, None, 0, verify_all=False)
            with progress_bar("Rebuilding the history") as progress:
                progress(0, total)
                history.load(records, lambda position: progress(position, total))
            status = history.status()
    except expected as error:
        fail(str(error))
    if status.position != total:
        fail(f"the history ends with record {status.position} of {total}: {status.last_error}")
    if as_json:
        print_json({"records": total, "history": _shown(history)})
    else:
        say(f"the history is at record {total}")


@history_app.command("status")
def status(
    data: DataOption = DEFAULT_DATA, url: HistoryUrlOption = "", as_json: JsonOption = False
) -> None:
    """How far the history is behind the log. The exchange may be running."""
    from augury.codec.text import rfc3339
    from augury.log.sqlite import SqliteLog
    from augury.ports.log import LogError

    path = _log_of(data)
    history = _history(data, url)
    expected: tuple[type[Exception], ...] = (LogError, *history.database.errors)
    try:
        with closing(SqliteLog(path, read_only=True)) as log, closing(history):
            position, time_ns = history.database.stored_position()
            last = log.last_sequence
    except expected as error:
        fail(str(error))
    answer = {
        "history": _shown(history),
        "position": position,
        "time": rfc3339(time_ns) if time_ns else "",
        "log": last,
        "behind": max(0, last - position),
    }
    if as_json:
        print_json(answer)
    else:
        print_fields(answer)


def _log_of(data: Path) -> Path:
    from augury.app.data_directory import log_path

    path = log_path(data)
    if not path.exists():
        fail(f"there is no exchange in {data}")
    return path


def _history(data: Path, url: str) -> "History":
    from augury.projections.history import History

    try:
        return History(history_url(data, url))
    except Exception as error:
        # Whatever SQLAlchemy makes of an address that is none.
        fail(f"history cannot be kept at {history_url(data, url)!r}: {error}")


def _shown(history: "History") -> str:
    """The address without its password."""
    return history.database.url.render_as_string(hide_password=True)

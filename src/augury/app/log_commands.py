"""The commands around the log: verify, show, cut, backup, restore, replay.

They work on the data directory itself, with the exchange running or not; only ``cut`` needs it
stopped. Results go to standard output, progress to standard error. Exit code 1 means that the log
is damaged or the command could not be carried out; the text says which record or why.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from augury.app.console import JsonOption, fail, print_fields, print_json, say

if TYPE_CHECKING:
    from augury.core.engine import Engine
    from augury.log.sqlite import SqliteLog

DEFAULT_DATA: Final = Path("data/main")

DataOption = Annotated[
    Path,
    typer.Option("--data", envvar="AUGURY_DATA", help="The exchange's data directory."),
]

log_app = typer.Typer(no_args_is_help=True, help="Look into the log of every command.")


def register(application: typer.Typer) -> None:
    """Add these commands to the command line."""
    application.add_typer(log_app, name="log")
    application.command("backup")(backup)
    application.command("restore")(restore)
    application.command("replay")(replay)


@log_app.command("verify")
def verify(data: DataOption = DEFAULT_DATA, as_json: JsonOption = False) -> None:
    """Check every record against its checksum and the chain of all before it."""
    with _failures_told(), _reading(data) as log, progress_bar("Verifying") as progress:
        total = log.last_sequence
        for record in log.read(every_link=True):
            if record.sequence % 4096 == 0:
                progress(record.sequence, total)
            if record.sequence == total:
                break
        progress(total, total)
        chain = log.chain_hash(total).hex()
    _show({"records": total, "chain_hash": chain, "intact": True}, as_json)


@log_app.command("show")
def show(
    data: DataOption = DEFAULT_DATA,
    after: Annotated[int, typer.Option(min=0, help="Begin after this record.")] = 0,
    to: Annotated[int | None, typer.Option(min=1, help="End with this record.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Show so many at most.")] = None,
    member: Annotated[int | None, typer.Option(help="Only commands of this member.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--command", help="Only commands of this name.")
    ] = None,
    events: Annotated[bool, typer.Option(help="Show what each command did as well.")] = False,
) -> None:
    """Print the log in readable form: one JSON object per line."""
    shown = 0
    with _failures_told(), _reading(data) as log:
        for entry in _entries(log, data, after, to or log.last_sequence, events):
            if kind and entry["command"] not in kind:
                continue
            if member is not None and entry.get("member_id") != member:
                continue
            print(json.dumps(entry, ensure_ascii=False))
            shown += 1
            if limit is not None and shown >= limit:
                break


@log_app.command("cut")
def cut(
    data: DataOption = DEFAULT_DATA,
    after: Annotated[
        int | None,
        typer.Option(min=0, help="The last record to keep; default: the last that verifies."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
) -> None:
    """Give up the end of a damaged log and go on with what verifies. Restore a backup if you can.

    Acknowledged orders and payments after the cut are lost. The damaged files are kept aside.
    """
    from augury.app.log_repair import LogRepair

    with _failures_told(), closing(LogRepair(data)) as repair:
        with progress_bar("Reading") as progress:
            intact = repair.count_intact(progress)
        keep = intact if after is None else after
        if keep > intact:
            fail(f"only records up to {intact} verify")
        promised = max(repair.acknowledged, intact)
        if keep == promised:
            say(f"nothing to cut: all {intact} records verify")
            return
        if not yes:
            typer.confirm(
                f"Records {keep + 1} to {promised} will be lost. Go on with {keep} records?",
                abort=True,
            )
        with progress_bar("Cutting") as progress:
            aside = repair.cut(keep, progress)
    say(f"the log ends with record {keep} now; the damaged files are in {aside}")
    say("rebuild the history before the next start: augury history rebuild")


def backup(
    file: Annotated[Path, typer.Option("--to", help="The file to write; it must not exist.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Copy the log into one file and verify every record; the exchange may be running."""
    from augury.log.backup import write_backup

    with _failures_told(), _reading(data) as log, progress_bar("Backing up") as progress:
        end = write_backup(log, file, progress)
    answer = {"file": str(file), "records": end.sequence, "chain_hash": end.chain.hex()}
    _show(answer, as_json)


def restore(
    file: Annotated[Path, typer.Option("--from", help="A file that `augury backup` wrote.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make a data directory out of a backup, and replay it to prove that it works."""
    from augury.app.snapshotter import take_snapshot
    from augury.log.backup import restore_backup

    with _failures_told():
        with progress_bar("Restoring") as progress:
            end = restore_backup(file, data, progress)
        with progress_bar("Replaying") as progress:
            snapshot = take_snapshot(data, progress)
    answer = {
        "data": str(data),
        "records": end.sequence,
        "chain_hash": end.chain.hex(),
        "state_hash": "" if snapshot is None else snapshot.state_hash,
    }
    _show(answer, as_json)


def replay(
    data: DataOption = DEFAULT_DATA,
    to: Annotated[
        int | None, typer.Option(min=0, help="Stop after this record; default: the last.")
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start/--from-snapshot",
            help="Apply every record, or only those after the newest snapshot.",
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Apply the log and print the hash of the state that it leads to."""
    from augury.codec.text import rfc3339
    from augury.core.snapshot import state_hash

    with _failures_told(), _reading(data) as log:
        end = log.last_sequence if to is None else to
        if end > log.last_sequence:
            fail(f"the log ends with record {log.last_sequence}")
        with progress_bar("Replaying") as progress:
            engine = _engine_at(log, data, end, from_start, progress)
        state = engine.state
        answer = {
            "sequence": state.sequence,
            "time": rfc3339(state.time_ns) if state.sequence else "",
            "state_hash": state_hash(state),
            "chain_hash": log.chain_hash(state.sequence).hex(),
        }
    _show(answer, as_json)


# --- what they share -------------------------------------------------------------------------


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, fed with what is done and how much there is; gone at the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("records"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Turn what can be wrong with a log into a sentence and exit code 1."""
    from augury.ports.log import LogError
    from augury.sequencer.recovery import RecoveryError

    try:
        yield
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        raise typer.Exit(1) from None
    except (LogError, RecoveryError, OSError) as error:
        fail(str(error))


@contextmanager
def _reading(data: Path) -> Iterator["SqliteLog"]:
    from augury.app.data_directory import log_path
    from augury.log.sqlite import SqliteLog

    with closing(SqliteLog(log_path(data), read_only=True)) as log:
        yield log


def _engine_at(
    log: "SqliteLog",
    data: Path,
    end: int,
    from_start: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> "Engine":
    """The engine after record ``end``, by way of a snapshot where one helps."""
    from augury.app.data_directory import snapshots_path
    from augury.log.snapshots import DirectorySnapshots
    from augury.sequencer.recovery import engine_at

    snapshots = None if from_start else DirectorySnapshots(snapshots_path(data))
    return engine_at(log, snapshots, end, progress)


def _entries(
    log: "SqliteLog", data: Path, after: int, to: int, events: bool
) -> Iterator[dict[str, Any]]:
    """The records after ``after`` up to ``to``, readable."""
    from augury.codec.commands import CodecError, decode_command
    from augury.codec.readable import applied_dict, record_dict

    engine = _engine_at(log, data, min(after, log.last_sequence)) if events else None
    for sequence, time_ns, schema_version, _, payload in log.read(after):
        if sequence > to:
            return
        try:
            command = decode_command(payload, schema_version)
        except CodecError as error:
            fail(f"record {sequence}: {error}")
        if engine is not None:
            yield applied_dict(engine.apply(sequence, time_ns, command))
        else:
            yield record_dict(sequence, time_ns, command)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_fields(answer)

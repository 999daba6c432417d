"""``augury audit``: do the exchange's sums a second time, from nothing but its log.

Works beside a running exchange, on a stopped one, and on a backup. Exit code 1 means that the
exchange and the audit differ, and the line says by how much, whose, and since which record.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from augury.app.console import JsonOption, fail, print_fields, print_json
from augury.app.log_commands import DEFAULT_DATA, DataOption, progress_bar


def register(application: typer.Typer) -> None:
    """Add the command to the command line."""
    application.command("audit")(audit)


def audit(
    data: DataOption = DEFAULT_DATA,
    file: Annotated[
        Path | None,
        typer.Option("--from", help="A file that `augury backup` wrote, instead of a directory."),
    ] = None,
    to: Annotated[
        int | None, typer.Option(min=1, help="Stop after this record; default: the last.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute everybody's money from the log alone and compare; exit 1 at the first difference.

    The recomputation shares no code with the exchange. It is slow on purpose: a thousand
    records a second and more.
    """
    from augury.app.auditing import audit_log
    from augury.app.data_directory import log_path, snapshots_path
    from augury.audit.reading import Unreadable
    from augury.codec.commands import CodecError
    from augury.log.snapshots import DirectorySnapshots
    from augury.log.sqlite import SqliteLog
    from augury.ports.log import LogError

    log_file = log_path(data) if file is None else file
    snapshots = DirectorySnapshots(snapshots_path(data)) if file is None else None
    try:
        log = SqliteLog(log_file, read_only=True)
        last = log.last_sequence
        log.close()
        end = last if to is None else to
        if end > last:
            fail(f"the log ends with record {last}")
        with progress_bar("Auditing") as progress:
            findings = audit_log(log_file, snapshots, end, lambda done: progress(done, end))
    except (LogError, Unreadable, CodecError, OSError, ArithmeticError) as error:
        fail(str(error))
    difference = findings.difference
    if as_json:
        answer = asdict(findings)
        answer["difference"] = None if difference is None else difference._asdict()
        print_json({"agrees": difference is None, **answer})
    elif difference is None:
        print_fields({"agrees": True, **asdict(findings)})
    if difference is not None:
        fail(str(difference))

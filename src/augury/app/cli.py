"""The ``augury`` command: everything that can be done with an exchange from a terminal."""

from pathlib import Path
from typing import Annotated

import typer

from augury import __version__, core
from augury.app import (
    audit_commands,
    exchange_commands,
    first_request,
    history_commands,
    listing_commands,
    log_commands,
    member_commands,
    recording_commands,
    serve_commands,
    terms_commands,
    world_commands,
)
from augury.app.console import JsonOption, print_json, print_table, say

application = typer.Typer(
    name="augury",
    help="Augury: an event-contract exchange that speaks the public trading API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"augury {__version__}")
        raise typer.Exit


def _warn_of_stale_core() -> None:
    """A compiled module shadows its source; after an update without `make` it holds old rules."""
    folder = Path(core.__file__).parent
    for module in folder.glob("*.so"):
        source = folder / f"{module.name.partition('.')[0]}.py"
        if source.exists() and source.stat().st_mtime > module.stat().st_mtime:
            message = "warning: the compiled core is older than its sources; run `make setup`"
            typer.echo(message, err=True)
            return


@application.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    _warn_of_stale_core()


def coverage(
    as_json: JsonOption = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the page to this file instead.")
    ] = None,
) -> None:
    """Compare the trading API with its specification, operation by operation, field by field."""
    from dataclasses import asdict

    from augury.gateways.rest.coverage import counted, coverage_page, differences, introduction
    from augury.gateways.rest.coverage import coverage as rows_of

    if markdown is not None:
        markdown.write_text(coverage_page(), encoding="utf-8")
        return
    rows = rows_of()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("method", "path", "status", "parameters", "request", "answer"),
        [
            (row.method, row.path, row.status, *(counted(part) for _, part in row.parts))
            for row in rows
        ],
    )
    for name, place, text in differences(rows):
        say(f"{name}, {place}: {text.replace('`', '')}")
    say(introduction(rows)[0])


application.command("serve")(serve_commands.serve)
application.command("demo")(serve_commands.demo)
application.command("request")(first_request.request)
application.command("coverage")(coverage)
member_commands.register(application)
listing_commands.register(application)
exchange_commands.register(application)
terms_commands.register(application)
log_commands.register(application)
audit_commands.register(application)
history_commands.register(application)
recording_commands.register(application)
application.add_typer(world_commands.world_app, name="world")


def main() -> None:
    application()

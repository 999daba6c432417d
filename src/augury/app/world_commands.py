"""``augury world``: check world files, bring them into a running exchange, import recordings."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augury.app.console import Operation, fail, operator_command, print_json, say

if TYPE_CHECKING:
    from augury.app.world import WorldReport
    from augury.app.world.importing import Imported

world_app = typer.Typer(help="World files: what an exchange lists.", no_args_is_help=True)

WorldArgument = Annotated[
    str, typer.Argument(help="World file (YAML), or the name of a shipped one such as demo.")
]


@world_app.command("list")
def list_shipped() -> None:
    """Name the worlds that come with Augury."""
    from augury.app.world import shipped_worlds

    for name in shipped_worlds():
        print(name)


@world_app.command("check")
def check(
    world: WorldArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Read a world file and tell everything that is wrong with it, with file, line and field."""
    from augury.app.world import WorldError, load_world

    try:
        found = load_world(world)
    except WorldError as error:
        if as_json:
            problems = [problem._asdict() for problem in error.problems]
            print_json({"valid": False, "problems": problems})
            raise typer.Exit(1) from None
        for problem in error.problems:
            print(problem)
        count = len(error.problems)
        fail(f"{count} {'mistake' if count == 1 else 'mistakes'} in {world}")
    counts = {
        "series": len(found.series),
        "events": len(found.events),
        "markets": sum(
            len(event.markets) + (event.ladder.count if event.ladder else 0)
            for event in found.events.values()
        ),
        "rolling events": len(found.rolling),
        "members": sum(not member.is_bot for member in found.members),
        "bots": len(found.bots),
        "documents": len(found.documents),
    }
    if as_json:
        print_json({"valid": True, "world": found.name, "counts": counts})
    else:
        say(f"{found.file} is a good world: {_counted(Counter(counts))}")


@operator_command(world_app, "apply")
def apply(
    operation: Operation,
    world: WorldArgument,
    keys: Annotated[
        Path | None, typer.Option(help="Directory for private keys that the world asks for.")
    ] = None,
) -> None:
    """Create on a running exchange what the world describes and the exchange lacks."""
    from augury.app.world import WorldError, load_world
    from augury.app.world.remote import apply_remotely

    try:
        found = load_world(world)
    except WorldError as error:
        fail(str(error))
    report = apply_remotely(found, operation.api, keys_directory=keys)
    operation.show(_report_object(report), lambda: _tell(report))
    if report.refused:
        raise typer.Exit(1)


@world_app.command("import")
def import_world(
    files: Annotated[
        list[Path], typer.Argument(help="Recorded answers: JSON files, or folders of them.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The world file to write.")],
    shift_to_now: Annotated[
        bool,
        typer.Option(
            "--shift-to-now/--keep-times",
            help="Let the moment of recording be the start of the world, or keep the times.",
        ),
    ] = True,
    bots: Annotated[
        bool, typer.Option("--bots/--no-bots", help="Add bots that trade in all markets.")
    ] = False,
    name: Annotated[str, typer.Option(help="The world's name.")] = "imported",
) -> None:
    """Turn recorded answers of the real service into a world file.

    Recognised are series, events, markets, event metadata, milestones, structured targets and the
    schedule; other recordings are passed over.
    """
    from augury.app.world import WorldError
    from augury.app.world.importing import ImportFailed, import_recordings

    paths = [
        path
        for given in files
        for path in (sorted(given.glob("*.json")) if given.is_dir() else [given])
    ]
    try:
        result = import_recordings(paths, name=name, keep_times=not shift_to_now, bots=bots)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(result.text, encoding="utf-8")
    except ImportFailed as error:
        fail(str(error))
    except WorldError as error:
        fail(f"what was recorded makes no valid world:\n{error}")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}")
    _tell_imported(result, out)


def _tell_imported(result: "Imported", out: Path) -> None:
    say(f"{out}: {_counted(result.found)}")
    for title, lines in (
        ("made up, because they were not recorded", result.synthesized),
        ("left out", result.skipped),
    ):
        if lines:
            say(f"{len(lines)} {title}:")
            for line in lines[:20]:
                say(f"  {line}")
            if len(lines) > 20:
                say(f"  and {len(lines) - 20} more")


def _tell(report: "WorldReport") -> None:
    say(f"created: {_counted(report.created) or 'nothing'}")
    say(f"already there: {_counted(report.existing) or 'nothing'}")
    for key in report.keys:
        say(f"key of {key.email}: {key.api_key_id}, private half in {key.private_key_file}")
    for line in [*report.notes, *report.refused]:
        say(f"not done: {line}")


def _report_object(report: "WorldReport") -> dict[str, object]:
    return {
        "created": dict(report.created),
        "existing": dict(report.existing),
        "refused": report.refused,
        "notes": report.notes,
        "keys": [
            {
                "email": key.email,
                "name": key.name,
                "api_key_id": key.api_key_id,
                "private_key_file": str(key.private_key_file),
            }
            for key in report.keys
        ],
    }


def _counted(counts: "Counter[str]") -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)

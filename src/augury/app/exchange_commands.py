"""Commands about the exchange as a whole: pauses, clock, information, and what is recorded."""

import re
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from augury.app.console import (
    Operation,
    fail,
    operator_command,
    print_fields,
    print_table,
    read_object,
    say,
)
from augury.app.member_commands import CursorOption, LimitOption, more

trading_app = typer.Typer(help="Trading pauses: only cancels are accepted.", no_args_is_help=True)
exchange_app = typer.Typer(help="Exchange pauses: nothing changes at all.", no_args_is_help=True)
clock_app = typer.Typer(help="The exchange's time.", no_args_is_help=True)
document_app = typer.Typer(help="Descriptive documents, such as milestones.", no_args_is_help=True)

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


def _state_text(answer: dict[str, Any]) -> str:
    exchange = "active" if answer["exchange_active"] else "paused"
    trading = "active" if answer["trading_active"] else "paused"
    return f"exchange {exchange}, trading {trading}"


@operator_command(trading_app, "pause")
def pause_trading(operation: Operation) -> None:
    """Accept only cancels and decreases."""
    answer = operation.api.post("trading", "pause")
    operation.show(answer, lambda: say(_state_text(answer)))


@operator_command(trading_app, "resume")
def resume_trading(operation: Operation) -> None:
    """End a trading pause."""
    answer = operation.api.post("trading", "resume")
    operation.show(answer, lambda: say(_state_text(answer)))


@operator_command(exchange_app, "pause")
def pause_exchange(
    operation: Operation,
    resume_time: Annotated[
        str | None, typer.Option(help="When it is expected to end (RFC 3339).")
    ] = None,
) -> None:
    """Change nothing at all; reads and streams go on."""
    answer = operation.api.post(
        "exchange", "pause", body={"estimated_resume_time": resume_time} if resume_time else {}
    )
    operation.show(answer, lambda: say(_state_text(answer)))


@operator_command(exchange_app, "resume")
def resume_exchange(operation: Operation) -> None:
    """End an exchange pause."""
    answer = operation.api.post("exchange", "resume")
    operation.show(answer, lambda: say(_state_text(answer)))


# --- clock -----------------------------------------------------------------------------------


@operator_command(clock_app, "show")
def show_clock(operation: Operation) -> None:
    """The exchange's time, and when something is due next."""
    answer = operation.api.get("clock")
    operation.show(answer, lambda: print_fields(answer))


@operator_command(clock_app, "advance")
def advance_clock(
    operation: Operation,
    by: Annotated[str | None, typer.Argument(help="How far: 90s, 15m, 2h30m, 1d.")] = None,
    to: Annotated[str | None, typer.Option(help="Or up to this time (RFC 3339).")] = None,
) -> None:
    """Move a virtual clock ahead; everything due on the way happens."""
    if (by is None) == (to is None):
        fail("say how far, or up to when with --to", 2)
    body = {"to": to} if by is None else {"by_seconds": _seconds(by)}
    answer = operation.api.post("clock", "advance", body=body)
    operation.show(answer, lambda: _print_moved(answer))


@operator_command(clock_app, "next")
def advance_to_next_timer(operation: Operation) -> None:
    """Move a virtual clock to the next moment at which something is due."""
    answer = operation.api.post("clock", "next")
    operation.show(answer, lambda: _print_moved(answer))


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        fail(f"{text!r} is not a span of time such as 90s, 15m, 2h30m or 1d", 2)
    days, hours, minutes, seconds = match.groups(default="0")
    return int(days) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _print_moved(answer: dict[str, Any]) -> None:
    print_fields({name: answer[name] for name in ("time", "next_timer_time", "event_count")})
    if answer["events"]:
        print_table(
            ("event", "fields"), [(event["event"], event["fields"]) for event in answer["events"]]
        )


# --- information -----------------------------------------------------------------------------


def announce(
    operation: Operation,
    message: Annotated[str, typer.Argument(help="What to tell all members.")],
    kind: Annotated[str, typer.Option("--type", help="info, warning or error.")] = "info",
    delivery_time: Annotated[str | None, typer.Option(help="RFC 3339; now when left out.")] = None,
) -> None:
    """Publish an announcement."""
    body = {"message": message, "type": kind, "delivery_time": delivery_time}
    answer = operation.api.post("announcements", body=body)
    operation.show(answer, lambda: print_fields(answer))


def schedule(
    operation: Operation,
    file: Annotated[
        Path | None, typer.Argument(help="YAML or JSON with standard_hours and the like.")
    ] = None,
) -> None:
    """Show the published schedule or, with a file, publish another one."""
    if file is None:
        answer = operation.api.get("schedule")
    else:
        answer = operation.api.put("schedule", body=read_object(file))
    operation.show(answer, lambda: print_fields(answer["schedule"]))


@operator_command(document_app, "list")
def list_documents(
    operation: Operation,
    kind: Annotated[str | None, typer.Argument(help="For example milestone.")] = None,
    limit: LimitOption = 100,
    cursor: CursorOption = "",
) -> None:
    """Kinds of documents, or the documents of one kind."""
    if kind is None:
        kinds = operation.api.get("documents")
        operation.show(
            kinds, lambda: print_table(("kind", ">documents"), list(kinds["kinds"].items()))
        )
        return
    answer = operation.api.get("documents", kind, limit=limit, cursor=cursor)

    def human() -> None:
        print_table(
            ("key", "details"), [(item["key"], item["details"]) for item in answer["documents"]]
        )
        more(answer)

    operation.show(answer, human)


@operator_command(document_app, "put")
def put_document(
    operation: Operation,
    kind: Annotated[str, typer.Argument(help="For example milestone.")],
    key: Annotated[str, typer.Argument(help="Its id.")],
    file: Annotated[Path, typer.Argument(help="YAML or JSON, shaped like the public API's.")],
) -> None:
    """Create or replace a document."""
    answer = operation.api.put("documents", kind, key, body={"details": read_object(file)})
    operation.show(answer, lambda: print_fields(answer["details"]))


@operator_command(document_app, "remove")
def remove_document(
    operation: Operation,
    kind: Annotated[str, typer.Argument(help="For example milestone.")],
    key: Annotated[str, typer.Argument(help="Its id.")],
) -> None:
    """Remove a document."""
    answer = operation.api.delete("documents", kind, key)
    operation.show(answer, lambda: say("removed"))


# --- what is recorded ------------------------------------------------------------------------


def status(operation: Operation) -> None:
    """What runs there, how far it is, and how it is doing."""
    answer = operation.api.get("status")

    def human() -> None:
        clock, exchange = answer["clock"], answer["exchange"]
        plain = {
            name: value
            for name, value in answer.items()
            if name not in ("clock", "exchange", "fix_ports")
        }
        print_fields(
            {
                **plain,
                "fix ports": ", ".join(f"{name} {n}" for name, n in answer["fix_ports"].items()),
                "exchange": _state_text(exchange),
                "clock": f"{clock['mode']}, {clock['time']}",
                "next timer": clock["next_timer_time"],
            }
        )

    operation.show(answer, human)


def records(
    operation: Operation,
    after: Annotated[
        int | None, typer.Option(help="From the record after this one; else the newest.")
    ] = None,
    command: Annotated[str, typer.Option(help="Only this command, e.g. place_order.")] = "",
    member: Annotated[str, typer.Option(help="Only commands of this member.")] = "",
    market: Annotated[str, typer.Option(help="Only commands about this ticker.")] = "",
    limit: LimitOption = 50,
) -> None:
    """The log in readable form: every command ever given, with its outcome."""
    answer = operation.api.get(
        "audit", after=after, command=command, member=member, market=market, limit=limit
    )

    def human() -> None:
        print_table(
            (">record", "time", "command", "outcome", "fields"),
            [
                (
                    record["sequence"],
                    record["time"],
                    record["command"],
                    record["outcome"] or "(before this start)",
                    record["fields"],
                )
                for record in answer["records"]
            ],
        )
        if not answer["complete"]:
            say(f"more with --after {answer['next_after']}")

    operation.show(answer, human)


def state_hash(operation: Operation) -> None:
    """The digest of the whole state; a replay of the log gives the same."""
    answer = operation.api.get("state-hash")
    operation.show(answer, lambda: say(f"{answer['state_hash']} at record {answer['sequence']}"))


def snapshot(operation: Operation) -> None:
    """Write a snapshot now, from which the next start continues."""
    answer = operation.api.post("snapshots")
    operation.show(answer, lambda: say(f"snapshot of record {answer['sequence']} is written"))


def register(application: typer.Typer) -> None:
    application.add_typer(trading_app, name="trading")
    application.add_typer(exchange_app, name="exchange")
    application.add_typer(clock_app, name="clock")
    application.add_typer(document_app, name="document")
    operator_command(application, "announce")(announce)
    operator_command(application, "schedule")(schedule)
    operator_command(application, "status")(status)
    operator_command(application, "records")(records)
    operator_command(application, "state-hash")(state_hash)
    operator_command(application, "snapshot")(snapshot)

"""``augury collection``, ``augury fees``, ``augury maintenance``, ``augury subtrader``: the terms
that members trade on, and who trades for customers."""

from pathlib import Path
from typing import Annotated, Any

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
from augury.app.listing_commands import event_app
from augury.app.member_commands import CursorOption, LimitOption, MemberArgument, more

collection_app = typer.Typer(
    help="Collections: events whose markets members may combine.", no_args_is_help=True
)
fees_app = typer.Typer(help="Fees that will change.", no_args_is_help=True)
maintenance_app = typer.Typer(
    help="Maintenance windows, in which trading pauses.", no_args_is_help=True
)
subtrader_app = typer.Typer(help="Customers of clearing members.", no_args_is_help=True)

TickerArgument = Annotated[str, typer.Argument(help="Its ticker.")]


# --- collections -----------------------------------------------------------------------------


@operator_command(collection_app, "create")
def create_collection(
    operation: Operation,
    ticker: TickerArgument,
    series: Annotated[str, typer.Option(help="Series of the combos; begins with KXMVE.")],
    close_date: Annotated[str, typer.Option(help="Until when combos can be created (RFC 3339).")],
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Ticker of an event; repeat it.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title.")] = None,
    description: Annotated[str | None, typer.Option(help="Short description.")] = None,
    open_date: Annotated[str | None, typer.Option(help="From when on; now when left out.")] = None,
    size_min: Annotated[int | None, typer.Option(min=2, help="Fewest legs.")] = None,
    size_max: Annotated[int | None, typer.Option(min=0, help="Most legs; 0 is no limit.")] = None,
    file: Annotated[
        Path | None, typer.Option("--from", help="YAML or JSON file with further fields.")
    ] = None,
) -> None:
    """Let members combine markets of some events."""
    body: dict[str, Any] = {} if file is None else read_object(file)
    options = {
        "ticker": ticker,
        "series_ticker": series,
        "close_date": close_date,
        "open_date": open_date,
        "title": title,
        "description": description,
        "size_min": size_min,
        "size_max": size_max,
        "associated_events": [{"ticker": one} for one in event] if event else None,
    }
    body.update({name: value for name, value in options.items() if value is not None})
    answer = operation.api.post("collections", body=body)
    operation.show(answer, lambda: print_fields(answer))


@operator_command(collection_app, "list")
def list_collections(
    operation: Operation, limit: LimitOption = 100, cursor: CursorOption = ""
) -> None:
    """Collections by ticker."""
    answer = operation.api.get("collections", limit=limit, cursor=cursor)

    def human() -> None:
        print_table(
            ("collection", "series", "title", "close", ">events", ">combos"),
            [
                (
                    row["ticker"],
                    row["series_ticker"],
                    row["details"].get("title", ""),
                    row["close_date"],
                    len(row["associated_events"]),
                    row["combos"],
                )
                for row in answer["collections"]
            ],
        )
        more(answer)

    operation.show(answer, human)


@operator_command(collection_app, "show")
def show_collection(operation: Operation, ticker: TickerArgument) -> None:
    """One collection."""
    answer = operation.api.get("collections", ticker)
    operation.show(answer, lambda: print_fields(answer))


# --- fees ------------------------------------------------------------------------------------


@operator_command(fees_app, "schedule")
def schedule_fee_change(
    operation: Operation,
    series: Annotated[str, typer.Argument(help="Ticker of the series.")],
    fee_type: Annotated[str, typer.Argument(help="quadratic, quadratic_with_maker_fees or flat.")],
    fee_multiplier: Annotated[float, typer.Argument(help="Scales the fees.")],
    at: Annotated[str, typer.Argument(help="From when on (RFC 3339).")],
) -> None:
    """Let a series charge by other terms from a time on."""
    body = {
        "series_ticker": series,
        "fee_type": fee_type,
        "fee_multiplier": fee_multiplier,
        "scheduled_time": at,
    }
    answer = operation.api.post("fee-changes", body=body)
    operation.show(answer, lambda: print_fields(answer))


@operator_command(fees_app, "list")
def list_fee_changes(operation: Operation) -> None:
    """Fee changes by time, past and to come."""
    answer = operation.api.get("fee-changes")
    fields = ("scheduled_time", "series_ticker", "fee_type", "fee_multiplier", "applied")
    operation.show(
        answer,
        lambda: print_table(
            ("time", "series", "fees", ">multiplier", "applied"),
            [[row[name] for name in fields] for row in answer["fee_changes"]],
        ),
    )


# --- maintenance -----------------------------------------------------------------------------


def _print_windows(answer: dict[str, Any]) -> None:
    if not answer["windows"]:
        say("no maintenance is planned")
        return
    print_table(
        ("from", "to"),
        [(window["start_datetime"], window["end_datetime"]) for window in answer["windows"]],
    )


@operator_command(maintenance_app, "list")
def list_windows(operation: Operation) -> None:
    """The windows to come."""
    answer = operation.api.get("maintenance")
    operation.show(answer, lambda: _print_windows(answer))


@operator_command(maintenance_app, "add")
def add_window(
    operation: Operation,
    start: Annotated[str, typer.Argument(help="When trading pauses (RFC 3339).")],
    end: Annotated[str, typer.Argument(help="When it goes on.")],
) -> None:
    """Plan one more window."""
    windows = operation.api.get("maintenance")["windows"]
    windows.append({"start_datetime": start, "end_datetime": end})
    answer = operation.api.put("maintenance", body={"windows": windows})
    operation.show(answer, lambda: _print_windows(answer))


@operator_command(maintenance_app, "remove")
def remove_window(
    operation: Operation,
    start: Annotated[str, typer.Argument(help="Start of the window, as the list shows it.")],
) -> None:
    """Give up a window; one that is running ends at once."""
    windows = operation.api.get("maintenance")["windows"]
    kept = [window for window in windows if window["start_datetime"] != start]
    if len(kept) == len(windows):
        fail(f"no window starts at {start}")
    answer = operation.api.put("maintenance", body={"windows": kept})
    operation.show(answer, lambda: _print_windows(answer))


# --- clearing members and nested strikes -----------------------------------------------------


@operator_command(subtrader_app, "add")
def add_subtrader(
    operation: Operation,
    member: MemberArgument,
    subtrader: Annotated[str, typer.Argument(help="Id of the customer.")],
) -> None:
    """Open an account for a customer; the first makes the member a clearing member."""
    answer = operation.api.post("members", member, "subtraders", body={"subtrader_id": subtrader})
    operation.show(answer, lambda: print_fields(answer))


@operator_command(subtrader_app, "list")
def list_subtraders(operation: Operation, member: MemberArgument) -> None:
    """The customers of a clearing member."""
    answer = operation.api.get("members", member, "subtraders")
    fields = ("subtrader_id", "cash", "reserved", "available")
    operation.show(
        answer,
        lambda: print_table(
            ("subtrader", ">cash", ">reserved", ">available"),
            [[row[name] for name in fields] for row in answer["subtraders"]],
        ),
    )


@operator_command(event_app, "strike-order")
def set_strike_order(
    operation: Operation,
    ticker: TickerArgument,
    market: Annotated[list[str], typer.Argument(help="Its markets, lowest strike first.")],
    below: Annotated[bool, typer.Option(help="YES means below the strike, not above.")] = False,
) -> None:
    """Say how a directional event's markets are nested, when their strikes do not tell."""
    answer = operation.api.put(
        "events", ticker, "strike-order", body={"market_tickers": market, "below": below}
    )
    operation.show(answer, lambda: print_fields(answer))


def register(application: typer.Typer) -> None:
    application.add_typer(collection_app, name="collection")
    application.add_typer(fees_app, name="fees")
    application.add_typer(maintenance_app, name="maintenance")
    application.add_typer(subtrader_app, name="subtrader")

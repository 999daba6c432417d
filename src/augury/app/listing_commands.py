"""``augury series``, ``augury event`` and ``augury market``: what is listed, and its life."""

from pathlib import Path
from typing import Annotated, Any

import typer

from augury.app.console import (
    Operation,
    operator_command,
    print_fields,
    print_table,
    read_object,
    say,
)
from augury.app.member_commands import CursorOption, LimitOption, more

series_app = typer.Typer(help="Series: templates of recurring events.", no_args_is_help=True)
event_app = typer.Typer(help="Events: one occurrence with its markets.", no_args_is_help=True)
market_app = typer.Typer(help="Markets, from listing to settlement.", no_args_is_help=True)

TickerArgument = Annotated[str, typer.Argument(help="Its ticker.")]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from", help="YAML or JSON file with further fields, named as in the operator API."
    ),
]
TitleOption = Annotated[str | None, typer.Option(help="Title.")]
CategoryOption = Annotated[str | None, typer.Option(help="Category, such as Climate and Weather.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help="A tag; may be repeated.")]
TimeOption = Annotated[str | None, typer.Option(help="RFC 3339, e.g. 2026-03-01T14:00:00Z.")]
ResultArgument = Annotated[str, typer.Argument(help="yes, no, scalar or void.")]


def _body(file: Path | None, **options: Any) -> dict[str, Any]:
    """Fields of a file, overridden by the options that were given."""
    body = {} if file is None else read_object(file)
    body.update({name: value for name, value in options.items() if value is not None})
    return body


def _show(answer: dict[str, Any]) -> None:
    details = answer.pop("details", {})
    print_fields({**answer, **details})


def _print_list(
    answer: dict[str, Any], key: str, columns: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    print_table(
        columns,
        [[item.get(field, item["details"].get(field)) for field in fields] for item in answer[key]],
    )
    more(answer)


# --- series ----------------------------------------------------------------------------------


@operator_command(series_app, "create")
def create_series(
    operation: Operation,
    ticker: TickerArgument,
    title: TitleOption = None,
    category: CategoryOption = None,
    tag: TagOption = None,
    frequency: Annotated[str | None, typer.Option(help="daily, weekly, custom, ...")] = None,
    fee_type: Annotated[
        str | None,
        typer.Option(help="quadratic, quadratic_with_maker_fees or flat."),
    ] = None,
    fee_multiplier: Annotated[float | None, typer.Option(help="Scales the fees.")] = None,
    file: FromOption = None,
) -> None:
    """Create a series; its fees hold for all its markets."""
    body = _body(
        file,
        ticker=ticker,
        title=title,
        category=category,
        tags=tag,
        frequency=frequency,
        fee_type=fee_type,
        fee_multiplier=fee_multiplier,
    )
    answer = operation.api.post("series", body=body)
    operation.show(answer, lambda: _show(answer))


@operator_command(series_app, "update")
def update_series(
    operation: Operation,
    ticker: TickerArgument,
    title: TitleOption = None,
    category: CategoryOption = None,
    tag: TagOption = None,
    file: FromOption = None,
) -> None:
    """Change descriptive data; fields that are not given stay."""
    body = _body(file, title=title, category=category, tags=tag)
    answer = operation.api.patch("series", ticker, body=body)
    operation.show(answer, lambda: _show(answer))


@operator_command(series_app, "list")
def list_series(operation: Operation, limit: LimitOption = 100, cursor: CursorOption = "") -> None:
    """All series by ticker."""
    answer = operation.api.get("series", limit=limit, cursor=cursor)
    columns = ("series", "title", "category", "fees", ">multiplier")
    fields = ("ticker", "title", "category", "fee_type", "fee_multiplier")
    operation.show(answer, lambda: _print_list(answer, "series", columns, fields))


@operator_command(series_app, "show")
def show_series(operation: Operation, ticker: TickerArgument) -> None:
    """One series."""
    answer = operation.api.get("series", ticker)
    operation.show(answer, lambda: _show(answer))


# --- events ----------------------------------------------------------------------------------


@operator_command(event_app, "create")
def create_event(
    operation: Operation,
    ticker: TickerArgument,
    series: Annotated[str, typer.Option(help="Ticker of its series.")],
    title: TitleOption = None,
    sub_title: TitleOption = None,
    category: CategoryOption = None,
    strike_date: TimeOption = None,
    mutually_exclusive: Annotated[
        bool, typer.Option(help="At most one of its markets resolves yes.")
    ] = False,
    file: FromOption = None,
) -> None:
    """Create an event in a series."""
    body = _body(
        file,
        ticker=ticker,
        series_ticker=series,
        title=title,
        sub_title=sub_title,
        category=category,
        strike_date=strike_date,
        mutually_exclusive=mutually_exclusive or None,
    )
    answer = operation.api.post("events", body=body)
    operation.show(answer, lambda: _show(answer))


@operator_command(event_app, "update")
def update_event(
    operation: Operation,
    ticker: TickerArgument,
    title: TitleOption = None,
    sub_title: TitleOption = None,
    file: FromOption = None,
) -> None:
    """Change descriptive data; fields that are not given stay."""
    answer = operation.api.patch(
        "events", ticker, body=_body(file, title=title, sub_title=sub_title)
    )
    operation.show(answer, lambda: _show(answer))


@operator_command(event_app, "list")
def list_events(
    operation: Operation,
    series: Annotated[str, typer.Option(help="Only events of this series.")] = "",
    limit: LimitOption = 100,
    cursor: CursorOption = "",
) -> None:
    """Events by ticker."""
    answer = operation.api.get("events", series_ticker=series, limit=limit, cursor=cursor)
    columns = ("event", "series", "title", "exclusive", "markets")
    fields = ("ticker", "series_ticker", "title", "mutually_exclusive", "market_tickers")
    operation.show(answer, lambda: _print_list(answer, "events", columns, fields))


@operator_command(event_app, "show")
def show_event(operation: Operation, ticker: TickerArgument) -> None:
    """One event."""
    answer = operation.api.get("events", ticker)
    operation.show(answer, lambda: _show(answer))


# --- markets ---------------------------------------------------------------------------------


@operator_command(market_app, "create")
def create_market(
    operation: Operation,
    ticker: TickerArgument,
    event: Annotated[str, typer.Option(help="Ticker of its event.")],
    close_time: TimeOption = None,
    open_time: TimeOption = None,
    expected_expiration_time: TimeOption = None,
    latest_expiration_time: TimeOption = None,
    title: TitleOption = None,
    yes_sub_title: TitleOption = None,
    no_sub_title: TitleOption = None,
    rules: Annotated[str | None, typer.Option(help="The primary rules text.")] = None,
    scalar: Annotated[bool, typer.Option(help="Pays a value between 0 and 1 dollar.")] = False,
    settlement_timer: Annotated[
        int | None, typer.Option(help="Seconds between result and payment.")
    ] = None,
    price_level_structure: Annotated[
        str | None, typer.Option(help="Price grid: linear_cent, deci_cent, tapered_deci_cent, ...")
    ] = None,
    fractional: Annotated[bool, typer.Option(help="Trade hundredths of a contract.")] = False,
    file: FromOption = None,
) -> None:
    """List a market. Without --open-time it opens at once."""
    body = _body(
        file,
        ticker=ticker,
        event_ticker=event,
        close_time=close_time,
        open_time=open_time,
        expected_expiration_time=expected_expiration_time,
        latest_expiration_time=latest_expiration_time,
        title=title,
        yes_sub_title=yes_sub_title,
        no_sub_title=no_sub_title,
        rules_primary=rules,
        market_type="scalar" if scalar else None,
        settlement_timer_seconds=settlement_timer,
        price_level_structure=price_level_structure,
        fractional_trading_enabled=fractional or None,
    )
    answer = operation.api.post("markets", body=body)
    operation.show(answer, lambda: _show(answer))


@operator_command(market_app, "update")
def update_market(
    operation: Operation,
    ticker: TickerArgument,
    title: TitleOption = None,
    yes_sub_title: TitleOption = None,
    no_sub_title: TitleOption = None,
    rules: Annotated[str | None, typer.Option(help="The primary rules text.")] = None,
    price_level_structure: Annotated[
        str | None, typer.Option(help="A finer price grid; resting orders stay.")
    ] = None,
    file: FromOption = None,
) -> None:
    """Change descriptive data, or move to a finer price grid."""
    body = _body(
        file,
        title=title,
        yes_sub_title=yes_sub_title,
        no_sub_title=no_sub_title,
        rules_primary=rules,
        price_level_structure=price_level_structure,
    )
    answer = operation.api.patch("markets", ticker, body=body)
    operation.show(answer, lambda: _show(answer))


@operator_command(market_app, "list")
def list_markets(
    operation: Operation,
    event: Annotated[str, typer.Option(help="Only markets of this event.")] = "",
    status: Annotated[str, typer.Option(help="Only markets in this state.")] = "",
    limit: LimitOption = 100,
    cursor: CursorOption = "",
) -> None:
    """Markets by ticker."""
    answer = operation.api.get(
        "markets", event_ticker=event, status=status, limit=limit, cursor=cursor
    )
    columns = ("market", "status", ">bid", ">ask", ">last", ">volume", "close", "result")
    fields = (
        "ticker",
        "status",
        "yes_bid",
        "yes_ask",
        "last_price",
        "volume",
        "close_time",
        "result",
    )
    operation.show(answer, lambda: _print_list(answer, "markets", columns, fields))


@operator_command(market_app, "show")
def show_market(operation: Operation, ticker: TickerArgument) -> None:
    """One market."""
    answer = operation.api.get("markets", ticker)
    operation.show(answer, lambda: _show(answer))


def _step(operation: Operation, ticker: str, step: str, body: dict[str, Any] | None = None) -> None:
    answer = operation.api.post("markets", ticker, step, body=body)
    operation.show(answer, lambda: say(f"{answer['ticker']} is {answer['status']}"))


@operator_command(market_app, "pause")
def pause_market(operation: Operation, ticker: TickerArgument) -> None:
    """Stop trading in one market."""
    _step(operation, ticker, "pause")


@operator_command(market_app, "resume")
def resume_market(operation: Operation, ticker: TickerArgument) -> None:
    """Trade again; all resting orders of the market are cancelled."""
    _step(operation, ticker, "resume")


@operator_command(market_app, "close-time")
def change_close_time(
    operation: Operation,
    ticker: TickerArgument,
    close_time: Annotated[str, typer.Argument(help="RFC 3339, or `now`.")],
) -> None:
    """Close earlier or later; moving it ahead re-opens a closed market."""
    if close_time == "now":
        close_time = operation.api.get("clock")["time"]
    _step(operation, ticker, "close-time", {"close_time": close_time})


@operator_command(market_app, "determine")
def determine_market(
    operation: Operation,
    ticker: TickerArgument,
    result: ResultArgument,
    value: Annotated[
        str | None, typer.Option(help="What one YES contract pays, for a scalar result.")
    ] = None,
    expiration_value: Annotated[
        str | None, typer.Option(help="The observed value, as text.")
    ] = None,
) -> None:
    """Set the result; on a disputed market, confirm or amend it."""
    body = {
        "result": result,
        "settlement_value": value,
        "expiration_value": expiration_value or "",
    }
    _step(operation, ticker, "determine", body)


@operator_command(market_app, "dispute")
def dispute_market(operation: Operation, ticker: TickerArgument) -> None:
    """Hold back settlement until the result is set again."""
    _step(operation, ticker, "dispute")


def register(application: typer.Typer) -> None:
    application.add_typer(series_app, name="series")
    application.add_typer(event_app, name="event")
    application.add_typer(market_app, name="market")

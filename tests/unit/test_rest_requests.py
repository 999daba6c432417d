"""Query parameters, cursors and paths: what a gateway must get right before any operation runs."""

import pytest

from augury.core.units import NANOS_PER_SECOND
from augury.gateways.rest.app import _relative_path
from augury.gateways.rest.cursors import Cursors
from augury.gateways.rest.errors import ApiError
from augury.gateways.rest.operations import OPERATIONS, Operation
from augury.gateways.rest.parameters import (
    LATEST_NS,
    choice,
    flag,
    integer,
    parse_query,
    texts,
    time_seconds,
)
from augury.gateways.rest.request import Request
from augury.gateways.rest.routing import Router

LIMIT = integer("limit", "", minimum=1, maximum=200, default=100)
SINCE = time_seconds("min_ts", "")
NESTED = flag("nested", "")
STATUS = choice("status", ("open", "closed"), "")
TICKERS = texts("tickers", "", maximum=3)


def request(query: str) -> Request:
    return Request(
        "Test", frozenset({"limit", "status", "cursor"}), (), query.encode(), None, "3.6"
    )


# --- query -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query, parameter, value",
    [
        ("", LIMIT, 100),
        ("limit=", LIMIT, 100),
        ("limit=200", LIMIT, 200),
        ("limit=7&limit=8", LIMIT, 7),
        ("min_ts=12", SINCE, 12 * NANOS_PER_SECOND),
        ("min_ts=-1", SINCE, -NANOS_PER_SECOND),
        ("min_ts=999999999999999", SINCE, LATEST_NS),
        ("nested=TRUE", NESTED, True),
        ("nested=0", NESTED, False),
        ("status=open", STATUS, "open"),
        ("tickers=A,B&tickers=C", TICKERS, ("A", "B", "C")),
        ("tickers=A,,%20A%20,B", TICKERS, ("A", "B")),
    ],
)
def test_values_are_read(query: str, parameter: object, value: object) -> None:
    assert request(query).value(parameter) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "query, parameter",
    [
        ("limit=0", LIMIT),
        ("limit=201", LIMIT),
        ("limit=1e2", LIMIT),
        ("limit=1_0", LIMIT),
        ("limit=%2B1", LIMIT),
        ("limit=%D9%A1", LIMIT),
        ("limit=9999999999999999999999", LIMIT),
        ("min_ts=now", SINCE),
        ("nested=yes", NESTED),
        ("status=Open", STATUS),
        ("tickers=A,B,C,D", TICKERS),
        ("tickers=%00", TICKERS),
        ("tickers=%ff", TICKERS),
        ("&".join(f"p{number}=1" for number in range(300)), TICKERS),
    ],
)
def test_malformed_values_are_refused(query: str, parameter: object) -> None:
    with pytest.raises(ApiError) as caught:
        request(query).value(parameter)  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.code) == (400, "invalid_parameters")


def test_a_query_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(ApiError):
        parse_query(b"ticker=\xff")


# --- cursors ---------------------------------------------------------------------------------

CURSORS = Cursors(b"a key")


def test_a_cursor_finds_its_way_back() -> None:
    cursor = CURSORS.write("GetOrders 7 []", (123, 45))
    assert Cursors(b"a key").read("GetOrders 7 []", cursor, tuple[int, int]) == (123, 45)


def test_a_cursor_belongs_to_one_list_one_caller_and_one_set_of_filters() -> None:
    first = request("status=open&limit=5&cursor=abc")
    same = request("limit=9&status=open")
    other = request("status=closed&limit=5")
    assert first.cursor_scope() == same.cursor_scope() != other.cursor_scope()
    cursor = CURSORS.write(first.cursor_scope(), (1,))
    assert CURSORS.read(same.cursor_scope(), cursor, tuple[int]) == (1,)
    for scope in (other.cursor_scope(), ""):
        with pytest.raises(ApiError):
            CURSORS.read(scope, cursor, tuple[int])


def test_a_cursor_that_was_changed_is_refused() -> None:
    cursor = CURSORS.write("list", (123,))
    changed = [
        cursor[:index] + ("A" if cursor[index] != "A" else "B") + cursor[index + 1 :]
        for index in range(len(cursor))
    ]
    for bad in [
        *changed,
        cursor[:-1],
        cursor + "A",
        cursor + "=",
        " " + cursor,
        "%",
        "ü",
        "A" * 999,
    ]:
        with pytest.raises(ApiError) as caught:
            CURSORS.read("list", bad, tuple[int])
        assert caught.value.code == "invalid_cursor"


def test_a_cursor_of_another_shape_is_refused() -> None:
    with pytest.raises(ApiError):
        CURSORS.read("list", CURSORS.write("list", ("text",)), tuple[int])


# --- paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path, status",
    [
        (b"/trade-api/v2/markets", 0),
        (b"/trade-api/v2/markets/%4B", 0),
        (b"/trade-api/v2/markets%2FA", 400),
        (b"/trade-api/v2/markets/%2e%2e/events", 400),
        (b"/trade-api/v2/markets/../events", 400),
        (b"/trade-api/v2/./markets", 400),
        (b"/trade-api/v2/markets/%00", 400),
        (b"/trade-api/v2/markets/%0d%0aX", 400),
        (b"/trade-api/v2/markets/%ff", 400),
        (b"/trade-api/v2//markets", 404),
        (b"/trade-api/v2/markets//", 404),
        (b"/trade-api/v22/markets", 404),
        (b"/trade-api/v2", 404),
        (b"/", 404),
    ],
)
def test_paths_mean_what_they_say_or_nothing(path: bytes, status: int) -> None:
    if status == 0:
        assert _relative_path(path).startswith("/markets")
        return
    with pytest.raises(ApiError) as caught:
        _relative_path(path)
    assert caught.value.status == status


ROUTER = Router(OPERATIONS)


def found(method: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    route = ROUTER.find(path)
    if route is None:
        return None
    operation = route.methods.get(method)
    return (operation.id if operation else "", route.path_values)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_is_found_at_its_path(operation: Operation) -> None:
    assert found(operation.method, operation.path.replace("{", "").replace("}", "")) is not None


@pytest.mark.parametrize(
    "method, path, expected",
    [
        ("GET", "/markets/trades", ("GetTrades", ())),
        ("GET", "/markets/ABC", ("GetMarket", ("ABC",))),
        ("GET", "/markets/ABC/orderbook", ("GetMarketOrderbook", ("ABC",))),
        ("GET", "/series/S/markets/M/candlesticks", ("GetMarketCandlesticks", ("S", "M"))),
        ("DELETE", "/portfolio/orders/batched", ("BatchCancelOrders", ("batched",))),
        ("GET", "/portfolio/orders/batched", ("GetOrder", ("batched",))),
        ("PUT", "/portfolio/orders/batched", ("", ("batched",))),
        ("POST", "/portfolio/order_groups/G/reset", ("ResetOrderGroup", ("G",))),
        ("GET", "/markets/{}", ("GetMarket", ("{}",))),
        ("GET", "/markets/{ticker}", ("GetMarket", ("{ticker}",))),
        ("GET", "/markets/", None),
        ("GET", "/markets/A/B", None),
        ("GET", "/Markets", None),
        ("GET", "", None),
    ],
)
def test_routes(method: str, path: str, expected: tuple[str, tuple[str, ...]] | None) -> None:
    assert found(method, path) == expected


def test_two_operations_cannot_share_a_path() -> None:
    with pytest.raises(ValueError, match="two operations"):
        Router([OPERATIONS[0], OPERATIONS[0]])

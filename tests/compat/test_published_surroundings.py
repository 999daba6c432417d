"""What surrounds trading, read with the clients 3.2.0 that people have installed; and the proof
that the tests beside this one leave none of their methods out."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from augury.client.signing import generate_key_pair
from augury.core import commands as c
from augury.testing import RunningExchange, running_exchange
from tests.compat.published_clients import ASYNC, SYNC, load, published_client
from tests.rest_harness import RAIN, Caller, running


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningExchange]:
    with running_exchange(world="demo") as exchange:
        yield exchange


@pytest.fixture(params=[SYNC, ASYNC])
def package(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    load(name)
    return name


@pytest.fixture
def client(demo: RunningExchange, package: str) -> Iterator[Any]:
    with published_client(package, Caller(demo.url, None)) as client:
        yield client


def test_the_demo_world_is_described(client: Any) -> None:
    assert client.get_tags_for_series_categories().tags_by_categories
    assert client.get_filters_for_sports().sport_ordering
    assert client.get_incentive_programs().incentive_programs
    assert client.get_series_fee_changes(show_historical=True).series_fee_change_arr
    milestones = client.get_milestones(limit=100).milestones
    live = client.get_live_datas(milestone_ids=[row.id for row in milestones]).live_datas
    assert live
    one = client.get_live_data(type=live[0].type, milestone_id=live[0].milestone_id).live_data
    assert one.milestone_id == live[0].milestone_id
    milestone = client.get_milestone(milestone_id=milestones[0].id).milestone
    assert milestone.title == milestones[0].title
    target = client.get_structured_targets(page_size=5).structured_targets[0]
    found = client.get_structured_target(structured_target_id=target.id).structured_target
    assert found.name == target.name


def test_a_clearing_member_with_a_second_key_looks_after_its_customers(
    package: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running(tmp_path_factory.mktemp("fcm")) as exchange:
        clearing = exchange.member("clearing", profile="legacy")
        exchange.do(c.CreateSubtrader(clearing.member_id, "alpha"))
        number = exchange.gate.state.members[clearing.member_id].subtraders["alpha"]
        exchange.do(c.TransferBetweenSubaccounts(clearing.member_id, 0, number, 10**9, "t"))
        placed = clearing.order("buy", "yes", 40, 10, subtrader_id="alpha")
        exchange.member("taker").order("buy", "no", 60, 4)
        with published_client(package, clearing) as client:
            made = client.create_api_key(name="second", public_key=generate_key_pair().public_pem)
            assert made.api_key_id in {key.api_key_id for key in client.get_api_keys().api_keys}
            (order,) = client.get_fcm_orders(subtrader_id="alpha").orders
            assert (order.order_id, order.remaining_count) == (placed["order_id"], 6)
            (position,) = client.get_fcm_positions(subtrader_id="alpha").market_positions
            assert (position.ticker, position.position) == (RAIN, 4)


def test_no_method_is_left_out(package: str) -> None:
    apis = load(f"{package}.api")
    methods = {
        name
        for kind in vars(apis).values()
        if inspect.isclass(kind) and kind.__name__.endswith("Api")
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
        and not name.endswith(("_with_http_info", "_without_preload_content"))
    }
    assert len(methods) >= 60
    called: set[str] = set()
    for source in Path(__file__).parent.glob("test_published_*.py"):
        called.update(re.findall(r"\.(\w+)\(", source.read_text(encoding="utf-8")))
    assert methods - called == set()

"""An exchange behind the REST gateway, for tests that talk to it over real HTTP.

Everything is real except the disk under the log: sequencer, core, history in SQLite, signatures,
uvicorn on a free port. It runs in a thread of its own, because some clients block. The clock is
virtual and stands still unless a test moves it.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
import uvloop

from augury.client.signing import KeyPair, Signer, generate_key_pair
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.core.applied import Applied
from augury.core.engine import Engine
from augury.core.prices import PRICE_LEVEL_STRUCTURES
from augury.core.state import ANY_SUBACCOUNT, Exchange
from augury.gateways.auth import Authenticator
from augury.gateways.http import Doorkeeper, OneWriteProtocol
from augury.gateways.rate_limits import RateLimiter
from augury.gateways.rest.app import RestGateway
from augury.gateways.settings import BASE_PATH, RestSettings
from augury.log.memory import MemoryLog
from augury.ports.log import Log
from augury.projections.history import History
from augury.projections.market_stats import MarketStats
from augury.projections.queries import HistoryQueries
from augury.sequencer import Sequencer
from augury.sequencer.clocks import VirtualClock
from tests.documented import check_answer

T = TypeVar("T")

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START_NS = 1_772_373_600 * SECOND
"""2026-03-01T14:00:00Z, a Sunday."""

RAIN = "RAIN-26MAR01-T1"
RAIN_MORE = "RAIN-26MAR01-T2"
SUN = "SUN-26MAR01"
"""A market with prices of a tenth of a cent and fractional quantities."""
SCORE = "SCORE-26MAR01"
"""A scalar market with maker fees."""


@cache
def key_pair() -> KeyPair:
    """One key for all members of a run; making one takes a tenth of a second."""
    return generate_key_pair()


class Caller:
    """Sends requests, signed when there is a key."""

    def __init__(self, url: str, signer: Signer | None, member_id: int = 0) -> None:
        self.signer = signer
        self.member_id = member_id
        self.user_id = format_id("member", member_id) if member_id else ""
        self.client = httpx.Client(base_url=url, timeout=20)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One request below the base path. The answer has to be a documented one."""
        path = BASE_PATH + path
        signed = {} if self.signer is None else self.signer.headers(method, path)
        response = self.client.request(
            method,
            path,
            json=body,
            content=content,
            params=params,
            headers={**signed, **(headers or {})},
        )
        check_answer(method, path, response)
        return response

    def get(self, path: str, **params: Any) -> Any:
        """The body of a successful answer."""
        return self.expect(200, "GET", path, params=params)

    def post(self, path: str, body: Any = None, status: int = 201) -> Any:
        return self.expect(status, "POST", path, body)

    def expect(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The body of an answer that must have ``status``."""
        response = self.send(method, path, body, **more)
        assert response.status_code == status, f"{response.status_code}: {response.text}"
        return response.json() if response.content else None

    def refused(self, status: int, method: str, path: str, body: Any = None, **more: Any) -> str:
        """The code of an error that must have ``status``."""
        code: str = self.expect(status, method, path, body, **more)["code"]
        return code

    # --- shorthands of trading ---------------------------------------------------------------

    def order(
        self, action: str, side: str, price: int, count: int, ticker: str = RAIN, **more: Any
    ) -> Any:
        """An accepted order."""
        return self.post("/portfolio/orders", order(action, side, price, count, ticker, **more))[
            "order"
        ]

    def order_refused(self, status: int, body: Mapping[str, Any]) -> str:
        return self.refused(status, "POST", "/portfolio/orders", dict(body))


def order(
    action: str, side: str, price: int, count: int, ticker: str = RAIN, **more: Any
) -> dict[str, Any]:
    """The body of an order whose price is given in cents of its own side."""
    price_field = {} if "yes_price_dollars" in more else {f"{side}_price": price}
    return {
        "ticker": ticker,
        "action": action,
        "side": side,
        "count": count,
        **price_field,
        **more,
    }


class RestExchange:
    """A running exchange. ``do`` and ``advance`` reach behind the gateway."""

    def __init__(
        self,
        directory: Path,
        settings: RestSettings,
        log: Log | None = None,
        start_ns: int = START_NS,
        limiter: RateLimiter | None = None,
    ) -> None:
        self.limiter = limiter
        self.clock = VirtualClock(start_ns)
        self.directory = directory
        self.settings = settings
        self.log = log or MemoryLog()
        self.url = ""
        self.gate: Sequencer
        self.history: History
        self.gateway: RestGateway
        self._loop = uvloop.new_event_loop()
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    # --- running -----------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(20), "the exchange did not start"
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the exchange did not stop"

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        self.gate = Sequencer(Engine(), self.log, self.clock)
        self.history = History(f"sqlite:///{self.directory / 'history.db'}")
        self.history.open()
        self.history.start()
        statistics = MarketStats()
        self.gate.listen(self.history.feed)
        self.gate.listen(statistics.observe)
        queries = HistoryQueries(self.history.database)
        self.gateway = RestGateway(
            *(self.gate, self.history, queries, statistics, Authenticator(self.gate)),
            self.settings,
            limiter=self.limiter,
        )
        await self.gate.start()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.gateway,
                http=OneWriteProtocol.of_server(Doorkeeper(), self.gateway.answer),
                lifespan="off",
                log_level="warning",
            )
        )
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            self._loop.call_later(0.01, self._started.set)
            await self._server.serve([listening])
        await self.gate.stop()
        self.history.close()
        queries.close()

    # --- behind the gateway ------------------------------------------------------------------

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the exchange's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def do(self, command: c.Command) -> Applied:
        """A command that must be carried out."""
        applied = self.call(self.gate.submit(command))
        assert applied.rejection is None, applied.rejection
        return applied

    def advance(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.call(self.gate.advance_to(self.gate.now_ns() + nanoseconds))

    def wait_until(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something that the exchange does in its own time."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            pause.wait(0.01)

    @property
    def state(self) -> Exchange:
        return self.gate.state

    def member(
        self,
        name: str,
        deposit_cents: int = 1_000_000,
        *,
        tier: str = "basic",
        scopes: tuple[str, ...] = ("read", "write"),
        profile: str = "",
    ) -> Caller:
        """A member with money and a key."""
        member_id = self.do(c.CreateMember(f"{name}@example.com", tier)).sequence
        if deposit_cents:
            self.do(c.Deposit(member_id, 0, deposit_cents * 10_000))
        return self.caller(member_id, scopes, profile)

    def caller(
        self,
        member_id: int,
        scopes: tuple[str, ...] = ("read", "write"),
        profile: str = "",
        subaccount: int = ANY_SUBACCOUNT,
    ) -> Caller:
        """Another key of a member."""
        pair = key_pair()
        key = self.do(c.AddApiKey(member_id, "test", pair.public_pem, scopes, profile, subaccount))
        signer = Signer(format_id("api_key", key.sequence), pair.private_pem)
        return Caller(self.url, signer, member_id)

    def stranger(self) -> Caller:
        """Somebody without a key."""
        return Caller(self.url, None)

    def list_everything(self) -> None:
        """Three series with four open markets; see the constants of this module."""
        self.do(
            c.CreateSeries(
                "RAIN",
                "quadratic",
                1_000_000,
                '{"title": "Rain", "category": "Climate and Weather", "frequency": "daily",'
                ' "tags": ["Rain", "New York"], "settlement_sources":'
                ' [{"name": "Weather service", "url": "https://example.com/weather"}],'
                ' "contract_url": "https://example.com/c", "contract_terms_url": "",'
                ' "product_metadata": {"key": 1}}',
            )
        )
        self.do(
            c.CreateEvent(
                "RAIN-26MAR01",
                "RAIN",
                True,
                "MECNET",
                '{"title": "Rain on March 1", "sub_title": "In New York", "category": "Climate and'
                ' Weather", "strike_date": "2026-03-02T04:59:00Z", "image_url":'
                ' "https://example.com/rain.png", "competition": "Weather"}',
            )
        )
        for ticker, floor in ((RAIN, 1), (RAIN_MORE, 2)):
            self.list_market(
                ticker,
                "RAIN-26MAR01",
                details='{"title": "More than one inch?", "subtitle": "1 inch", "yes_sub_title":'
                ' "Yes", "no_sub_title": "No", "rules_primary": "If it rains.", "strike_type":'
                f' "greater", "floor_strike": {floor}.5, "color_code": "#00AAFF"}}',
            )
        self.do(c.CreateSeries("SUN", "quadratic", 500_000, '{"title": "Sun"}'))
        self.do(c.CreateEvent("SUN-26MAR01-E", "SUN", False, "", '{"title": "Sun?"}'))
        self.list_market(SUN, "SUN-26MAR01-E", structure="deci_cent", fractional=True)
        self.do(c.CreateSeries("SCORE", "quadratic_with_maker_fees", 1_000_000, "{}"))
        self.do(c.CreateEvent("SCORE-26MAR01-E", "SCORE", False, "", '{"title": "Score"}'))
        self.list_market(SCORE, "SCORE-26MAR01-E", market_type="scalar")

    def list_market(
        self,
        ticker: str,
        event_ticker: str,
        *,
        market_type: str = "binary",
        structure: str = "linear_cent",
        fractional: bool = False,
        open_in: int = 0,
        details: str = '{"title": "A market"}',
    ) -> None:
        """A market that closes after ten hours and settles an hour after its result."""
        now = self.gate.now_ns()
        self.do(
            c.CreateMarket(
                ticker,
                event_ticker,
                market_type,
                now + open_in,
                now + open_in + 10 * HOUR,
                now + 11 * HOUR,
                now + open_in + 48 * HOUR,
                3600,
                True,
                structure,
                PRICE_LEVEL_STRUCTURES[structure],
                fractional,
                False,
                0,
                details,
            )
        )


@contextmanager
def running(
    directory: Path,
    settings: RestSettings | None = None,
    log: Log | None = None,
    limiter: RateLimiter | None = None,
) -> Iterator[RestExchange]:
    """An exchange with everything listed. Rate limits are off unless ``settings`` says so."""
    settings = settings or RestSettings(rate_limits=False)
    exchange = RestExchange(directory, settings, log, limiter=limiter)
    exchange.start()
    try:
        exchange.list_everything()
        yield exchange
    finally:
        exchange.stop()

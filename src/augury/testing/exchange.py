"""A running exchange in the hands of a test: real server, real port, real protocols.

By default it runs in a thread of the test's own process, which is quick to start. With
``own_process`` it is the command ``augury serve``, which can be killed and started again.
"""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from augury.app.operator_client import OperatorClient
from augury.app.settings import Settings
from augury.client import Client, KeyPair, Signer, Stream, generate_key_pair
from augury.codec.text import parse_rfc3339
from augury.testing.hosts import ForkedHost, Host, ProcessHost, Stopped, ThreadHost

T = TypeVar("T")

BASE = "/trade-api/v2"
LIFE_OF_A_MARKET = timedelta(days=7)


@cache
def shared_key_pair() -> KeyPair:
    """One key for all members of a test run: making one takes a tenth of a second."""
    return generate_key_pair()


class Member:
    """A member of the exchange with a key in hand.

    ``get``, ``post``, ``put`` and ``delete`` send signed requests to the trading API and return
    the decoded answer; a refusal raises ``httpx.HTTPStatusError``. ``request`` never raises for
    a refusal.
    """

    def __init__(
        self, exchange: "RunningExchange", email: str, user_id: str, api_key_id: str, keys: KeyPair
    ) -> None:
        self.email = email
        self.user_id = user_id
        self.api_key_id = api_key_id
        self.private_key_pem = keys.private_pem
        self.signer = Signer(api_key_id, keys.private_pem)
        self._exchange = exchange

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> httpx.Response:
        """One signed request; ``path`` is relative to ``/trade-api/v2``."""
        signed = self.signer.headers(method, BASE + path)
        return self._exchange.http.request(
            method, BASE + path, json=body, params=query, headers={**signed, **(headers or {})}
        )

    def get(self, path: str, **query: Any) -> Any:
        return _answer(self.request("GET", path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        return _answer(self.request("POST", path, body))

    def put(self, path: str, body: Any = None) -> Any:
        return _answer(self.request("PUT", path, body))

    def delete(self, path: str, body: Any = None) -> Any:
        return _answer(self.request("DELETE", path, body))

    def place(
        self, ticker: str, action: str, side: str, count: int, cents: int, **more: Any
    ) -> Any:
        """Place an order at a price in cents of its own side; returns the order."""
        body = {"ticker": ticker, "action": action, "side": side, "count": count, **more}
        body[f"{side}_price"] = cents
        return self.post("/portfolio/orders", body)["order"]

    @property
    def balance(self) -> int:
        """Available money in cents."""
        return int(self.get("/portfolio/balance")["balance"])

    def position(self, ticker: str) -> int:
        """Contracts held: YES positive, NO negative."""
        rows = self.get("/portfolio/positions", ticker=ticker)["market_positions"]
        return sum(int(row["position"]) for row in rows)

    def client(self, **options: Any) -> Client:
        """An asynchronous client that signs as this member."""
        return Client(self._exchange.url, self.signer, **options)

    def stream(self, **options: Any) -> Stream:
        """A WebSocket that signs as this member."""
        return Stream(self._exchange.url, self.signer, **options)


class RunningExchange:
    """One exchange. Use as a context manager, or through ``running_exchange``."""

    def __init__(self, settings: Settings, host: Host) -> None:
        self.settings = settings
        self._host = host
        self._closing = contextlib.ExitStack()
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Returns when the exchange answers. Raises ``Stopped`` when it does not come up."""
        self._host.start()
        self._closing = contextlib.ExitStack()
        trust = self._trust()
        self.operator = self._closing.enter_context(
            OperatorClient.from_token_file(self.url, self.settings.token_path, trust)
        )
        self.http = self._closing.enter_context(
            httpx.Client(
                base_url=self.url,
                timeout=30,
                trust_env=False,
                verify=True if trust is None else _context(trust),
            )
        )

    def stop(self) -> None:
        """Stop gracefully."""
        self._closing.close()
        self._host.stop()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); only with ``own_process``."""
        self._closing.close()
        self._host.kill()

    def wait(self) -> int:
        """Until it has ended by itself; the exit code. Only with ``own_process``."""
        self._closing.close()
        return self._host.wait()

    def restart(self) -> None:
        """Start again on the same data, at the same address."""
        self._host.keep_port()
        self.start()

    def begin_restart(self) -> None:
        """Start again and do not wait, to kill it on its way up; only with ``forked``."""
        self._host.keep_port()
        self._host.begin()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- where it is -------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Base of all addresses: ``http://127.0.0.1:PORT``."""
        return self._host.url

    @property
    def api_url(self) -> str:
        """What the published clients call their host."""
        return self.url + BASE

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/trade-api/ws/v2"

    @property
    def fix_ports(self) -> dict[str, int]:
        """Ports of the FIX sessions by TargetCompID."""
        return dict(self.operator.get("status")["fix_ports"])

    @property
    def process_id(self) -> int:
        """Of the process that serves; only with ``own_process``."""
        return self._host.process_id

    def _trust(self) -> Path | None:
        if not self.settings.tls or self.settings.tls_cert is not None:
            return self.settings.tls_cert
        return self.settings.data / "tls" / "ca.pem"

    # --- who is there ------------------------------------------------------------------------

    def add_member(
        self,
        email: str = "",
        *,
        deposit: str = "10000.00",
        tier: str = "prime",
        scopes: tuple[str, ...] = ("read", "write"),
        profile: str = "",
        precision: str = "0.01",
        keys: KeyPair | None = None,
    ) -> Member:
        """A new member with money and a key. All members share one key pair unless given one."""
        pair = keys or shared_key_pair()
        email = email or f"member{next(self._numbers)}@example.com"
        answer = self.operator.post(
            "members",
            body={
                "email": email,
                "deposit": deposit,
                "usage_tier": tier,
                "balance_precision": precision,
                "public_key": pair.public_pem,
                "scopes": list(scopes),
                "profile": profile,
            },
        )
        return Member(self, email, answer["user_id"], answer["api_key_id"], pair)

    # --- what is traded ----------------------------------------------------------------------

    def list_market(
        self,
        ticker: str = "",
        *,
        event: str = "",
        series: str = "KXTEST",
        open_for: timedelta = LIFE_OF_A_MARKET,
        **fields: Any,
    ) -> str:
        """List a market that trades at once; series and event are made when they are missing.

        ``fields`` are those of the operator API, for example ``market_type="scalar"``.
        """
        ticker = ticker or f"{series}-{next(self._numbers)}-T1"
        event = event or ticker.rpartition("-")[0] or f"{ticker}-EVENT"
        known = self.operator.get("series", limit=1000)["series"]
        if series not in {item["ticker"] for item in known}:
            self.operator.post("series", body={"ticker": series, "title": "Tests"})
        events = self.operator.get("events", series_ticker=series, limit=1000)["events"]
        if event not in {item["ticker"] for item in events}:
            self.operator.post(
                "events", body={"ticker": event, "series_ticker": series, "title": "A test"}
            )
        fields.setdefault("close_time", (self.now() + open_for).isoformat())
        body = {"ticker": ticker, "event_ticker": event, "title": ticker, **fields}
        self.operator.post("markets", body=body)
        return ticker

    def market(self, ticker: str) -> Any:
        """A market as the operator sees it."""
        return self.operator.get("markets", ticker)

    def determine(self, ticker: str, result: str, value: str | None = None) -> Any:
        """Set a market's result, closing it first when it still trades."""
        body = {"result": result, "settlement_value": value}
        return self.operator.post("markets", ticker, "determine", body=body)

    # --- time --------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The exchange's time, to the microsecond."""
        return _moment(self.operator.get("clock")["time"])

    def advance(self, span: timedelta | None = None, **parts: float) -> Any:
        """Move a virtual clock: ``advance(hours=2)``. Everything due on the way happens."""
        seconds = (span or timedelta(**parts)).total_seconds()
        return self.operator.post("clock", "advance", body={"by_seconds": seconds})

    def advance_to(self, moment: datetime) -> Any:
        return self.operator.post("clock", "advance", body={"to": moment.isoformat()})

    def next_timer(self) -> Any:
        """Move a virtual clock to the next moment at which something is due."""
        return self.operator.post("clock", "next")


@contextlib.contextmanager
def running_exchange(
    *,
    own_process: bool = False,
    forked: bool = False,
    data: Path | None = None,
    clock: str = "virtual",
    rate_limits: bool = False,
    **settings: Any,
) -> Iterator[RunningExchange]:
    """An exchange on a free port for the length of a ``with`` block.

    ``settings`` are those of ``augury serve``, such as ``world="demo"`` or ``tls=True``. Without
    ``data`` everything is forgotten at the end. A virtual clock starts now and stands still;
    signatures are checked against real time all the same. FIX is off unless ``fix=True``, and then
    on free ports, which ``fix_ports`` tells.

    It runs in a thread; with ``own_process`` as the command ``augury serve``; with ``forked`` in
    a process that starts quicker than that (like all users of ``multiprocessing``, a script needs
    its ``if __name__ == "__main__"`` then).
    """
    with contextlib.ExitStack() as stack:
        if data is None:
            directory = tempfile.TemporaryDirectory(prefix="augury-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(directory))
        chosen: dict[str, Any] = {
            "port": 0,
            "snapshot_every_minutes": 0,
            "snapshot_every_records": 0,
            "stop_timeout_seconds": 2,
            "log_level": "warning",
            "fix": False,
            **settings,
        }
        if chosen["fix"]:
            chosen.setdefault("fix_port", 0)
        chosen_settings = Settings(
            data=data,
            clock=clock,  # type: ignore[arg-type]
            rate_limits=rate_limits,
            **chosen,
        )
        if forked:
            host: Host = ForkedHost(chosen_settings)
        else:
            host = ProcessHost(chosen_settings) if own_process else ThreadHost(chosen_settings)
        exchange = RunningExchange(chosen_settings, host)
        yield stack.enter_context(exchange)


def wait_until(
    condition: Callable[[], T], *, seconds: float = 10.0, pause: float = 0.01, what: str = ""
) -> T:
    """The first truthy answer of ``condition``; fails with ``TimeoutError`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise TimeoutError(what or f"nothing but {found!r} in {seconds} seconds")
        time.sleep(pause)


def _answer(response: httpx.Response) -> Any:
    if response.is_error:
        raise httpx.HTTPStatusError(
            f"{response.status_code} {response.text[:500]}",
            request=response.request,
            response=response,
        )
    return response.json() if response.content else {}


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=parse_rfc3339(text) // 1000)


def _context(authority: Path) -> Any:
    import ssl

    return ssl.create_default_context(cafile=authority)


__all__ = ["Member", "RunningExchange", "Stopped", "running_exchange", "wait_until"]

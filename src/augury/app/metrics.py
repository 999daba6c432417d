"""What the process counts about itself, for Prometheus.

Counting happens on the hot path, so it is plain dictionaries and lists; they become metrics only
when somebody asks. Sums over the state are taken at that moment, too.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from augury.core.applied import Applied
from augury.core.events import MarketSettled, TradeExecuted
from augury.gateways.ws.app import WebSocketGateway
from augury.ports.exchange import ExchangeGate

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of answer times."""


class Requests:
    """Counts answers by door (``rest``, ``operator``, ...) and status, and how long they took."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, list[int]] = {}
        self._total_seconds: Counter[str] = Counter()

    def observe(self, door: str, status: int, seconds: float) -> None:
        self.answers[door, status] += 1
        buckets = self._seconds.get(door)
        if buckets is None:
            buckets = self._seconds[door] = [0] * (len(SECONDS) + 1)
        buckets[bisect_left(SECONDS, seconds)] += 1
        self._total_seconds[door] += seconds  # type: ignore[assignment]

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily(
            "augury_http_requests", "Answered requests.", labels=["door", "status"]
        )
        for (door, status), count in self.answers.items():
            answers.add_metric([door, str(status)], count)
        yield answers
        times = HistogramMetricFamily(
            "augury_http_request_seconds", "Time to the end of the answer.", labels=["door"]
        )
        for door, buckets in self._seconds.items():
            total = 0
            cumulative = []
            for bound, count in zip((*map(str, SECONDS), "+Inf"), buckets, strict=True):
                total += count
                cumulative.append((bound, float(total)))
            times.add_metric([door], cumulative, self._total_seconds[door])
        yield times


class Records:
    """Counts what the exchange applied. Its ``listen`` is called for each record."""

    def __init__(self) -> None:
        self.commands: Counter[str] = Counter()
        self.rejections: Counter[str] = Counter()
        self.trades = 0
        self.settled = 0

    def listen(self, applied: Applied) -> None:
        self.commands[type(applied.command).__name__] += 1
        rejection = applied.rejection
        if rejection is not None:
            self.rejections[rejection.code] += 1
        # Timers may have done something before the command that is refused.
        for event in applied.events:
            if type(event) is TradeExecuted:
                self.trades += 1
            elif type(event) is MarketSettled:
                self.settled += 1

    def collect(self) -> Iterator[Metric]:
        commands = CounterMetricFamily(
            "augury_commands", "Records applied since the start.", labels=["command"]
        )
        for name, count in self.commands.items():
            commands.add_metric([name], count)
        yield commands
        rejections = CounterMetricFamily(
            "augury_rejections", "Commands that the core refused.", labels=["code"]
        )
        for code, count in self.rejections.items():
            rejections.add_metric([code], count)
        yield rejections
        yield CounterMetricFamily("augury_trades", "Matches since the start.", self.trades)
        yield CounterMetricFamily(
            "augury_markets_settled", "Markets that were settled since the start.", self.settled
        )


class Metrics:
    """The registry behind ``/metrics``.

    ``history_position`` and ``streams`` are asked at every scrape.
    """

    def __init__(
        self,
        gate: ExchangeGate,
        history_position: Callable[[], int],
        streams: WebSocketGateway,
    ) -> None:
        self.requests = Requests()
        self.records = Records()
        self._gate = gate
        self._history_position = history_position
        self._streams = streams
        self.fix_sessions: Callable[[], int] = lambda: 0
        self.garbage_pause_seconds = 0.0
        """The longest pause for garbage so far."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self._registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self.requests.collect()
        yield from self.records.collect()
        yield from self._stream_figures()
        yield from self._gauges()
        yield GaugeMetricFamily(
            "augury_fix_sessions", "FIX sessions with a client logged on.", self.fix_sessions()
        )

    def _stream_figures(self) -> Iterator[Metric]:
        streams, done = self._streams, self._streams.counters
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        yield gauge("augury_websocket_connections", "Open streams.", streams.connections)
        yield gauge(
            "augury_websocket_subscriptions",
            "Subscriptions of open streams.",
            streams.subscriptions,
        )
        yield counter("augury_websocket_messages", "Messages sent.", done.messages_sent)
        yield counter("augury_websocket_bytes", "Bytes of these messages.", done.bytes_sent)
        yield counter("augury_websocket_commands", "Commands of clients.", done.commands)
        yield counter(
            "augury_websocket_command_errors", "Answers of type error.", done.command_errors
        )
        yield counter(
            "augury_websocket_overflows", "Streams closed for reading too slowly.", done.overflows
        )

    def _gauges(self) -> Iterator[Metric]:
        state = self._gate.state
        history = self._history_position()
        gauge = GaugeMetricFamily
        yield gauge("augury_sequence", "Sequence of the newest record.", state.sequence)
        yield gauge("augury_history_sequence", "How far history has been written.", history)
        yield gauge(
            "augury_history_lag_records", "Records not yet in history.", state.sequence - history
        )
        yield gauge("augury_open_orders", "Orders resting in the books.", len(state.orders))
        yield gauge("augury_members", "Members.", len(state.members))
        yield gauge(
            "augury_client_order_ids",
            "Client order ids that are taken.",
            sum(len(member.client_order_ids) for member in state.members.values()),
        )
        yield gauge("augury_markets", "Markets ever listed.", len(state.markets))
        yield gauge(
            "augury_storage_failed", "1 while the log refuses writes.", self._gate.storage_failed
        )
        yield gauge(
            "augury_exchange_time_seconds", "The exchange's clock.", self._gate.now_ns() / 1e9
        )
        yield gauge(
            "augury_garbage_pause_seconds",
            "Longest pause for collecting garbage.",
            self.garbage_pause_seconds,
        )

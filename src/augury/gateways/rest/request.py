"""One request on its way to a handler, and what handlers work with."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from augury.core.applied import Applied
from augury.core.commands import Command
from augury.core.state import ANY_SUBACCOUNT, Account, Exchange, Member
from augury.gateways.auth import Principal
from augury.gateways.rate_limits import RateLimiter
from augury.gateways.rest.bodies import Body
from augury.gateways.rest.cursors import Cursors
from augury.gateways.rest.errors import from_rejection, invalid, locked_out, rate_limited
from augury.gateways.rest.live_markets import LiveMarkets
from augury.gateways.rest.market_rows import MarketRows
from augury.gateways.rest.order_cache import OrderCache
from augury.gateways.rest.parameters import (
    CURSOR,
    EXCHANGE_INDEX,
    SUBACCOUNT,
    Parameter,
    parse_query,
)
from augury.gateways.settings import RestSettings
from augury.ports.exchange import ExchangeGate
from augury.ports.history import HistoryProgress
from augury.projections.queries import HistoryQueries

T = TypeVar("T")

_NOT_FILTERS = frozenset({"cursor", "limit", "page_size"})


class Request:
    """What a client asks, after dispatch and authentication.

    ``path_values`` are the variable segments of the path in their order.
    """

    __slots__ = (
        "_principal",
        "_query",
        "body",
        "only_subaccount",
        "operation_id",
        "parameter_names",
        "path_values",
        "profile",
        "query_string",
    )

    def __init__(
        self,
        operation_id: str,
        parameter_names: frozenset[str],
        path_values: Sequence[str],
        query_string: bytes,
        principal: Principal | None,
        profile: str,
    ) -> None:
        self.operation_id = operation_id
        self.parameter_names = parameter_names
        self.path_values = path_values
        self.query_string = query_string
        self.profile = profile
        self.body = b""
        self._principal = principal
        self.only_subaccount = ANY_SUBACCOUNT if principal is None else principal.subaccount
        """The subaccount that the caller's key is restricted to, or -1."""
        self._query: Mapping[str, list[str]] | None = None

    @property
    def principal(self) -> Principal:
        """The caller. Only for operations that are not public."""
        assert self._principal is not None
        return self._principal

    @property
    def member_id(self) -> int:
        return self.principal.member_id

    @property
    def query(self) -> Mapping[str, list[str]]:
        """The values of the query, by name. Raises ``ApiError`` when it is malformed."""
        if self._query is None:
            self._query = parse_query(self.query_string)
            for text in self._query.get(EXCHANGE_INDEX.name, ()):
                if text:
                    EXCHANGE_INDEX.parse((text,))
        return self._query

    def value(self, parameter: Parameter[T]) -> T:
        """The value of a query parameter, or its default. Raises ``ApiError``.

        A key for one subaccount may name that one only, and means it when it names none.
        """
        if self.only_subaccount >= 0 and parameter.name == SUBACCOUNT.name:
            given = [text for text in self.query.get(parameter.name, ()) if text]
            self.check_subaccount(SUBACCOUNT.parse(given) if given else None)
            return parameter.parse((str(self.only_subaccount),))
        if not self.query_string:
            return parameter.default
        texts = self.query.get(parameter.name)
        if texts is None:
            return parameter.default
        values = [text for text in texts if text]
        return parameter.parse(values) if values else parameter.default

    def read(self, body: Body[T]) -> T:
        """The body of the request. Raises ``ApiError``."""
        return self.read_part(body, self.body)

    def read_part(self, body: Body[T], raw: bytes | msgspec.Raw) -> T:
        """One item of a body that is read in parts. Raises ``ApiError``."""
        result = body.read(raw)
        if self.only_subaccount >= 0:
            self.check_subaccount(getattr(result, "subaccount", None))
            if getattr(result, "subtrader_id", None):
                raise locked_out()
        return result

    def check_subaccount(self, subaccount: int | None) -> None:
        """Raises ``ApiError`` when the caller's key is for another subaccount."""
        if self.only_subaccount >= 0 and subaccount not in (None, self.only_subaccount):
            raise locked_out()

    def may_see(self, subaccount: int) -> bool:
        """Whether something of this subaccount exists for the caller's key."""
        return self.only_subaccount < 0 or self.only_subaccount == subaccount

    def cursor_scope(self) -> str:
        """Names the list that a cursor belongs to: operation, caller, filters."""
        filters = sorted(
            (name, values)
            for name, values in self.query.items()
            if name in self.parameter_names and name not in _NOT_FILTERS and any(values)
        )
        caller = 0 if self._principal is None else self._principal.member_id
        return f"{self.operation_id} {caller} {filters}"


class Services:
    """What handlers work with. ``market_rows`` and ``order_cache`` keep what is encoded already."""

    def __init__(
        self,
        gate: ExchangeGate,
        history: HistoryProgress,
        queries: HistoryQueries,
        market_rows: MarketRows,
        limiter: RateLimiter,
        settings: RestSettings,
    ) -> None:
        self.gate = gate
        self.history = history
        self.queries = queries
        self.market_rows = market_rows
        self.live_markets = LiveMarkets(lambda: gate.state)
        self.order_cache = OrderCache()
        gate.listen(self.order_cache.observe)
        self.limiter = limiter
        self.settings = settings
        self.cursors = Cursors(settings.cursor_key)

    @property
    def state(self) -> Exchange:
        """The live state; valid until the next await."""
        return self.gate.state

    def member(self, request: Request) -> Member:
        return self.gate.state.members[request.member_id]

    def account(self, request: Request, number: int) -> Account:
        """A subaccount of the caller. Raises ``ApiError`` when it does not exist."""
        account = self.member(request).accounts.get(number)
        if account is None:
            raise invalid(f"subaccount {number} does not exist")
        return account

    async def submit(self, command: Command) -> Applied:
        """Carry out a command; a refusal becomes an ``ApiError``. Raises ``Unavailable``."""
        applied = await self.gate.submit(command)
        rejection = applied.rejection
        if rejection is not None:
            raise from_rejection(rejection)
        return applied

    async def catch_up(self) -> bool:
        """Wait, within bounds, until history shows everything that was applied by now.

        Gives up quietly, with False: a list that lags behind is better than none, and
        ``user_data_timestamp`` says how far it is.
        """
        sequence = self.gate.state.sequence
        return self.history.position >= sequence or await self.history.wait_for(
            sequence, self.settings.history_wait_seconds
        )

    def charge(self, request: Request, bucket: str, cost: int) -> None:
        """Count the further cost of a batch. Raises ``ApiError`` when there is too little left."""
        tier = self.member(request).usage_tier
        if not self.limiter.take(request.member_id, tier, bucket, cost):
            raise rate_limited()

    def position(self, request: Request, shape: type[T]) -> T | None:
        """The sort key after which the requested page begins; None for the first page."""
        cursor = request.value(CURSOR)
        if not cursor:
            return None
        return self.cursors.read(request.cursor_scope(), cursor, shape)

    def next_cursor(self, request: Request, position: Sequence[int | str]) -> str:
        """The cursor of the page after the row with this sort key."""
        return self.cursors.write(request.cursor_scope(), position)

"""The state as plain rows, and back; and the state's hash.

A row is a list of integers, strings, booleans and lists of them, so any encoding will do. The
rows are canonical: two replicas with the same log produce the same rows in the same order, so
the hash of the rows identifies the state. Timers are left out (they follow from orders and
markets), and so is everything that only speeds up reading.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from augury.core import collateral
from augury.core.fees import FeeSchedule
from augury.core.negotiation import BlockProposal, Quote, Rfq
from augury.core.state import (
    ANY_SUBACCOUNT,
    Account,
    Announcement,
    ApiKey,
    Collection,
    Exchange,
    FeeChange,
    Holding,
    ListedEvent,
    Market,
    Member,
    Order,
    OrderGroup,
    Series,
)
from augury.core.timers import rebuild

Row = list[Any]

SNAPSHOT_VERSION: Final = 1

MARKET_FIELDS: Final = (
    "updated_ns",
    "status",
    "was_active",
    "result",
    "settlement_value",
    "expiration_value",
    "determined_ns",
    "settlement_due_ns",
    "settled_ns",
    "last_price",
    "last_quantity",
    "volume",
    "open_interest",
    "quoted_bid",
    "quoted_bid_quantity",
    "quoted_ask",
    "quoted_ask_quantity",
)
HOLDING_FIELDS: Final = (
    "quantity",
    "cost",
    "realized_pnl",
    "fees_paid",
    "traded_cost",
    "traded_quantity",
    "updated_ns",
)
QUOTE_FIELDS: Final = (
    "status",
    "due_ns",
    "accepted_side",
    "accepted_quantity",
    "accepted_ns",
    "confirmed_ns",
    "executed_ns",
    "maker_order_id",
    "maker_client_order_id",
    "rfq_order_id",
)
BLOCK_PROPOSAL_FIELDS: Final = (
    "status",
    "updated_ns",
    "due_ns",
    "buyer_accepted_ns",
    "seller_accepted_ns",
    "executed_ns",
    "buyer_order_id",
    "seller_order_id",
)
ORDER_FIELDS: Final = (
    "initial_quantity",
    "remaining",
    "filled",
    "updated_ns",
    "taker_cost",
    "maker_cost",
    "taker_fees",
    "maker_fees",
    "rounding",
    "priority",
)


def dump_state(state: Exchange) -> Iterator[Row]:
    """Rows from which ``load_state`` restores exactly this state."""
    ledger = state.ledger
    yield [
        "exchange",
        SNAPSHOT_VERSION,
        state.sequence,
        state.time_ns,
        state.trading_paused,
        state.exchange_paused,
        state.estimated_resume_ns,
        state.schedule,
        ledger.cash,
        ledger.fees,
        ledger.house,
        ledger.outside,
        ledger.returned,
        state.in_maintenance,
        [list(window) for window in state.maintenance_windows],
        state.maintenance_begun_ns,
    ]
    for member in state.members.values():
        yield [
            "member",
            member.id,
            member.email,
            member.usage_tier,
            member.balance_precision,
            member.created_ns,
            member.suspended,
            [
                [
                    account.number,
                    account.cash,
                    account.subtrader,
                    account.netting,
                    [[ticker, amount] for ticker, amount in sorted(account.returned.items())],
                ]
                for account in member.accounts.values()
            ],
            list(member.closed_client_order_ids),
            [[name, number] for name, number in member.transfer_ids.items()],
            # Left out where there are none, so that the hash of earlier states stays theirs.
            *([list(member.combos_listed_ns)] if member.combos_listed_ns else []),
        ]
    for key in state.api_keys.values():
        yield [
            "api_key",
            key.id,
            key.member_id,
            key.name,
            key.public_key_pem,
            list(key.scopes),
            key.profile,
            key.subaccount,
        ]
    for series in state.series.values():
        yield [
            "series",
            series.ticker,
            series.fees.fee_type,
            series.fees.multiplier_ppm,
            series.details,
            series.created_ns,
            series.updated_ns,
        ]
    for event in state.events.values():
        yield [
            "event",
            event.id,
            event.ticker,
            event.series.ticker,
            event.mutually_exclusive,
            event.collateral_return_type,
            event.details,
            event.created_ns,
            event.updated_ns,
            list(event.strike_order),
            event.below,
        ]
    for market in state.markets.values():
        yield [
            "market",
            market.id,
            market.ticker,
            market.event.ticker,
            market.market_type,
            market.open_ns,
            market.close_ns,
            market.expected_expiration_ns,
            market.latest_expiration_ns,
            market.settlement_timer_ns,
            market.can_close_early,
            market.price_level_structure,
            [list(band) for band in market.price_ranges],
            market.fractional_trading_enabled,
            market.is_provisional,
            market.fee_waiver_expiration_ns,
            market.details,
            market.created_ns,
            ledger.escrow.get(market.ticker),
            market.collection_ticker,
            [list(leg) for leg in market.legs],
            list(market.combo_tickers),
            [getattr(market, field) for field in MARKET_FIELDS],
        ]
        for (member_id, number), holding in market.holdings.items():
            yield [
                "holding",
                market.ticker,
                member_id,
                number,
                [getattr(holding, field) for field in HOLDING_FIELDS],
            ]
    for group in state.groups.values():
        yield [
            "group",
            group.id,
            group.account.member.id,
            group.account.number,
            group.contracts_limit,
            group.matched,
            [list(fill) for fill in group.fills],
            group.triggered,
        ]
    for order_id in sorted(state.orders):
        order = state.orders[order_id]
        yield [
            "order",
            order.id,
            order.account.member.id,
            order.account.number,
            order.market.ticker,
            order.client_order_id,
            order.action,
            order.side,
            order.direction,
            order.price,
            order.expiration_ns,
            order.post_only,
            order.reduce_only,
            order.self_trade_prevention,
            0 if order.group is None else order.group.id,
            order.cancel_on_pause,
            order.created_ns,
            [getattr(order, field) for field in ORDER_FIELDS],
            *_given(order.origin),
        ]
    for collection in state.collections.values():
        yield [
            "collection",
            collection.ticker,
            collection.series.ticker,
            collection.open_ns,
            collection.close_ns,
            collection.size_min,
            collection.size_max,
            collection.is_ordered,
            [list(entry) for entry in collection.associated_events],
            collection.details,
            collection.created_ns,
            [[[list(leg) for leg in legs], ticker] for legs, ticker in collection.combos.items()],
            [[ticker, time_ns] for ticker, time_ns in collection.lookups.items()],
        ]
    for rfq in state.rfqs.values():
        yield [
            "rfq",
            rfq.id,
            rfq.account.member.id,
            rfq.account.number,
            rfq.market.ticker,
            rfq.quantity,
            rfq.target_cost,
            rfq.rest_remainder,
            rfq.created_ns,
            rfq.expires_ns,
            *_given(rfq.client_rfq_id, rfq.origin),
        ]
    for quote in state.quotes.values():
        yield [
            "quote",
            quote.id,
            quote.rfq.id,
            quote.account.member.id,
            quote.account.number,
            quote.yes_bid,
            quote.no_bid,
            quote.rest_remainder,
            quote.post_only,
            quote.created_ns,
            [getattr(quote, field) for field in QUOTE_FIELDS],
            *_given(
                quote.client_quote_id,
                quote.origin,
                quote.rfq_client_order_id,
                quote.rfq_order_origin,
            ),
        ]
    for proposal in state.block_proposals.values():
        yield [
            "block_proposal",
            proposal.id,
            proposal.proposer_id,
            [proposal.buyer.member.id, proposal.buyer.number],
            [proposal.seller.member.id, proposal.seller.number],
            proposal.market_ticker,
            proposal.price,
            proposal.quantity,
            proposal.maker_side,
            proposal.expiration_ns,
            proposal.created_ns,
            [getattr(proposal, field) for field in BLOCK_PROPOSAL_FIELDS],
        ]
    for change in state.fee_changes.values():
        yield [
            "fee_change",
            change.id,
            change.series_ticker,
            change.fee_type,
            change.multiplier_ppm,
            change.scheduled_ns,
            change.applied,
        ]
    for announcement in state.announcements:
        yield [
            "announcement",
            announcement.id,
            announcement.kind,
            announcement.message,
            announcement.status,
            announcement.delivery_ns,
        ]
    for kind in sorted(state.documents):
        for key_text, details in state.documents[kind].items():
            yield ["document", kind, key_text, details]


def _given(*names: str) -> Row:
    """Names by which sessions know a thing; nothing at all when none was given, so that the hash
    of a state without such names is that of earlier versions, and their snapshots stay good."""
    return list(names) if any(names) else []


def load_state(rows: Iterable[Row]) -> Exchange:
    """The state that ``dump_state`` wrote. Raises ``ValueError`` for an unknown version."""
    state = Exchange()
    resting: list[Order] = []
    for row in rows:
        kind = row[0]
        fields = row[1:]
        if kind == "order":
            resting.append(_load_order(state, fields))
        elif kind == "exchange":
            _load_exchange(state, fields)
        elif kind == "member":
            _load_member(state, fields)
        elif kind == "api_key":
            key = ApiKey(fields[0], fields[1], fields[2], fields[3], tuple(fields[4]), fields[5])
            # Snapshots of earlier versions end here.
            key.subaccount = fields[6] if len(fields) > 6 else ANY_SUBACCOUNT
            state.api_keys[key.id] = key
            state.members[key.member_id].api_key_ids.append(key.id)
        elif kind == "series":
            series = Series(fields[0], FeeSchedule(fields[1], fields[2]), fields[3], fields[4])
            series.updated_ns = fields[5]
            state.series[series.ticker] = series
        elif kind == "event":
            _load_event(state, fields)
        elif kind == "market":
            _load_market(state, fields)
        elif kind == "holding":
            market = state.markets[fields[0]]
            account = state.members[fields[1]].accounts[fields[2]]
            holding = Holding(account, market)
            _assign(holding, HOLDING_FIELDS, fields[3])
            account.holdings[market.ticker] = holding
            market.holdings[(fields[1], fields[2])] = holding
        elif kind == "group":
            group = OrderGroup(fields[0], state.members[fields[1]].accounts[fields[2]], fields[3])
            group.matched = fields[4]
            group.fills = [(fill[0], fill[1]) for fill in fields[5]]
            group.triggered = fields[6]
            state.groups[group.id] = group
            group.account.member.order_groups += 1
        elif kind == "collection":
            _load_collection(state, fields)
        elif kind == "rfq":
            account = state.members[fields[1]].accounts[fields[2]]
            rfq = Rfq(
                fields[0],
                account,
                state.markets[fields[3]],
                fields[4],
                fields[5],
                fields[6],
                fields[7],
            )
            rfq.expires_ns = fields[8]
            if len(fields) > 9:
                rfq.client_rfq_id, rfq.origin = fields[9:11]
            state.rfqs[rfq.id] = rfq
            rfq.account.member.rfqs[rfq.id] = rfq
            rfq.market.rfqs[rfq.id] = rfq
        elif kind == "quote":
            _load_quote(state, fields)
        elif kind == "block_proposal":
            buyer, seller = (state.members[who].accounts[number] for who, number in fields[2:4])
            proposal = BlockProposal(fields[0], fields[1], buyer, seller, *fields[4:10])
            _assign(proposal, BLOCK_PROPOSAL_FIELDS, fields[10])
            state.add_proposal(proposal)
        elif kind == "fee_change":
            change = FeeChange(fields[0], fields[1], fields[2], fields[3], fields[4])
            change.applied = fields[5]
            state.fee_changes[change.id] = change
        elif kind == "announcement":
            state.announcements.append(
                Announcement(fields[0], fields[1], fields[2], fields[3], fields[4])
            )
        elif kind == "document":
            state.documents.setdefault(fields[0], {})[fields[1]] = fields[2]
        else:
            raise ValueError(f"unknown snapshot row {kind!r}")
    # Orders of a level stand in the order of their priority, which is not that of their ids.
    for order in sorted(resting, key=lambda order: order.priority):
        market = order.market
        (market.bids if order.direction > 0 else market.asks).append(order)
    for market in state.markets.values():
        for holding in market.holdings.values():
            collateral.refresh(holding)
    rebuild(state)
    return state


def state_hash(state: Exchange) -> str:
    """Identifies the state: equal for replicas of the same log, compiled or interpreted."""
    digest = blake2b(digest_size=32)
    for row in dump_state(state):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _load_exchange(state: Exchange, fields: Row) -> None:
    if fields[0] != SNAPSHOT_VERSION:
        raise ValueError(f"snapshot version {fields[0]} is not {SNAPSHOT_VERSION}")
    state.sequence = fields[1]
    state.time_ns = fields[2]
    state.trading_paused = fields[3]
    state.exchange_paused = fields[4]
    state.estimated_resume_ns = fields[5]
    state.schedule = fields[6]
    state.ledger.cash = fields[7]
    state.ledger.fees = fields[8]
    state.ledger.house = fields[9]
    state.ledger.outside = fields[10]
    state.ledger.returned = fields[11]
    state.in_maintenance = fields[12]
    state.maintenance_windows = [(window[0], window[1]) for window in fields[13]]
    state.maintenance_begun_ns = fields[14]


def _load_member(state: Exchange, fields: Row) -> None:
    member = Member(fields[0], fields[1], fields[2], fields[3], fields[4])
    member.suspended = fields[5]
    for number, cash, subtrader, netting, returned in fields[6]:
        account = Account(member, number, subtrader) if number else member.primary
        account.cash = cash
        account.netting = netting
        account.returned = dict(returned)
        member.accounts[number] = account
        if subtrader:
            member.subtraders[subtrader] = number
    member.closed_client_order_ids = list(fields[7])
    member.client_order_ids = set(fields[7])
    for name, number in fields[8]:
        member.transfer_ids[name] = number
    if len(fields) > 9:
        member.combos_listed_ns = list(fields[9])
    state.members[member.id] = member
    state.member_ids_by_email[member.email] = member.id


def _load_event(state: Exchange, fields: Row) -> None:
    series = state.series[fields[2]]
    event = ListedEvent(fields[0], fields[1], series, fields[3], fields[4], fields[5], fields[6])
    event.updated_ns = fields[7]
    event.strike_order = fields[8]
    event.below = fields[9]
    state.events[event.ticker] = event
    series.event_tickers.append(event.ticker)


def _load_market(state: Exchange, fields: Row) -> None:
    event = state.events[fields[2]]
    market = Market(
        fields[0],
        fields[1],
        event,
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
        fields[9],
        fields[10],
        tuple((band[0], band[1], band[2]) for band in fields[11]),
        fields[12],
        fields[13],
        fields[14],
        fields[15],
        fields[16],
    )
    if fields[17] is not None:
        state.ledger.escrow[market.ticker] = fields[17]
    market.collection_ticker = fields[18]
    market.legs = tuple([(leg[0], leg[1], leg[2]) for leg in fields[19]])
    market.combo_tickers = fields[20]
    _assign(market, MARKET_FIELDS, fields[21])
    state.markets[market.ticker] = market
    event.market_tickers.append(market.ticker)


def _load_collection(state: Exchange, fields: Row) -> None:
    collection = Collection(
        fields[0],
        state.series[fields[1]],
        fields[2],
        fields[3],
        fields[4],
        fields[5],
        fields[6],
        tuple([(entry[0], entry[1], entry[2], entry[3]) for entry in fields[7]]),
        fields[8],
        fields[9],
    )
    for legs, ticker in fields[10]:
        collection.combos[tuple([(leg[0], leg[1], leg[2]) for leg in legs])] = ticker
    for ticker, time_ns in fields[11]:
        collection.lookups[ticker] = time_ns
    state.collections[collection.ticker] = collection


def _load_quote(state: Exchange, fields: Row) -> None:
    rfq = state.rfqs[fields[1]]
    quote = Quote(
        fields[0],
        rfq,
        state.members[fields[2]].accounts[fields[3]],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
    )
    _assign(quote, QUOTE_FIELDS, fields[9])
    if len(fields) > 10:
        quote.client_quote_id = fields[10]
        quote.origin = fields[11]
        quote.rfq_client_order_id = fields[12]
        quote.rfq_order_origin = fields[13]
    rfq.quotes[quote.id] = quote
    state.quotes[quote.id] = quote


def _load_order(state: Exchange, fields: Row) -> Order:
    member = state.members[fields[1]]
    account = member.accounts[fields[2]]
    market = state.markets[fields[3]]
    group = state.groups[fields[13]] if fields[13] else None
    order = Order(
        fields[0],
        account,
        market,
        account.holdings[market.ticker],
        fields[4],
        fields[5],
        fields[6],
        fields[7],
        fields[8],
        0,
        fields[9],
        fields[10],
        fields[11],
        fields[12],
        group,
        fields[14],
        fields[15],
    )
    _assign(order, ORDER_FIELDS, fields[16])
    if len(fields) > 17:
        order.origin = fields[17]
    state.orders[order.id] = order
    order.listed = True
    member.open_orders += 1
    member.open_order_ids.append(order.id)
    if order.client_order_id:
        member.client_order_ids.add(order.client_order_id)
    if group is not None:
        group.orders[order.id] = order
    collateral.add(order)
    return order


def _assign(target: object, names: tuple[str, ...], values: list[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(target, name, value)

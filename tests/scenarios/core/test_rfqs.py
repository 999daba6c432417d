"""Requests for quotes from asking to trading, as tables; the rules are those of section 11."""

import pytest

from augury.core import commands as c
from augury.core import events as e
from augury.core.state import MAX_OPEN_ORDERS
from augury.core.units import NANOS_PER_SECOND, QUANTITY_ONE
from tests.core_stage import Stage, contracts

DOLLARS = {"asker": 100, "maker": 1000, "rival": 100, "stranger": 100}

TABLES = {
    "a quote is accepted, confirmed and executed": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    14.999                  ->
        wait    0.001  -> maker rests 10; 10 at 40: maker from asker; maker quote executed; \
                          rfq closed executed
        asker   accept maker yes        -> refused not_found
        maker   quote 40 55             -> refused rfq_closed
    """,
    "accepting no buys the yes side of the requester": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker no         -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15     -> maker rests 10; 10 at 45: asker from maker; maker quote executed; ...
    """,
    "a missed confirmation ends the quote and leaves the request open": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 41 55             -> rival quote created
        asker   accept maker yes        -> maker quote accepted
        wait    29.999                  ->
        wait    0.001                   -> maker quote cancelled expired
        maker   confirm                 -> refused not_found
        asker   accept rival yes        -> rival quote accepted
    """,
    "a confirmation at the last moment counts": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        wait    29.999                  ->
        maker   confirm                 -> maker quote confirmed
        maker   confirm                 -> refused invalid_state
    """,
    "only one quote of a request can be on its way": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 41 55             -> rival quote created
        asker   accept maker yes        -> maker quote accepted
        asker   accept rival yes        -> refused quote_conflict
        asker   accept maker no         -> refused invalid_state
        maker   quote 42 55             -> refused quote_conflict
        maker   unquote                 -> refused quote_conflict
        maker   confirm                 -> maker quote confirmed
        asker   accept rival yes        -> refused quote_conflict
        wait    15  -> maker rests 10; 10 at 40: maker from asker; maker quote executed; \
                       rival quote cancelled executed; rfq closed executed
    """,
    "a new quote takes the place of the same maker's old one": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 41 55             -> rival quote created
        maker   quote 42 50             -> maker quote cancelled replaced; maker quote created
    """,
    "quotes that make no sense": """
        asker   rfq 10                  -> rfq created
        maker   quote 0 0               -> refused invalid_parameters
        maker   quote 50 50.5           -> refused invalid_parameters
        maker   quote 60 41             -> refused invalid_parameters
        maker   quote 40.5 50           -> refused invalid_parameters
        maker   quote -1 50             -> refused invalid_parameters
        maker   quote 100 0             -> refused invalid_parameters
        asker   quote 40 50             -> refused invalid_parameters
        maker   quote 60 40             -> maker quote created
    """,
    "a side without a price cannot be accepted": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 0              -> maker quote created
        asker   accept maker no         -> refused invalid_parameters
        asker   accept maker both       -> refused invalid_parameters
        rival   accept maker yes        -> refused not_found
        maker   accept maker yes        -> refused not_found
        asker   accept maker yes        -> maker quote accepted
        asker   confirm maker           -> refused not_found
        rival   confirm maker           -> refused not_found
    """,
    "one request per market, unless it replaces": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   rfq 20                  -> refused rfq_already_exists
        asker   rfq 20 replace -> maker quote cancelled replaced; rfq closed replaced; rfq created
        rival   rfq 20                  -> rfq created
        asker   rfq 0                   -> refused invalid_parameters
        stranger rfq 0.5                -> refused invalid_order_size
        stranger rfq -5                 -> refused invalid_parameters
        stranger rfq $-5                -> refused invalid_parameters
    """,
    "an open request and its quotes can be taken back": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 40 55             -> rival quote created
        rival   unquote maker           -> refused not_found
        rival   unrfq asker             -> refused not_found
        rival   unquote                 -> rival quote cancelled user_deleted
        asker   unrfq  -> maker quote cancelled user_deleted; rfq closed user_deleted
        asker   unrfq                   -> refused not_found
        maker   unquote                 -> refused not_found
        asker   accept maker yes        -> refused not_found
    """,
    "who has accepted cannot back out": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        asker   unrfq                   -> refused quote_conflict
        asker   rfq 5 replace           -> refused quote_conflict
        maker   confirm                 -> maker quote confirmed
        asker   unrfq                   -> refused quote_conflict
        asker   rfq 5 replace           -> refused quote_conflict
    """,
    "a request closes after half an hour without a new quote": """
        asker   rfq 10                  -> rfq created
        wait    1799.999                ->
        maker   quote 40 55             -> maker quote created
        wait    1799.999                ->
        wait    0.001                   -> maker quote cancelled expired; rfq closed expired
        asker   rfq 10                  -> rfq created
    """,
    "a request does not expire under a quote on its way": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        wait    1790                    ->
        asker   accept maker yes        -> maker quote accepted
        wait    20                      ->
        maker   confirm                 -> maker quote confirmed
        wait    15   -> maker rests 10; 10 at 40: maker from asker; maker quote executed; ...
    """,
    "after a missed confirmation the half hour starts anew": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        wait    1790                    ->
        asker   accept maker yes        -> maker quote accepted
        wait    30                      -> maker quote cancelled expired
        wait    1799.999                ->
        wait    0.001                   -> rfq closed expired
    """,
    "the close of the market ends everything": """
        exchange close M 10             ->
        asker   rfq 10                  -> rfq created
        rival   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        maker   quote 40 50 to rival    -> maker quote created
        asker   accept maker yes        -> refused not_found
        rival   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    60  -> M closed; maker quote cancelled market_closed; rfq closed market_closed; \
                       maker quote cancelled market_closed; rfq closed market_closed
        asker   rfq 10                  -> refused market_inactive
    """,
    "an execution due before the close still happens": """
        exchange close M 15.001         ->
        asker   rfq 10                  -> rfq created
        rival   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    20   -> maker rests 10; 10 at 40: maker from asker; maker quote executed; \
                        rfq closed executed; M closed; rfq closed market_closed
    """,
    "at the instant of the close nothing trades any more": """
        exchange close M 15             ->
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> M closed; maker quote cancelled market_closed; rfq closed market_closed
    """,
    "a trading pause voids what is on its way and nothing else": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 40 55             -> rival quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        exchange pause                  -> trading paused; maker quote cancelled paused
        asker   accept rival yes        -> refused trading_paused
        wait    60                      ->
        exchange resume                 -> trading resumed
        asker   accept rival yes        -> rival quote accepted
        exchange pause                  -> trading paused; rival quote cancelled paused
        rival   confirm                 -> refused not_found
        wait    60                      ->
    """,
    "an exchange pause voids what is on its way": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        exchange halt                   -> exchange paused; maker quote cancelled paused
        maker   confirm                 -> refused exchange_paused
        maker   quote 40 55             -> refused exchange_paused
        rival   rfq 10                  -> refused exchange_paused
        asker   unrfq                   -> refused exchange_paused
        wait    3600                    ->
        exchange unhalt                 -> exchange resumed; rfq closed expired
    """,
    "a deactivated market accepts nothing": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        rival   quote 40 55             -> rival quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        exchange deactivate M           -> M paused
        wait    15                      -> maker quote cancelled market_inactive
        asker   accept rival yes        -> refused market_inactive
        maker   quote 40 55             -> refused market_inactive
        stranger rfq 10                 -> refused market_inactive
        exchange reactivate M           -> M reactivated
        asker   accept rival yes        -> rival quote accepted
        exchange deactivate M           -> M paused
        rival   confirm                 -> refused market_inactive
        wait    30                      -> rival quote cancelled expired
    """,
    "a suspended member neither asks nor answers": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   rfq 10                  -> rfq created
        exchange suspend maker -> rfq closed member_suspended; \
                                  maker quote cancelled member_suspended
        maker   quote 40 55             -> refused member_suspended
        maker   rfq 10                  -> refused member_suspended
        rival   quote 40 55             -> rival quote created
        asker   accept rival yes        -> rival quote accepted
        rival   confirm                 -> rival quote confirmed
        exchange suspend asker -> rival quote cancelled member_suspended; \
                                  rfq closed member_suspended
        wait    30                      ->
    """,
    "better resting orders trade first, on both sides": """
        stranger sell yes 4 38          -> stranger rests 4
        rival   buy yes 3 39            -> 3 at 38: rival from stranger
        rival   buy yes 2 37            -> rival rests 2
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> 1 at 38: maker from stranger; maker rests 9; 9 at 40: maker from asker; \
                       asker order canceled immediate_or_cancel; maker quote executed; ...
    """,
    "a better bid is hit before the maker, whose rest goes": """
        rival   buy yes 3 41            -> rival rests 3
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> maker rests 10; 3 at 41: rival from asker; 7 at 40: maker from asker; \
                       maker order canceled canceled; maker quote executed; rfq closed executed
    """,
    "the maker's remainder rests where the maker said so": """
        rival   buy yes 3 41            -> rival rests 3
        asker   rfq 10                  -> rfq created
        maker   quote 40 55 rest        -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> maker rests 10; 3 at 41: rival from asker; 7 at 40: maker from asker; \
                       maker quote executed; rfq closed executed
        stranger sell yes 5 40          -> 3 at 40: maker from stranger; stranger rests 2
    """,
    "the requester's remainder rests where the requester said so": """
        stranger sell yes 4 38          -> stranger rests 4
        asker   rfq 10 rest             -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> 4 at 38: maker from stranger; maker rests 6; 6 at 40: maker from asker; \
                       asker rests 4; maker quote executed; rfq closed executed
        rival   buy yes 5 40            -> 4 at 40: rival from asker; rival rests 1
    """,
    "orders of the same price that were there before come first": """
        rival   buy yes 6 40            -> rival rests 6
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> maker rests 10; 6 at 40: rival from asker; 4 at 40: maker from asker; \
                       maker order canceled canceled; ...
    """,
    "a post-only quote is cancelled when it would take": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55 post        -> maker quote created
        rival   quote 40 55             -> rival quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        stranger sell yes 4 40          -> stranger rests 4
        wait    15                      -> maker quote cancelled post_only_cross
        asker   accept rival yes        -> rival quote accepted
        wait    1830                    -> rival quote cancelled expired
        wait    1800                    -> rfq closed expired
    """,
    "a post-only quote that crosses nothing trades": """
        stranger sell yes 4 41          -> stranger rests 4
        asker   rfq 10                  -> rfq created
        maker   quote 40 55 post        -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15                      -> maker rests 10; 10 at 40: maker from asker; ...
    """,
    "the maker's order stops at an own order, the requester's then finds others": """
        maker   sell yes 4 39           -> maker rests 4
        rival   buy yes 1 38            -> rival rests 1
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> maker order canceled self_trade_prevention; \
                       asker order canceled immediate_or_cancel; maker quote executed; ...
    """,
    "the requester's order stops at an own order": """
        asker   buy yes 4 41            -> asker rests 4
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15  -> maker rests 10; asker order canceled self_trade_prevention; \
                       maker order canceled canceled; maker quote executed; ...
    """,
    "a requester without the money cannot accept": """
        asker   withdraw $94.01         ->
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> refused available_balance_too_low
        asker   accept maker no         -> maker quote accepted
    """,
    "a maker without the money cannot confirm": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        maker   withdraw $996.01         ->
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> refused available_balance_too_low
        maker   deposit $0.01           ->
        maker   confirm                 -> maker quote confirmed
        wait    15                      -> maker rests 10; 10 at 40: maker from asker; ...
    """,
    "a maker who has spent the money meanwhile": """
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        maker   withdraw $997            ->
        wait    15                      -> maker quote cancelled available_balance_too_low
        rival   quote 40 55             -> rival quote created
    """,
    "a requester who has spent the money meanwhile costs the maker nothing": """
        stranger sell yes 4 38          -> stranger rests 4
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        asker   withdraw $97            ->
        wait    15                      -> maker quote cancelled available_balance_too_low
    """,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_life_of_a_request(table: str) -> None:
    Stage(DOLLARS).play(table)


def test_closing_a_market_closes_its_requests() -> None:
    stage = Stage(DOLLARS)
    stage.play("""
        asker   rfq 10                  -> rfq created
        rival   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        wait    1                       ->
        exchange close M                -> M closed; maker quote cancelled market_closed; ...
        maker   confirm                 -> refused not_found
        wait    60                      ->
    """)
    assert not stage.engine.state.rfqs
    assert not stage.engine.state.quotes


def test_a_request_may_be_quoted_by_many_and_a_member_may_ask_for_a_hundred_markets() -> None:
    markets = tuple([f"M{index}" for index in range(101)])
    stage = Stage({"asker": 1, "maker": 1}, events={"E": markets})
    for index in range(100):
        assert stage.line(f"asker rfq 1 in M{index}") == "rfq created"
    assert stage.line("asker rfq 1 in M100") == "refused invalid_parameters"
    assert stage.line("asker rfq 2 in M99 replace") == "rfq closed replaced; rfq created"
    assert stage.line("asker rfq 1 in M100") == "refused invalid_parameters"
    assert stage.line("asker unrfq") == "rfq closed user_deleted"
    assert stage.line("asker rfq 1 in M100") == "rfq created"
    assert stage.line("maker rfq 1 in M100") == "rfq created"


# Target cost in dollars, structure, fractional, bids of the maker, contracts offered per side.
# The requester pays 1 - bid for each contract of the side that accepting gives it.
TARGETS = [
    ("$10", "linear_cent", False, "50 50", "20 20"),
    ("$10", "linear_cent", False, "40 55", "16 22"),
    ("$10", "linear_cent", False, "99 0", "1000 0"),
    ("$10", "linear_cent", True, "40 55", "16.66 22.22"),
    ("$0.59", "linear_cent", False, "40 55", "0 1"),
    ("$0.60", "linear_cent", False, "40 55", "1 1"),
    ("$0.0045", "linear_cent", True, "40 55", "0 0.01"),
    ("$1", "deci_cent", False, "99.9 0", "1000 0"),
]


@pytest.mark.parametrize("cost, structure, fractional, bids, offered", TARGETS)
def test_a_target_cost_buys_whole_lots_at_the_requesters_price(
    cost: str, structure: str, fractional: bool, bids: str, offered: str
) -> None:
    stage = Stage(DOLLARS, structure=structure, fractional=fractional)
    stage.line(f"asker rfq {cost}")
    yes_bid, no_bid = (round(float(bid) * 100) for bid in bids.split())
    applied = stage.do(
        c.CreateQuote(stage.members["maker"], 0, stage.rfqs["asker"], yes_bid, no_bid, False)
    )
    created = applied.events[0]
    assert isinstance(created, e.QuoteUpdated)
    expected = [contracts(count) for count in offered.split()]
    assert [created.yes_quantity, created.no_quantity] == expected
    stage.quotes["maker"] = applied.sequence
    accepted = stage.line("asker accept maker yes")
    if expected[0] == 0:
        assert accepted == "refused invalid_order_size"
    else:
        assert accepted == "maker quote accepted"
        assert stage.line("maker confirm") == "maker quote confirmed"
        stage.line("wait 15")
        assert stage.position("maker") == expected[0] / QUANTITY_ONE
        paid = 100 - stage.cash("asker")
        assert paid <= float(cost[1:])


def test_orders_of_a_quote_carry_the_names_and_ids_they_were_promised() -> None:
    """The requester's order has the id of the acceptance, the maker's that of the confirmation."""
    stage = Stage(DOLLARS)
    stage.line("asker rfq 10")
    stage.line("maker quote 40 55 rest")
    accepted = stage.do(c.AcceptQuote(stage.members["asker"], stage.quotes["maker"], "yes"))
    confirm = c.ConfirmQuote(stage.members["maker"], stage.quotes["maker"], "quote:0:1")
    confirmed = stage.do(confirm)
    stage.time_ns += 15 * NANOS_PER_SECOND
    executed = stage.do(c.Tick())
    fills = [event for event in executed.events if isinstance(event, e.OrderFilled)]
    assert [(fill.order_id, fill.client_order_id, fill.is_taker) for fill in fills] == [
        (confirmed.sequence, "quote:0:1", False),
        (accepted.sequence, "", True),
    ]
    (told,) = [event for event in executed.events if isinstance(event, e.QuoteUpdated)]
    assert (told.maker_order_id, told.rfq_order_id) == (confirmed.sequence, accepted.sequence)


def test_a_name_that_is_taken_meanwhile_cancels_the_quote() -> None:
    stage = Stage(DOLLARS)
    stage.line("asker rfq 10")
    stage.line("maker quote 40 55")
    stage.line("asker accept maker yes")
    maker = stage.members["maker"]
    stage.do(c.ConfirmQuote(maker, stage.quotes["maker"], "mine"))
    stage.do(c.PlaceOrder(maker, 0, "M", "mine", "buy", "yes", 1000, 100))
    assert stage.line("wait 15") == "maker quote cancelled order_already_exists"
    assert stage.line("wait 1800") == "rfq closed expired"


def test_fees_make_the_requester_taker_and_the_quoter_maker() -> None:
    stage = Stage(DOLLARS, fee_type="quadratic_with_maker_fees", fee_multiplier=1)
    stage.play("""
        asker   rfq 100                 -> rfq created
        maker   quote 50 45             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
        wait    15                      -> maker rests 100; 100 at 50: maker from asker; ...
    """)
    assert stage.cash("asker") == 100 - 50 - 1.75
    assert stage.cash("maker") == 1000 - 50 - 0.44


def test_a_requester_without_room_for_another_order_does_not_let_the_maker_trade() -> None:
    stage = Stage(DOLLARS)
    stage.play("""
        stranger sell yes 4 38          -> stranger rests 4
        asker   rfq 10                  -> rfq created
        maker   quote 40 55             -> maker quote created
        asker   accept maker yes        -> maker quote accepted
        maker   confirm                 -> maker quote confirmed
    """)
    engine = stage.engine
    engine.state.members[stage.members["asker"]].open_orders = MAX_OPEN_ORDERS
    later = stage.time_ns + 15 * NANOS_PER_SECOND
    executed = engine.apply(engine.state.sequence + 1, later, c.Tick())
    assert stage.tell(executed) == "maker quote cancelled exceeded_order_limit"

"""The life of a market in the operator's hands, and the pauses of the whole exchange."""

from augury.codec.text import parse_price, parse_rfc3339
from augury.core import commands
from augury.core.units import PRICE_ONE
from augury.gateways.operator import answers, requests
from augury.gateways.operator.context import Call, Operator
from augury.gateways.operator.errors import FieldErrors


async def _done(operator: Operator, ticker: str, command: commands.Command) -> answers.MarketDetail:
    operator.market(ticker)
    await operator.submit(command)
    return answers.market_detail(operator.market(ticker))


async def pause_market(operator: Operator, call: Call[None, None]) -> answers.MarketDetail:
    ticker = call.path["ticker"]
    return await _done(operator, ticker, commands.PauseMarket(ticker))


async def resume_market(operator: Operator, call: Call[None, None]) -> answers.MarketDetail:
    """All resting orders are cancelled when a market comes back (rules, section 2)."""
    ticker = call.path["ticker"]
    return await _done(operator, ticker, commands.ReactivateMarket(ticker))


async def change_close_time(
    operator: Operator, call: Call[requests.ChangeCloseTime, None]
) -> answers.MarketDetail:
    ticker = call.path["ticker"]
    errors = FieldErrors()
    close_ns = errors.parse("close_time", parse_rfc3339, call.body.close_time, 0)
    errors.check()
    return await _done(operator, ticker, commands.ChangeCloseTime(ticker, close_ns))


async def determine_market(
    operator: Operator, call: Call[requests.Determine, None]
) -> answers.MarketDetail:
    ticker, body = call.path["ticker"], call.body
    errors = FieldErrors()
    value = 0
    if body.result == "scalar":
        if body.settlement_value is None:
            errors.add("settlement_value", "required for a scalar result")
        else:
            value = errors.parse("settlement_value", parse_price, body.settlement_value, 0)
            errors.require("settlement_value", 0 <= value <= PRICE_ONE, "must be 0 to 1 dollars")
    elif body.settlement_value is not None:
        errors.add("settlement_value", "only for a scalar result")
    errors.check()
    return await _done(
        operator,
        ticker,
        commands.DetermineMarket(ticker, body.result, value, body.expiration_value),
    )


async def dispute_market(operator: Operator, call: Call[None, None]) -> answers.MarketDetail:
    ticker = call.path["ticker"]
    return await _done(operator, ticker, commands.DisputeMarket(ticker))


# --- pauses ----------------------------------------------------------------------------------


async def show_exchange(operator: Operator, call: Call[None, None]) -> answers.ExchangeState:
    return answers.exchange_state(operator.state)


async def pause_trading(operator: Operator, call: Call[None, None]) -> answers.ExchangeState:
    await operator.submit(commands.SetTradingPause(True))
    return answers.exchange_state(operator.state)


async def resume_trading(operator: Operator, call: Call[None, None]) -> answers.ExchangeState:
    await operator.submit(commands.SetTradingPause(False))
    return answers.exchange_state(operator.state)


async def pause_exchange(
    operator: Operator, call: Call[requests.PauseExchange, None]
) -> answers.ExchangeState:
    errors = FieldErrors()
    resume_ns = 0
    if call.body.estimated_resume_time is not None:
        resume_ns = errors.parse(
            "estimated_resume_time", parse_rfc3339, call.body.estimated_resume_time, 0
        )
    errors.check()
    await operator.submit(commands.SetExchangePause(True, resume_ns))
    return answers.exchange_state(operator.state)


async def resume_exchange(operator: Operator, call: Call[None, None]) -> answers.ExchangeState:
    await operator.submit(commands.SetExchangePause(False))
    return answers.exchange_state(operator.state)

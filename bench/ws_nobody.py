"""What the WebSocket gateway adds to a trade when nobody listens.

The same orders, every second of which trades, through sequencer, log in memory and engine: with
the gateway listening to the exchange and without. Processor time of this process, in turns.
"""

import asyncio
import gc
import time
from typing import Any

import uvloop

from augury.core.commands import PlaceOrder
from augury.core.engine import Engine
from augury.gateways.auth import Authenticator
from augury.gateways.ws.app import WebSocketGateway
from augury.log.memory import MemoryLog
from augury.sequencer import Sequencer
from augury.sequencer.clocks import RealClock
from bench.ws_delivery import TICKER, list_market

TRADES = 10_000
BATCH = 100
ROUNDS = 9
GOAL = 1.25


async def measure_once(with_gateway: bool) -> float:
    """Seconds of processor time per trade."""
    sequencer = Sequencer(Engine(), MemoryLog(), RealClock())
    await sequencer.start()
    buyer = await list_market(sequencer, "buyer@example.com")
    seller = await list_market(sequencer, "seller@example.com")
    gateway = WebSocketGateway(sequencer, Authenticator(sequencer)) if with_gateway else None
    orders = []
    for _ in range(TRADES):
        orders.append(PlaceOrder(buyer, 0, TICKER, "", "buy", "yes", 5000, 100))
        orders.append(PlaceOrder(seller, 0, TICKER, "", "sell", "yes", 5000, 100))
    gc.collect()
    gc.disable()
    began = time.process_time()
    for start in range(0, len(orders), BATCH):
        await sequencer.submit_all(orders[start : start + BATCH])
    cost = (time.process_time() - began) / TRADES
    gc.enable()
    assert sequencer.state.markets[TICKER].volume == TRADES * 100
    if gateway is not None:
        assert gateway.counters.messages_sent == 0
        gateway.stop()
    await sequencer.stop()
    return cost


async def measure() -> list[dict[str, Any]]:
    await measure_once(True)
    without, within = [], []
    for _ in range(ROUNDS):
        without.append(await measure_once(False))
        within.append(await measure_once(True))
        await asyncio.sleep(0)
    alone, beside = min(without), min(within)
    return [
        {
            "name": "A trade with the WebSocket gateway and nobody listening, server CPU",
            "value": round(beside * 1e6, 1),
            "unit": "us",
            "against": f"no gateway at all: {alone * 1e6:.1f} us",
            "ratio": round(beside / alone, 3),
            "goal": f"<= {GOAL}",
            "holds": beside / alone <= GOAL,
        }
    ]


def rows() -> list[dict[str, Any]]:
    return uvloop.run(measure())


if __name__ == "__main__":
    for line in rows():
        print(line)

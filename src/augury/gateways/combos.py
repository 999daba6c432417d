"""What all gateways say alike about combos: how they are recognized, and what they are called.

A combo is listed by the core from legs that a member chose, so nobody has described it; its titles
and its strike are those of its legs.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from augury.core.state import Market

PREFIX: Final = "KXMVE"
"""Tickers of combos, their events and their series begin with it (rules, section 1)."""

EVENT_TITLE: Final = "Combo"
EVENT_SUB_TITLE: Final = "MVE"

_RULES: Final = (
    "If every selected market resolves as selected, then the market resolves to Yes. Values of "
    "scalar markets are multiplied."
)


def is_combo(ticker: str) -> bool:
    """Whether a market, event or series of this ticker belongs to combos."""
    return ticker.startswith(PREFIX)


def details(market: Market, markets: Mapping[str, Market]) -> dict[str, Any]:
    """What the descriptive data of a combo says, as if somebody had written it."""
    title = ",".join(f"{side} {_name(ticker, markets)}" for _, ticker, side in market.legs)
    return {
        "title": title,
        "subtitle": "",
        "yes_sub_title": title,
        "no_sub_title": title,
        "rules_primary": _RULES,
        "rules_secondary": "",
        "strike_type": "custom",
        "custom_strike": {
            "Associated Events": ",".join(leg[0] for leg in market.legs),
            "Associated Market Sides": ",".join(leg[2] for leg in market.legs),
            "Associated Markets": ",".join(leg[1] for leg in market.legs),
            "Multivariate Event Ticker": market.collection_ticker,
        },
    }


def _name(ticker: str, markets: Mapping[str, Market]) -> str:
    """What YES means in a leg; its ticker when nobody has said so."""
    leg = markets.get(ticker)
    if leg is None:
        return ticker
    try:
        found = msgspec.json.decode(leg.details) if leg.details else {}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = {}
    if isinstance(found, dict):
        for field in ("yes_sub_title", "title"):
            text = found.get(field)
            if isinstance(text, str) and text:
                return text
    return ticker

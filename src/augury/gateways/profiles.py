"""Compatibility profiles: which generation of clients an answer is shaped for.

Owns the names and what differs in the values of fields that every generation has (compat.md,
section 3). A profile is chosen per request: by header, else by API key, else by what the client
says of itself when that names a published generation, else by the server.
"""

import re
from typing import Final

LEGACY: Final = "legacy"
"""Clients up to 3.2, which know neither ``finalized`` nor ``scalar``."""
CURRENT: Final = "3.6"
LATEST: Final = "latest"
PROFILES: Final = (LEGACY, CURRENT, LATEST)

PROFILE_HEADER: Final = b"kalshi-api-profile"

_LEGACY_AGENT: Final = re.compile(rb"OpenAPI-Generator/([12]\.|3\.[0-2]\.)")
"""The generated clients up to 3.2 say which they are, and fail on what came after them."""


def profile_of_agent(user_agent: bytes) -> str | None:
    """The profile that a published client needs, by its User-Agent; None for all others."""
    return LEGACY if _LEGACY_AGENT.match(user_agent) else None


_LEGACY_STATUS: Final = {
    "inactive": "active",
    "disputed": "determined",
    "amended": "determined",
    "finalized": "settled",
}


def market_status(status: str, profile: str) -> str:
    """A market's lifecycle state as clients of ``profile`` know it."""
    return _LEGACY_STATUS.get(status, status) if profile == LEGACY else status


def market_result(result: str, profile: str) -> str:
    """A market's result: a void one shows as "" (rules, section 13), to legacy also scalar."""
    if result == "void" or (result == "scalar" and profile == LEGACY):
        return ""
    return result


def accepted_side(side: str, profile: str) -> str:
    """The accepted side of a quote. The models of 3.2 know it as a boolean in quotes."""
    if profile == LEGACY:
        return "true" if side == "yes" else "false"
    return side

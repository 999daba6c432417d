"""Descriptive data of series, events and markets, read from the JSON that the log keeps.

The core does not interpret this data and the operator may write anything into it, so nothing
here trusts its types: what is not as it should be counts as missing.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from augury.gateways.rest.answers import Number, SettlementSource

Description = Mapping[str, Any]


@lru_cache(maxsize=4_096)
def description(details: str) -> Description:
    """The JSON object in ``details``; empty when there is none. Must not be changed."""
    try:
        found = msgspec.json.decode(details) if details else {}
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text(found: Description, name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def optional_text(found: Description, name: str) -> str | msgspec.UnsetType:
    """The text, or UNSET so that the field is left out."""
    value = found.get(name)
    return value if isinstance(value, str) and value else msgspec.UNSET


def integer(found: Description, name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def optional_number(found: Description, name: str) -> Number | msgspec.UnsetType:
    value = found.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return msgspec.UNSET


def boolean(found: Description, name: str) -> bool:
    return found.get(name) is True


def texts(found: Description, name: str) -> list[str]:
    value = found.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def mapping(found: Description, name: str) -> dict[str, Any] | None:
    value = found.get(name)
    return value if isinstance(value, dict) else None


def mappings(found: Description, name: str) -> list[dict[str, Any]]:
    value = found.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def settlement_sources(found: Description) -> list[SettlementSource]:
    return [
        SettlementSource(text(source, "name"), text(source, "url"))
        for source in mappings(found, "settlement_sources")
    ]

"""Members and bots of a world file: who is there, with what money, keys and habits."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from augury.app.world.model import BotSpec, Json, KeySpec, MemberSpec, SubtraderSpec
from augury.app.world.reading import Fields
from augury.core.state import API_KEY_SCOPES, MAX_SUBACCOUNT
from augury.core.units import MICROS_PER_CENT, MICROS_PER_DOLLAR
from augury.gateways.profiles import PROFILES
from augury.gateways.public_keys import check_public_key
from augury.gateways.settings import TIERS

BOT_KINDS: Final = ("maker", "taker", "noise")
_EMAIL: Final = re.compile(r"[^@\s/]+@[^@\s/]+")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_DOLLARS: Final = "100000000000"


def read_member(fields: Fields, directory: Path) -> MemberSpec:
    email = fields.parsed("email", _email, "", required=True)
    deposits = []
    if fields.is_list("subaccounts"):
        for nested in fields.each("subaccounts"):
            deposits.append(_dollars(nested, "deposit"))
            nested.finish()
    else:
        deposits = [0] * fields.whole("subaccounts", 0, most=MAX_SUBACCOUNT)
    if len(deposits) > MAX_SUBACCOUNT:
        fields.add("subaccounts", f"at most {MAX_SUBACCOUNT} are allowed")
    precision = fields.choice("balance_precision", ("0.01", "0.0001"), "0.01")
    subtraders = []
    for nested in fields.each("subtraders"):
        subtraders.append(
            SubtraderSpec(nested.text("id", required=True), _dollars(nested, "deposit"))
        )
        nested.finish()
    if len({subtrader.name for subtrader in subtraders}) < len(subtraders):
        fields.add("subtraders", "an id is used twice")
    spec = MemberSpec(
        subtraders=subtraders,
        email=email,
        usage_tier=fields.choice("usage_tier", tuple(TIERS), "basic"),
        balance_precision=MICROS_PER_CENT if precision == "0.01" else 100,
        deposit=_dollars(fields, "deposit"),
        subaccount_deposits=deposits,
        keys=[_key(nested, directory) for nested in fields.each("keys")],
        source=fields,
    )
    fields.finish()
    return spec


def _key(fields: Fields, directory: Path) -> KeySpec:
    public = fields.parsed("public_key", check_public_key, "")
    if fields.has("public_key_file"):
        public = _public_key_file(fields, directory) or public
    private = fields.text("private_key_file")
    given = [
        name for name in ("public_key", "public_key_file", "private_key_file") if fields.has(name)
    ]
    if len(given) != 1:
        fields.problems.add(
            fields.place(),
            "give exactly one of `public_key`, `public_key_file` and `private_key_file`",
        )
    scopes = fields.texts("scopes") or ["read", "write"]
    for scope in scopes:
        if scope not in API_KEY_SCOPES:
            fields.add("scopes", f"expected one of {', '.join(API_KEY_SCOPES)}, not {scope!r}")
    if "write" in scopes and "read" not in scopes:
        fields.add("scopes", "`write` needs `read` beside it")
    spec = KeySpec(
        name=fields.text("name", "key"),
        public_key=public,
        private_key_file=private,
        scopes=tuple(dict.fromkeys(scopes)),
        profile=fields.choice("profile", PROFILES, ""),
    )
    fields.finish()
    return spec


def _public_key_file(fields: Fields, directory: Path) -> str:
    path = directory / Path(fields.text("public_key_file")).expanduser()
    try:
        return check_public_key(path.read_text(encoding="utf-8"))
    except OSError as error:
        fields.add("public_key_file", f"{path} cannot be read: {error.strerror}")
    except ValueError as error:
        fields.add("public_key_file", str(error))
    return ""


def read_bot(fields: Fields) -> tuple[BotSpec, MemberSpec]:
    """A bot and the member it trades as."""
    kind = fields.choice("kind", BOT_KINDS, "maker")
    if not fields.has("kind"):
        fields.add("", f"`kind` is missing; expected one of {', '.join(BOT_KINDS)}")
    name = fields.parsed("name", read_name, "", required=True)
    spec = BotSpec(
        kind=kind,
        name=name,
        email=fields.parsed("email", _email, f"{name}@bots.example.com"),
        seed=fields.whole("seed", 1),
        include=fields.texts("markets") or ["*"],
        exclude=fields.texts("except"),
        options=_BOT_OPTIONS[kind](fields),
        source=fields,
    )
    member = MemberSpec(
        email=spec.email,
        usage_tier=fields.choice("usage_tier", tuple(TIERS), "prime"),
        balance_precision=MICROS_PER_CENT,
        deposit=_dollars(fields, "deposit", 1_000_000 * MICROS_PER_DOLLAR),
        subaccount_deposits=[],
        keys=[KeySpec("bot", "", f"bots/{name}.pem", ("read", "write"), "")],
        source=fields,
        is_bot=True,
    )
    fields.finish()
    return spec, member


def _maker_options(fields: Fields) -> Json:
    return {
        "levels": fields.whole("levels", 4, least=1, most=10),
        "size": _quantity(fields, "size", "40"),
        "spread": fields.number("spread", 0.02, above=0),
        "level_gap": fields.number("level_gap", 0.01, above=0),
        "max_position": _quantity(fields, "max_position", "2000"),
        "rate": fields.number("rate", 4.0, above=0),
    }


def _taker_options(fields: Fields) -> Json:
    return {
        "size": _quantity(fields, "size", "10"),
        "trades_per_minute": fields.number("trades_per_minute", 12.0, above=0),
        "edge": fields.number("edge", 0.005, above=0),
        "error": fields.number("error", 0.02, above=0),
    }


def _noise_options(fields: Fields) -> Json:
    return {
        "size": _quantity(fields, "size", "6"),
        "trades_per_minute": fields.number("trades_per_minute", 12.0, above=0),
    }


_BOT_OPTIONS: Final[dict[str, Callable[[Fields], Json]]] = {
    "maker": _maker_options,
    "taker": _taker_options,
    "noise": _noise_options,
}


def _dollars(fields: Fields, name: str, default: int = 0) -> int:
    """Micro-dollars of an amount in whole cents, such as ``10000.00`` or ``$10,000.00``."""
    value = fields.decimal(name, least="0", most=_MOST_DOLLARS, decimals=2)
    return default if value is None else int(value * MICROS_PER_DOLLAR)


def _quantity(fields: Fields, name: str, default: str) -> str:
    """A count of contracts as text, because bots send it so."""
    value = fields.decimal(name, Decimal(default), least="0.01", most="1000000", decimals=2)
    return str(value)


def _email(text: str) -> str:
    if _EMAIL.fullmatch(text) is None:
        raise ValueError("expected an address such as a@b.example")
    return text


def read_name(text: str) -> str:
    """A name of a world or bot. Raises ``ValueError``."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("expected small letters, digits, hyphens, dots or underscores")
    return text

"""Signatures: who is let in, and who is not (rest.md, section 1)."""

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from augury.client.signing import Signer
from augury.codec.ids import format_id
from augury.core import commands as c
from augury.core.engine import Engine
from augury.core.state import API_KEY_SCOPES, Exchange
from augury.gateways.auth import AuthenticationError, Authenticator, Principal
from tests.rest_harness import key_pair

NOW_MS = 1_772_373_600_000
PATH = "/trade-api/v2/portfolio/orders"


class BareGate:
    """As much of the exchange as authentication looks at."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.do(c.CreateMember("somebody@example.com"))

    def do(self, command: c.Command) -> int:
        sequence = self.engine.state.sequence + 1
        applied = self.engine.apply(sequence, sequence, command)
        assert applied.rejection is None
        return sequence

    @property
    def state(self) -> Exchange:
        return self.engine.state


@pytest.fixture
def gate() -> BareGate:
    return BareGate()


@pytest.fixture
def authenticator(gate: BareGate) -> Authenticator:
    return Authenticator(gate, wall_ns=lambda: NOW_MS * 1_000_000)  # type: ignore[arg-type]


def add_key(gate: BareGate, pem: str = "", profile: str = "") -> int:
    return gate.do(c.AddApiKey(1, "key", pem or key_pair().public_pem, ("read", "write"), profile))


def signed(
    key_id: int, *, method: str = "POST", path: str = PATH, now_ms: int = NOW_MS
) -> dict[bytes, bytes]:
    signer = Signer(format_id("api_key", key_id), key_pair().private_pem)
    headers = signer.headers(method, path, now_ms)
    return {name.lower().encode(): value.encode() for name, value in headers.items()}


def refusal(authenticator: Authenticator, headers: dict[bytes, bytes], method: str = "POST") -> str:
    with pytest.raises(AuthenticationError) as caught:
        authenticator.authenticate(headers, method, PATH)
    return caught.value.code


def test_a_signed_request_is_let_in(gate: BareGate, authenticator: Authenticator) -> None:
    key_id = add_key(gate, profile="legacy")
    for _ in range(2):
        principal = authenticator.authenticate(signed(key_id), "POST", PATH)
        assert principal == Principal(1, key_id, frozenset(API_KEY_SCOPES), "legacy")


def test_the_query_is_not_signed(gate: BareGate, authenticator: Authenticator) -> None:
    headers = signed(add_key(gate), path=PATH + "?limit=5")
    assert authenticator.authenticate(headers, "POST", PATH).member_id == 1


@pytest.mark.parametrize("seconds, admitted", [(-30, True), (30, True), (-31, False), (31, False)])
def test_the_window_of_thirty_seconds(
    gate: BareGate, authenticator: Authenticator, seconds: int, admitted: bool
) -> None:
    headers = signed(add_key(gate), now_ms=NOW_MS + seconds * 1000)
    if admitted:
        authenticator.authenticate(headers, "POST", PATH)
    else:
        assert refusal(authenticator, headers) == "header_timestamp_expired"


def test_every_part_of_the_signed_text_counts(gate: BareGate, authenticator: Authenticator) -> None:
    key_id = add_key(gate)
    assert refusal(authenticator, signed(key_id, method="DELETE")) == "invalid_signature"
    assert refusal(authenticator, signed(key_id, path=PATH + "/x")) == "invalid_signature"
    moved = signed(key_id) | {b"kalshi-access-timestamp": str(NOW_MS + 1).encode()}
    assert refusal(authenticator, moved) == "invalid_signature"


@pytest.mark.parametrize("salt", [20, 32, 64])
def test_other_salt_lengths_are_tolerated(
    gate: BareGate, authenticator: Authenticator, salt: int
) -> None:
    headers = signed(add_key(gate))
    key = serialization.load_pem_private_key(key_pair().private_pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    signature = key.sign(f"{NOW_MS}POST{PATH}".encode(), pss, hashes.SHA256())
    headers[b"kalshi-access-signature"] = base64.b64encode(signature)
    authenticator.authenticate(headers, "POST", PATH)


@pytest.mark.parametrize(
    "name, value, code",
    [
        ("key", b"", "unauthorized"),
        ("key", b"not-a-uuid", "unauthorized"),
        ("key", format_id("api_key", 99).encode(), "unauthorized"),
        ("key", format_id("member", 2).encode(), "unauthorized"),
        ("key", b"\xff" * 36, "unauthorized"),
        ("timestamp", b"", "unauthorized"),
        ("timestamp", b"now", "unauthorized"),
        ("timestamp", b"-5", "unauthorized"),
        ("timestamp", b"1e12", "unauthorized"),
        ("timestamp", b"\xd9\xa1", "unauthorized"),
        ("timestamp", b"9" * 5000, "unauthorized"),
        ("timestamp", str(NOW_MS // 1000).encode(), "header_timestamp_expired"),
        ("signature", b"", "unauthorized"),
        ("signature", b"AAAA", "invalid_signature"),
        ("signature", b"*" * 344, "invalid_signature"),
        ("signature", b"\xff", "invalid_signature"),
        ("signature", b"A" * 100_000, "invalid_signature"),
    ],
)
def test_headers_that_are_not_right(
    gate: BareGate, authenticator: Authenticator, name: str, value: bytes, code: str
) -> None:
    headers = signed(add_key(gate)) | {f"kalshi-access-{name}".encode(): value}
    assert refusal(authenticator, headers) == code


def test_nobody_is_known_without_headers(authenticator: Authenticator) -> None:
    assert refusal(authenticator, {}) == "unauthorized"


def test_a_removed_key_is_unknown_at_once(gate: BareGate, authenticator: Authenticator) -> None:
    key_id = add_key(gate)
    headers = signed(key_id)
    authenticator.authenticate(headers, "POST", PATH)
    gate.do(c.RemoveApiKey(1, key_id))
    assert refusal(authenticator, headers) == "unauthorized"


def test_a_stored_key_that_cannot_be_used_lets_nobody_in(
    gate: BareGate, authenticator: Authenticator
) -> None:
    elliptic = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    for pem in ("nothing", elliptic):
        assert refusal(authenticator, signed(add_key(gate, pem))) == "unauthorized"

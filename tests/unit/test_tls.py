"""The exchange's own authority: who trusts it, and when certificates are made anew."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from augury.app.settings import Settings
from augury.app.tls import Certificate, TlsError, certificate, own_certificate


def handshake(found: Certificate, name: str, authority: Path) -> None:
    """Connect to a server with ``found`` as a strict client that trusts only ``authority``."""
    client = ssl.create_default_context(cafile=authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()
    server = found.context()

    def serve() -> None:
        try:
            server.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name):
            pass
    finally:
        near.close()
        thread.join(10)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "api.exchange.example"])
def test_a_strict_client_trusts_every_name_that_was_asked_for(tmp_path: Path, name: str) -> None:
    settings = Settings(data=tmp_path, tls=True, tls_hosts=("api.exchange.example",))
    found = certificate(settings)
    assert found.authority is not None
    handshake(found, name, found.authority)
    assert str(found.authority) in found.how_to_trust()


def test_another_name_is_not_vouched_for(tmp_path: Path) -> None:
    found = own_certificate(tmp_path, ["localhost"])
    assert found.authority is not None
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(found, "elsewhere.example", found.authority)


def test_the_authority_stays_when_names_are_added(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, ["localhost"])
    assert first.authority is not None
    authority, chain = first.authority.read_bytes(), first.chain.read_bytes()
    assert own_certificate(tmp_path, ["localhost"]).chain.read_bytes() == chain
    second = own_certificate(tmp_path, ["localhost", "new.example"])
    assert second.authority is not None
    assert second.authority.read_bytes() == authority
    handshake(second, "new.example", second.authority)


def test_private_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    own_certificate(tmp_path, ["localhost"])
    for name in ("ca.key", "server.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_given_certificate_is_used_and_a_wrong_one_refused(tmp_path: Path) -> None:
    made = own_certificate(tmp_path / "made", ["localhost"])
    other = own_certificate(tmp_path / "other", ["localhost"])
    given = Settings(data=tmp_path, tls=True, tls_cert=made.chain, tls_key=made.key)
    assert certificate(given).chain == made.chain
    mixed = Settings(data=tmp_path, tls=True, tls_cert=made.chain, tls_key=other.key)
    with pytest.raises(TlsError):
        certificate(mixed).context()

"""Certificates: those the operator gives, or ones from an authority of Augury's own.

The own authority lives in the data directory. Its certificate is what clients must trust; it
stays the same while server certificates below it are renewed. Nothing is installed anywhere.
"""

import contextlib
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from augury.app.settings import Settings
from augury.app.tokens import write_secret

ALWAYS: Final = ("localhost", "127.0.0.1", "::1")
AUTHORITY_DAYS: Final = 3650
# Some clients refuse server certificates that last longer.
SERVER_DAYS: Final = 397
RENEW_DAYS: Final = 30


class TlsError(Exception):
    """The certificate cannot be used or made."""


class Certificate:
    """Paths of what a server shows; ``authority`` is what clients have to trust, if it is ours."""

    def __init__(self, chain: Path, key: Path, authority: Path | None) -> None:
        self.chain = chain
        self.key = key
        self.authority = authority

    def context(self, protocol: str | None = "http/1.1") -> ssl.SSLContext:
        """For a server that speaks ``protocol``, if it has a name in TLS.

        Raises ``TlsError`` when certificate and key do not belong together.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if protocol is not None:
            context.set_alpn_protocols([protocol])
        try:
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{self.chain} and {self.key}: {error}") from None
        return context

    def how_to_trust(self) -> str:
        """One line for whoever starts the server."""
        if self.authority is None:
            return f"Certificate: {self.chain}"
        return (
            f"Clients trust this server with SSL_CERT_FILE={self.authority} "
            f"(curl: --cacert {self.authority})"
        )


def certificate(settings: Settings) -> Certificate:
    """The certificate to serve with, made or renewed when it is Augury's own."""
    if settings.tls_cert is not None and settings.tls_key is not None:
        return Certificate(settings.tls_cert, settings.tls_key, None)
    hosts = list(ALWAYS)
    if settings.host not in {"0.0.0.0", "::"}:
        hosts.append(settings.host)
    hosts.extend(settings.tls_hosts)
    try:
        return own_certificate(settings.data / "tls", hosts)
    except (OSError, ValueError) as error:
        raise TlsError(f"no certificate can be made: {error}") from None


def own_certificate(directory: Path, hosts: Sequence[str]) -> Certificate:
    """A certificate for ``hosts`` below the authority in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    found = Certificate(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    authority_key = directory / "ca.key"
    assert found.authority is not None
    now = datetime.now(UTC)
    if not (found.authority.exists() and authority_key.exists()):
        _make_authority(found.authority, authority_key, now)
    names = [_name(host) for host in dict.fromkeys(hosts)]
    if not _still_good(found, names, now):
        _make_server(found, authority_key, names, now)
    return found


def _name(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _still_good(found: Certificate, names: list[x509.GeneralName], now: datetime) -> bool:
    assert found.authority is not None
    if not (found.chain.exists() and found.key.exists()):
        return False
    server = x509.load_pem_x509_certificate(found.chain.read_bytes())
    authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
    alternatives = server.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return (
        list(alternatives.value) == names
        and server.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)
        and server.issuer == authority.subject
    )


def _make_authority(path: Path, key_path: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial tells authorities of several installations apart in a list of trusted ones.
    serial = x509.random_serial_number()
    name = _subject(f"Augury authority {serial & 0xFFFFFFFF:08x}")
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_secret(key_path, _pem(key))
    path.write_bytes(made.public_bytes(Encoding.PEM))


def _make_server(
    found: Certificate, authority_key: Path, names: list[x509.GeneralName], now: datetime
) -> None:
    assert found.authority is not None
    authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
    signer = load_pem_private_key(authority_key.read_bytes(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{authority_key} is not the key that Augury made")
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateBuilder()
        .subject_name(_subject("Augury"))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=SERVER_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    write_secret(found.key, _pem(key))
    found.chain.write_bytes(made.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))


def _subject(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Augury"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

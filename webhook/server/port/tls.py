"""Certificates: reads the operator's certificate and key, or creates a pair for development.

A pair is read once, checked as a whole, and only then loaded into a new SSLContext. No function changes a context in
use: a load that fails would break every handshake after it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from webhook.documents.files import content_of

_MAX_FILE = 1 << 20  # bytes of a file; hundreds of certificates are less
_DEVELOPMENT_VALIDITY = datetime.timedelta(days=30)
# A new certificate must already be valid for clients with a slow clock.
_CLOCK_SKEW = datetime.timedelta(minutes=5)


class TLSError(Exception):
    """A certificate or key that cannot be served; the text names the file and what was expected."""


class Pair(Struct, frozen=True):
    """A certificate chain with its key; `read_pair` has checked that they match."""

    certificate: bytes  # PEM, the server's own certificate first
    key: bytes  # PEM, unencrypted
    not_after: datetime.datetime

    def __repr__(self) -> str:  # without the key, which a traceback would show
        return f"Pair(not_after={self.not_after:%Y-%m-%dT%H:%M:%SZ})"


class Development(Struct, frozen=True):
    """A pair for development, and the certificate of the CA that signed it. The CA's key is not kept."""

    pair: Pair
    ca: bytes  # PEM

    @property
    def ca_bundle(self) -> str:
        """The value for `webhooks[].clientConfig.caBundle`: the PEM in base64."""
        return base64.b64encode(self.ca).decode("ascii")


def settled(*files: Path) -> tuple[Path, ...]:
    """The real paths of the files, all in the same version of their folder.

    The kubelet mounts a Secret as `tls.crt -> ..data/tls.crt` and `..data -> ..2026_11_21…`. It updates the Secret by
    replacing the link `..data`. This resolves the link once for each folder: of two files read one after the other
    through the link, one could be old and one new.
    """
    folders = {file.parent: file.parent for file in files}
    for folder in folders:
        with contextlib.suppress(OSError):  # no such link: not mounted by the kubelet
            folders[folder] = folder / (folder / "..data").readlink()
    return tuple(folders[file.parent] / file.name for file in files)


def read_pair(certificate: Path, key: Path) -> Pair:
    """The pair in two PEM files, both in the same version of their folder.

    Raises TLSError if a file cannot be read or parsed, the key is not the certificate's, or the certificate is expired
    or not yet valid.
    """
    at = settled(certificate, key)
    chain, private = _read(at[0], certificate, "certificate"), _read(at[1], key, "key")
    leaf = _certificates(chain, certificate)[0]
    try:
        loaded = load_pem_private_key(private, password=None)
    except TypeError:
        raise TLSError(f"{key}: the key has a passphrase; expected a key without one") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TLSError(f"{key}: no private key in PEM; expected -----BEGIN PRIVATE KEY-----") from None
    info = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if loaded.public_key().public_bytes(*info) != leaf.public_key().public_bytes(*info):
        raise TLSError(f"the key in {key} is not the key of the certificate in {certificate}; expected a pair")
    now = datetime.datetime.now(datetime.UTC)
    if now > leaf.not_valid_after_utc:
        raise TLSError(f"{certificate}: expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}; renew it")
    if now < leaf.not_valid_before_utc:
        raise TLSError(f"{certificate}: not valid before {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
    return Pair(chain, private, leaf.not_valid_after_utc)


def read_authorities(file: Path) -> bytes:
    """The CA certificates in a PEM file, as `client_ca` of `context`.

    Raises TLSError if the file cannot be read, contains anything but complete certificates, or contains none that is
    valid now.
    """
    (at,) = settled(file)
    text = _read(at, file, "CA certificates for clients")
    now = datetime.datetime.now(datetime.UTC)
    if not any(
        authority.not_valid_before_utc <= now <= authority.not_valid_after_utc
        for authority in _certificates(text, file)
    ):
        raise TLSError(f"{file}: all certificates are expired or not yet valid; expected a CA certificate for clients")
    return text


def context(pair: Pair, client_ca: bytes | None = None) -> ssl.SSLContext:
    """A new server context for `pair`, with TLS 1.2 and newer.

    With `client_ca` (PEM), clients need a certificate from one of these CAs. Raises TLSError if OpenSSL refuses the
    pair or the CA certificates.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    # No tickets: a resumed session skips the exchange of certificates. So it would outlive the CA that verified the
    # client, and our own certificate. The API server keeps its connections open and resumes no sessions.
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    made.num_tickets = 0
    if client_ca is not None:
        made.verify_mode = ssl.CERT_REQUIRED
        try:
            made.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
        except ssl.SSLError as error:
            raise TLSError(f"OpenSSL refuses the CA certificates for clients: {error.reason or error}") from None
    # The ssl module loads a pair only from a file: this one is private and deleted at once.
    descriptor, name = tempfile.mkstemp(prefix="gatewright-")
    try:
        with os.fdopen(descriptor, "wb") as file:  # mkstemp makes it readable only for this user
            file.write(pair.key.rstrip() + b"\n" + pair.certificate)
        made.load_cert_chain(name)
    except ssl.SSLError as error:
        raise TLSError(f"OpenSSL refuses the certificate and key: {error.reason or error}") from None
    except OSError as error:
        raise TLSError(f"cannot pass the certificate to OpenSSL in the file {name}: {error.strerror}") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return made


def names_of(certificate: Any) -> list[str]:
    """The common name, then the DNS names and URIs of a verified certificate, as `SSLSocket.getpeercert()` gives it."""
    if not certificate:
        return []
    common = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return common + [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")]


def development(names: Iterable[str] = (), host: str | None = None) -> Development:
    """A new CA, and a certificate from it for localhost, the loopback addresses, `host` and `names`; for 30 days."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Gatewright development CA")
    authority = (
        _certificate(authority_name, authority_name, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    server = (
        _certificate(_name("gatewright"), authority_name, key, now)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names, host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pair = Pair(
        server.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        server.not_valid_after_utc,
    )
    return Development(pair, authority.public_bytes(Encoding.PEM))


def _read(at: Path, file: Path, what: str) -> bytes:
    try:
        return content_of(at, None, _MAX_FILE)
    except OSError as error:
        raise TLSError(f"cannot read the {what} {file}: {error.strerror or error}") from None


def _certificates(text: bytes, file: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError:
        raise TLSError(f"{file}: no certificate in PEM; expected -----BEGIN CERTIFICATE-----") from None
    if len(found) != text.count(b"-----BEGIN "):  # the parser ignores a last certificate that is truncated
        raise TLSError(
            f"{file}: a certificate is truncated, or an entry is not a certificate; expected only complete certificates"
        )
    return found


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _DEVELOPMENT_VALIDITY)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Iterable[str], host: str | None) -> list[x509.GeneralName]:
    addresses = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    hosts = {"localhost", *names}
    if host:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            hosts.add(host)
        else:
            if not address.is_unspecified:
                addresses.add(address)
    return [
        *(x509.DNSName(name) for name in sorted(hosts)),
        *(x509.IPAddress(address) for address in sorted(addresses, key=str)),
    ]

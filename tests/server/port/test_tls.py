"""Certificates: what is served is a good pair, and what is not is refused with the file's name."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from webhook.server.port import tls


def _write(folder: Path, pair: tls.Pair) -> tuple[Path, Path]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return certificate, key


def _dated(pair: tls.Pair, start: int, end: int) -> bytes:
    """A certificate for the pair's key, valid between two times, in days from now."""
    key = load_pem_private_key(pair.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + datetime.timedelta(days=start))
        .not_valid_after(now + datetime.timedelta(days=end))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """The TLS version that the two agree on."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(ours, server_side=True).close()
        except OSError:
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname=name) as connection:
            return connection.version()
    finally:
        theirs.close()
        thread.join()


def test_a_pair_is_read_back_with_its_end(tmp_path: Path) -> None:
    made = tls.development().pair
    assert tls.read_pair(*_write(tmp_path, made)) == made


def test_what_is_no_pair_is_refused_with_the_files_name(tmp_path: Path) -> None:
    made = tls.development().pair
    certificate, key = _write(tmp_path, made)

    def refused(told: str) -> None:
        with pytest.raises(tls.TLSError) as error:
            tls.read_pair(certificate, key)
        assert told in str(error.value)
        assert "PRIVATE KEY-----\nM" not in str(error.value)

    key.write_bytes(tls.development().pair.key)
    refused(f"the key in {key} is not the key of the certificate in {certificate}")
    key.write_bytes(made.key[:60])
    refused(f"{key}: no private key in PEM")
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
        )
    )
    refused(f"{key}: the key has a passphrase")
    key.unlink()
    refused(f"cannot read the key {key}: No such file")
    key.write_bytes(made.key)
    certificate.write_bytes(made.certificate[:-60])
    refused(f"{certificate}: no certificate in PEM")
    certificate.write_bytes(b"")
    refused(f"{certificate}: no certificate in PEM")
    certificate.write_bytes(_dated(made, -3, -1))
    refused(f"{certificate}: expired at ")
    certificate.write_bytes(_dated(made, 1, 3))
    refused(f"{certificate}: not valid before ")
    certificate.unlink()
    certificate.mkdir()
    refused(f"cannot read the certificate {certificate}: Is a directory")


def test_the_development_certificate_is_trusted_for_loopback_and_the_names_given() -> None:
    made = tls.development(["gatewright.gatewright-system.svc"], "192.0.2.7")
    server = tls.context(made.pair)
    trusting = ssl.create_default_context(cadata=made.ca.decode())
    for name in ("localhost", "127.0.0.1", "::1", "192.0.2.7", "gatewright.gatewright-system.svc"):
        assert _handshake(server, trusting, name) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, trusting, "example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, ssl.create_default_context(cadata=tls.development().ca.decode()), "localhost")


def test_the_unspecified_address_is_no_name_of_the_server() -> None:
    (leaf,) = x509.load_pem_x509_certificates(tls.development((), "0.0.0.0").pair.certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = names.get_values_for_type(x509.IPAddress)
    assert sorted(map(str, addresses)) == ["127.0.0.1", "::1"]
    assert ipaddress.ip_address("0.0.0.0") not in addresses


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the test asks for TLS 1.1, which Python warns of
def test_nothing_below_tls_1_2_is_spoken() -> None:
    made = tls.development()
    client = ssl.create_default_context(cadata=made.ca.decode())
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert _handshake(tls.context(made.pair), client, "localhost") == "TLSv1.2"
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.raises(OSError):
        _handshake(tls.context(made.pair), client, "localhost")


def test_no_key_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = tls.development()
    tls.context(made.pair)
    with pytest.raises(tls.TLSError, match="OpenSSL refuses"):
        tls.context(tls.Pair(made.pair.certificate, tls.development().pair.key, made.pair.not_after))
    assert list(tmp_path.iterdir()) == []


def test_a_pair_does_not_show_its_key() -> None:
    pair = tls.development().pair
    assert "PRIVATE" not in repr(pair)
    assert "PRIVATE" not in repr([pair])


def test_an_rsa_pair_is_served_too(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    from cryptography.hazmat.primitives.serialization import NoEncryption

    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    tls.context(tls.read_pair(*_write(tmp_path, tls.Pair(certificate, pem, now))))


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    with file.open("wb") as written:
        written.truncate(5 << 30)  # without blocks on the disk
    with pytest.raises(tls.TLSError, match=r"cannot read the CA certificates for clients .*ca.crt: larger than 1 MiB"):
        tls.read_authorities(file)

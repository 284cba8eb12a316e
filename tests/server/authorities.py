"""CAs and certificates for tests, and the files of a Secret in the layout of a kubelet's volume."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import shutil
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_DAY = datetime.timedelta(days=1)


class Authority:
    """A CA for tests. It signs certificates of servers and of clients."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.pem = self._signed(self._name, self._key, (-1, 30), (constraints, usage))

    def pair(self, kind: str = "ec", days: tuple[float, float] = (-1, 30), name: str = "leaf") -> tuple[bytes, bytes]:
        """Certificate for localhost and 127.0.0.1, and its key, in PEM. `kind`: ec or rsa; `days`: validity."""
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), loopback])
        certificate = self._signed(subject, key, days, (names,))
        return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def client(
        self, folder: Path, trusted: bytes, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, name: str = "leaf"
    ) -> ssl.SSLContext:
        """A client's context with a certificate from this CA. It trusts servers of the CA `trusted` (PEM)."""
        context = ssl.create_default_context(cadata=trusted.decode())
        context.maximum_version = newest
        both = folder / "client.pem"
        both.write_bytes(b"".join(self.pair(name=name)))
        context.load_cert_chain(both)
        both.unlink()
        return context

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        days: tuple[float, float],
        extensions: tuple[x509.ExtensionType, ...],
    ) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            self._name,
            subject,
            key.public_key(),
            x509.random_serial_number(),
            now + days[0] * _DAY,
            now + days[1] * _DAY,
        )
        # Python 3.13 and newer verify strictly: RFC 5280's key identifiers, and the critical extensions of a CA.
        identifiers = (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        )
        for extension in (*extensions, *identifiers):
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate in PEM, or in DER as a handshake returns it."""
    load = x509.load_pem_x509_certificate if certificate.startswith(b"-----") else x509.load_der_x509_certificate
    return load(certificate).fingerprint(hashes.SHA256()).hex()


class Mount:
    """A folder that is updated like a kubelet's volume of a Secret: all files at once, by replacing one link."""

    def __init__(self, folder: Path, **files: bytes) -> None:
        self.folder = folder
        folder.mkdir()
        self._numbers = itertools.count()
        self.write(**files)

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, **files: bytes) -> None:
        """Replace the content by these files; `_` in a name stands for a dot."""
        data = self.folder / "..data"
        before = data.resolve() if data.is_symlink() else None
        new = self.folder / f"..2026_11_21_{next(self._numbers)}"
        new.mkdir()
        for key, content in files.items():
            name = key.replace("_", ".")
            (new / name).write_bytes(content)
            if not self.path(name).is_symlink():
                self.path(name).symlink_to(Path("..data", name))
        link = self.folder / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(data)
        if before is not None:
            shutil.rmtree(before)

"""Signatures that cosign makes with a key pair (ECDSA on P-256, SHA-256), in both forms in which it keeps them.

- The tag `sha256-….sig` beside the bundle: a layer is the signed text ("simple signing"), its annotation the signature.
- A manifest that refers to the bundle (OCI 1.1 referrers, what cosign 3 writes): its layer is a Sigstore bundle with a
  DSSE envelope around an in-toto statement.

Source: https://github.com/sigstore/cosign/blob/v3.1.3/specs/SIGNATURE_SPEC.md, specs/BUNDLE_SPEC.md,
https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from msgspec import Struct, field

from webhook.bundle.artifact import ArtifactError, Descriptor, checked, decoded
from webhook.documents import files
from webhook.documents.undecodable import UNDECODABLE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGSTORE_BUNDLE: Final = "application/vnd.dev.sigstore.bundle."
"""What the media types of all versions of a Sigstore bundle begin with."""
SIGNED_BY_COSIGN: Final = "https://sigstore.dev/cosign/sign/v1"
"""The predicate of an in-toto statement that only says: signed."""

MOST: Final = 256 << 10
"""Bytes of a signature with what it signs."""
MOST_OF_ONE: Final = 16
"""Signatures that are looked at."""

_SIGNATURE = "dev.cosignproject.cosign/signature"
_IN_TOTO = "application/vnd.in-toto+json"
_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----")
_MOST_KEYS = 64 << 10  # bytes of the file


class SignatureError(ValueError):
    """No good signature, or keys that cannot be used; the text says which."""


class Signature(Struct, frozen=True):
    """A text and a signature of it, kept with a bundle so that it can be verified again. `form`: what the text is."""

    form: Literal["simple", "dsse"]
    text: bytes
    signature: bytes

    def signed(self) -> bytes:
        """The bytes that were signed."""
        return self.text if self.form == "simple" else _encoded(self.text)

    def names(self, digest: str) -> bool:
        """Whether the text is about the manifest with this digest."""
        try:
            said = msgspec.json.decode(self.text)
        except UNDECODABLE:
            return False
        if self.form == "simple":
            return bool(_at(said, "critical", "image", "docker-manifest-digest") == digest)
        subjects = _at(said, "subject")
        return (
            _at(said, "predicateType") == SIGNED_BY_COSIGN
            and isinstance(subjects, list)
            and any(_at(each, "digest", "sha256") == digest.removeprefix("sha256:") for each in subjects)
        )


class Keys(Struct, frozen=True):
    """Public keys. One that made a signature is enough, so that keys can be replaced."""

    file: str
    keys: tuple[Any, ...]

    def verify(self, digest: str, signatures: list[Signature]) -> Signature:
        """The first signature of the manifest with this digest that one of the keys made. Raises SignatureError."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        good = False
        for each in signatures:
            for key in self.keys:
                try:
                    key.verify(each.signature, each.signed(), ECDSA(SHA256()))
                except InvalidSignature:
                    continue
                if each.names(digest):
                    return each
                good = True
        if not signatures:
            raise SignatureError(f"is not signed; a signature by a key of {self.file} is required")
        if good:
            raise SignatureError(f"has a signature by a key of {self.file}, but it is that of another bundle")
        raise SignatureError(f"is not signed by a key of {self.file}, but by {len(signatures)} other")


def keys(file: Path) -> Keys:
    """The public keys of a PEM file, such as cosign.pub. Raises SignatureError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        content = files.content_of(file, None, _MOST_KEYS)
    except OSError as error:
        raise SignatureError(f"{file}: {files.reason(error)}") from None
    found: list[EllipticCurvePublicKey] = []
    for text in _KEY.findall(content):
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise SignatureError(f"{file}: expected public keys of ECDSA on P-256, as `cosign generate-key-pair` makes")
        found.append(key)
    if not found:
        raise SignatureError(f"{file}: expected a public key, PEM, such as the cosign.pub of a key pair")
    return Keys(str(file), tuple(found))


# Where signatures are


class _Layers(Struct, frozen=True):
    layers: list[Descriptor] = field(default_factory=list)


class _Envelope(Struct, frozen=True, rename="camel"):
    payload: str = ""
    payload_type: str = ""
    signatures: list[dict[str, Any]] = field(default_factory=list)


class _Bundle(Struct, frozen=True, rename="camel"):
    dsse_envelope: _Envelope = _Envelope()


def tag_of(digest: str) -> str:
    """The tag with the signatures of a manifest."""
    return f"{digest.replace(':', '-')}.sig"


def in_tag(manifest: bytes, blob: Callable[[Descriptor], bytes]) -> Iterator[Signature]:
    """The signatures of a manifest with the tag `tag_of`. Raises ArtifactError, and what `blob` raises."""
    for layer in decoded(manifest, _Layers).layers[:MOST_OF_ONE]:
        if layer.media_type == SIMPLE_SIGNING and _SIGNATURE in layer.annotations:
            checked(layer, MOST, "signature")
            yield Signature("simple", blob(layer), _decoded(layer.annotations[_SIGNATURE]))


def in_referrer(manifest: bytes, blob: Callable[[Descriptor], bytes]) -> Iterator[Signature]:
    """The signatures of a manifest that refers to the bundle. Raises ArtifactError, and what `blob` raises."""
    for layer in decoded(manifest, _Layers).layers[:MOST_OF_ONE]:
        if layer.media_type.startswith(SIGSTORE_BUNDLE):
            checked(layer, MOST, "signature")
            envelope = decoded(blob(layer), _Bundle).dsse_envelope
            if envelope.payload_type == _IN_TOTO:
                for each in envelope.signatures[:MOST_OF_ONE]:
                    yield Signature("dsse", _decoded(envelope.payload), _decoded(str(each.get("sig") or "")))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ArtifactError("its signature is not base64") from None


def _encoded(text: bytes) -> bytes:
    """What DSSE signs of an in-toto statement: its type and itself, each with its length."""
    kind = _IN_TOTO.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(text), text)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value

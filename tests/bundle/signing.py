"""Signatures by keys that the tests make, in place of cosign's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.bundle.registries import Answering, artifact
from webhook.bundle.artifact import digest_of
from webhook.bundle.signatures import SIGNED_BY_COSIGN, SIMPLE_SIGNING, Signature, tag_of

DIGEST = artifact().digest


class Signer:
    """A key of ours, in place of cosign's."""

    def __init__(self, folder: Path, name: str = "own.pub") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / name
        self.pem = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.file.write_bytes(self.pem)

    def signed(self, signature: Signature) -> Signature:
        made = self._key.sign(signature.signed(), ec.ECDSA(SHA256()))
        return Signature(signature.form, signature.text, made)


def simple(digest: str = DIGEST, **fields: Any) -> Signature:
    text = {"critical": {"image": {"docker-manifest-digest": digest}, **fields}, "optional": None}
    return Signature("simple", json.dumps(text).encode(), b"")


def statement(digest: str = DIGEST, predicate: str = SIGNED_BY_COSIGN) -> Signature:
    subject = [{"digest": {"sha256": digest.removeprefix("sha256:")}}]
    return Signature("dsse", json.dumps({"subject": subject, "predicateType": predicate}).encode(), b"")


def layer(content: bytes, **fields: Any) -> dict[str, Any]:
    """A layer with a text that was signed."""
    return {"mediaType": SIMPLE_SIGNING, "digest": digest_of(content), "size": len(content), **fields}


def hold_signature(held: Answering, digest: str, signer: Signer) -> None:
    """Have a registry hold a signature of a manifest."""
    good = signer.signed(simple(digest))
    held.blobs[digest_of(good.text)] = good.text
    annotations = {"dev.cosignproject.cosign/signature": base64.b64encode(good.signature).decode()}
    held.manifest(tag_of(digest), [layer(good.text, annotations=annotations)])

"""Bundles on disk: an OCI image layout, as a folder or in a tar archive, and the cache of what was pulled.

Source: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import Struct, field

from webhook.bundle.artifact import MANIFEST, MOST_MANIFEST, NOTHING, Artifact, ArtifactError, described, digest_of
from webhook.bundle.packing import MOST_PACKED
from webhook.bundle.signatures import MOST, Signature
from webhook.documents import files
from webhook.documents.undecodable import UNDECODABLE

_MARK: Final = b'{"imageLayoutVersion":"1.0.0"}'
_MOST_SIGNATURE = 2 * MOST  # bytes of one that is kept, with base64
_NAMED = "org.opencontainers.image.ref.name"


def archive(artifact: Artifact, name: str) -> bytes:
    """The image layout of a bundle as a tar archive; the same bundle and name give the same bytes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        for path, content in sorted(_files(artifact, name).items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            writer.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def write(artifact: Artifact, name: str, folder: Path) -> None:
    """Write the image layout of a bundle into a folder, which is made. Raises OSError."""
    for path, content in _files(artifact, name).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _files(artifact: Artifact, name: str) -> dict[str, bytes]:
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": artifact.digest,
                "size": len(artifact.manifest),
                "annotations": {_NAMED: name},
            }
        ],
    }
    blobs = (artifact.manifest, artifact.layer, NOTHING)
    return {
        "oci-layout": _MARK,
        "index.json": msgspec.json.encode(index),
        **{_blob(digest_of(each)): each for each in blobs},
    }


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


class Kept(Struct, frozen=True):
    """A bundle of the cache, with the signature that was verified when it was pulled."""

    artifact: Artifact
    signature: Signature | None


class _Entry(Struct, frozen=True):
    """The cache's entry for a reference: the digests of a manifest, and of a file with its signature."""

    reference: str
    manifest: str
    signature: str = ""


class _Entries(Struct, frozen=True):
    entries: list[_Entry] = field(default_factory=list)


class Cache:
    """A folder that keeps of each reference the bundle that was in force last.

    The content of every file is verified when it is read: a file that is incomplete or was changed is as good as none.
    """

    _INDEX: Final = "in-force.json"
    _MOST_INDEX: Final = 1 << 20  # bytes

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, reference: str) -> Kept | None:
        """The bundle of a reference; None if there is none, or not all of it."""
        entry = self._entries().get(reference)
        if entry is None:
            return None
        try:
            manifest = self._content(entry.manifest, MOST_MANIFEST)
            layer = self._content(described(manifest).layer.digest, MOST_PACKED)
            signature = None
            if entry.signature:
                signature = msgspec.json.decode(self._content(entry.signature, _MOST_SIGNATURE), type=Signature)
        except (OSError, ArtifactError, *UNDECODABLE):
            return None
        return Kept(Artifact(manifest, layer), signature)

    def write(self, kept: Mapping[str, Kept]) -> None:
        """Keep these bundles, and none else: reference -> bundle. Raises OSError."""
        entries = []
        wanted: dict[str, bytes] = {}
        for reference, each in kept.items():
            blobs = [each.artifact.manifest, each.artifact.layer]
            if each.signature is not None:
                blobs.append(msgspec.json.encode(each.signature))
            digests = [digest_of(blob) for blob in blobs]
            wanted |= zip(digests, blobs, strict=True)
            entries.append(_Entry(reference, digests[0], digests[2] if each.signature is not None else ""))
        for digest, content in wanted.items():
            self._keep(self._folder / _blob(digest), content)
        self._replace(self._folder / self._INDEX, msgspec.json.encode(_Entries(entries)))
        for file in (self._folder / "blobs/sha256").iterdir():
            if f"sha256:{file.name}" not in wanted:
                file.unlink(missing_ok=True)

    def _entries(self) -> dict[str, _Entry]:
        try:
            content = files.content_of(self._folder / self._INDEX, None, self._MOST_INDEX)
            found = msgspec.json.decode(content, type=_Entries)
        except (OSError, *UNDECODABLE):
            return {}
        return {entry.reference: entry for entry in found.entries}

    def _content(self, digest: str, most: int) -> bytes:
        """A blob. Raises OSError, and ArtifactError if it is not what its name says."""
        content = files.content_of(self._folder / _blob(digest), None, most)
        if digest_of(content) != digest:
            raise ArtifactError(f"the blob {digest} is another")
        return content

    def _keep(self, file: Path, content: bytes) -> None:
        try:
            there = files.content_of(file, None, len(content))
        except OSError:
            there = b""
        if sha256(there).digest() != sha256(content).digest():
            self._replace(file, content)

    def _replace(self, file: Path, content: bytes) -> None:
        """Write a file whole: a server that ends meanwhile leaves the one before."""
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.{uuid4().hex}")
        try:
            with new.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)

"""The manifest of a bundle: one layer, the archive of the tree, and what is said of it.

Source: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field

from webhook.bundle.packing import MOST_PACKED, Files, UnpackError, packed, unpacked
from webhook.bundle.reference import is_digest
from webhook.documents.undecodable import UNDECODABLE
from webhook.visible import visible

ARTIFACT: Final = "application/vnd.gatewright.policies.v1"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
TAR: Final = "application/vnd.oci.image.layer.v1.tar"
GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY: Final = "application/vnd.oci.empty.v1+json"
NOTHING: Final = b"{}"
"""The content of the empty config."""
INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

REVISION: Final = "org.opencontainers.image.revision"
CREATED: Final = "org.opencontainers.image.created"
TITLE: Final = "org.opencontainers.image.title"

MOST_MANIFEST: Final = 1 << 20
"""Bytes of a manifest."""
_SHOWN = 120  # characters of a media type

Kind = TypeVar("Kind")


class ArtifactError(ValueError):
    """Something that is not a bundle; the text says what it is, and what was expected."""


class Descriptor(Struct, frozen=True, rename="camel"):
    """A blob: what it is, its digest, its size in bytes."""

    media_type: str = ""
    digest: str = ""
    size: int = -1
    annotations: dict[str, str] = field(default_factory=dict)


class _Manifest(Struct, frozen=True, rename="camel"):
    schema_version: int = 0
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor = Descriptor()
    layers: list[Descriptor] = field(default_factory=list)
    manifests: list[Any] | None = None  # of an index
    annotations: dict[str, str] = field(default_factory=dict)


class Artifact(Struct, frozen=True):
    """A bundle: its manifest, byte for byte, and the archive, as it is transferred."""

    manifest: bytes
    layer: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def digest_of(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def made(files: Files, annotations: Mapping[str, str]) -> Artifact:
    """The bundle of a tree. Raises UnpackError for files that no bundle can hold."""
    layer = packed(files)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT,
        "config": {"mediaType": EMPTY, "digest": digest_of(NOTHING), "size": len(NOTHING)},
        "layers": [{"mediaType": TAR, "digest": digest_of(layer), "size": len(layer)}],
        "annotations": dict(sorted(annotations.items())),
    }
    if len(layer) > MOST_PACKED:
        raise UnpackError(f"the archive has {len(layer) >> 20} MiB; a bundle may have {MOST_PACKED >> 20}")
    return Artifact(json.dumps(manifest, separators=(",", ":"), ensure_ascii=True).encode(), layer)


class Described(Struct, frozen=True):
    """What a manifest says of a bundle."""

    layer: Descriptor
    annotations: dict[str, str]


def described(manifest: bytes) -> Described:
    """The only layer of a bundle, by its manifest. Raises ArtifactError."""
    found = decoded(manifest, _Manifest)
    if found.manifests is not None or found.media_type in INDEXES:
        raise ArtifactError("is an index of several manifests, not a bundle; name one of them by its digest")
    if found.schema_version != 2 or found.media_type not in ("", MANIFEST):
        raise ArtifactError(f"its manifest is {_shown(found.media_type)}; expected {MANIFEST}")
    if (found.artifact_type or found.config.media_type) != ARTIFACT:
        what = _shown(found.artifact_type or found.config.media_type)
        raise ArtifactError(f"is {what}, not a bundle of policies ({ARTIFACT}), which `gatewright bundle` makes")
    if len(found.layers) != 1:
        raise ArtifactError(f"has {len(found.layers)} layers; a bundle has one")
    layer = found.layers[0]
    if layer.media_type not in (TAR, GZIP):
        raise ArtifactError(f"its layer is {_shown(layer.media_type)}; expected {TAR} or {GZIP}")
    checked(layer, MOST_PACKED, "layer")
    return Described(layer, found.annotations)


def checked(descriptor: Descriptor, most: int, what: str) -> None:
    """Raise ArtifactError for a blob without a digest, or with more than `most` bytes."""
    if not is_digest(descriptor.digest):
        raise ArtifactError(f"its {what} has no digest by SHA-256")
    if not 0 <= descriptor.size <= most:
        raise ArtifactError(f"its {what} has {descriptor.size:,} bytes; at most {most:,} are read")


def contents(layer: bytes, descriptor: Descriptor) -> Files:
    """The files of the layer. Raises UnpackError."""
    return unpacked(layer, compressed=descriptor.media_type == GZIP)


def decoded(content: bytes, kind: type[Kind]) -> Kind:
    """A JSON document of a registry. Raises ArtifactError."""
    try:
        return msgspec.json.decode(content, type=kind)
    except UNDECODABLE as error:
        raise ArtifactError(f"is not what was expected: {visible(str(error))[:_SHOWN]}") from None


def _shown(media_type: str) -> str:
    return visible(media_type[:_SHOWN]) or "of no media type"

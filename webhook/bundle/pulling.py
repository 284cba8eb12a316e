"""A reference -> the policy tree of its bundle, with everything verified that can be."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from webhook.bundle import artifact, signatures
from webhook.bundle.artifact import REVISION, Artifact, ArtifactError
from webhook.bundle.layout import Kept
from webhook.bundle.packing import UnpackError
from webhook.bundle.reference import Reference
from webhook.bundle.registry import TIMEOUT, Access, Registry, RegistryError
from webhook.bundle.signatures import Keys, Signature, SignatureError
from webhook.policy.load.treefiles import Packed
from webhook.visible import visible


class BundleError(Exception):
    """A bundle that is not taken; the text says why."""


class Pulled(Struct, frozen=True):
    """A bundle that was verified: its tree, and what the cache keeps of it, if that is known. `revision`: the commit
    that it names."""

    packed: Packed
    kept: Kept | None
    revision: str

    @property
    def digest(self) -> str:
        return self.packed.revision


def pull(reference: Reference, access: Access, keys: Keys | None, *, seconds: float = TIMEOUT) -> Pulled:
    """Read a bundle from its registry. keys: those of which one must have signed it. Raises BundleError."""
    try:
        registry = Registry(reference, access, seconds=seconds)
        manifest = registry.manifest(reference.target)
        digest = artifact.digest_of(manifest)
        described = artifact.described(manifest)
        signature = None
        if keys is not None:  # before the layer is read: an archive that nobody vouches for is not even unpacked
            signature = keys.verify(digest, list(_signatures(registry, digest)))
        layer = registry.blob(described.layer)
        return opened(reference, Kept(Artifact(manifest, layer), signature), None)
    except RegistryError as error:
        raise BundleError(str(error)) from None
    except (ArtifactError, SignatureError, UnpackError) as error:
        raise BundleError(f"{reference}: {error}") from None


def opened(reference: Reference, kept: Kept, keys: Keys | None) -> Pulled:
    """A bundle whose manifest and layer are here. keys: as of `pull`. Raises ArtifactError, SignatureError,
    UnpackError."""
    digest = kept.artifact.digest
    if reference.digest and digest != reference.digest:
        raise ArtifactError(f"has the digest {digest}")
    if keys is not None:
        keys.verify(digest, [] if kept.signature is None else [kept.signature])
    described = artifact.described(kept.artifact.manifest)
    files = artifact.contents(kept.artifact.layer, described.layer)
    revision = visible(described.annotations.get(REVISION, "")[:128])
    return Pulled(Packed(reference.with_digest(digest).shown, files, digest), kept, revision)


def digest(reference: Reference, access: Access, *, seconds: float = TIMEOUT) -> str:
    """The digest that a tag has now. Raises BundleError."""
    try:
        return artifact.digest_of(Registry(reference, access, seconds=seconds).manifest(reference.target))
    except RegistryError as error:
        raise BundleError(str(error)) from None


def _signatures(registry: Registry, digest: str) -> Iterator[Signature]:
    """The signatures of a manifest: those of its tag, and those that refer to it. What is none is passed over."""
    try:
        yield from signatures.in_tag(registry.manifest(signatures.tag_of(digest)), registry.blob)
    except RegistryError as error:
        if not error.missing:
            raise
    except ArtifactError:
        pass
    referring = [each for each in registry.referrers(digest) if each.media_type == artifact.MANIFEST]
    for each in referring[: signatures.MOST_OF_ONE]:
        try:
            yield from signatures.in_referrer(registry.manifest(each.digest), registry.blob)
        except ArtifactError:
            continue


def push(reference: Reference, bundle: Artifact, access: Access) -> None:
    """Write a bundle to a registry. Raises BundleError."""
    try:
        registry = Registry(reference, access, push=True)
        registry.push(artifact.NOTHING)
        registry.push(bundle.layer)
        registry.push_manifest(bundle.manifest, reference.target)
    except RegistryError as error:
        raise BundleError(str(error)) from None

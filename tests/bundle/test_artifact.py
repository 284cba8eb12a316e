"""Manifests of bundles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bundle.registries import FILES, artifact
from webhook.bundle import artifact as artifacts
from webhook.bundle.artifact import ARTIFACT, GZIP, TAR, ArtifactError, contents, described, digest_of, made
from webhook.bundle.packing import UnpackError, packed

LAYER = {"mediaType": TAR, "digest": "sha256:" + "0" * 64, "size": 1}


def manifest(**fields: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "artifactType": ARTIFACT, "layers": [LAYER], **fields}).encode()


def test_the_same_tree_gives_the_same_digest() -> None:
    assert made(FILES, {"b": "1", "a": "2"}).digest == made(tuple(reversed(FILES)), {"a": "2", "b": "1"}).digest
    assert made(FILES, {}).digest != made((*FILES, ("c.yaml", b"")), {}).digest


def test_a_manifest_says_what_it_is() -> None:
    bundle = artifact()
    found = described(bundle.manifest)
    assert (found.layer.digest, found.layer.size) == (digest_of(bundle.layer), len(bundle.layer))
    assert contents(bundle.layer, found.layer) == FILES
    assert json.loads(bundle.manifest)["artifactType"] == ARTIFACT


def test_the_type_may_be_that_of_the_config() -> None:
    """Before OCI 1.1 it was there."""
    assert described(manifest(artifactType="", config={"mediaType": ARTIFACT}, layers=[{**LAYER, "mediaType": GZIP}]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not what was expected"),
        (b"[]", "is not what was expected: Expected `object`, got `array`"),
        (b"[" * 100_000, "is not what was expected"),
        (b"\xff", "is not what was expected"),
        (manifest(layers={}), "is not what was expected"),
        (manifest(manifests=[]), "is an index of several manifests, not a bundle; name one of them by its digest"),
        (manifest(mediaType="application/vnd.oci.image.index.v1+json", layers=[]), "is an index"),
        (manifest(schemaVersion=1), "its manifest is of no media type; expected application/vnd.oci.image.manifest"),
        (manifest(mediaType="text/html"), "its manifest is text/html"),
        (manifest(artifactType="a\x1b[1mb"), r"is a\x1b[1mb, not a bundle of policies"),
        (manifest(artifactType=""), "is of no media type, not a bundle of policies (application/vnd.gatewright.pol"),
        (manifest(layers=[]), "has 0 layers; a bundle has one"),
        (manifest(layers=[LAYER, LAYER]), "has 2 layers; a bundle has one"),
        (manifest(layers=[{**LAYER, "mediaType": "x" * 1000}]), "its layer is " + "x" * 120 + ";"),
        (manifest(layers=[{**LAYER, "digest": "sha512:00"}]), "its layer has no digest by SHA-256"),
        (manifest(layers=[{**LAYER, "digest": "sha256:" + "0" * 63 + "/"}]), "its layer has no digest by SHA-256"),
        (manifest(layers=[{**LAYER, "size": -5}]), "its layer has -5 bytes"),
        (manifest(layers=[{**LAYER, "size": 1 << 40}]), "its layer has 1,099,511,627,776 bytes; at most 33,554,432"),
    ],
)
def test_what_is_no_bundle_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ArtifactError) as error:
        described(content)
    assert message in str(error.value)


def test_a_tree_that_is_too_large_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MOST_PACKED", 20 << 10)
    with pytest.raises(UnpackError, match="the archive has 0 MiB; a bundle may have 0"):
        made((("a.yaml", b"x" * (20 << 10)),), {})
    assert packed(FILES)

"""Bundles go to a real registry and come back; what is wrong on the way is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.registries import FILES, Answering, Handler, answering, artifact, registry
from tests.server.authorities import Authority
from tests.timing import HANGING, within
from webhook.bundle.artifact import ARTIFACT, GZIP, REVISION, TAR, digest_of, made
from webhook.bundle.packing import packed
from webhook.bundle.pulling import BundleError, digest, pull, push
from webhook.bundle.reference import Reference, parse
from webhook.bundle.registry import Access

NOBODY = Access(config=Path("/nonexistent/config.json"))


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with registry() as address:
        yield address


@pytest.fixture
def hostile() -> Iterator[Answering]:
    with answering() as held:
        yield held


def test_what_is_pushed_is_pulled(real: str) -> None:
    reference = parse(f"oci://{real}/team/policies:v1")
    bundle = made(FILES, {REVISION: "0" * 40})
    push(reference, bundle, NOBODY)
    push(reference, bundle, NOBODY)  # again
    for each in (reference, reference.with_digest(bundle.digest)):
        pulled = pull(each, NOBODY, None)
        assert (pulled.packed.files, pulled.digest, pulled.revision) == (FILES, bundle.digest, "0" * 40)
        assert pulled.packed.shown == f"oci://{real}/team/policies@{bundle.digest[:19]}"
    assert digest(reference, NOBODY) == bundle.digest


def test_over_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    for file, content in zip((certificate, key), authority.pair(), strict=True):
        file.write_bytes(content)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    with registry(certificate, key) as address:
        reference = parse(f"oci://{address}/a:b")
        trusting = Access(ca=tmp_path / "ca.pem", config=NOBODY.config)
        push(reference, artifact(), trusting)
        assert pull(reference, trusting, None).packed.files == FILES
        other = Authority()
        (tmp_path / "other.pem").write_bytes(other.pem)
        with pytest.raises(BundleError, match=rf"{address}: its certificate is not trusted: "):
            pull(reference, Access(ca=tmp_path / "other.pem"), None)
        with pytest.raises(BundleError):  # not over plain HTTP
            pull(reference, NOBODY, None)


def test_a_compressed_archive_is_taken_too(hostile: Answering) -> None:
    """As other tools make them."""
    layer = gzip.compress(packed(FILES))
    hostile.blobs[digest_of(layer)] = layer
    entry = {"mediaType": GZIP, "digest": digest_of(layer), "size": len(layer)}
    hostile.manifest("v1", [entry], artifactType=ARTIFACT)
    assert pull(hostile.reference(), NOBODY, None).packed.files == FILES


@pytest.mark.parametrize(
    ("fields", "content", "message"),
    [
        ({"artifactType": "application/vnd.example"}, b"", "is application/vnd.example, not a bundle of policies"),
        ({"artifactType": ARTIFACT, "mediaType": "application/vnd.oci.image.index.v1+json"}, b"", "is an index of"),
        ({"artifactType": ARTIFACT}, b"no archive" * 60, "not a tar archive"),
        ({"artifactType": ARTIFACT}, packed(FILES)[:700], "not a tar archive of plain files: it ends within an entry"),
    ],
)
def test_what_is_no_bundle_is_refused(hostile: Answering, fields: dict[str, str], content: bytes, message: str) -> None:
    hostile.blobs[digest_of(content)] = content
    hostile.manifest("v1", [{"mediaType": TAR, "digest": digest_of(content), "size": len(content)}], **fields)
    with pytest.raises(BundleError, match=rf"oci://{hostile.address}/team/policies:v1: .*({message})"):
        pull(hostile.reference(), NOBODY, None)


def test_a_layer_that_is_too_large_is_not_asked_for(hostile: Answering) -> None:
    entry = {"mediaType": TAR, "digest": "sha256:" + "0" * 64, "size": 1 << 30}
    hostile.manifest("v1", [entry], artifactType=ARTIFACT)
    with pytest.raises(BundleError, match="its layer has 1,073,741,824 bytes; at most 33,554,432 are read"):
        pull(hostile.reference(), NOBODY, None)
    assert [path for _, path, _ in hostile.asked] == ["/v2/team/policies/manifests/v1"]


def test_a_manifest_of_another_digest(hostile: Answering) -> None:
    bundle = hostile.hold(artifact())
    wanted = "sha256:" + "1" * 64
    hostile.manifests[wanted] = bundle.manifest
    with pytest.raises(BundleError, match=f"the manifest of {wanted} has the digest {bundle.digest}"):
        pull(hostile.reference(f"@{wanted}"), NOBODY, None)


def test_a_registry_that_hangs_is_given_up(hostile: Answering) -> None:
    def hang(_: Handler) -> bool:
        time.sleep(1.5)
        return False

    hostile.instead = hang
    with pytest.raises(BundleError, match=r"did not answer within 0.4 s"), within(1.4):
        pull(hostile.reference(), NOBODY, None, seconds=0.4)


def test_a_manifest_is_where_clients_look_for_it(real: str) -> None:
    reference = Reference(real, "team/crane", "v1")
    bundle = artifact()
    push(reference, bundle, NOBODY)
    listed = subprocess.run(
        ["curl", "-sf", f"http://{real}/v2/team/crane/manifests/v1"], capture_output=True, check=True, timeout=HANGING
    )
    assert json.loads(listed.stdout)["layers"][0]["size"] == len(bundle.layer)

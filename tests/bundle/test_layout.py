"""Bundles on disk: image layouts, and the cache."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.bundle.registries import artifact
from webhook.bundle import layout
from webhook.bundle.artifact import digest_of
from webhook.bundle.layout import Cache, Kept
from webhook.bundle.signatures import Signature

NAME = "oci://ghcr.io/a:b"
OTHER = "oci://ghcr.io/c:d"


def blobs(folder: Path) -> set[str]:
    return {file.name for file in (folder / "blobs/sha256").iterdir()}


def test_a_folder_is_an_image_layout(tmp_path: Path) -> None:
    bundle = artifact()
    layout.write(bundle, "v1", tmp_path / "out")
    (entry,) = json.loads((tmp_path / "out/index.json").read_bytes())["manifests"]
    assert entry["digest"] == bundle.digest
    assert json.loads((tmp_path / "out/oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    manifest = json.loads((tmp_path / "out/blobs" / bundle.digest.replace(":", "/")).read_bytes())
    for part in (manifest["config"], *manifest["layers"]):
        content = (tmp_path / "out/blobs" / part["digest"].replace(":", "/")).read_bytes()
        assert (digest_of(content), len(content)) == (part["digest"], part["size"])


def test_an_archive_holds_the_same(tmp_path: Path) -> None:
    bundle = artifact()
    layout.write(bundle, "v1", tmp_path)
    made = layout.archive(bundle, "v1")
    assert made == layout.archive(bundle, "v1")
    with tarfile.open(fileobj=io.BytesIO(made)) as reader:
        for entry in reader:
            opened = reader.extractfile(entry)
            assert opened is not None
            assert opened.read() == (tmp_path / entry.name).read_bytes()


def test_the_cache_gives_back_what_it_got(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    assert cache.read(NAME) is None
    one = Kept(artifact(), Signature("simple", b"text", b"signature"))
    two = Kept(artifact(("c.yaml", b"3")), None)
    cache.write({NAME: one, OTHER: two})
    assert (Cache(tmp_path / "cache").read(NAME), cache.read(OTHER)) == (one, two)


def test_the_cache_keeps_nothing_else(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write({NAME: Kept(artifact(), None)})
    before = blobs(tmp_path)
    after = Kept(artifact(("c.yaml", b"3")), None)
    cache.write({NAME: after})
    assert len(before) == 2 and not blobs(tmp_path) & before
    assert cache.read(NAME) == after and cache.read(OTHER) is None


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"\0" * 4096, b'{"entries":[{"reference":"\xff"}]}', b'{"x":' + b"[" * 100_000]
)
def test_what_is_damaged_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    cache = Cache(tmp_path)
    kept = Kept(artifact(), Signature("dsse", b"text", b"signature"))
    cache.write({NAME: kept})
    for file in [*(tmp_path / "blobs/sha256").iterdir(), tmp_path / "in-force.json"]:
        good = file.read_bytes()
        file.write_bytes(damage)
        assert cache.read(NAME) is None
        file.write_bytes(good)
        assert cache.read(NAME) == kept
    for file in (tmp_path / "blobs/sha256").iterdir():
        file.write_bytes(damage)
    cache.write({NAME: kept})  # writes what is damaged anew
    assert cache.read(NAME) == kept


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        Cache(tmp_path / "cache").write({NAME: Kept(artifact(), None)})

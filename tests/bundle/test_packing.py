"""Archives of trees: the same bytes for the same files, and nothing hostile is taken."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.bundle import packing
from webhook.bundle.packing import UnpackError, files_of, packed, unpacked
from webhook.policy.load.treefiles import read_tree

NAMES = st.from_regex(r"([a-z]{1,20}/){0,3}[a-zé]{1,90}\.yaml", fullmatch=True)
SPARSE = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 50)}
FILES = (("a.yaml", b"a: 1\n"), ("sub/b.py", b""), ("sub/dé.json", b"{}"))


def tar(*entries: tuple[str, bytes, dict[str, object]], kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=kind) as writer:
        for name, content, fields in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in fields.items():
                setattr(entry, key, value)
            writer.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def file(name: str, content: bytes = b"x", **fields: object) -> tuple[str, bytes, dict[str, object]]:
    return name, content, fields


def test_what_is_packed_is_unpacked() -> None:
    assert unpacked(packed(FILES)) == FILES
    assert unpacked(gzip.compress(packed(FILES)), compressed=True) == FILES


def test_the_order_of_the_files_is_no_matter() -> None:
    assert packed(reversed(FILES)) == packed(FILES)


def test_an_archive_has_no_owners_and_times() -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(FILES))) as reader:
        entries = reader.getmembers()
    assert [entry.name for entry in entries] == [name for name, _ in FILES]
    assert {(e.mtime, e.mode, e.uid, e.gid, e.uname, e.gname) for e in entries} == {(0, 0o644, 0, 0, "", "")}


def test_the_bytes_are_those_of_every_version() -> None:
    """Whoever packs the same tree with another Python gets the same digest."""
    digest = sha256(packed((*FILES, ("x/" * 60 + "long.yaml", b"1")))).hexdigest()
    assert digest == "4ef9b677345cd9ea85f63396151c0c3226ebe57af651e06cb446a0e33a3cd1a0"


def test_another_tool_reads_it(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(packed(FILES))
    subprocess.run(["tar", "xf", "b.tar"], cwd=tmp_path, check=True)
    assert (tmp_path / "a.yaml").read_bytes() == b"a: 1\n"
    subprocess.run(["tar", "cf", "c.tar", "./a.yaml", "./sub"], cwd=tmp_path, check=True)
    assert unpacked((tmp_path / "c.tar").read_bytes()) == FILES  # with folders, and names that begin with ./


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"([a-z]{1,20}/){0,3}[a-zé]{1,90}\.yaml", fullmatch=True), st.binary(max_size=700), min_size=1
    )
)
def test_any_tree_comes_back(files: dict[str, bytes]) -> None:
    assert dict(unpacked(packed(files.items()))) == files


def test_what_no_tree_reads_is_left_out() -> None:
    archive = tar(
        file("README.md"), file("_hidden/a.yaml"), file(".git/a.yaml"), file("kustomization.yaml"), file("a.yaml")
    )
    assert unpacked(archive) == (("a.yaml", b"x"),)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (tar(file("/etc/a.yaml")), "/etc/a.yaml: expected a relative path"),
        (tar(file("../a.yaml")), "../a.yaml: expected a relative path without '.', '..' and '//'"),
        (tar(file("a/../../b.yaml")), "a/../../b.yaml: expected a relative path"),
        (tar(file("a/./b.yaml")), "a/./b.yaml: expected a relative path"),
        (tar(file("a//b.yaml")), "a//b.yaml: expected a relative path"),
        (tar(file("..", b"", type=tarfile.DIRTYPE)), "..: expected a relative path"),
        (tar(file("a\x1b[31m/../b.yaml")), r"a\x1b[31m/../b.yaml: expected"),
        (tar(file("a.yaml", b"", type=tarfile.SYMTYPE, linkname="/etc/x")), "a.yaml: a symbolic link, not a regular"),
        (tar(file("a.yaml", b"", type=tarfile.LNKTYPE, linkname="b")), "a.yaml: a link, not a regular file"),
        (tar(file("README", b"", type=tarfile.SYMTYPE, linkname="b")), "README: a symbolic link"),
        (tar(file("a.yaml", b"", type=tarfile.FIFOTYPE)), "a.yaml: a named pipe"),
        (tar(file("a.yaml", b"", type=tarfile.CHRTYPE)), "a.yaml: a device"),
        (tar(file("a.yaml", b"", type=tarfile.BLKTYPE)), "a.yaml: a device"),
        (tar(file("a.yaml"), file("a.yaml")), "a.yaml: is in the archive twice"),
        (tar(file("a.yaml"), file("./a.yaml")), "a.yaml: is in the archive twice"),
        (tar(file("a/" * 600 + "a.yaml")), "the name has more than 1024 bytes"),
        (tar(file("a.yaml", b"x" * 5000))[:3000], "a.yaml: the archive ends within this file"),
        (tar(file("a.yaml", b"x", pax_headers=SPARSE)), "a sparse file, not a regular file"),
        (tar(file("a.yaml", b"x", pax_headers={"size": "99999999999999999999"})), "changes the size of an entry"),
        (tar(file("README.md")), "the archive has no *.yaml, *.yml, *.json or *.py files"),
        (b"", "not a tar archive"),
        (b"x" * 2000, "not a tar archive"),
        (tar(), "the archive has no"),
    ],
)  # fmt: skip
def test_what_is_hostile_is_refused(archive: bytes, message: str) -> None:
    with pytest.raises(UnpackError) as error:
        unpacked(archive)
    assert message in str(error.value)


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST_ENTRIES", 3)
    assert len(unpacked(tar(*(file(f"{n}.yaml") for n in range(3))))) == 3
    with pytest.raises(UnpackError, match="more than 3 entries"):
        unpacked(tar(*(file(f"{n}.yaml") for n in range(4))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no gzip", "not compressed by gzip"),
        (gzip.compress(packed(FILES))[:-9], "the compressed archive is incomplete"),
        (gzip.compress(packed(FILES)) + b"more", "something follows the compressed archive"),
    ],
)
def test_what_is_not_compressed_rightly_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnpackError, match=message):
        unpacked(content, compressed=True)


def test_a_bomb_takes_no_more_memory_than_an_archive_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MOST", 1 << 20)
    bomb = gzip.compress(b"\0" * (64 << 20))
    tracemalloc.start()
    with pytest.raises(UnpackError, match="inflates to more than 1 MiB"):
        unpacked(bomb, compressed=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    with pytest.raises(UnpackError, match="the archive has more than 1 MiB"):
        unpacked(b"\0" * ((1 << 20) + 1))


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_the_files_of_one_tree_have_the_paths_below_it(tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml="1", sub__b_yaml="2")
    assert files_of(read_tree(tree)) == (("a.yaml", b"1"), ("sub/b.yaml", b"2"))
    assert files_of(read_tree(tree / "a.yaml")) == (("a.yaml", b"1"),)


def test_several_trees_are_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = write(tmp_path / "one", a_yaml="1"), write(tmp_path / "two", a_yaml="2")
    both = (("one/a.yaml", b"1"), ("two/a.yaml", b"2"))
    assert files_of(read_tree(one, two)) == both
    monkeypatch.chdir(two)
    assert files_of(read_tree(".", "../one")) == both  # wherever they are packed from
    same = write(tmp_path / "x/one", b_yaml="3")
    with pytest.raises(UnpackError, match=r"one and .*x/one have one name; rename one of them"):
        files_of(read_tree(one, same))
    hidden = write(tmp_path / ".hidden", b_yaml="3")
    with pytest.raises(UnpackError, match="a name that does not begin with"):
        files_of(read_tree(one, hidden))


def test_the_time_zone_and_the_mask_are_no_matter() -> None:
    code = "from webhook.bundle.packing import packed; print(packed([('a.yaml', b'')]))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "TZ": zone}, capture_output=True, check=True, umask=mask
        ).stdout
        for zone, mask in (("UTC", 0o22), ("Asia/Tokyo", 0o77))
    }
    assert len(seen) == 1

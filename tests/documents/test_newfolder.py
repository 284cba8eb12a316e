"""A new folder is there with all of its files, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.documents import newfolder


def test_all_files_are_there(tmp_path: Path) -> None:
    files = newfolder.write(tmp_path / "a" / "new", {"b": b"2", "a": b"1"})
    assert [(file.name, file.read_bytes()) for file in files] == [("a", b"1"), ("b", b"2")]
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["new"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        newfolder.write(tmp_path / "new", {"a": b"1", "no/such": b""})
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_did_not_end_is_named(tmp_path: Path) -> None:
    (tmp_path / ".new.new").mkdir()
    with pytest.raises(newfolder.Unfinished, match=r"\.new\.new: another run is writing this folder"):
        newfolder.write(tmp_path / "new", {})
    assert not (tmp_path / "new").exists()

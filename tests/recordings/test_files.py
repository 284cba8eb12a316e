"""Files are begun anew at their size, and take no more of the disk than their limit, whoever writes there."""

from __future__ import annotations

import gzip
import os
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhook.recordings import files
from webhook.recordings.files import Files, NoRoom

HEADER = b"header\n"
LIMIT = 10_000


def header() -> bytes:
    return gzip.compress(HEADER)


class Written(Files):
    def put(self, batch: bytes) -> None:
        self.ready()
        self.write(gzip.compress(batch, compresslevel=0))


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    found = Written(tmp_path, 2_000, LIMIT, header)
    yield found
    found.close()


def held(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def lines(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).splitlines()


def test_a_full_file_is_followed_by_another_each_with_a_header(written: Written, tmp_path: Path) -> None:
    for number in range(10):
        written.put(b"%03d" % number * 300 + b"\n")
    found = held(tmp_path)
    assert len(found) == 4  # three batches of 900 bytes make a file full
    assert all(lines(file)[0] + b"\n" == HEADER for file in found)
    assert [line[:3] for file in found for line in lines(file)[1:]] == [b"%03d" % number for number in range(10)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in found} == {0o600}
    assert all(files.NAME.fullmatch(file.name) for file in found)


def test_the_oldest_files_make_room_and_other_peoples_files_stay(written: Written, tmp_path: Path) -> None:
    others = [tmp_path / name for name in ("notes.txt", "reviews-mine.ndjson", "xreviews-1-1.ndjson.gz")]
    for other in others:
        other.write_bytes(b"x" * LIMIT)
    for number in range(60):
        written.put(b"%03d" % number * 300 + b"\n")
        size = sum(file.stat().st_size for file in held(tmp_path) if file not in others)
        assert size <= LIMIT
    kept = [line[:3] for file in held(tmp_path) if file not in others for line in lines(file)[1:]]
    assert kept == [b"%03d" % number for number in range(60 - len(kept), 60)]
    assert len(kept) > 5
    assert all(other.exists() for other in others)


def test_a_file_that_another_process_writes_is_not_removed(written: Written, tmp_path: Path) -> None:
    other = Written(tmp_path, LIMIT, LIMIT, header)
    other.put(b"o" * 6_000)
    mine = held(tmp_path)
    for number in range(20):
        written.put(b"%03d" % number * 300 + b"\n")
    assert mine[0].exists()
    assert sum(file.stat().st_size for file in held(tmp_path)) <= LIMIT
    with pytest.raises(NoRoom, match="the recording's limit of 10000 bytes is reached"):
        written.put(b"x" * 5_000)  # of both files that are being written none is removed
    assert mine[0].exists()
    other.close()
    written.put(b"x" * 5_000)
    assert not mine[0].exists()


def test_a_file_that_was_removed_is_followed_by_another(written: Written, tmp_path: Path) -> None:
    written.put(b"one\n")
    (first,) = held(tmp_path)
    first.unlink()
    written.put(b"two\n")
    (second,) = held(tmp_path)
    assert lines(second) == [b"header", b"two"]


def test_a_batch_that_the_disk_does_not_take_leaves_nothing(written: Written, tmp_path: Path) -> None:
    """Under a limit for files, which ends a write in the middle of it, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    written.put(b"one\n")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            written.put(os.urandom(400) + b"\n" + os.urandom(400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    written.put(b"two\n")
    (only,) = held(tmp_path)
    assert lines(only) == [b"header", b"one", b"two"]


def test_a_file_whose_header_cannot_be_written_is_not_left(tmp_path: Path) -> None:
    small = Written(tmp_path, 2_000, 10, header)
    with pytest.raises(NoRoom):
        small.put(b"x")
    assert held(tmp_path) == []


def test_links_are_neither_written_through_nor_followed(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path.parent / f"{tmp_path.name}-away"
    away.write_bytes(b"x")
    link = tmp_path / "reviews-0-1.ndjson.gz"
    link.symlink_to(away)
    for number in range(60):
        written.put(b"%03d" % number * 300 + b"\n")
    assert away.read_bytes() == b"x"
    written.close()

    class Clock:
        @staticmethod
        def now(_: object) -> Clock:
            return Clock()

        def strftime(self, _: str) -> str:
            return "20261129T000000.000000Z"

    monkeypatch.setattr(files, "datetime", Clock)
    taken = tmp_path / f"reviews-20261129T000000.000000Z-{os.getpid()}.ndjson.gz"
    taken.symlink_to(away)
    with pytest.raises(FileExistsError):
        written.put(b"y")
    assert away.read_bytes() == b"x"

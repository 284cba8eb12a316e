"""Reading files that are none: pipes, with and without somebody who writes, and files of which no size is known."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from webhook.documents import files
from webhook.documents.files import content_of, opened


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path / "pipe.yaml"


def test_a_pipe_that_nobody_writes_to_is_an_error(pipe: Path) -> None:
    with pytest.raises(OSError, match="a pipe that nobody writes to"):
        content_of(pipe, None)


def test_a_pipe_is_read_whoever_comes_first(pipe: Path) -> None:
    text = b"a: 1\n" * 100_000
    writer = threading.Thread(target=pipe.write_bytes, args=[text])
    writer.start()
    assert content_of(pipe, None) == text
    writer.join()


def test_whoever_has_opened_a_pipe_may_take_any_time(pipe: Path) -> None:
    """It is waited for until it writes, longer than for one that has not come."""
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(pipe, os.O_WRONLY)
    os.close(reading)

    def write() -> None:
        os.write(writing, b"late")
        os.close(writing)

    late = threading.Timer(files.WRITER + 0.5, write)
    late.start()
    with opened(pipe) as file:
        assert file.read() == b"late"
    late.join()


def test_what_a_pipe_has_too_much_of_is_an_error(pipe: Path) -> None:
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(pipe, os.O_WRONLY)
    os.write(writing, b"a" * 2000)
    os.close(writing)
    with pytest.raises(OSError, match="larger than"):
        content_of(pipe, None, 1000)
    os.close(reading)


def test_a_file_without_an_end_is_read_up_to_the_limit() -> None:
    """It has no size, as one that grows while it is read has another one."""
    endless = Path("/proc/self/pagemap")
    if not os.access(endless, os.R_OK):
        pytest.skip(f"{endless} is not here")
    assert endless.stat().st_size == 0
    with pytest.raises(OSError, match="larger than 1 MiB"):
        content_of(endless, None, 1 << 20)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (3 << 20) + 5])
@pytest.mark.parametrize("said", [0, 1, 1 << 20, (3 << 20) + 5, 9 << 20])
def test_what_a_file_holds_is_read_whatever_its_size_was(tmp_path: Path, size: int, said: int) -> None:
    """A file may grow or shrink between the two."""
    text = bytes(range(251)) * (size // 251 + 1)
    (tmp_path / "a").write_bytes(text[:size])
    with (tmp_path / "a").open("rb", buffering=0) as file:
        assert files.drained(file, 4 << 20, said) == text[:size]

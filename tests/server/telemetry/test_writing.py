"""A reader that stops reading, or is gone, costs lines and nothing else: nobody waits for it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import pytest

from webhook.server.telemetry.writing import MAX_BYTES, MAX_LINES, Writer

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _writer(descriptor: int) -> Writer:
    return Writer(descriptor, lambda count: b"lost %d\n" % count)


def _read(pipe: tuple[int, int], writer: Writer) -> bytes:
    """Everything that the writer writes until its queue is empty."""
    os.set_blocking(pipe[0], False)
    found = b""
    while True:
        done = writer.flush(0.01)
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(pipe[0], 1 << 20):
                found += piece
        if done:
            return found


def _fill(pipe: tuple[int, int]) -> int:
    """Fill the pipe, as behind a reader that has stopped. Returns the number of bytes."""
    os.set_blocking(pipe[1], False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(pipe[1], b"\n" * 4096)
    os.set_blocking(pipe[1], True)
    return filled


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    lines = [b"%d\n" % number for number in range(5000)]
    for line in lines:
        writer.put(line)
    assert _read(pipe, writer) == b"".join(lines)
    assert writer.lost == 0


def test_it_writes_again_after_it_has_slept(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    for number in range(3):
        writer.put(b"%d\n" % number)
        assert writer.flush(10)
        assert os.read(pipe[0], 100) == b"%d\n" % number


@pytest.mark.parametrize("line", [b"\n", LINE, b"x" * 50_000 + b"\n"], ids=["many", "usual", "long"])
def test_a_reader_that_stops_costs_what_exceeds_the_queue(pipe: tuple[int, int], line: bytes) -> None:
    writer = _writer(pipe[1])
    filled = _fill(pipe)
    count = 4 * min(MAX_LINES, MAX_BYTES // len(line))
    for _ in range(count):  # hangs here if a line waits for the reader
        writer.put(line)
    assert not writer.flush(0.05)
    waiting, size = len(writer._lines), sum(map(len, writer._lines))
    assert waiting <= MAX_LINES
    assert size <= MAX_BYTES
    assert count / 4 <= writer.lost < count
    said = _read(pipe, writer)[filled:]
    told = b"lost %d\n" % writer.lost
    assert said.count(told) == 1
    assert said.replace(told, b"") == line * (count - writer.lost)
    writer.put(b"again\n")
    assert _read(pipe, writer) == b"again\n"


def test_without_a_reader_lines_are_dropped(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    os.close(pipe[0])
    for _ in range(5):
        writer.put(LINE)
    assert writer.flush(10)
    assert writer.lost == 5


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    os.set_blocking(pipe[1], False)
    for _ in range(4000):
        writer.put(LINE)
    assert not writer.flush(0.05)
    assert _read(pipe, writer) == LINE * 4000
    assert writer.lost == 0


def test_a_line_that_was_cut_off_does_not_spoil_the_next(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    writer._torn = True  # the disk was full within a line
    writer.put(b"whole\n")
    assert _read(pipe, writer) == b"\nwhole\n"


def test_a_fork_begins_with_an_empty_queue(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    writer.share()
    filled = _fill(pipe)
    writer.put(b"parent\n")  # its thread waits for the reader, holding the file lock
    while writer._lines:
        threading.Event().wait(0.001)
    child = os.fork()
    if child == 0:
        writer.put(b"child\n")
        os._exit(not writer.flush(10))
    said = b""
    while b"parent" not in said or b"child" not in said:
        said += os.read(pipe[0], 1 << 20)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(said[filled:].splitlines()) == [b"child", b"parent"]


def test_processes_that_share_a_descriptor_do_not_mix_lines(pipe: tuple[int, int]) -> None:
    writer = _writer(pipe[1])
    writer.share()
    letters = [b"a", b"b", b"c"]
    children = []
    for letter in letters:
        child = os.fork()
        if child == 0:
            for _ in range(100):
                writer.put(letter * 20_000 + b"\n")
            os._exit(not writer.flush(60))
        children.append(child)
    os.close(pipe[1])
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        lines = stream.read().splitlines()
    assert sorted(lines) == sorted(letter * 20_000 for letter in letters for _ in range(100))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]

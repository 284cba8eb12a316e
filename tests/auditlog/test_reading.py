"""Files of an audit log: plain, compressed, torn, and none at all."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from webhook.auditlog import reading
from webhook.auditlog.reading import LogFile

EVENT = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a"}
LINE = json.dumps(EVENT).encode() + b"\n"


def read(folder: Path, content: bytes) -> tuple[list[int], LogFile]:
    file = folder / "audit.log"
    file.write_bytes(content)
    log = LogFile(str(file))
    return [line for line, _ in log.events()], log


@pytest.mark.parametrize("packed", [False, True])
def test_each_event_has_its_line(tmp_path: Path, packed: bool) -> None:
    content = LINE + b"\n" + LINE
    lines, log = read(tmp_path, gzip.compress(content) if packed else content)
    assert (lines, log.lines, log.torn, log.problems) == ([1, 3], 3, 0, [])


@pytest.mark.parametrize(
    ("torn", "why"),
    [
        (LINE[:40] + b"\n" + LINE, "torn"),
        (LINE[:40] + LINE, "torn"),  # the next one was written behind it
        (b'{"kind": "Pod", "apiVersion": "v1"}\n' + LINE, "torn"),
        (b"[]\n" + LINE, "torn"),
        (b"\xff\xfe\n" + LINE, "torn"),
        (b"[" * 100_000 + b"\n" + LINE, "torn"),
    ],
)
def test_torn_lines_are_told_and_the_rest_is_read(tmp_path: Path, torn: bytes, why: str) -> None:
    lines, log = read(tmp_path, LINE + torn + LINE)
    assert lines[0] == 1
    assert len(lines) == log.lines - 1
    assert log.torn == 1
    assert [(each.line, each.message) for each in log.problems] == [(2, f"no event of an audit log: {why}")]


def test_a_file_that_ends_within_a_line(tmp_path: Path) -> None:
    lines, log = read(tmp_path, LINE + LINE[:40])
    assert lines == [1]
    assert [each.message for each in log.problems] == ["no event of an audit log: torn: the file ends within it"]
    lines, log = read(tmp_path, LINE + LINE[:-1])  # whole, but for its end
    assert (lines, log.problems) == ([1, 2], [])


def test_many_torn_lines_are_counted(tmp_path: Path) -> None:
    _, log = read(tmp_path, b"x\n" * 1200)
    assert log.torn == 1200
    assert len(log.problems) == 6
    assert log.problems[-1].message == "1,195 more lines hold no event"


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 1 << 20)
    lines, log = read(tmp_path, LINE + b"x" * (3 << 20) + b"\n" + LINE)
    assert lines == [1, 3]
    assert [each.message for each in log.problems] == ["no event of an audit log: more than 1 MiB"]


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda packed: packed[:-20], "the compressed file ends too early; what came before was read"),
        (lambda packed: packed[:60] + b"\xff" * 40 + packed[100:], "cannot be decompressed: "),
    ],
)
def test_a_compressed_file_that_is_broken(tmp_path: Path, spoilt: object, message: str) -> None:
    packed = gzip.compress(
        b"".join(json.dumps({**EVENT, "auditID": f"{n * 7919}"}).encode() + b"\n" for n in range(999))
    )
    _, log = read(tmp_path, spoilt(packed))  # type: ignore[operator]
    assert any(message in each.message for each in log.problems)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "none.log"))
    assert list(log.events()) == []
    assert "No such file" in log.problems[0].message


MEBI = 1 << 20


def test_a_small_file_that_unpacks_to_blank_lines_is_not_read_to_its_end(tmp_path: Path) -> None:
    blank = gzip.compress(b"\n" * MEBI)
    lines, log = read(tmp_path, gzip.compress(LINE) + blank * 1000)
    assert lines == [1]
    assert log.lines < 2 * MEBI
    assert [problem.message for problem in log.problems] == ["no event in 512 MiB; the rest was not read"]


def test_a_small_file_that_unpacks_to_one_line_is_not_read_to_its_end(tmp_path: Path) -> None:
    part = gzip.compress(b"a" * 16 * MEBI)
    content = gzip.compress(LINE) + part * 33 + gzip.compress(b"\n" + LINE)
    tracemalloc.start()
    try:
        lines, log = read(tmp_path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == [1]
    assert peak < 64 * MEBI
    assert [(problem.line, problem.message) for problem in log.problems] == [
        (2, "no event of an audit log: more than 16 MiB"),
        (2, "no event in 512 MiB; the rest was not read"),
    ]


def test_events_between_are_read_however_much_is_none(tmp_path: Path) -> None:
    blank = gzip.compress(b"\n" * (MEBI // 2) + LINE)
    lines, log = read(tmp_path, blank * 4)
    assert len(lines) == 4 and not log.problems


def test_a_device_without_end_and_a_pipe_that_nobody_writes_to_are_named(tmp_path: Path) -> None:
    endless = LogFile("/dev/zero")
    assert not list(endless.events())
    assert str(endless.problems[-1]) == "/dev/zero:1: no event in 512 MiB; the rest was not read"
    os.mkfifo(tmp_path / "pipe")
    pipe = LogFile(str(tmp_path / "pipe"))
    assert not list(pipe.events())
    assert [problem.message for problem in pipe.problems] == ["cannot be read: a pipe that nobody writes to"]

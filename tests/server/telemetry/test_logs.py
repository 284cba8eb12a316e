"""A log line is one JSON object, whatever stands in it, and one that cannot be written stops nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator

import pytest

from webhook.server.telemetry.logs import MAX_TEXT, ErrorOutput, LibraryRecords, Log, cut, failure
from webhook.server.telemetry.writing import MAX_BYTES
from webhook.visible import encodable, visible


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_a_line_is_one_json_object(pipe: tuple[int, int]) -> None:
    Log(pipe[1]).write("info", "review", {"name": 'a\n"b', "policies": ["p"]})
    text = os.read(pipe[0], 4096)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "event": "review", "name": 'a\n"b', "policies": ["p"]}


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x7f", "\x9b2J", "\u202e", "\u2066", "\u2028", "\u200b", "\ufeff", "\ud83d\x9b"]
)
def test_a_terminal_obeys_nothing_of_a_line(pipe: tuple[int, int], text: str) -> None:
    Log(pipe[1]).write("info", "review", {"name": f"é{text}", "findings": [{"message": text}]})
    written = os.read(pipe[0], 4096).decode()
    assert written.endswith("}\n")
    assert visible(written[:-1]) == written[:-1]
    line = json.loads(written)
    assert (line["name"], line["findings"]) == (encodable(f"é{text}"), [{"message": encodable(text)}])


def test_half_a_surrogate_pair_is_written_escaped(pipe: tuple[int, int]) -> None:
    Log(pipe[1]).write("info", "review", {"findings": [{"message": "x\ud83d"}]})
    assert json.loads(os.read(pipe[0], 4096))["findings"] == [{"message": "x\\ud83d"}]


def test_a_reader_that_is_gone_costs_the_line_only(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    os.close(pipe[0])
    log.write("info", "review", {})
    log.write("info", "review", {})
    assert log.flush(10)
    assert log.lost == 2


def test_the_log_says_how_many_lines_were_lost(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    log.share(worker=3)
    log.write("info", "review", {"name": "x" * MAX_BYTES})  # larger than everything that may wait
    log.write("info", "review", {"name": "y"})
    assert log.flush(10)
    first, second = (json.loads(line) for line in os.read(pipe[0], 4096).splitlines())
    assert (first["event"], first["worker"]) == ("review", 3)
    assert second.pop("time").endswith("Z")
    assert second == {"level": "warning", "event": "log lines lost", "lines": 1, "worker": 3}


def test_what_is_printed_to_stderr_is_written_by_a_thread(capfd: pytest.CaptureFixture[str]) -> None:
    errors = ErrorOutput()
    errors.share()
    before = sys.stderr
    with errors.replaced():
        assert (sys.stderr.fileno(), sys.stderr.isatty()) == (before.fileno(), before.isatty())
        print("half", end="", file=sys.stderr, flush=True)
        print(" a line \ud83d", file=sys.stderr)
        print("x" * 100_000, end="", file=sys.stderr)  # does not wait for a newline for ever
        traceback.print_exception(RuntimeError("out of order"))
    assert sys.stderr is before
    said = capfd.readouterr().err
    assert said[:100_020] == "half a line \\ud83d\n" + "x" * 100_000 + "\n"
    assert said.endswith("RuntimeError: out of order\n")
    assert errors.lost == 0


def test_long_text_is_cut() -> None:
    assert cut("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert len(cut("x" * 10**6)) == MAX_TEXT


def test_an_unexpected_exception_is_told_without_its_text() -> None:
    try:
        raise ValueError("hunter2")
    except ValueError as error:
        told = failure(error)
    assert told["error"] == "ValueError"
    assert "test_logs.py" in told["at"][-1]
    assert "hunter2" not in json.dumps(told)


def test_errors_of_the_libraries_become_lines() -> None:
    lines: list[tuple[str, str, dict[str, object]]] = []
    logger = logging.Logger("asyncio")
    logger.addHandler(LibraryRecords(lambda *line: lines.append(line)))
    logger.warning("somebody sent nonsense")
    try:
        raise RuntimeError("hunter2")
    except RuntimeError:
        logger.exception("Exception in ASGI application\n")
    ((level, event, fields),) = lines
    assert (level, event) == ("error", "library")
    assert fields["message"] == "Exception in ASGI application"
    assert fields["error"] == "RuntimeError"
    assert "hunter2" not in json.dumps(fields)


def read(pipe: tuple[int, int], log: Log) -> list[str]:
    assert log.flush(10)
    os.set_blocking(pipe[0], False)
    with contextlib.suppress(BlockingIOError):
        return [json.loads(line)["event"] for line in os.read(pipe[0], 1 << 16).splitlines()]
    return []


@pytest.mark.parametrize(("level", "events"), [("info", ["a", "b", "c"]), ("warning", ["b", "c"]), ("error", ["c"])])
def test_lines_below_the_level_are_not_written(level: str, events: list[str], pipe: tuple[int, int]) -> None:
    log = Log(pipe[1], level=level)
    for line, event in (("info", "a"), ("warning", "b"), ("error", "c")):
        log.write(line, event, {})
    assert read(pipe, log) == events
    assert log.all is (level == "info")
    assert log.wants("1", notable=True) is (level == "info")


def test_a_share_of_what_is_not_notable_is_wanted_the_same_in_each_process(pipe: tuple[int, int]) -> None:
    uids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(4000)]
    first, second = Log(pipe[1], allows=0.1), Log(pipe[1], allows=0.1)
    wanted = [uid for uid in uids if first.wants(uid, notable=False)]
    assert wanted == [uid for uid in uids if second.wants(uid, notable=False)]
    assert 300 < len(wanted) < 500
    assert all(first.wants(uid, notable=True) for uid in uids)
    fewer = [uid for uid in uids if Log(pipe[1], allows=0.01).wants(uid, notable=False)]
    assert set(fewer) < set(wanted)
    assert not any(Log(pipe[1], allows=0).wants(uid, notable=False) for uid in uids)
    assert Log(pipe[1], allows=0).wants("\ud800", notable=False) is False

"""Recordings are read back whole; what cannot be read is named with file and line, and the rest is read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.recordings.making import read, record, review, tree, validating
from webhook.recordings import reading
from webhook.recordings.reading import NoRecording, Recorded, recorded

OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policies = tree(tmp_path / "tree", one=validating("one", "object.metadata.name != 'bad'", "'it is bad'"))
    bad = {**OBJECT, "metadata": {"name": "bad"}}
    calls = [("/validate", review(OBJECT)), ("/validate/fail", review(bad)), ("/mutate", review(OBJECT))]
    record(tmp_path / "rec", policies, calls)
    return tmp_path / "rec"


def only(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_a_recording_is_read(folder: Path) -> None:
    reviews, problems = read(folder)
    assert not problems
    assert [(each.path, each.phase, each.failure_policy, each.allowed) for each in reviews] == [
        ("/validate", "validate", None, True),
        ("/validate/fail", "validate", "Fail", False),
        ("/mutate", "mutate", None, True),
    ]
    assert [each.line for each in reviews] == [2, 3, 4]
    (found,) = reviews[1].findings
    assert (found.policy, found.binding, found.action, found.message) == ("one", "one", "Deny", "it is bad")
    assert reviews[1].request.user.username == "ann"
    assert reviews[1].response["status"]["code"] == 422
    assert [each.line for each in recorded(only(folder)) if isinstance(each, Recorded)] == [2, 3, 4]


def test_a_recording_that_was_cut_off_is_read_up_to_there(folder: Path) -> None:
    file = only(folder)
    whole = file.read_bytes()
    counts = set()
    for length in range(1, len(whole), 7):
        file.write_bytes(whole[:length])
        reviews, problems = read(folder)
        counts.add(len(reviews))
        assert len(problems) == 1 or (not reviews and not problems)  # between two members
        assert all(str(file) in str(each) for each in problems)
    assert counts >= {0, 1, 2}


def test_a_plain_file_that_was_cut_off_is_read_up_to_there(folder: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    text = gzip.decompress(only(folder).read_bytes())
    (plain / "reviews-1-1.ndjson").write_bytes(text[:-20])
    reviews, (problem,) = read(plain)
    assert len(reviews) == 2
    assert problem.line == 4
    assert "cut off in the middle of a line, after 2 reviews" in problem.message


def test_a_damaged_file_is_read_up_to_there(folder: Path) -> None:
    file = only(folder)
    whole = bytearray(file.read_bytes())
    whole[-6] ^= 0xFF  # of the checksum
    file.write_bytes(whole)
    _, (problem,) = read(folder)
    assert "damaged" in problem.message


WRONG: dict[str, tuple[str, str]] = {
    "no JSON": ("{", "not JSON"),
    "no object": ("[1]", "expected an object"),
    "another format": ('{"recording": 9}', "the recording has the format 9"),
    "no version": ('{"recording": 1}', "'gatewright' is missing"),
    "a field is missing": ('{"path": "/validate"}', "'request' is missing"),
    "another path": ('{"path": "/x", "request": {}}', "path: expected one of /validate"),
    "no text": ('{"path": 1}', "path: expected a text"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_line_that_is_wrong_is_named(folder: Path, what: str, tmp_path: Path) -> None:
    line, message = WRONG[what]
    lines = gzip.decompress(only(folder).read_bytes()).splitlines()
    only(folder).unlink()
    (folder / "reviews-1-1.ndjson").write_bytes(b"\n".join([*lines[:2], line.encode(), *lines[2:]]) + b"\n")
    reviews, (problem,) = read(folder)
    assert len(reviews) == 3
    assert problem.line == 3
    assert message in problem.message


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "response": ({"response": {}}, "response: expected an object with `allowed`"),
    "request": ({"request": {"uid": "x"}}, "request.operation"),
    "findings": ({"findings": [{"policy": 1}]}, "Expected `str`"),
    "lookup": ({"lookups": [{"x": 1}]}, "lookups: expected one of"),
    "object": ({"lookups": [{"namespace": ["shop"], "object": "x"}]}, "the object 'x' is not defined before"),
    "no lookups": ({"lookups": ["x"]}, "no recorded review"),
    "access": ({"lookups": [{"access": ["ann"]}]}, "no recorded review"),
    "kinds": ({"kinds": [["a"]]}, "no recorded review"),
    "unread": ({"unread": {"message": "m", "reason": "Odd"}}, "unread: expected a reason of "),
    "unread without a message": ({"unread": {"reason": "Invalid"}}, "the field 'message' is missing"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_field_that_is_wrong_is_named(folder: Path, what: str) -> None:
    change, message = CHANGES[what]
    lines = gzip.decompress(only(folder).read_bytes()).splitlines()
    only(folder).unlink()
    lines[1] = json.dumps(json.loads(lines[1]) | change).encode()
    (folder / "reviews-1-1.ndjson").write_bytes(b"\n".join(lines) + b"\n")
    reviews, (problem,) = read(folder)
    assert len(reviews) == 2
    assert problem.line == 2
    assert message in problem.message


def test_what_unpacks_to_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 1 << 20)
    only(folder).write_bytes(gzip.compress(b"x" * (8 << 20)))
    _, (problem,) = read(folder)
    assert "a line of more than 1 MiB is left out" in problem.message


def test_a_line_that_is_too_long_is_left_out_and_the_rest_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 3 << 20)
    lines = gzip.decompress(only(folder).read_bytes()).splitlines(keepends=True)
    long = b"x" * (9 << 20) + b"\n"
    only(folder).write_bytes(gzip.compress(b"".join([*lines[:2], long, *lines[2:3], long[-(3 << 20) - 2 :], lines[3]])))
    reviews, problems = read(folder)
    assert [each.line for each in reviews] == [2, 4, 6]
    assert [(each.line, each.message) for each in problems] == [
        (number, "a line of more than 3 MiB is left out") for number in (3, 5)
    ]


@pytest.mark.parametrize("text", ["", '{"object": "a", "value": {}}\n', '{"path": "/validate"}\n', "x\n", "[]\n"])
def test_a_file_that_does_not_begin_as_a_recording_is_a_problem(folder: Path, text: str) -> None:
    (folder / "reviews-0-1.ndjson").write_text(text * 3)  # one, however many lines there are
    reviews, (problem,) = read(folder)
    assert len(reviews) == 3
    assert problem.file.endswith("reviews-0-1.ndjson")
    assert problem.line == 1
    assert {
        "": "the file is empty",
        "x\n": "no recording: its first line is not JSON; expected a file that",
        "[]\n": "an object",
    }.get(text, "a first line") in problem.message


def test_too_many_objects_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_OBJECTS", 10)
    (tmp_path / "reviews-1-1.ndjson").write_text('{"recording": 1, "gatewright": "1"}\n{"object": "a", "value": {}}\n')
    _, (problem,) = read(tmp_path)
    assert "the objects that were looked up have more than" in problem.message


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoRecording, match="no such folder or file"):
        list(recorded(tmp_path / "nowhere"))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(NoRecording, match="no recorded reviews in this folder"):
        list(recorded(tmp_path))


def test_a_file_that_cannot_be_opened_is_named(folder: Path) -> None:
    (folder / "reviews-0-1.ndjson").mkdir()
    reviews, (problem,) = read(folder)
    assert len(reviews) == 3
    assert "cannot be read: Is a directory" in problem.message


def test_a_file_that_is_removed_meanwhile_is_left_out(folder: Path) -> None:
    (folder / "reviews-0-1.ndjson").write_bytes(gzip.decompress(only(folder).read_bytes()))
    found = recorded(folder)
    next(found)
    next(each for each in folder.iterdir() if each.suffix == ".gz").unlink()
    assert all(isinstance(each, Recorded) for each in found)


def test_a_recording_of_lines_that_are_none_is_not_read_to_its_end(folder: Path) -> None:
    file = only(folder)
    file.write_bytes(file.read_bytes() + gzip.compress(b"\n" * 100_000))
    reviews, problems = read(folder)
    assert len(reviews) == 3
    assert len(problems) == reading.MAX_WRONG + 2
    assert str(problems[-1]).endswith("more than 1,000 lines are no recorded reviews; the rest was not read")


def test_a_line_without_end_is_not_read_to_its_end(folder: Path) -> None:
    file = only(folder)
    file.write_bytes(file.read_bytes() + gzip.compress(b"a" * (16 << 20)) * 40)
    reviews, problems = read(folder)
    assert len(reviews) == 3
    assert [str(each) for each in problems] == [f"{file}:5: a line of more than 512 MiB, after 3 reviews"]

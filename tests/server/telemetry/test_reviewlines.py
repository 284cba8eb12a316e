"""A line that is put together of texts is the line that the encoder writes of the same review."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request, User
from webhook.server.reviews.answering import _line
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.reviewlines import ReviewLines

POD = GroupVersionKind("", "v1", "Pod")
PODS = GroupVersionResource("", "v1", "pods")


def sent(**fields: Any) -> Request:
    given: dict[str, Any] = {"operation": "CREATE", "resource": PODS, "kind": POD, "uid": "u-1", "name": "web"}
    return Request(**given | {"namespace": "shop", "user": User("kube:admin")} | fields)


def encoded(request: Request, revision: str, seconds: float, **fields: Any) -> dict[str, Any]:
    """The line as the encoder writes it, but for the time."""
    line = _line("info", "review", "/validate", request)
    line |= {"verdict": "allow", "revision": revision, "policies": (), "duration_ms": int(seconds * 1e6) / 1000}
    found: dict[str, Any] = json.loads(orjson.dumps(line | fields))
    del found["time"]
    return found


@pytest.mark.parametrize("fields", [{}, {"worker": 3}])
@pytest.mark.parametrize("seconds", [0.0, 0.0000004, 0.000085, 0.0015, 0.1, 1.0, 12.345678])
@pytest.mark.parametrize(
    "request_",
    [
        sent(),
        sent(namespace="", name="", user=User()),
        sent(resource=GroupVersionResource("apps", "v1", "deployments"), subresource="scale", operation="UPDATE"),
        sent(name="a'b{c}%s\\u0041"[:7], user=User("system:serviceaccount:a:b")),
    ],
)
def test_it_is_what_the_encoder_writes(request_: Request, seconds: float, fields: dict[str, Any]) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    text = ReviewLines(fields).line("/validate", request_, "abc", seconds)
    assert text.endswith("}\n")
    assert text.count("\n") == 1
    line = json.loads(text)
    time = datetime.fromisoformat(line.pop("time"))
    assert before <= time <= datetime.now(UTC)
    expected = encoded(request_, "abc", seconds, **fields)
    assert line == expected
    assert list(line) == list(expected)


HOSTILE = ['"', "\\", "\n", "\x00", "\x1b[2J", "\x7f", "\x9b", "é", "\u202e", "\u2028", "😀", "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["uid", "user", "namespace", "name", "resource", "subresource", "revision"])
def test_what_has_to_be_escaped_is_left_to_the_encoder(place: str, text: str) -> None:
    value = f"a{text}b"
    given: dict[str, Any] = {place: value}
    revision = given.pop("revision", "abc")
    if place == "user":
        given = {"user": User(value)}
    elif place == "resource":
        given = {"resource": GroupVersionResource("", "v1", value)}
    line = ReviewLines({}).line("/validate", sent(**given), revision, 0.001)
    if not line:
        return
    assert place in ("resource", "subresource", "revision")  # which the encoder has escaped
    assert text in ('"', "\\", "\n", "\x00", "\x1b[2J")
    assert line.isascii()
    assert line[:-1].isprintable()
    found = json.loads(line)
    assert value in (found["subresource"], found["resource"].removeprefix("v1/"), found["revision"])


def test_long_names_are_cut_by_the_other_way() -> None:
    lines = ReviewLines({})
    assert lines.line("/validate", sent(name="n" * 1000), "abc", 0.001)
    assert not lines.line("/validate", sent(name="n" * 1025), "abc", 0.001)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_the_log_writes_it_with_the_fields_of_its_process(pipe: tuple[int, int]) -> None:
    log = Log(pipe[1])
    log.share(worker=7)
    assert log.allowed("/validate", sent(), "abc", 0.002)
    assert not log.allowed("/validate", sent(name="é"), "abc", 0.002)
    assert log.flush(10)
    (line,) = os.read(pipe[0], 4096).decode().splitlines()
    found = json.loads(line)
    assert (found["uid"], found["duration_ms"], found["worker"]) == ("u-1", 2.0, 7)

"""The writer's process: what it is sent becomes lines, each file defines what its reviews name, and failures count."""

from __future__ import annotations

import base64
import gc
import gzip
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.recordings.making import read, review
from tests.timing import HANGING
from webhook.recordings import redacting, writing
from webhook.recordings.records import Seen, Writing

SECRET = "hunter2-of-the-shop"


def answered(**more: Any) -> bytes:
    response = {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True, **more}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()


def seen(name: str = "a", body: bytes = b"", **more: Any) -> Seen:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    lists = ("findings", "changed", "lookups", "defined", "served")
    made: dict[str, Any] = {**{name: [] for name in lists}, "unread": None, "forget": False}
    return Seen(1.0, "/validate", "r1", body or review(value), more.pop("response", answered()), **{**made, **more})


def namespace(number: int, label: str = "x") -> tuple[int, str, bytes]:
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": label}}}
    return number, "Namespace", json.dumps(value).encode()


def looked(number: int) -> list[Any]:
    return [("namespace", ["shop"], 0.0, number)]


class Server:
    """The server's end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._told = connection.makefile("rb")

    def send(self, *batch: Seen) -> dict[str, Any]:
        """Send reviews as one frame; what the process tells of them."""
        text = msgspec.msgpack.encode(batch)
        self._connection.sendall(len(text).to_bytes(4, "big") + text)
        told: dict[str, Any] = json.loads(self._told.readline())
        return told


@contextmanager
def process(
    folder: Path, rotate: int = 1 << 20, limit: int = 64 << 20, redact: tuple[str, ...] = ()
) -> Iterator[Server]:
    folder.mkdir(exist_ok=True)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        served = writing.Process(theirs, Writing(str(folder), rotate, limit, list(redact), "1.37"))
        thread = threading.Thread(target=served.serve)
        thread.start()
        server = Server(ours)
        try:
            yield server
        finally:
            server._told.close()
            ours.shutdown(socket.SHUT_WR)
            thread.join(HANGING)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GATHER", 0.02)


def lines(folder: Path) -> list[list[dict[str, Any]]]:
    """The lines of each file."""
    files = sorted(folder.iterdir())
    return [[json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()] for file in files]


def test_reviews_become_lines(tmp_path: Path) -> None:
    found = ("p", "b", "Deny", "no", False)
    patch = base64.b64encode(b'[{"op": "add", "path": "/metadata/labels", "value": {}}]').decode()
    with process(tmp_path, redact=("spec.key",)) as server:
        assert server.send(
            seen(findings=[found]), seen(response=answered(patch=patch, patchType="JSONPatch"), changed=["m"])
        ) == {"done": 2, "failed": 0, "error": ""}
    ((header, first, second),) = lines(tmp_path)
    assert (header["recording"], header["kubernetes"], header["redact"]) == (1, "1.37", ["spec.key"])
    assert header["cluster"] is True
    assert first["request"]["object"]["metadata"]["name"] == "a"
    assert first["response"] == {"allowed": True}
    assert first["findings"] == [{"policy": "p", "binding": "b", "action": "Deny", "message": "no", "error": False}]
    assert second["response"]["patch"] == [{"op": "add", "path": "/metadata/labels", "value": {}}]
    assert second["changed"] == ["m"]


def test_an_object_stands_once_in_each_file(tmp_path: Path) -> None:
    with process(tmp_path, rotate=1500) as server:
        server.send(seen(lookups=looked(1), defined=[namespace(1)]))
        for number in range(40):
            body = review({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": os.urandom(200).hex()}})
            server.send(seen(body=body, lookups=looked(1)), seen(str(number), lookups=looked(1)))
    files = lines(tmp_path)
    assert len(files) > 5
    for file in files:
        assert [sorted(line) for line in file if "object" in line] == [["object", "value"]]
    reviews, problems = read(tmp_path)
    assert (len(reviews), problems) == (81, [])
    for each in reviews:
        assert each.view().namespace("shop").value["metadata"]["labels"] == {"a": "x"}


def test_an_object_whose_batch_was_not_written_comes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with process(tmp_path) as server:
        server.send(seen())

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            told = server.send(seen("b", lookups=looked(1), defined=[namespace(1)]))
        assert told == {"done": 0, "failed": 1, "error": f"{tmp_path}: No space left on device"}
        assert server.send(seen("c", lookups=looked(1)))["done"] == 1
    reviews, problems = read(tmp_path)
    assert ([each.request.name for each in reviews], problems) == (["a", "c"], [])


def test_numbers_are_void_when_the_server_says_so(tmp_path: Path) -> None:
    with process(tmp_path) as server:
        server.send(seen(lookups=looked(1), defined=[namespace(1)]))
        told = server.send(seen(forget=True, lookups=looked(1)))
        assert (told["done"], told["failed"]) == (0, 1)
        assert "refers to objects that a process before this one was sent" in told["error"]
        server.send(seen(forget=True, lookups=looked(1), defined=[namespace(1, "y")]))
    reviews, _ = read(tmp_path)
    assert [each.view().namespace("shop").value["metadata"]["labels"]["a"] for each in reviews] == ["x", "y"]


def test_what_cannot_be_redacted_is_not_written_and_nothing_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redacting, "MAX_COMPARED", 3)
    texts = {str(number): SECRET for number in range(10)}
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "labels": texts}, "stringData": texts}
    with process(tmp_path) as server:
        told = server.send(seen(), seen(body=review(value, "secrets", "Secret")), seen(body=b'{"request": "' + b'x"}'))
    assert (told["done"], told["failed"]) == (1, 2)
    assert told["error"].startswith("a review cannot be redacted: ")
    assert SECRET not in json.dumps(told)
    assert SECRET not in json.dumps(lines(tmp_path))
    assert len(read(tmp_path)[0]) == 1


def test_a_line_that_is_too_long_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_LINE", 2000)
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"x": "y" * 2000}}
    shop = namespace(1, "y" * 2000)
    with process(tmp_path) as server:
        told = server.send(seen("a"), seen(body=review(value)), seen("c", lookups=looked(1), defined=[shop]), seen("b"))
    assert told == {"done": 2, "failed": 2, "error": "a review cannot be redacted: it holds too much to redact"}
    assert [each.request.name for each in read(tmp_path)[0]] == ["a", "b"]
    assert max(len(json.dumps(line)) for line in lines(tmp_path)[0]) < 2000


def test_secrets_that_policies_looked_up_are_redacted_everywhere(tmp_path: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "shop"},
        "data": {"key": base64.b64encode(SECRET.encode()).decode()},
    }
    body = review({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    with process(tmp_path) as server:
        server.send(
            seen(
                body=body,
                response=answered(warnings=[f"it is {SECRET}"]),
                findings=[("p", "b", "Warn", f"it is {SECRET}", False)],
                lookups=[("get", ["v1", "Secret", "db", "shop"], 0.0, 1)],
                defined=[(1, "Secret", json.dumps(secret).encode())],
            )
        )
    text = json.dumps(lines(tmp_path))
    assert SECRET not in text
    assert base64.b64encode(SECRET.encode()).decode() not in text
    (found,) = read(tmp_path)[0]
    assert found.response["warnings"] == ["it is <19 characters>"]
    assert len(base64.b64decode(found.view().get("v1", "Secret", "db", "shop").value["data"]["key"])) == len(SECRET)


def test_a_value_is_redacted_in_every_object_of_the_review(tmp_path: Path) -> None:
    """Of a Secret that a policy looked up, and of the request, in the request and in all that was looked up."""
    own = "of the request: own"
    secret = {"kind": "Secret", "metadata": {"name": "db"}, "stringData": {"key": SECRET}}
    request = {
        "kind": "ConfigMap",
        "metadata": {"name": "a", "annotations": {"old": f"it was {SECRET}"}},
        "data": {"copy": SECRET, "password": own},
    }
    copies = {"kind": "ConfigMap", "metadata": {"name": "copies"}, "data": {"a": f"<{SECRET}>", "b": f"<{own}>"}}
    objects = [(number, str(each["kind"]), json.dumps(each).encode()) for number, each in ((1, secret), (2, copies))]
    lookups = [("get", ["v1", "Secret", "db", "shop"], 0.0, 1), ("list", ["v1", "ConfigMap", "shop"], 0.0, [2])]
    with process(tmp_path) as server:
        server.send(seen(body=review(request), lookups=lookups, defined=objects))
        server.send(seen(lookups=lookups[1:]))  # of a review without secrets, the same object stays as it is
    first, second = read(tmp_path)[0]
    assert SECRET.encode() not in first.body and own.encode() not in first.body
    hidden = first.view().list("v1", "ConfigMap", "shop").value[0]["data"]
    assert (SECRET in str(hidden), own in str(hidden), hidden["a"][0]) == (False, False, "<")
    assert second.view().list("v1", "ConfigMap", "shop").value[0]["data"]["a"] == f"<{SECRET}>"


def test_each_kind_of_lookup_is_read_back(tmp_path: Path) -> None:
    access = ("ann", "get", "", ("g",), (("k", ("v",)),), "", "", "pods", "", "", "", "", "")
    lookups = [
        ("list", ["v1", "Namespace", None], 1.23456, [1, 2]),
        ("list", ["v1", "Pod", None], 0.0, False),
        ("get", ["v1", "Service", "s", "shop"], 0.0, None),
        ("get", ["a/v1", "B", "b", None], 0.0, ("UnknownKind", "unknown kind")),
        ("access", access, 0.0, [True, "r", ""]),
    ]
    with process(tmp_path) as server:
        told = server.send(seen(lookups=lookups, defined=[namespace(1), namespace(2, "y")]))
        assert told["done"] == 1
    (found,) = read(tmp_path)[0]
    listed = found.view().list("v1", "Namespace")
    assert ([each["metadata"]["labels"]["a"] for each in listed.value], listed.age) == (["x", "y"], 1.235)
    assert found.view().get("v1", "Service", "s", "shop").value is None
    assert {type(answer).__name__ for answer in found.answers.values()} == {
        *("Answer", "NoneType", "UnknownKind", "AccessDecision"),
    }


def test_a_folder_that_is_gone_is_told_and_used_again_when_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    with process(folder) as server:
        folder.rmdir()
        told = server.send(seen())
        assert told == {"done": 0, "failed": 1, "error": f"{folder}: No such file or directory"}
        folder.mkdir()
        assert server.send(seen("b"))["done"] == 1
    assert [each.request.name for each in read(folder)[0]] == ["b"]


def test_garbage_is_not_searched_for_in_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each search visits every container of a review, of which there may be a million."""
    searches: list[bool] = []
    made = writing.Lines.of

    def of(self: writing.Lines, seen: Seen) -> bytes:
        searches.append(gc.isenabled())
        return made(self, seen)

    monkeypatch.setattr(writing.Lines, "of", of)
    with process(tmp_path / "rec") as server:
        assert server.send(seen(), seen("b"))["done"] == 2
    assert searches == [False, False]
    assert gc.isenabled()

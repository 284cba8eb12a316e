"""The review port over real TLS: verdicts, bad input, limits, and what the log tells of it."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.server.direct import HEAD as DIRECT
from tests.server.direct import Direct
from tests.server.running import POLICIES, REVIEWS, Running, ask, changed, recorded, wait_for, write_policies
from tests.timing import HANGING
from webhook.admission import engine
from webhook.policy.load.loading import load
from webhook.server.port.exchange import Client

CREATE_POD = recorded("020")
CREATE_SERVICE = recorded("011")


def test_a_denial_names_policy_binding_and_place(server: Running) -> None:
    response = server.post("/validate?timeout=5s", CREATE_POD).response
    assert response["uid"] == json.loads(CREATE_POD)["request"]["uid"]
    assert response["allowed"] is False
    text = "ValidatingAdmissionPolicy 'no-host-path' with binding 'everywhere' denied request: hostPath is not allowed"
    status = response["status"]
    assert (status["code"], status["reason"], status["message"]) == (403, "Forbidden", text)
    assert [cause["message"] for cause in status["details"]["causes"]] == [text]
    assert "patch" not in response


def test_a_mutation_comes_as_a_patch_on_mutate_only(server: Running) -> None:
    response = server.post("/mutate", CREATE_SERVICE).response
    assert (response["allowed"], response["patchType"]) == (True, "JSONPatch")
    (operation,) = json.loads(base64.b64decode(response["patch"], validate=True))
    assert operation["op"] == "add"
    assert operation["path"].startswith("/metadata/labels")
    assert set(server.post("/validate", CREATE_SERVICE).response) == {"uid", "allowed", "auditAnnotations"}
    assert set(server.post("/mutate", CREATE_POD).response) == {"uid", "allowed", "auditAnnotations"}


def test_a_mutation_that_fails_under_fail_denies(server: Running) -> None:
    endpoints = {"group": "", "version": "v1", "resource": "endpoints"}
    body = changed(CREATE_SERVICE, resource=endpoints, requestResource=endpoints)
    response = server.post("/mutate", body).response
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert response["status"]["message"].startswith("policy 'broken' with binding 'broken' denied request: ")
    assert "patch" not in response


def test_the_paths_by_failure_policy_answer_with_their_policies_only(server: Running) -> None:
    configmap = changed(recorded("026"), uid="by-failure-policy")
    allowed = {
        (path, name): server.post(path, body).response["allowed"]
        for path in ("/validate", "/validate/fail", "/validate/ignore")
        for name, body in (("pod", CREATE_POD), ("configmap", configmap))
    }
    assert allowed == {
        ("/validate", "pod"): False,
        ("/validate", "configmap"): False,
        ("/validate/fail", "pod"): False,  # no-host-path has failurePolicy Fail
        ("/validate/fail", "configmap"): True,
        ("/validate/ignore", "pod"): True,
        ("/validate/ignore", "configmap"): False,
    }
    assert server.post("/mutate/fail", CREATE_SERVICE).response["patchType"] == "JSONPatch"
    assert "patch" not in server.post("/mutate/ignore", CREATE_SERVICE).response


def test_one_connection_serves_many_reviews(server: Running) -> None:
    connection = server.connect()
    for file in sorted(REVIEWS.glob("0*.json")):
        body = file.read_bytes()
        answer = ask(connection, "POST", "/validate", body, "application/json; charset=utf-8")
        assert answer.response["uid"] == json.loads(body)["request"]["uid"]
    connection.close()


def test_an_answer_carries_no_more_headers_than_it_needs(server: Running) -> None:
    assert set(server.post("/validate", CREATE_POD).headers) == {"content-type", "content-length"}


REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u"}}


@pytest.mark.parametrize(
    ("method", "path", "content_type", "body", "status", "told"),
    [
        ("POST", "/validate", "application/json", b"", 400, "empty"),
        ("POST", "/validate", "application/json", b"{", 400, "not JSON"),
        ("POST", "/validate", "application/json", b'{"apiVersion": NaN}', 400, "not JSON"),
        ("POST", "/validate", "application/json", b'{"kind": "\xff\xfe"}', 400, "UTF-8"),
        ("POST", "/validate", "application/json", b"[" * 9000 + b"]" * 9000, 400, "250 levels"),
        ("POST", "/mutate", "application/json", b'{"a":' * 400 + b"1" + b"}" * 400, 400, "250 levels"),
        ("POST", "/mutate", "application/json", b"[]", 400, "got a list"),
        ("POST", "/validate", "application/json", b'{"kind":"Pod","apiVersion":"v1"}', 400, "apiVersion"),
        ("POST", "/validate", "application/json", json.dumps({**REVIEW, "kind": "Pod"}).encode(), 400, "kind"),
        ("POST", "/validate", "application/json", json.dumps({**REVIEW, "request": None}).encode(), 400, "request"),
        ("POST", "/validate", "application/json", json.dumps(REVIEW).encode(), 400, "request.operation"),
        ("POST", "/validate", "application/json", changed(CREATE_POD, uid=""), 400, "request.uid"),
        ("POST", "/validate", "application/json", changed(CREATE_POD, object=[]), 400, "request.object"),
        ("POST", "/validate", "text/plain", CREATE_POD, 415, "text/plain"),
        ("POST", "/validate", None, CREATE_POD, 415, "application/json"),
        ("PUT", "/validate", "application/json", CREATE_POD, 405, "PUT"),
        ("GET", "/mutate", None, b"", 405, "POST"),
        ("POST", "/", "application/json", CREATE_POD, 404, "/validate"),
        ("POST", "/validate/", "application/json", CREATE_POD, 404, "/validate"),
        ("POST", "/validate/fail/", "application/json", CREATE_POD, 404, "/validate"),
        ("POST", "/metrics", "application/json", CREATE_POD, 404, "/metrics"),
        ("POST", "/%2e%2e/etc/passwd%0a", "application/json", CREATE_POD, 404, "/validate"),
        ("POST", "/validate", "application/json", b" " * (64 << 10) + b"{}", 413, "65536 bytes"),
        ("POST", "/validate", "application/json", b" " * (120 << 10), 413, "65536 bytes"),
    ],
)
def test_what_is_no_review_gets_an_error_in_json(
    server: Running, method: str, path: str, content_type: str | None, body: bytes, status: int, told: str
) -> None:
    answer = server.post(path, body, content_type, method)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json) == ["error"]
    assert told in answer.json["error"]
    assert "Traceback" not in answer.json["error"]
    if status == 405:
        assert answer.headers["allow"] == "POST"
    # and the next one is answered as if nothing had been
    assert server.post("/validate", CREATE_POD).response["allowed"] is False


def _shaped(value: bytes, uid: str, resource: str = "pods", kind: str = "Pod") -> bytes:
    """A review as an API server writes it, of an object with this text for a value."""
    request = {
        "uid": uid,
        "kind": {"group": "", "version": "v1", "kind": kind},
        "resource": {"group": "", "version": "v1", "resource": resource},
        "name": "shaped",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "a"},
        "object": {"metadata": {"name": "shaped"}, "x": None},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review, separators=(",", ":")).encode().replace(b"null", value)


SHAPES = {
    "deep": (b"[" * 300 + b"]" * 300, 422, "250 levels"),
    "deeper": (b"[" * 9000 + b"]" * 9000, 422, "250 levels"),
    "long": (b'"' + b"x" * (70 << 10) + b'"', 413, "--max-body"),
    "very long": (b'"' + b"x" * (200 << 10) + b'"', 413, "--max-body"),
}


@pytest.mark.parametrize("path", ["/validate", "/validate/ignore"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_an_object_passes_a_policy_that_denies(server: Running, path: str, shape: str) -> None:
    """`quoting` has failurePolicy Ignore: an HTTP error would let the object pass."""
    value, code, told = SHAPES[shape]
    uid = f"{shape} {path}"
    answer = server.post(path, _shaped(value, uid, "configmaps", "ConfigMap"))
    assert (answer.status, answer.response["uid"], answer.response["allowed"]) == (200, uid, False)
    status = answer.response["status"]
    assert status["code"] == code
    assert status["message"].startswith("ValidatingAdmissionPolicy 'quoting' with binding 'quoting' denied request: ")
    assert told in status["message"]
    wait_for(lambda: [line for line in server.lines if line.get("uid") == uid])
    line = next(line for line in server.lines if line.get("uid") == uid)
    assert (line["verdict"], line["findings"][0]["policy"]) == ("deny", "quoting")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_no_policy_would_judge_may_have_any_shape(server: Running, shape: str) -> None:
    value = SHAPES[shape][0]
    answers = [server.post(path, _shaped(value, "u", "events", "Event")) for path in ("/validate", "/mutate")]
    assert [answer.response["allowed"] for answer in answers] == [True, True]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_would_be_mutated_under_fail_is_denied_with_the_name_of_the_policy(server: Running, shape: str) -> None:
    value, _, told = SHAPES[shape]
    answer = server.post("/mutate", _shaped(value, "u", "services", "Service"))
    assert (answer.status, answer.response["allowed"], answer.response["status"]["code"]) == (200, False, 403)
    message = answer.response["status"]["message"]
    assert message.startswith("policy 'team-label' with binding 'team-label' denied request: ")
    assert told in message


def _raw(server: Running, pieces: Iterable[bytes]) -> bytes:
    """What comes back over TLS for these bytes, until the server closes or falls silent."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=HANGING) as plain,
        server.trust.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        got = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while piece := connection.recv(65536):
                got += piece
        except (TimeoutError, ConnectionError, ssl.SSLError):
            pass
        return got


HEAD = b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


def test_a_body_that_claims_to_be_enormous_is_not_waited_for(server: Running) -> None:
    got = _raw(server, [HEAD + b"content-length: 99999999999999999\r\n\r\n{"])
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in got


def test_a_chunked_body_without_end_is_cut_off(server: Running) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    got = _raw(server, [HEAD + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 17])  # past four times the limit
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in got


def test_a_body_in_pieces_is_put_together(server: Running) -> None:
    pieces = [CREATE_POD[at : at + 500] for at in range(0, len(CREATE_POD), 500)]
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    head = HEAD + b"connection: close\r\n"
    got = _raw(server, [head + b"transfer-encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"])
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"hostPath is not allowed" in got


def _pipelined(count: int) -> bytes:
    one = HEAD + b"content-length: %d\r\n\r\n%s" % (len(CREATE_POD), CREATE_POD)
    return one * (count - 1) + one.replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n", 1)


@pytest.mark.parametrize("piece", [1 << 20, 90_001, 4_099])
def test_pipelined_reviews_are_all_answered(server: Running, piece: int) -> None:
    """However they are cut up: a piece ends in the middle of a body here and of a head there."""
    text = _pipelined(80)
    got = _raw(server, (text[at : at + piece] for at in range(0, len(text), piece)))
    assert got.count(b"HTTP/1.1 200 ") == got.count(b"HTTP/1.1 ") == 80
    assert got.count(b"connection: close") == 1


def test_a_client_that_pipelines_for_long_is_not_slow(impatient: Running) -> None:
    text = _pipelined(30)
    half = len(text) // 60  # of one review: every piece ends in the middle of one
    begun = time.monotonic()
    got = _raw(impatient, chain([text[:half]], _slowly(text[half:], 2 * half)))
    assert time.monotonic() - begun > 1.5  # --read-timeout 1
    assert got.count(b"HTTP/1.1 200 ") == 30


def _slowly(text: bytes, piece: int) -> Iterator[bytes]:
    for at in range(0, len(text), piece):
        time.sleep(0.06)
        yield text[at : at + piece]


def test_a_decision_is_one_line_of_the_log(server: Running) -> None:
    server.post("/validate", changed(CREATE_POD, uid="one-line", name="n" * 5000))
    (line,) = _lines(server, "one-line")
    assert line.pop("duration_ms") >= 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "event": "review",
        "path": "/validate",
        "uid": "one-line",
        "user": "admin",
        "operation": "CREATE",
        "resource": "v1/pods",
        "subresource": "",
        "namespace": "rec",
        "name": "n" * 1024,
        "verdict": "deny",
        "revision": server.get("/policies").json["revision"],
        "policies": ["no-host-path"],
        "findings": [
            {
                "policy": "no-host-path",
                "binding": "everywhere",
                "result": "deny",
                "message": "hostPath is not allowed",
            }
        ],
    }


def test_neither_the_answer_nor_the_log_tells_what_a_secret_holds(server: Running) -> None:
    told = {}
    for start, uid, said in (("026", "of-a-configmap", "aHVudGVyMg=="), ("028", "of-a-secret", "<12 characters>")):
        document = json.loads(recorded(start))["request"]["object"]
        document["data"] = {"k": "aHVudGVyMg=="}
        response = server.post("/validate", changed(recorded(start), uid=uid, object=document)).response
        assert response["status"]["message"].endswith(f"it holds {said}")
        (line,) = _lines(server, uid)
        assert line["policies"] == ["quoting"]
        told[uid] = json.dumps(line)
    assert "aHVudGVyMg==" in told["of-a-configmap"]
    assert "it holds" not in told["of-a-secret"]


def test_hostile_names_stay_inside_their_line(server: Running) -> None:
    uid = 'two\nlines","verdict":"allow\u2028'
    server.post("/validate", changed(CREATE_POD, uid=uid))
    (line,) = _lines(server, uid)
    assert line["verdict"] == "deny"


def _lines(server: Running, uid: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wait_for(lambda: [line for line in server.lines if line.get("uid") == uid])
    return found


# What no client can bring about: the application by itself.


def test_a_defect_is_a_500_that_tells_nothing_of_the_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(engine, "validate", broken)
    direct, secret = Direct(tmp_path), recorded("028")
    answer = direct.answer(secret)
    assert answer.status == 500
    assert json.loads(answer.body) == {"error": "internal error (RuntimeError); see the server's log"}
    (line,) = direct.lines()
    assert (line["level"], line["event"], line["error"]) == ("error", "review failed", "RuntimeError")
    assert line["uid"] == json.loads(secret)["request"]["uid"]
    assert "broken" in line["at"][-1]
    assert "hunter2" not in json.dumps(line)
    assert 'resource="secrets",verdict="error"} 1.0' in direct.metrics.exposition().decode()


def test_a_refusal_is_one_line_with_the_client(tmp_path: Path) -> None:
    direct = Direct(tmp_path)
    direct.reviews.refuse(DIRECT._replace(path="/" + "x" * 5000), Client("192.0.2.1"))
    direct.reviews.refused(431, "too large", None, Client("192.0.2.1"))  # never became a request: counted only
    (line,) = direct.lines()
    assert (line["event"], line["status"], line["client"], len(line["path"])) == (
        "request refused",
        404,
        "192.0.2.1",
        1024,
    )
    assert 'gatewright_requests_refused_total{code="431"} 1.0' in direct.metrics.exposition().decode()


def test_a_compressed_body_is_refused_by_its_name(server: Running) -> None:
    """It would be small on the wire and large in memory."""
    body = gzip.compress(b" " * (32 << 20) + CREATE_POD)
    connection = server.connect()
    for encoding, status in (("gzip", 415), ("GZIP, identity", 415), ("identity", 400)):
        connection.request(
            "POST", "/validate", body, {"content-type": "application/json", "content-encoding": encoding}
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        assert (answer.status, "content-encoding: expected none" in text) == (status, status == 415)


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ({}, ["allow", "deny", "allow", "allow"]),
        ({"allows": 0.0}, ["deny", "allow"]),  # the last one is changed
        ({"level": "warning"}, []),
    ],
)
def test_what_is_logged_can_be_less_and_everything_is_counted(
    logged: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    direct = Direct(tmp_path, load(write_policies(tmp_path / "tree", POLICIES)), **logged)
    mutate = DIRECT._replace(path="/mutate")
    for body, head in ((CREATE_SERVICE, DIRECT), (CREATE_POD, DIRECT), (CREATE_POD, mutate), (CREATE_SERVICE, mutate)):
        direct.answer(body, head)
    assert [line["verdict"] for line in direct.lines()] == expected
    counts = direct.metrics.exposition().decode()
    assert 'gatewright_policy_findings_total{binding="everywhere",phase="validate",policy="no-host-path"' in counts
    assert 'gatewright_policy_mutations_total{policy="team-label"} 1.0' in counts
    assert 'gatewright_review_duration_seconds_count{path="/mutate"} 2.0' in counts

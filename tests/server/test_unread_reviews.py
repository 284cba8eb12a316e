"""A review whose objects cannot be read is seen wherever any other denial is, and decided again as it was."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from tests.recordings.making import change, head, read, review, tree, validating, writing
from tests.server.running import wait_for
from tests.timing import HANGING, patience
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.recordings.replaying import Replay
from webhook.schema import Kinds
from webhook.server.cluster.events import Events
from webhook.server.port.exchange import Answer, Client
from webhook.server.reviews.answering import Reviews
from webhook.server.reviews.sight import Sight
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.policytimes import PolicyTimes
from webhook.server.telemetry.recording import Recorder
from webhook.server.telemetry.seen import Seen
from webhook.server.telemetry.traces.sampling import Sampler
from webhook.server.telemetry.traces.spans import Record, ReviewSpan

MUTATING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  failurePolicy: {failing}
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}
  mutations:
  - patchType: JSONPatch
    jsonPatch: {{expression: '[JSONPatch{{op: "add", path: "/metadata/labels", value: {{"a": "b"}}}}]'}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}}}
"""

SHAPES = {
    "read": ("", "object is bad"),
    "too deep": ("[" * 300 + "]" * 300, "objects that are nested deeper than 250 levels cannot be evaluated"),
    "over --max-memory": (
        "[" + ",".join(["{}"] * 50_000) + "]",
        "objects that take more than 2 MiB of memory (--max-memory) cannot be evaluated",
    ),
    "over --max-body": ("[]", "objects that take more than the server reads (--max-body) cannot be evaluated"),
}
CALLS = [(path, shape) for path in ("/validate", "/mutate/fail", "/mutate/ignore") for shape in SHAPES]


class Api:
    """An API that keeps what it is sent."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []

    def post(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        self.posted.append(body)
        return body

    def patch(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        return body


class Outputs:
    """Everything that says something of a review. folder: of the log, and of the recording."""

    def __init__(self, folder: Path, policies: PolicySet) -> None:
        self._folder, self._policies = folder, policies
        self.api, self.spans, self.times, self.seen = Api(), list[Record](), PolicyTimes(), Seen()
        self.metrics = Metrics(Kinds.builtin())
        self.log = Log(os.open(folder / "log", os.O_WRONLY | os.O_CREAT))
        self.answers: list[dict[str, Any]] = []

    def ask(self, calls: list[tuple[str, str]]) -> None:
        """Ask for each (path, shape)."""
        asyncio.run(self._asked(calls))
        assert self.log.flush(HANGING)

    async def _asked(self, calls: list[tuple[str, str]]) -> None:
        recorder = Recorder(self.log, writing(self._folder / "rec"))
        recorder.start()
        events = Events(self.log, lambda: self.api)
        events.start()
        state = State(InForce(self._policies, ManifestsView(self._policies.objects)))
        state.seen = self.seen
        sight = Sight(self.metrics, Sampler(), self.spans.append, self.times)
        reviews = Reviews(state, self.metrics, self.log, memory=2 << 20, sight=sight, events=events, recorder=recorder)
        for number, (path, shape) in enumerate(calls):
            value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}, "x": "VALUE"}
            text = json.dumps(orjson.loads(review(value)), separators=(",", ":")).encode()
            text = text.replace(b'"VALUE"', SHAPES[shape][0].encode() or b"0")
            client = Client("192.0.2.1")
            if shape == "over --max-body":
                answer: Any = reviews.too_large(head(path), text[:-40], client)
            else:
                answer = reviews.answer(head(path), text, client)
            assert isinstance(answer, Answer)
            assert answer.status == 200
            self.answers.append(orjson.loads(answer.body)["response"])
        async with asyncio.timeout(patience(30)):
            while recorder.done + recorder.failed < len(calls):
                recorder.gather()
                await asyncio.sleep(0.02)
        assert recorder.failed == 0
        await recorder.close()
        await asyncio.to_thread(wait_for, events._queue.empty)
        events.close()

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (self._folder / "log").read_bytes().splitlines()]
        return [line for line in lines if line["event"] == "review"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outputs]:
    folder = tmp_path_factory.mktemp("unread")
    policies = tree(
        folder / "tree",
        judging=validating("judging", "object == null", "'object is bad'"),
        noting=validating("noting", "object == null", "'object is bad'", action="Audit"),
        failing=MUTATING.format(name="failing", failing="Fail"),
        ignoring=MUTATING.format(name="ignoring", failing="Ignore"),
    )
    outputs = Outputs(folder, policies)
    outputs.ask(CALLS)
    return folder, outputs


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[f"{path} {shape}" for path, shape in CALLS])
def test_each_output_says_of_it_what_it_says_of_others(asked: tuple[Path, Outputs], number: int) -> None:
    (folder, outputs), (path, shape) = asked, CALLS[number]
    unread = shape != "read"
    denied = path == "/validate" or (path == "/mutate/fail" and unread)
    policy = {"/validate": "judging", "/mutate/fail": "failing", "/mutate/ignore": "ignoring"}[path]
    said = SHAPES[shape][1]

    answer = outputs.answers[number]
    assert answer["allowed"] is not denied
    assert ("patch" in answer) is (path != "/validate" and not unread)
    annotations = answer["auditAnnotations"]
    assert annotations.get("unread") == (said if unread else None)
    assert "policy_revision" in annotations
    if path == "/validate":
        (audited,) = orjson.loads(annotations["validation_failure"])
        assert (audited["policy"], audited["message"]) == ("noting", said)
    if denied:
        assert f"policy '{policy}' with binding '{policy}' denied request: {said}" in answer["status"][
            "message"
        ].replace("ValidatingAdmissionPolicy", "policy")

    line = outputs.lines()[number]
    assert (line["path"], line["verdict"]) == (path, "deny" if denied else "allow")
    assert line.get("unread") == (said if unread else None)
    found = {each["policy"]: each.get("message") for each in line.get("findings", ())}
    assert found == ({"judging": said, "noting": said} if path == "/validate" else {policy: said} if denied else {})

    span = msgspec.msgpack.decode(msgspec.msgpack.encode(outputs.spans[number]), type=ReviewSpan)
    assert (span.verdict, span.status, span.error) == ("deny" if denied else "allow", 200, "unread" if unread else "")
    assert policy in span.evaluated
    assert not unread or {(part.name, part.result) for part in span.parts} >= {(policy, "error")}

    reviews, problems = read(folder / "rec")
    assert problems == []
    assert len(reviews) == len(CALLS)
    written = reviews[number]
    assert (written.path, written.allowed) == (path, not denied)
    assert (written.unread.message if written.unread else None) == (said if unread else None)
    assert (written.request.object is None) is unread
    assert (written.request.name, written.request.user.username) == (f"c{number}", "ann")


def test_they_are_counted_and_become_events(asked: tuple[Path, Outputs]) -> None:
    _, outputs = asked
    denials = len(
        [call for call in CALLS if call[0] == "/validate" or (call[0] == "/mutate/fail" and call[1] != "read")]
    )
    value = outputs.metrics.registry.get_sample_value
    assert outputs.metrics.verdicts()["deny"] == denials == len(outputs.api.posted)
    named = {"phase": "mutate", "policy": "failing", "binding": "failing", "result": "error"}
    assert value("gatewright_policy_findings_total", named) == len(SHAPES) - 1


def test_replaying_gives_the_recorded_verdicts_and_those_of_a_changed_tree(asked: tuple[Path, Outputs]) -> None:
    folder, _ = asked
    reviews, _ = read(folder / "rec")
    replay = Replay(load(folder / "tree"))
    compared = [replay.compared(each) for each in reviews]
    assert [each.recorded.line for each in compared if each.new is None or each.differs] == []
    new = folder / "new"
    new.mkdir()
    for file in (folder / "tree").iterdir():
        (new / file.name).write_bytes(file.read_bytes())
    change(new / "judging.yaml", 'resources: ["*"]', "resources: [secrets]")
    change(new / "failing.yaml", "failurePolicy: Fail", "failurePolicy: Ignore")
    replay = Replay(load(new))
    allowed = [each.new.allowed for each in map(replay.compared, reviews) if each.new is not None]
    assert allowed == [True] * len(CALLS)

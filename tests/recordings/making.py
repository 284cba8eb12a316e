"""Makes recordings: the application of the review port answers reviews, and the real process writes them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.timing import patience
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import ClusterView
from webhook.documents.reader import Problem
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.recordings.reading import Recorded, recorded
from webhook.recordings.records import Writing
from webhook.schema import Kinds
from webhook.server.port.exchange import Answer, Client, Head
from webhook.server.reviews.answering import Reviews
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.recording import Recorder

ROOT = Path(__file__).parents[2]
REVIEWS = ROOT / "tests" / "fixtures" / "reviews"

VALIDATE = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  {more}
  matchConstraints:
    resourceRules:
    - {{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE, UPDATE, DELETE], resources: ["*"]}}
  validations:
  - {{expression: "{expression}", messageExpression: "{message}"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [{action}]{bound}}}
"""

STAMP = {
    "stamp.py": """\
from gatewright import mutate

@mutate(resources=["v1/configmaps"], operations=["CREATE"], name="stamp")
def stamp(request):
    request.object["metadata"]["labels"] = {"seen": "yes"}
""",
    "stamp.yaml": """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: stamp}
spec: {policyName: stamp}
""",
}
"""A mutating policy in Python and its binding: file -> text."""


def stamping(folder: Path) -> Path:
    """Make the folder of a tree, with STAMP."""
    folder.mkdir()
    for name, text in STAMP.items():
        (folder / name).write_text(text)
    return folder


def change(file: Path, old: str, new: str) -> None:
    """Replace a text in a file of a tree."""
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def validating(
    name: str,
    expression: str,
    message: str = "'no'",
    action: str = "Deny",
    more: str = "failurePolicy: Fail",
    bound: str = "",
) -> str:
    return VALIDATE.format(name=name, expression=expression, message=message, action=action, more=more, bound=bound)


def tree(folder: Path, **files: str) -> PolicySet:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load(folder)


def review(
    value: dict[str, Any] | None,
    resource: str = "configmaps",
    kind: str = "ConfigMap",
    operation: str = "CREATE",
    old: dict[str, Any] | None = None,
    **more: Any,
) -> bytes:
    metadata = (value or old or {}).get("metadata") or {}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": kind},
        "resource": {"group": "", "version": "v1", "resource": resource},
        "name": metadata.get("name", ""),
        "namespace": "shop",
        "operation": operation,
        "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
        "object": value,
        "oldObject": old,
        "dryRun": False,
        "options": None,
        **more,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def head(path: str = "/validate") -> Head:
    return Head("POST", path, path.encode(), b"", (), b"application/json")


def writing(folder: Path, redact: Iterable[str] = (), rotate: int = 1 << 20, limit: int = 64 << 20) -> Writing:
    folder.mkdir(mode=0o700, exist_ok=True)
    return Writing(str(folder), rotate, limit, list(redact), "1.37")


def record(
    folder: Path,
    policies: PolicySet,
    calls: Iterable[tuple[str, bytes]],
    redact: Iterable[str] = (),
    cluster: ClusterView | None = None,
    share: float = 1.0,
) -> list[Answer]:
    """The answers to reviews, each (path, body), that are recorded in the folder."""

    async def run() -> list[Answer]:
        log = Log(os.open(os.devnull, os.O_WRONLY))
        kinds = Kinds.builtin().with_crds(policies.objects)
        recorder = Recorder(log, writing(folder, redact), share)
        recorder.start()
        view = cluster or ManifestsView(policies.objects, kinds)
        reviews = Reviews(State(InForce(policies, view)), Metrics(kinds), log, recorder=recorder)
        answers = []
        for path, body in calls:
            answer = reviews.answer(head(path), body, Client("192.0.2.1"))
            assert isinstance(answer, Answer)
            answers.append(answer)
        recorder.gather()
        waiting = len(recorder._waiting)
        async with asyncio.timeout(patience(20)):
            while recorder.done + recorder.failed < waiting:
                await asyncio.sleep(0.01)
        await recorder.close()
        return answers

    return asyncio.run(run())


def read(folder: Path) -> tuple[list[Recorded], list[Problem]]:
    """The reviews of a recording, and what could not be read."""
    found = list(recorded(folder))
    return [each for each in found if isinstance(each, Recorded)], [each for each in found if isinstance(each, Problem)]

"""The whole library on a real API server: run by the server itself and through the webhook, its verdicts are the same.

All policies in CEL are in force at once, with Warn; what is sent are the objects of their own tests, as dry runs. A
case can be sent if it creates an object: an update or a deletion needs an object from before, and a subresource its
parent. What the server refuses without any policy shows nothing, and neither does a kind that it does not serve: custom
resources, whose definitions are others' matter. `test_what_could_be_sent` counts all of these.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.apiserver import Client, Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import namespace
from tests.e2e.probing import PROBE, PROBES, probe
from tests.e2e.webhooks import POLICIES, Gatewright, until_seen
from tests.server.running import wait_for
from webhook.library import catalog, placing
from webhook.library.catalog import Entry
from webhook.offline.cases import policytest
from webhook.offline.cases.policytest import PlannedCase
from webhook.policy.load.loading import load

GROUP = "admissionregistration.k8s.io/v1"
REGISTRATIONS = f"/apis/{GROUP}/%swebhookconfigurations"
ENTRIES = catalog.entries(POLICIES)
CEL = [each for each in ENTRIES if each.language == "CEL"]
SENT = 500
"""The fewest requests to the server with the whole library."""
CREATED = 201
ERRORS = frozenset({"a class that does not exist is an error"})
"""Cases in which a policy that changes objects is to fail: it has no other way to refuse."""

_DENIED = re.compile(r'^(?:admission webhook "[^"]*" denied the request: |[^ ]+ "[^"]*" is forbidden: )')
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # as of a PersistentVolume's phase
_WARNED = re.compile(r"Validation failed for ValidatingAdmissionPolicy '([^']*)' with binding '[^']*': ")
_BY_SERVER = ("creationTimestamp", "managedFields", "resourceVersion", "uid", "generation")
_SHOWN = 120
"""Characters of a warning that are compared: the server cuts them where there are many."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """An object of a policy's tests, and where it is created."""

    policy: str
    case: str
    path: str
    body: Object


@dataclass(slots=True)
class Requests:
    """What is sent; the Namespaces that it needs; the cases that cannot be sent, counted by the reason."""

    sent: list[Sent] = field(default_factory=list)
    namespaces: dict[tuple[str, tuple[tuple[str, str], ...]], str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, planned: PlannedCase) -> None:
        request = planned.request
        if request.operation != "CREATE" or request.subresource or not isinstance(request.object, dict):
            what = "a subresource" if request.subresource else request.operation
            self.left_out[what] += 1
            return
        body = copy.deepcopy(request.object)
        body["metadata"].setdefault("name", "it")
        group, version, resource = request.resource
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        if request.namespace and resource != "namespaces":
            labels = planned.case.namespace.labels if planned.case.namespace else {}
            body["metadata"]["namespace"] = own = self._namespace(request.namespace, labels or {})
            path += f"/namespaces/{own}"
        self.sent.append(Sent(planned.policy, planned.case.name, f"{path}/{resource}?dryRun=All", body))

    def _namespace(self, name: str, labels: dict[str, str]) -> str:
        """The Namespace of this name and these labels; another name where it is taken by one with other labels."""
        key = (name, tuple(sorted(labels.items())))
        if key not in self.namespaces:
            taken = set(self.namespaces.values())
            there = name in ("default", "kube-system", "kube-public", "kube-node-lease")
            free = name not in taken and not (there and labels)
            self.namespaces[key] = name if free else f"{name}-{len(taken)}"
        return self.namespaces[key]


def _requests() -> Requests:
    found = Requests()
    planned, problems = policytest.plan([str(POLICIES)], load(POLICIES))
    assert problems == []
    names = {each.name for each in CEL}
    for each in planned:
        if each.policy in names:
            found.add(each)
    return found


REQUESTS = _requests()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. `warned`: (policy, text) of the policies that warned; `body`: without what differs."""

    status: int
    message: str
    warned: frozenset[tuple[str, str]]
    body: Any


def _answer(reply: Reply) -> Answer:
    warned = set()
    for text in reply.warnings:
        if match := _WARNED.match(text):
            words = text[match.end() :][:_SHOWN].removesuffix("...").split()
            warned.add((match[1], " ".join(sorted(each.rstrip(",;") for each in words))))  # maps have no order in Go
    body = None
    if reply.ok:
        text = json.dumps(reply.body)
        if own := reply.body["metadata"].get("uid"):  # the server writes it into the labels of a Job's Pods
            text = text.replace(own, "UID")
        body = json.loads(_TIME.sub("TIME", text))
        for key in _BY_SERVER:
            body["metadata"].pop(key, None)
        body.get("status", {}).pop("lastPhaseTransitionTime", None)  # of a PersistentVolume
    return Answer(reply.status, _DENIED.sub("", reply.message), frozenset(warned), body)


def _send(client: Client, sent: Iterable[Sent]) -> list[Answer]:
    return [_answer(client.post(each.path, each.body)) for each in sent]


def _bound(entry: Entry) -> list[Object]:
    """The bindings of a policy that only warn, or change objects."""
    file = catalog.binding(entry.folder, "warn" if entry.validating else "mutate")
    assert file is not None
    return list(yaml.safe_load_all(file.read_text()))


def _read(file: Path) -> list[Object]:
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []


@dataclass(frozen=True, slots=True)
class Both:
    """`alone`: the statuses of REQUESTS without a policy. `asked`: those that the server admits then, with the answers
    to each natively and through the webhook. `whole`: the answers with the whole library there, to some of them;
    `errors`: the evaluation errors that were counted meanwhile."""

    alone: Counter[int]
    asked: list[Sent]
    natively: list[Answer]
    through_webhook: list[Answer]
    whole: list[tuple[Sent, Answer]]
    errors: list[str]


@pytest.fixture(scope="module")
def answers(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> Both:
    client = cluster.client()
    for (_, labels), name in {("gatewright-system", ()): "gatewright-system", **REQUESTS.namespaces}.items():
        client.post("/api/v1/namespaces", namespace(name, **dict(labels)))  # may be there, or be none for the server
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        client.post(f"/api/v1/namespaces/{name}/serviceaccounts", account)
    alone = _send(client, REQUESTS.sent)
    asked = [each for each, answer in zip(REQUESTS.sent, alone, strict=True) if answer.status == CREATED]

    policies = [each for entry in CEL for each in _read(entry.folder / "policy.yaml")]
    bindings = [each for entry in CEL for each in _bound(entry)]
    cluster.apply(*(each for entry in ENTRIES for each in _read(entry.folder / catalog.PARAMS)))
    cluster.apply(*policies, *bindings, *probe())
    until_seen(client, "POST", PROBES, PROBE, 422)
    natively = _send(client, asked)
    cluster.kubectl("delete", "--filename", "-", stdin=_text([*probe(), *bindings, *policies]))
    until_seen(client, "POST", PROBES, PROBE, 201)

    gatewright.look_up_in(cluster)
    trees = tmp_path_factory.mktemp("trees")
    through_webhook, _ = _through_webhook(cluster, gatewright, CEL, trees / "cel", asked)
    some = [each for index, each in enumerate(asked) if index % max(1, len(asked) // SENT) == 0]
    whole, errors = _through_webhook(cluster, gatewright, ENTRIES, trees / "whole", some)
    statuses = Counter(each.status for each in alone)
    return Both(statuses, asked, natively, through_webhook, list(zip(some, whole, strict=True)), errors)


def _text(objects: list[Object]) -> str:
    return yaml.safe_dump_all(objects)


def _through_webhook(
    cluster: ControlPlane, gatewright: Gatewright, entries: list[Entry], tree: Path, sent: list[Sent]
) -> tuple[list[Answer], list[str]]:
    """The answers with these policies of the library enabled as a user does, and the evaluation errors that were
    counted."""
    for each in entries:
        placing.add(each, tree)
        placing.enable(tree, each.name, "warn" if each.validating else "mutate")
        (tree / each.name / "tests.yaml").unlink()
    (tree / "probe.yaml").write_text(_text(probe()))
    gatewright.start(tree)
    client = cluster.client()
    wait_for(lambda: gatewright.running.get("/readyz").status == 200, 60)
    for phase in ("Mutating", "Validating"):
        reply = client.post(REGISTRATIONS % phase.lower(), _registration(gatewright, phase))
        assert reply.ok, reply.message
    try:
        until_seen(client, "POST", PROBES, PROBE, 422)
        found = _send(client, sent)
        metrics = gatewright.running.get("/metrics").body.decode()
        return found, re.findall(r'^gatewright_policy_findings_total\{.*result="error".*$', metrics, re.MULTILINE)
    finally:
        for phase in ("validating", "mutating"):
            client.request("DELETE", f"{REGISTRATIONS % phase}/library")
        until_seen(client, "POST", PROBES, PROBE, 201)
        gatewright.kill()
        shutil.rmtree(tree)


def _registration(gatewright: Gatewright, phase: str) -> Object:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    url = f"https://127.0.0.1:{gatewright.port}/{'validate' if phase == 'Validating' else 'mutate'}/fail"
    webhook = {
        "name": f"{phase.lower()}.library.gatewright.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
        "rules": [everything],
        "clientConfig": {"url": url, "caBundle": gatewright.ca_bundle},
    }
    kind = f"{phase}WebhookConfiguration"
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": "library"}, "webhooks": [webhook]}


def test_what_could_be_sent(answers: Both, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {each.policy for each in answers.asked}
    warned = {policy for each in answers.natively for policy, _ in each.warned}
    silent = sorted(each.name for each in CEL if each.validating and each.name in asked and each.name not in warned)
    with capsys.disabled():
        print(
            f"\n{len(CEL)} policies in CEL of {len(ENTRIES)}; {len(REQUESTS.sent)} objects sent, by the server's "
            f"status without policies {dict(answers.alone)};\ncases left out {dict(REQUESTS.left_out)};\n"
            f"without an object that could be sent: {sorted({each.name for each in CEL} - asked)};\n"
            f"without one that it warns about: {silent}"
        )
    assert len(warned) >= len(CEL) // 2


@pytest.mark.parametrize("name", [each.name for each in CEL])
def test_the_webhook_agrees_with_the_server(answers: Both, name: str) -> None:
    differing = {}
    for each, theirs, ours in zip(answers.asked, answers.natively, answers.through_webhook, strict=True):
        if each.policy == name and theirs != ours:
            differing[each.case] = (theirs.status, theirs.message, theirs.warned ^ ours.warned, ours.message)
    assert differing == {}  # case -> the server's status and message, warnings of one side alone, our message


def test_the_whole_library_makes_no_error(answers: Both) -> None:
    """Python too: what is sent is admitted as before, with warnings that people can read."""
    assert len(answers.whole) >= min(SENT, len(answers.asked))
    warned = [text for _, each in answers.whole for _, text in each.warned]
    assert warned
    assert not [text for text in warned if "resulted in error" in text or "fails to evaluate" in text]
    refused = {each.case: answer.message for each, answer in answers.whole if answer.status != CREATED}
    assert {case: text for case, text in refused.items() if case not in ERRORS} == {}
    assert len(answers.errors) == len(refused)

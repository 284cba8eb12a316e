"""The whole library on a real API server: run by the server itself and through the webhook, its verdicts are the same.

All policies in CEL are in force at once, with Warn; what is sent are the requests of their own tests, as dry runs:
creations, updates, deletions, subresources, by the users that the cases name. What has to be there before is created
before any policy is there, and custom kinds have definitions that take everything. What the server refuses without any
policy shows nothing. `test_what_could_be_sent` counts these, and what cannot be sent.
"""

from __future__ import annotations

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
from tests.e2e.librarycases import Requests, Sent
from tests.e2e.objects import namespace
from tests.e2e.probing import PROBE, PROBES, probe
from tests.e2e.webhooks import POLICIES, Gatewright, until_seen
from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.library import catalog, placing
from webhook.library.catalog import Entry
from webhook.offline.cases import policytest
from webhook.policy.load.loading import load

GROUP = "admissionregistration.k8s.io/v1"
REGISTRATIONS = f"/apis/{GROUP}/%swebhookconfigurations"
ENTRIES = catalog.entries(POLICIES)
CEL = [each for each in ENTRIES if each.language == "CEL"]
SENT = 500
"""The fewest requests to the server with the whole library."""

_DENIED = re.compile(r'^(?:admission webhook "[^"]*" denied the request: |[^ ]+ "[^"]*" is forbidden: )')
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # as of a PersistentVolume's phase
_VERBS = ["get", "list", "create", "update", "delete", "bind", "escalate", "approve", "sign"]
_FAILED = re.compile("resulted in error|fails to evaluate")
_WARNED = re.compile(r"Validation failed for ValidatingAdmissionPolicy '([^']*)' with binding '[^']*': ")
_BY_SERVER = ("creationTimestamp", "managedFields", "resourceVersion", "uid", "generation")
_SHOWN = 120
"""Characters of a warning that are compared: the server cuts them where there are many."""

MENDED = {
    "allowed-image-registries": "add-image-registry-mirror has changed the images before",
    "require-topology-spread": "add-topology-spread has added what is missing",
}
"""Policies that find nothing beside others of the library."""

Object = dict[str, Any]


def _requests() -> Requests:
    found = Requests()
    planned, problems = policytest.plan([str(POLICIES)], load(POLICIES))
    assert problems == []
    names = {each.name for each in CEL}
    found.add_all(each for each in planned if each.policy in names)
    return found


REQUESTS = _requests()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. `warned`: (policy, text) of the policies that warned; `failed`: the texts of those that
    could not be evaluated; `body`: without what differs."""

    status: int
    message: str
    warned: frozenset[tuple[str, str]]
    body: Any
    failed: tuple[str, ...] = field(default=(), compare=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


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
        if isinstance(status := body.get("status"), dict):
            status.pop("lastPhaseTransitionTime", None)  # of a PersistentVolume
    failed = tuple(each for each in reply.warnings if _FAILED.search(each))
    return Answer(reply.status, _DENIED.sub("", reply.message), frozenset(warned), body, failed)


def _send(client: Client, sent: Iterable[Sent]) -> list[Answer]:
    return [_answer(client.request(each.verb, each.path, each.body, headers=each.headers)) for each in sent]


def _came_so_far(sent: Sent, alone: Answer) -> bool:
    """Whether the server's admission is asked about a request. A CONNECT fails behind it: there are no kubelets."""
    return alone.ok or (not sent.dry and alone.status not in (403, 404))


def _people() -> list[Object]:
    """Whoever is known may do this with everything. Verbs that only a policy asks for are not among it."""
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": _VERBS}]
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "people"}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "people"}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
    bound = {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [group]}
    return [{**head, "kind": "ClusterRole", "rules": rules}, {**head, **bound}]


def _bound(entry: Entry) -> list[Object]:
    """The bindings of a policy that only warn, or change objects."""
    file = catalog.binding(entry.folder, "warn" if entry.validating else "mutate")
    assert file is not None
    return list(yaml.safe_load_all(file.read_text()))


def _read(file: Path) -> list[Object]:
    return list(yaml.safe_load_all(file.read_text())) if file.exists() else []


@dataclass(frozen=True, slots=True)
class Both:
    """`refused`: how many objects from before the server refuses, which leaves out the requests about them. `alone`:
    the statuses of the others without a policy. `asked`: those that the server admits then, with the answers
    to each natively and through the webhook. `whole`: the answers with the whole library there, to some of them;
    `errors`: the evaluation errors that were counted meanwhile."""

    refused: int
    alone: Counter[int]
    asked: list[Sent]
    natively: list[Answer]
    through_webhook: list[Answer]
    whole: list[tuple[Sent, Answer]]
    errors: list[str]


@pytest.fixture(scope="module")
def answers(cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory) -> Both:
    client = cluster.client()
    cluster.apply(*_people(), *REQUESTS.definitions())
    for (_, labels, _), name in {("gatewright-system", (), 0): "gatewright-system", **REQUESTS.namespaces}.items():
        client.post("/api/v1/namespaces", namespace(name, **dict(labels)))  # may be there, or be none for the server
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}}
        client.post(f"/api/v1/namespaces/{name}/serviceaccounts", account)
    for group, version in {(group, version) for group, version, _ in REQUESTS.custom.values()}:
        wait_for(lambda: client.get(f"/apis/{group}/{version}").ok, HANGING)  # noqa: B023
    refused: set[str] = set()
    for path, (collection, before) in REQUESTS.stored.items():
        reply = client.post(collection, before)  # what the server refuses is not there
        if reply.ok:
            REQUESTS.update(path, reply.body["metadata"]["resourceVersion"])
        else:
            refused.add(path)
    can_be = [each for each in REQUESTS.sent if each.stored not in refused]
    alone = _send(client, can_be)
    asked = [each for each, answer in zip(can_be, alone, strict=True) if _came_so_far(each, answer)]

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
    return Both(len(refused), statuses, asked, natively, through_webhook, list(zip(some, whole, strict=True)), errors)


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
            f"\n{len(CEL)} policies in CEL of {len(ENTRIES)}; {len(REQUESTS.sent)} requests, by the server's status "
            f"without policies {dict(answers.alone)}, but for those about {answers.refused} objects that it refuses;\n"
            f"of these {len(answers.asked)} are asked about; cases left out {dict(REQUESTS.left_out)};\n"
            f"without an object that could be sent: {sorted({each.name for each in CEL} - asked)};\n"
            f"without one that it warns about: {silent}"
        )
    assert silent == ["pod-security-labels"]  # the server's own Pod Security admission refuses such labels before


@pytest.mark.parametrize("name", [each.name for each in CEL])
def test_the_webhook_agrees_with_the_server(answers: Both, name: str) -> None:
    differing = {}
    for each, theirs, ours in zip(answers.asked, answers.natively, answers.through_webhook, strict=True):
        if each.policy == name and theirs != ours:
            differing[each.case] = (theirs.status, theirs.message, theirs.warned ^ ours.warned, ours.message)
    assert differing == {}  # case -> the server's status and message, warnings of one side alone, our message


@pytest.mark.parametrize("name", [each.name for each in CEL])
def test_the_server_judges_as_the_cases_expect(answers: Both, name: str) -> None:
    """Where that depends on the request alone: params of its own, names and answers of the authorizer are not sent."""
    differing = {}
    for each, theirs in zip(answers.asked, answers.natively, strict=True):
        if each.policy == name and each.alone and each.dry and name not in MENDED:
            found = not theirs.ok or name in {policy for policy, _ in theirs.warned}
            if found != (each.expect in ("deny", "warn", "error")):
                differing[each.case] = (each.expect, theirs.status, theirs.warned, each.verb, each.path)
    assert differing == {}


def test_the_whole_library_makes_no_error(answers: Both) -> None:
    """Python too: what is sent is admitted as before, with warnings that people can read."""
    assert len(answers.whole) >= min(SENT, len(answers.asked))
    natively = zip(answers.asked, answers.natively, strict=True)
    refused = {each.case: answer.message for each, answer in answers.whole if each.dry and not answer.ok}
    failed = {each.case: answer.failed for each, answer in (*answers.whole, *natively) if answer.failed}
    expected = {each.case for each in answers.asked if each.expect == "error"}
    unexpected = {case: text for case, text in (refused | failed).items() if case not in expected}
    assert not unexpected, "\n".join(f"{case}: {text}" for case, text in unexpected.items())
    assert len(answers.errors) <= len(refused) + len(failed)

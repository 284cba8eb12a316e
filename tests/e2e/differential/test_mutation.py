"""The same MutatingAdmissionPolicies, the same requests: what the API server makes of objects itself, and through us.

Each case has a Namespace of its own. All are sent to a server that has the policies, then to one that asks our webhook.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.apiserver import Client, Reply
from tests.e2e.controlplane import ControlPlane
from tests.e2e.webhooks import SEEN, Gatewright

GROUP = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{GROUP}/mutatingadmissionpolicies"
BINDINGS = f"/apis/{GROUP}/mutatingadmissionpolicybindings"
REGISTRATIONS = f"/apis/{GROUP}/mutatingwebhookconfigurations"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SENTINEL = "sentinel"
Object = dict[str, Any]

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "it", "labels": {"app": "it"}},
    "spec": {"containers": [{"name": "main", "image": "nginx", "ports": [{"containerPort": 80}]}]},
}
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "it"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "it"}},
        "template": {"metadata": {"labels": {"app": "it"}}, "spec": POD["spec"]},
    },
}
WIDGET: Object = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "it"},
    "spec": {"names": ["a"], "parts": [{"id": "a", "size": 1}], "labels": {"x": "y"}},
}
CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {
                                    "names": {
                                        "type": "array",
                                        "items": {"type": "string"},
                                        "x-kubernetes-list-type": "set",
                                    },
                                    "parts": {
                                        "type": "array",
                                        "x-kubernetes-list-type": "map",
                                        "x-kubernetes-list-map-keys": ["id"],
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {"id": {"type": "string"}, "size": {"type": "integer"}},
                                        },
                                    },
                                    "whole": {"type": "array", "items": {"type": "string"}},
                                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                                    "count": {"type": "integer"},
                                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
PATHS = {
    "Pod": "/api/v1/{}/pods",
    "Deployment": "/apis/apps/v1/{}/deployments",
    "Widget": "/apis/example.com/v1/{}/widgets",
}


@dataclass(frozen=True)
class Case:
    """Policies (name -> spec, bound as they are), an object that is created, and a part of what is said of it."""

    name: str
    policies: dict[str, Object]
    object: Object = field(default_factory=lambda: POD)
    differs: str = ""

    def objects(self, kind: str) -> Iterator[Object]:
        here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.name}}}
        for name, spec in self.policies.items():
            named = f"{self.name}-{name}"
            written = {"policyName": named, "matchResources": here} if kind.endswith("Binding") else spec
            yield {"apiVersion": GROUP, "kind": kind, "metadata": {"name": named}, "spec": written}

    @property
    def path(self) -> str:
        return PATHS[self.object["kind"]].format(f"namespaces/{self.name}") + "?dryRun=All"


def policy(*mutations: tuple[str, str], **spec: Any) -> Object:
    """A policy of everything that cases create."""
    rule = {"apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods", "deployments", "widgets"]}
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    return {
        "matchConstraints": {"resourceRules": [{**rule, "apiGroups": ["", "apps", "example.com"]}]},
        "reinvocationPolicy": "Never",
        "failurePolicy": "Fail",
        "mutations": [{"patchType": kind, fields[kind]: {"expression": text}} for kind, text in mutations],
        **spec,
    }


def apply(text: str) -> tuple[str, str]:
    return "ApplyConfiguration", text


def patch(*operations: str) -> tuple[str, str]:
    return "JSONPatch", "[" + ", ".join(f"JSONPatch{{{each}}}" for each in operations) + "]"


def one(name: str, mutation: tuple[str, str], kind: Object = POD, differs: str = "", **spec: Any) -> Case:
    return Case(name, {"p": policy(mutation, **spec)}, kind, differs)


LABEL = apply("Object{metadata: Object.metadata{labels: {'seen': 'yes'}}}")
APPEND = patch("op: 'replace', path: '/metadata/labels/mark', value: object.metadata.labels[?'mark'].orValue('') + 'x'")
COPY = apply("Object{metadata: Object.metadata{annotations: object.metadata.labels}}")
BAD = apply("Object{spec: Object.spec{hostNetwork: object.nope}}")
BIG = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"
CONTAINER = "Object{{spec: Object.spec{{containers: [Object.spec.containers{{name: 'main', {}}}]}}}}".format

DECODING = "the API server's decoder has words of its own for what is no object of its kind"
TYPED = "after a matchCondition that was true, the API server cannot write parts of the object into a patch"
TRUE: Object = {"matchConditions": [{"name": "always", "expression": "true"}]}
SELECTOR = patch("op: 'add', path: '/spec/selector', value: object.spec.selector")
LABELS = patch("op: 'add', path: '/metadata/annotations', value: object.metadata.labels")

CASES = [
    one("labels", LABEL),
    one("patch-of-a-part", SELECTOR, DEPLOYMENT),
    one("patch-of-a-part-after-a-condition", SELECTOR, DEPLOYMENT, TYPED, **TRUE),
    one("patch-of-a-map-after-a-condition", LABELS, POD, TYPED, **TRUE),
    one("patch-of-a-text-after-a-condition", APPEND, POD, **TRUE),
    one("labels-of-a-deployment", LABEL, DEPLOYMENT),
    one("labels-of-a-widget", LABEL, WIDGET),
    one(
        "new-container", apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'n', image: 'i'}]}}")
    ),
    one("same-container", apply(CONTAINER("image: 'other'"))),
    one(
        "container-order",
        apply(
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'z', image: 'z'},"
            " Object.spec.containers{name: 'main', image: 'm'}, Object.spec.containers{name: 'y', image: 'y'}]}}"
        ),
    ),
    one("port-by-default", apply(CONTAINER("ports: [Object.spec.containers.ports{containerPort: 80, name: 'web'}]"))),
    one("env", apply(CONTAINER("env: [Object.spec.containers.env{name: 'A', value: string(request.dryRun)}]"))),
    one(
        "template",
        apply(
            "Object{spec: Object.spec{replicas: object.spec.replicas + 1, template: Object.spec.template{"
            "metadata: Object.spec.template.metadata{labels: {'x': 'y'}}}}}"
        ),
        DEPLOYMENT,
    ),
    one("finalizers", apply("Object{metadata: Object.metadata{finalizers: ['a.io/x', 'a.io/y']}}")),
    one("empty-object", apply("Object{}")),
    one("empty-map", apply("Object{metadata: Object.metadata{annotations: object.metadata.?annotations.orValue({})}}")),
    one("empty-list", apply("Object{spec: Object.spec{containers: []}}")),
    one("optional-none", apply("Object{?spec: optional.none()}")),
    one("kind-is-kept", apply("Object{kind: 'Other'}")),
    one("quantity-as-text", apply(CONTAINER("resources: Object.spec.containers.resources{limits: {'cpu': '1'}}"))),
    one("quantity-as-number", apply(CONTAINER("resources: Object.spec.containers.resources{limits: {'cpu': 1}}"))),
    one("atomic-map", apply("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}")),
    one("atomic-list", apply(CONTAINER("command: ['x']"))),
    one(
        "atomic-struct",
        apply("Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}"),
        DEPLOYMENT,
    ),
    one("unknown-field", apply("Object{spec: Object.spec{nope: 1}}")),
    one("wrong-type", apply("Object{spec: Object.spec{hostNetwork: 'x'}}")),
    one("fraction", apply("Object{spec: Object.spec{terminationGracePeriodSeconds: 1.5}}")),
    one("null", apply("Object{spec: Object.spec{hostNetwork: null}}")),
    one("map-in-a-list", apply("Object{spec: Object.spec{containers: [{'name': 'x', 'image': 'y'}]}}")),
    one("wrong-name", apply("Object{spec: Object.spec{containers: [Object.spec.volumes{name: 'x'}]}}")),
    one("twice", apply("Object{metadata: Object.metadata{finalizers: ['a.io/x', 'a.io/x']}}")),
    one("no-key", apply(CONTAINER("image: object.nope"))),
    one("rename", apply("Object{metadata: Object.metadata{name: 'other'}}")),
    one("invalid-afterwards", apply("Object{metadata: Object.metadata{labels: {'not valid': 'x'}}}")),
    one(
        "cost",
        apply(
            f"Object{{spec: Object.spec{{hostNetwork: {BIG}.all(a, {BIG}.all(b, {BIG}.all(c, {BIG}.all(d,"
            f" {BIG}.all(e, a + b + c + d + e > 0)))))}}}}"
        ),
    ),
    one("widget-set", apply("Object{spec: Object.spec{names: ['b', 'a']}}"), WIDGET),
    one(
        "widget-parts",
        apply("Object{spec: Object.spec{parts: [Object.spec.parts{id: 'b'}, Object.spec.parts{id: 'a', size: 2}]}}"),
        WIDGET,
    ),
    one("widget-whole", apply("Object{spec: Object.spec{whole: ['b']}}"), WIDGET),
    one("widget-map", apply("Object{spec: Object.spec{labels: {'n': 'm'}}}"), WIDGET),
    one(
        "widget-free",
        apply("Object{spec: Object.spec{free: Object.spec.free{a: 1, b: Object.spec.free.b{c: 'd'}}}}"),
        WIDGET,
    ),
    one("widget-unknown", apply("Object{spec: Object.spec{nope: 1}}"), WIDGET),
    one("widget-wrong", apply("Object{spec: Object.spec{count: 'x'}}"), WIDGET),
    one(
        "widget-patch",
        patch("op: 'add', path: '/spec/names/-', value: 'z'", "op: 'replace', path: '/spec/count', value: 3"),
        WIDGET,
    ),
    one("widget-patch-unknown", patch("op: 'add', path: '/spec/nope', value: 'z'"), WIDGET),
    one("widget-patch-wrong", patch("op: 'add', path: '/spec/count', value: 'z'"), WIDGET),
    one("widget-large", patch("op: 'add', path: '/spec/free', value: {'a': 9007199254740993}"), WIDGET),
    one("patch-add", patch("op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a.io/b'), value: 'c'")),
    one(
        "patch-append",
        patch("op: 'add', path: '/spec/containers/-', value: Object.spec.containers{name: 'n', image: 'i'}"),
    ),
    one("patch-map", patch("op: 'add', path: '/spec/containers/-', value: {'name': 'n', 'image': 'i'}")),
    one("patch-remove", patch("op: 'remove', path: '/metadata/labels/app'")),
    one("patch-remove-missing", patch("op: 'remove', path: '/metadata/labels/nope'")),
    one("patch-replace-missing", patch("op: 'replace', path: '/metadata/labels/new', value: 'x'")),
    one("patch-missing-parent", patch("op: 'add', path: '/metadata/annotations/new', value: 'x'")),
    one("patch-move", patch("op: 'move', from: '/metadata/labels/app', path: '/metadata/labels/moved'")),
    one("patch-copy", patch("op: 'copy', from: '/metadata/labels', path: '/metadata/annotations'")),
    one(
        "patch-test-holds",
        patch("op: 'test', path: '/metadata/name', value: 'it'", "op: 'add', path: '/metadata/labels/x', value: 'y'"),
    ),
    one(
        "patch-test-fails",
        patch("op: 'add', path: '/metadata/labels/x', value: 'y'", "op: 'test', path: '/metadata/name', value: 'no'"),
    ),
    one(
        "patch-test-missing",
        patch("op: 'test', path: '/metadata/labels/no'", "op: 'add', path: '/metadata/labels/x', value: 'y'"),
    ),
    one(
        "patch-test-null",
        patch(
            "op: 'test', path: '/metadata/labels/no', value: null", "op: 'add', path: '/metadata/labels/x', value: 'y'"
        ),
    ),
    one("patch-unknown-op", patch("op: 'nope', path: '/metadata'")),
    one("patch-no-value", patch("op: 'add', path: '/metadata/labels/x'")),
    one("patch-index", patch("op: 'add', path: '/spec/containers/7', value: {'name': 'n'}")),
    one("patch-negative", patch("op: 'replace', path: '/spec/containers/-1/image', value: 'x'")),
    one("patch-duration", patch("op: 'add', path: '/metadata/labels/x', value: duration('1h30m')")),
    one("patch-bytes", patch("op: 'add', path: '/metadata/labels/x', value: b'abc'")),
    one("patch-large", patch("op: 'add', path: '/metadata/labels/x', value: 9007199254740993")),
    one("patch-type", patch("op: 'add', path: '/metadata/labels/x', value: type(1)")),
    one("patch-conditional", ("JSONPatch", "has(object.spec.nodeName) ? [JSONPatch{op: 'nope'}] : []")),
    one("ignore", BAD, failurePolicy="Ignore"),
    Case("ignore-keeps-others", {"p": policy(LABEL, BAD, APPEND, failurePolicy="Ignore")}),
    Case("fail-denies-all", {"p": policy(LABEL, BAD)}),
    Case("two-errors", {"p": policy(BAD, patch("op: 'nope'"))}),
    Case("sees-the-one-before", {"p": policy(LABEL, COPY)}),
    Case(
        "variables",
        {
            "p": policy(
                apply("Object{metadata: Object.metadata{labels: {'mark': variables.mark}}}"),
                apply("Object{metadata: Object.metadata{labels: {'mark': variables.mark}}}"),
                variables=[{"name": "mark", "expression": "object.metadata.labels[?'mark'].orValue('') + 'x'"}],
            )
        },
    ),
    Case(
        "bad-variable",
        {
            "p": policy(
                apply("Object{metadata: Object.metadata{labels: {'mark': variables.bad}}}"),
                variables=[{"name": "bad", "expression": "string(object.nope)"}],
            )
        },
    ),
    one("condition-false", LABEL, matchConditions=[{"name": "c", "expression": "false"}]),
    one("condition-error", LABEL, matchConditions=[{"name": "c", "expression": "object.nope == 1"}]),
    one(
        "condition-error-ignored",
        LABEL,
        failurePolicy="Ignore",
        matchConditions=[{"name": "c", "expression": "object.nope == 1"}],
    ),
    one("never", APPEND),
    one("if-needed", APPEND, reinvocationPolicy="IfNeeded"),
    one(
        "if-needed-once",
        APPEND,
        reinvocationPolicy="IfNeeded",
        matchConditions=[{"name": "c", "expression": "!has(object.metadata.labels.mark)"}],
    ),
    one(
        "namespace-object",
        apply(
            "Object{metadata: Object.metadata{labels: {'ns': namespaceObject.metadata.name,"
            " 'who': request.userInfo.username}}}"
        ),
    ),
    one(
        "object-selector",
        LABEL,
        matchConstraints={**policy()["matchConstraints"], "objectSelector": {"matchLabels": {"app": "other"}}},
    ),
    one("strict-field", patch("op: 'add', path: '/spec/nope', value: 1")),
    one("strict-type", patch("op: 'add', path: '/metadata/labels/x', value: 1")),
    one("strict-type-ignored", patch("op: 'add', path: '/metadata/labels/x', value: 1"), failurePolicy="Ignore"),
    one("kind-changed", patch("op: 'replace', path: '/kind', value: 'Node'"), differs=DECODING),
    one(
        "default-seen",
        apply(
            "Object{metadata: Object.metadata{labels: {'p': object.spec.containers[?1].?imagePullPolicy"
            ".orValue('none')}}}"
        ),
        reinvocationPolicy="IfNeeded",
    ),
    Case(
        "defaults",
        {
            "p": policy(
                patch("op: 'add', path: '/spec/containers/-', value: {'name': 'n', 'image': 'i'}"),
                apply(
                    "Object{metadata: Object.metadata{labels: {'p': object.spec.containers[1].?imagePullPolicy"
                    ".orValue('none')}}}"
                ),
            )
        },
    ),
    Case(
        "if-needed-of-two",
        {
            "p": policy(APPEND, reinvocationPolicy="IfNeeded"),
            "q": policy(apply("Object{metadata: Object.metadata{annotations: {'q': 'yes'}}}")),
        },
    ),
    Case(
        "two-policies",
        {"p": policy(LABEL), "q": policy(apply("Object{metadata: Object.metadata{labels: {'q': 'yes'}}}"))},
    ),
    one("escapes", patch("op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('x.io/a~b'), value: 'v'")),
    one(
        "volumes",
        apply(
            "Object{spec: Object.spec{volumes: [Object.spec.volumes{name: 'v',"
            " emptyDir: Object.spec.volumes.emptyDir{}}]}}"
        ),
    ),
    one("tolerations", patch("op: 'add', path: '/spec/tolerations', value: [{'key': 'k', 'operator': 'Exists'}]")),
    one(
        "owner",
        apply(
            "Object{metadata: Object.metadata{ownerReferences: [Object.metadata.ownerReferences{apiVersion: 'v1',"
            " kind: 'Pod', name: 'o', uid: 'u'}]}}"
        ),
    ),
    one(
        "deployment-port",
        apply(
            "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{"
            "containers: [Object.spec.template.spec.containers{name: 'main', ports:"
            " [Object.spec.template.spec.containers.ports{containerPort: 81}]}]}}}}"
        ),
        DEPLOYMENT,
    ),
    one(
        "strategy",
        apply(
            "Object{spec: Object.spec{strategy: Object.spec.strategy{rollingUpdate:"
            " Object.spec.strategy.rollingUpdate{maxSurge: 2, maxUnavailable: '30%'}}}}"
        ),
        DEPLOYMENT,
    ),
]


@dataclass(frozen=True)
class Outcome:
    status: int
    reason: str
    message: str
    object: Any


def outcome(reply: Reply) -> Outcome:
    """Without what is another's for each request, and the words of a webhook around ours."""
    body = copy.deepcopy(reply.body)
    if not reply.ok:
        told = reply.message.partition(" denied the request: ")
        return Outcome(
            reply.status, reply.reason, told[2] if told[0].startswith("admission webhook") else reply.message, None
        )
    for name in ("uid", "creationTimestamp", "managedFields", "resourceVersion"):
        body["metadata"].pop(name, None)
    return Outcome(reply.status, "", "", body)


def until_marked(client: Client, marked: bool) -> None:
    """Until the sentinel, which comes last, is in force, or is not any more."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SENTINEL}}
    until = time.monotonic() + SEEN
    while True:
        reply = client.post("/api/v1/namespaces/default/configmaps?dryRun=All", body)
        assert reply.ok, reply.message
        if ("seen" in reply.body["metadata"].get("labels", {})) == marked:
            return
        assert time.monotonic() < until
        time.sleep(0.05)


SENTINEL_SPEC = policy(
    LABEL,
    matchConstraints={
        "resourceRules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        ]
    },
)
SENTINELS = [
    {"apiVersion": GROUP, "kind": "MutatingAdmissionPolicy", "metadata": {"name": SENTINEL}, "spec": SENTINEL_SPEC},
    {
        "apiVersion": GROUP,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": SENTINEL},
        "spec": {"policyName": SENTINEL},
    },
]


@pytest.fixture(scope="module")
def answers(
    cluster: ControlPlane, gatewright: Gatewright, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Outcome, Outcome]]:
    """By name of the case: the server's own, and that through our webhook."""
    admin = cluster.client()
    assert admin.post(DEFINITIONS, CRD).ok
    for case in CASES:
        assert admin.post("/api/v1/namespaces", {"metadata": {"name": case.name}}).ok
    made = [(POLICIES, each) for case in CASES for each in case.objects("MutatingAdmissionPolicy")]
    made += [(BINDINGS, each) for case in CASES for each in case.objects("MutatingAdmissionPolicyBinding")]
    made += list(zip((POLICIES, BINDINGS), SENTINELS, strict=True))
    refused = [reply.message for path, body in made if not (reply := admin.post(path, body)).ok]
    assert not refused, "\n".join(refused)
    until_marked(admin, True)
    time.sleep(6)  # the server reads the schemas of kinds every five seconds
    natively = {case.name: outcome(admin.post(case.path, case.object)) for case in CASES}
    for path, body in reversed(made):
        admin.request("DELETE", f"{path}/{body['metadata']['name']}")
    until_marked(admin, False)

    tree: Path = tmp_path_factory.mktemp("tree") / "policies"
    tree.mkdir()
    namespaces = admin.get("/api/v1/namespaces").body["items"]
    objects = [CRD, *({"apiVersion": "v1", "kind": "Namespace", **each} for each in namespaces), *(b for _, b in made)]
    (tree / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    gatewright.start(tree)
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*/*"]}
    webhooks = [
        {
            "name": f"{failure_policy}.gatewright.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 30,
            "rules": [everything],
            "clientConfig": {
                "url": f"https://127.0.0.1:{gatewright.port}/mutate/{failure_policy}",
                "caBundle": gatewright.ca_bundle,
            },
        }
        for failure_policy in ("fail", "ignore")
    ]
    kind = {"apiVersion": GROUP, "kind": "MutatingWebhookConfiguration", "metadata": {"name": "mutation"}}
    registered = admin.post(REGISTRATIONS, {**kind, "webhooks": webhooks})
    assert registered.ok, registered.message
    until_marked(admin, True)
    through = {case.name: outcome(admin.post(case.path, case.object)) for case in CASES}
    admin.request("DELETE", f"{REGISTRATIONS}/mutation")
    return {case.name: (natively[case.name], through[case.name]) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_webhook_agrees_with_the_server(answers: dict[str, tuple[Outcome, Outcome]], case: Case) -> None:
    theirs, ours = answers[case.name]
    if case.differs:
        assert theirs != ours, "agrees: take its `differs` out"
    else:
        assert ours == theirs


def test_cases_have_every_outcome(answers: dict[str, tuple[Outcome, Outcome]]) -> None:
    statuses = [theirs.status for theirs, _ in answers.values()]
    assert statuses.count(201) > 30
    assert statuses.count(403) > 15

"""`check` judges the object that the API server makes of a manifest, and says what the API server refuses of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.definitions import definition
from webhook.cli.commands import app

BOUND = """\
---
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}Binding
metadata: {{name: p}}
spec: {{policyName: p{actions}}}
"""


def validating(*expressions: str, resources: str = "pods, deployments, namespaces", selector: str = "{}") -> str:
    listed = "".join(f"  - {{expression: {json.dumps(each)}, message: {json.dumps(each)}}}\n" for each in expressions)
    return f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: p}}
spec:
  matchConstraints:
    namespaceSelector: {selector}
    resourceRules:
    - {{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: [{resources}]}}
  validations:
{listed}{BOUND.format(kind="ValidatingAdmissionPolicy", actions=", validationActions: [Deny]")}"""


def mutating(*mutations: tuple[str, str], resources: str = "pods", name: str = "p") -> str:
    listed = "".join(
        f"  - {{patchType: {field[0].upper() + field[1:].replace('jsonPatch', 'JSONPatch')}, "
        f"{field}: {{expression: {json.dumps(expression)}}}}}\n".replace("JsonPatch", "JSONPatch")
        for field, expression in mutations
    )
    bound = BOUND.format(kind="MutatingAdmissionPolicy", actions="").replace(": p}", f": {name}}}")
    return f"""\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  reinvocationPolicy: Never
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE], resources: [{resources}]}}
  mutations:
{listed}{bound}"""


class Tree:
    """A policy and a manifest."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        self.root = root
        (root / "policies").mkdir()

    def check(self, policy: str, manifest: str, *options: str) -> tuple[int, str]:
        """The exit code and the output of `check` as text."""
        (self.root / "policies" / "p.yaml").write_text(policy)
        (self.root / "in.yaml").write_text(manifest)
        result = CliRunner().invoke(app, ["check", "in.yaml", *options])
        return result.exit_code, result.output

    def findings(self, policy: str, manifest: str, *options: str) -> list[dict[str, Any]]:
        """The findings in the JSON report, in the order of the file."""
        code, output = self.check(policy, manifest, "-o", "json", *options)
        report = json.loads(output)
        assert report["errors"] == []
        assert code == (1 if report["findings"] else 0)
        found: list[dict[str, Any]] = report["findings"]
        return found


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


# What is empty

EMPTY = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations:
    spec:
      volumes:
      containers:
      - {name: web, image: "web:1", ports: , env: [{name: A, value: }]}
"""


def test_what_a_chart_left_empty_is_not_there(tree: Tree) -> None:
    policy = validating(
        "!has(object.metadata.annotations) || object.metadata.annotations.all(k, k != 'a')",
        "object.kind == 'Pod' || !has(object.spec.template.spec.volumes)",
        "(object.kind == 'Pod' ? object.spec : object.spec.template.spec).containers.all(c, !has(c.ports))",
        "(object.kind == 'Pod' ? object.spec : object.spec.template.spec).containers.all(c, !has(c.env[0].value))",
    )
    assert tree.findings(policy, EMPTY) == []
    as_written = tree.findings(policy, EMPTY, "--as-written")
    assert len(as_written) >= 3


POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {}
spec:
  priorityClassName: ""
  hostNetwork: false
  nodeSelector: {a: }
  containers:
  - name: web
    image: web:1
    livenessProbe:
    command: []
    securityContext: {runAsNonRoot: }
    resources: {limits: {memory: 1024Mi, ephemeral-storage: }, requests: {cpu: 0.5}}
    ports: [{containerPort: 80.0}]
    args: [~]
"""


@pytest.mark.parametrize(
    "absent",
    [
        "has(object.metadata.labels)",
        "has(object.spec.priorityClassName)",
        "has(object.spec.hostNetwork)",
        "has(object.spec.containers[0].livenessProbe)",
        "has(object.spec.containers[0].command)",
        "has(object.spec.containers[0].securityContext.runAsNonRoot)",
        "has(object.status.phase) && object.status.phase != 'Pending'",
    ],
)
def test_what_is_empty_satisfies_no_policy_that_demands_it(tree: Tree, absent: str) -> None:
    (finding,) = tree.findings(validating(absent), POD)
    assert (finding["message"], finding["kind"]) == (absent, "ValidatingAdmissionPolicy")


def test_values_are_those_of_their_types(tree: Tree) -> None:
    held = (
        "object.spec.containers[0].resources.limits == {'memory': '1Gi', 'ephemeral-storage': '0'}",
        "object.spec.containers[0].resources.requests['cpu'] == '500m'",
        "object.spec.containers[0].ports[0].containerPort == 80",
        "object.spec.containers[0].args == ['']",
        "object.spec.nodeSelector == {'a': ''}",
        "has(object.spec.containers[0].securityContext)",
        "object.status.qosClass == 'Burstable'",
        "object.metadata.uid != '' && timestamp(object.metadata.creationTimestamp) > timestamp('2020-01-01T00:00:00Z')",
        "request.name == 'web' && request.options.fieldManager == 'kubectl-create'",
    )
    assert tree.findings(validating(*held), POD) == []


def test_metadata_of_custom_resources(tree: Tree) -> None:
    custom = (
        "apiVersion: example.com/v1\nkind: Ox\n"
        "metadata: {name: a, labels: , annotations: {a: }, nope: 1}\nspec: {a: }\n"
    )
    policy = validating(
        "!has(object.metadata.labels)",
        "object.metadata.annotations == {'a': ''}",
        "object.spec.a == null",
        resources="oxes",
    )
    (finding,) = tree.findings(policy, custom)
    assert (finding["kind"], finding["message"]) == ("schema", 'unknown field "metadata.nope"')


# What the API server refuses


def test_an_unknown_field_has_its_line_and_the_nearest_name(tree: Tree) -> None:
    manifest = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  volumes:\n  - name: a\n"
        "    hostpath: {path: /}\n  containers: [{name: a, image: a}]\n"
    )
    (finding,) = tree.findings(validating("true"), manifest)
    del finding["fingerprint"], finding["endColumn"], finding["endLine"]
    assert finding == {
        "file": "in.yaml",
        "line": 7,
        "column": 5,
        "rendered": None,
        "owner": "default",
        "operation": "CREATE",
        "rule": "schema",
        "level": "deny",
        "asides": [],
        "object": {"apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web"},
        "kind": "schema",
        "policy": "",
        "binding": "",
        "action": "Deny",
        "reason": "BadRequest",
        "message": 'unknown field "spec.volumes[0].hostpath"; did you mean hostPath?',
        "path": "spec.volumes[0].hostpath",
        "error": False,
        "validation": None,
        "lookedFor": None,
    }
    code, text = tree.check(validating("true"), manifest)
    assert code == 1
    assert "in.yaml:7:5: deny schema\n      Pod default/web: spec.volumes[0].hostpath\n" in text
    assert "1 denied (1 object in 1 file, 1 policy)" in text
    assert tree.findings(validating("true"), manifest, "--as-written") == []


def test_policies_are_about_an_object_with_unknown_fields_but_not_about_one_that_cannot_be_read(tree: Tree) -> None:
    unknown = POD.replace("hostNetwork: false", "hostnetwork: false")
    assert [each["kind"] for each in tree.findings(validating("false"), unknown)] == [
        "ValidatingAdmissionPolicy",
        "schema",
    ]
    wrong = EMPTY.replace('image: "web:1"', "image: 1").replace(
        "template:\n    metadata:", "template:\n    metadata: # x"
    )
    (finding,) = tree.findings(validating("false"), wrong)
    assert (finding["message"], finding["line"]) == (
        "json: cannot unmarshal number into Go struct field "
        "Container.spec.template.spec.containers.image of type string; "
        "text is expected, and this is a number: quote it",
        15,
    )


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        ("apps/v1", "Deploymnt", 'no matches for kind "Deploymnt" in version "apps/v1"; did you mean Deployment?'),
        (
            "extensions/v1beta1",
            "Ingress",
            'no matches for kind "Ingress" in version "extensions/v1beta1"; did you mean networking.k8s.io/v1?',
        ),
        (
            "apps/v1beta2",
            "Deployment",
            'no matches for kind "Deployment" in version "apps/v1beta2"; did you mean apps/v1?',
        ),
        ("v1", "Zzz", 'no matches for kind "Zzz" in version "v1"'),
        ("policy/v9", "Zzz", 'no matches for kind "Zzz" in version "policy/v9"'),
    ],
)
def test_a_kind_that_a_built_in_group_does_not_have(tree: Tree, api_version: str, kind: str, message: str) -> None:
    (finding,) = tree.findings(validating("false"), f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n")
    assert (finding["message"], finding["reason"], finding["kind"]) == (message, "NotFound", "schema")


def test_a_kind_of_another_group_is_a_note(tree: Tree) -> None:
    code, text = tree.check(
        validating("true"), "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a}\n"
    )
    assert code == 0
    assert "is no built-in kind and no CRD here defines it" in text


def test_a_refusal_shows_nothing_of_a_secret(tree: Tree) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\ndata: {a: s3cr3t-value}\n"
    code, text = tree.check(validating("true"), secret)
    assert code == 1
    assert "illegal base64 data at input byte 6" in text
    assert "s3cr3t" not in text


# Names and Namespaces


def test_a_generated_name_is_there_after_mutation(tree: Tree) -> None:
    manifest = (
        "apiVersion: v1\nkind: Pod\nmetadata: {generateName: one-off-}\nspec: {containers: [{name: web, image: a}]}\n"
    )
    policy = mutating(
        ("applyConfiguration", "Object{metadata: Object.metadata{labels: {'pod': object.metadata.name}}}")
    )
    for text in (manifest, EMPTY):
        (finding,) = tree.findings(policy, text)
        assert finding["message"].endswith("resulted in error: no such key: name")
    named = validating("object.metadata.name.startsWith('one-off-') && request.name == object.metadata.name")
    assert tree.findings(named, manifest) == []


def test_namespaces_have_the_label_of_their_name(tree: Tree) -> None:
    labelled = "{matchLabels: {kubernetes.io/metadata.name: shop}}"
    for name, findings in (("shop", 1), ("other", 0)):
        manifest = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, namespace: x}}\n"
        assert len(tree.findings(validating("has(object.metadata.namespace)", selector=labelled), manifest)) == findings


# Between mutations


@pytest.mark.parametrize(
    ("mutations", "refused"),
    [
        (
            ["[JSONPatch{op: 'add', path: '/spec/initContainers', value: []}]",
             "[JSONPatch{op: 'add', path: '/spec/initContainers/-', "
             "value: Object.spec.initContainers{name: 'h', image: 'h:2'}}]"],
            'doc is missing path: "/spec/initContainers/-": missing value',
        ),
        (
            ["[JSONPatch{op: 'add', path: '/metadata/labels', value: {}}]",
             "[JSONPatch{op: 'add', path: '/metadata/labels/team', value: 'x'}]"],
            'doc is missing path: "/metadata/labels/team": missing value',
        ),
        (
            ["[JSONPatch{op: 'add', path: '/metadata/labels', value: {'x': 'y'}}]",
             "[JSONPatch{op: 'remove', path: '/metadata/labels/x'}]",
             "[JSONPatch{op: 'add', path: '/metadata/labels/z', value: '1'}]"],
            'doc is missing path: "/metadata/labels/z": missing value',
        ),
        (
            ["[JSONPatch{op: 'add', path: '/spec/hostnetwork', value: true}]"],
            'strict decoding error: unknown field "spec.hostnetwork"',
        ),
        (
            ["[JSONPatch{op: 'add', path: '/spec/initContainers', value: "
             "[Object.spec.initContainers{name: 'h', image: 'h:2'}]}]",
             "has(object.spec.initContainers[0].imagePullPolicy) ? [JSONPatch{op: 'test', path: '/kind', value: 'x'}] "
             ": [JSONPatch{op: 'remove', path: '/nope'}]"],
            "",
        ),
    ],
)  # fmt: skip
def test_the_next_mutation_sees_a_typed_and_defaulted_object(tree: Tree, mutations: list[str], refused: str) -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: a}]}\n"
    found = tree.findings(mutating(*(("jsonPatch", each) for each in mutations)), pod)
    assert [each["message"].endswith(refused) for each in found] == ([True] if refused else [])
    # The same in two policies.
    in_policies = "---\n".join(mutating(("jsonPatch", each), name=f"p{index}") for index, each in enumerate(mutations))
    found = tree.findings(in_policies, pod)
    assert [each["message"].endswith(refused) for each in found] == ([True] if refused else [])


OXEN = definition(
    "Ox",
    "oxen",
    """\
        type: object
        properties:
          spec:
            type: object
            properties:
              parts: {type: array, items: {type: object, properties: {size: {type: integer, default: 3}}}}
              total: {type: integer}
    """,
)
PYTHON = """\
from gatewright import mutate

@mutate(resources=["example.com/v1/oxen"], operations=["CREATE"])
def a_part(request):
    "Every ox has a part."
    request.object["spec"]["parts"] = [{}]
"""


@pytest.mark.parametrize("defined", ["among the manifests", "in the policy tree"])
@pytest.mark.parametrize("first", ["the same policy", "another policy", "a Python policy"])
def test_the_next_mutation_sees_the_defaults_of_a_custom_object(tree: Tree, defined: str, first: str) -> None:
    part = ("jsonPatch", "[JSONPatch{op: 'add', path: '/spec/parts', value: [{}]}]")
    total = (
        "jsonPatch",
        "[JSONPatch{op: 'add', path: '/spec/total', value: object.spec.parts[0].?size.orValue(0)}]",
    )
    policies = {
        "the same policy": mutating(part, total, resources="oxen"),
        "another policy": mutating(part, resources="oxen", name="a") + "---\n" + mutating(total, resources="oxen"),
        "a Python policy": mutating(total, resources="oxen")
        + BOUND.format(kind="MutatingAdmissionPolicy", actions="").replace(": p}", ": a-part}"),
    }
    if first == "a Python policy":
        (tree.root / "policies" / "a.py").write_text(PYTHON)
    policy = f"{policies[first]}---\n{validating('object.spec.total == 3', resources='oxen')}"
    ox = "apiVersion: example.com/v1\nkind: Ox\nmetadata: {name: ox}\nspec: {}\n"
    if defined == "in the policy tree":
        policy, manifest = f"{policy}---\n{OXEN}", ox
    else:
        manifest = f"{OXEN}---\n{ox}"
    assert tree.findings(policy, manifest) == []

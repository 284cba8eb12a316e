"""Findings about a mutated object stand where the file holds what they are about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.policy.trees import loaded_text
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.mutated import Mutated
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import verdicts
from webhook.paths import Path

A, B, C = {"name": "a", "image": "x"}, {"name": "b", "image": "y"}, {"name": "c", "image": "z"}


@pytest.mark.parametrize(
    ("before", "after", "path", "origin"),
    [
        ([A, B], [C, A, B], ("l", 1, "image"), ("l", 0, "image")),  # inserted before it
        ([A, B], [C, A, B], ("l", 0, "image"), ("l",)),  # the inserted one
        ([A, B], [B], ("l", 0, "image"), ("l", 1, "image")),  # the one before it removed
        ([A, B], [C, {**A, "image": "new"}, B], ("l", 1, "image"), ("l", 0, "image")),  # by its name
        ([1, 2], [1, 3], ("l", 1), ("l", 1)),  # replaced in place
        ([1, 2], [1, 2, 3], ("l", 2), ("l",)),
        ([A, B], [A, B], ("l", 1, "image"), ("l", 1, "image")),
        ([A], [A], ("m", "n"), ("m", "n")),  # nothing is there
        ([A], [A], ("l", 7), ("l", 7)),
    ],
)
def test_a_path_leads_to_where_it_was(before: list[Any], after: list[Any], path: Path, origin: Path) -> None:
    assert Mutated({"l": before}, {"l": after}).origin(path) == origin


PROXY = "Object.spec.containers{name: 'proxy', image: 'proxy:1'}"
MUTATION = {
    "patchType": "JSONPatch",
    "jsonPatch": {"expression": f"[JSONPatch{{op: 'add', path: PATH, value: {PROXY}}}]"},
}
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
      - name: a
        image: a:latest
      - name: b
        image: b:1
"""


def tree(resource: str, group: str, pod: str) -> str:
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}]
    mutation = json.loads(json.dumps(MUTATION).replace("PATH", f"'/{pod.replace('.', '/')}/containers/0'"))
    kind = "AdmissionPolicy"
    mutating = {
        "matchConstraints": {"resourceRules": rules},
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [mutation],
    }
    expression = "object.POD.containers.all(c, !c.image.endsWith(':latest'))".replace(
        "POD", "spec" if resource == "pods" else pod
    )
    validating = {
        "matchConstraints": {"resourceRules": rules},
        "validations": [{"expression": expression, "message": "no latest"}],
    }
    made = [
        ("Mutating" + kind, "sidecar", mutating),
        ("Mutating" + kind + "Binding", "sidecar", {"policyName": "sidecar"}),
        ("Validating" + kind, "no-latest", validating),
        ("Validating" + kind + "Binding", "no-latest", {"policyName": "no-latest", "validationActions": ["Deny"]}),
    ]
    version = "admissionregistration.k8s.io/v1"
    return "\n---\n".join(
        json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
        for kind, name, spec in made
    )


@pytest.mark.parametrize(
    ("resource", "group", "pod"), [("deployments", "apps", "spec.template.spec"), ("pods", "", "spec")]
)
def test_a_finding_stands_at_the_element_that_the_file_holds(resource: str, group: str, pod: str) -> None:
    """The mutation inserts a container before the others: in the workload, and in the Pod made of its template."""
    policies = loaded_text(tree(resource, group, pod))
    read, problems = parse(MANIFEST, "web.yaml")
    assert not problems
    planned = plan(read, Options(), policies.objects)
    cluster = ManifestsView([*policies.objects, *planned.objects], planned.kinds, assume_namespaces=True)
    [verdict] = verdicts(planned.requests, policies, cluster)
    [located] = verdict.findings
    assert MANIFEST.split("\n")[located.line - 1].strip() == "image: a:latest"

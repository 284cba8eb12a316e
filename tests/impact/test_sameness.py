"""Which policies of two trees are the same: each part of a tree that a verdict may depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.impact.sameness import Comparison, compared
from webhook.impact.trees import Side
from webhook.policy.load.loading import load_tree
from webhook.policy.load.treefiles import read_tree
from webhook.versions import parse_version

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: "true"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: p}
spec:
  policyName: p
  validationActions: [Deny]
  paramRef: {name: limits, namespace: rules, parameterNotFoundAction: Deny}
"""
PARAMS = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: rules}\ndata: {a: b}\n"
OTHER = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: rules}\ndata: {a: b}\n"
NAMESPACE = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: rules, labels: {a: b}}\n"
EXCEPTION = """\
---
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: e}
spec: {policies: [{name: p}], objects: {namespaces: [x]}, reason: r, approvedBy: a, expires: 2099-01-01}
"""
DEFINITION = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec: {group: example.com, names: {kind: Widget, plural: widgets}, scope: Namespaced, versions: []}
"""
PYTHON = """\
from gatewright import validate

LIMIT = 3

@validate(resources=["v1/pods"], name="q")
def q(request):
    "Q."
    return None
"""


def side(folder: Path, text: str, python: str = "") -> Side:
    folder.mkdir()
    (folder / "all.yaml").write_text(text)
    if python:
        (folder / "q.py").write_text(python)
    tree = read_tree(folder)
    return Side(folder.name, load_tree(tree), tree)


def comparison(tmp_path: Path, old: str, new: str, python: tuple[str, str] = ("", "")) -> Comparison:
    return compared(side(tmp_path / "old", old, python[0]), side(tmp_path / "new", new, python[1]))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (POLICY, POLICY, None),
        (
            POLICY,
            POLICY.replace("{name: p}\nspec:\n  paramKind", "{name: p, labels: {a: b}}\nspec:\n  paramKind"),
            None,
        ),
        (POLICY, POLICY.replace('"true"', '"1 == 1"'), ("policy",)),
        (POLICY, POLICY.replace("[Deny]", "[Warn]"), ("bindings",)),
        (POLICY, POLICY.replace("name: limits", "name: other"), ("bindings",)),
        (POLICY, POLICY + EXCEPTION, ("exceptions",)),
        (POLICY + EXCEPTION, POLICY + EXCEPTION.replace("2099", "2020"), ("exceptions",)),
        (POLICY + PARAMS, POLICY + PARAMS.replace("a: b", "a: c"), ("objects",)),
        (POLICY + PARAMS, POLICY, ("objects",)),
        (POLICY + OTHER, POLICY + OTHER.replace("a: b", "a: c"), None),
        (POLICY + PARAMS, POLICY + PARAMS.replace("a: b", "a: 1").replace("1}", "'1'}"), ("objects",)),
    ],
)
def test_what_a_verdict_depends_on(tmp_path: Path, old: str, new: str, parts: tuple[str, ...] | None) -> None:
    found = comparison(tmp_path, old, new)
    assert dict(found.policies) == ({("ValidatingAdmissionPolicy", "p"): parts} if parts else {})
    assert not found.apart and not found.secrets


@pytest.mark.parametrize("more", [NAMESPACE, DEFINITION])
def test_some_objects_matter_to_everything(tmp_path: Path, more: str) -> None:
    found = comparison(tmp_path, POLICY, POLICY + more)
    assert found.apart and not found.policies


def test_a_selector_takes_params_of_any_name(tmp_path: Path) -> None:
    selecting = POLICY.replace("name: limits,", "selector: {matchLabels: {of: it}},")
    found = comparison(tmp_path, selecting + OTHER, selecting)
    assert list(found.policies.values()) == [("objects",)]


def test_policies_come_and_go(tmp_path: Path) -> None:
    found = comparison(
        tmp_path, POLICY, POLICY.replace("name: p}", "name: r}").replace("policyName: p", "policyName: r")
    )
    assert list(found.policies.values()) == [("removed",), ("added",)]


def test_a_policy_in_python_is_its_whole_file(tmp_path: Path) -> None:
    found = comparison(tmp_path, POLICY, POLICY, (PYTHON, PYTHON.replace("LIMIT = 3", "LIMIT = 4")))
    assert dict(found.policies) == {("ValidatingAdmissionPolicy", "q"): ("policy",)}


def test_policies_that_read_secrets_are_all_evaluated(tmp_path: Path) -> None:
    secret = POLICY.replace("kind: ConfigMap", "kind: Secret")
    found = comparison(tmp_path, secret, secret)
    assert found.secrets and not found.policies


def test_another_version_of_kubernetes_is_another_tree(tmp_path: Path) -> None:
    old, new = side(tmp_path / "old", POLICY), side(tmp_path / "new", POLICY)
    earlier = Side("new", load_tree(new.tree, parse_version("1.33")), new.tree)
    assert compared(old, earlier).apart

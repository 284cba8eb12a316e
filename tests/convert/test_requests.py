"""Which requests a converted policy is asked about: those that the other engine asks its own about."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import outcomes

KYVERNO = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
  - name: r
    match: {any: [%s]}
    validate: {pattern: {metadata: {labels: {a: b}}}}
"""
GATEKEEPER = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: t}
spec:
  crd: {spec: {names: {kind: T}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    code: [{engine: K8sNativeValidation, source: {validations: [{expression: "false"}]}}]
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: T
metadata: {name: p}
spec: {match: {kinds: [{apiGroups: [''], kinds: [%s]}]}}
"""


def asked(tmp_path: Path, text: str) -> set[str]:
    (policy,) = outcomes(tmp_path, text)[-1].policies
    return {each for rule in policy["spec"]["matchConstraints"]["resourceRules"] for each in rule["resources"]}


@pytest.mark.parametrize("kind", ["Pod", "'*'", "v1/Pod", "'P*'"])
def test_a_rule_about_pods_is_asked_about_ephemeral_containers(tmp_path: Path, kind: str) -> None:
    assert "pods/ephemeralcontainers" in asked(tmp_path, KYVERNO % f"{{resources: {{kinds: [{kind}]}}}}")


@pytest.mark.parametrize("resources", ["kinds: [Pod], operations: [CREATE]", "kinds: [Pod/exec]", "kinds: [Service]"])
def test_other_rules_are_not(tmp_path: Path, resources: str) -> None:
    assert "pods/ephemeralcontainers" not in asked(tmp_path, KYVERNO % f"{{resources: {{{resources}}}}}")


def test_blocks_that_differ_let_ephemeral_containers_through(tmp_path: Path) -> None:
    blocks = "{resources: {kinds: [Pod], names: [a]}}, {resources: {kinds: [Service], namespaces: [b]}}"
    assert "pods/ephemeralcontainers" in asked(tmp_path, KYVERNO % blocks)
    (policy,) = outcomes(tmp_path, KYVERNO % blocks)[0].policies
    (condition,) = policy["spec"]["matchConditions"]
    assert "request.kind.kind == 'Pod'" in condition["expression"]
    assert "subResource" not in condition["expression"]  # the rules name those that are meant


@pytest.mark.parametrize(
    ("kind", "resources"),
    [
        ("Pod", {"pods", "pods/ephemeralcontainers"}),
        ("Service", {"services", "services/status"}),
        ("Secret", {"secrets"}),
    ],
)
def test_a_constraint_is_asked_about_what_gatekeepers_webhook_names(
    tmp_path: Path, kind: str, resources: set[str]
) -> None:
    assert asked(tmp_path, GATEKEEPER % kind) == resources


def test_a_constraint_about_all_kinds_is_asked_about_both(tmp_path: Path) -> None:
    every = GATEKEEPER.replace("apiGroups: ['']", "apiGroups: ['*']") % "'*'"
    assert asked(tmp_path, every) == {"*", "pods/ephemeralcontainers", "services/status"}

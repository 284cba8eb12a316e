"""What every policy of the library has: passing tests, a binding with Deny, its variants, and a README."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.policies.conftest import LIBRARY
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.cases import policytest, runs
from webhook.offline.cases.policytest import PlannedCase
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.schema import Kinds

POLICIES = sorted(path.name for path in LIBRARY.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def _planned() -> list[PlannedCase]:
    planned, problems = policytest.plan([str(LIBRARY)], load(LIBRARY))
    assert problems == []
    return planned


CASES = _planned()

LEVELS = ("pod-security-baseline", "pod-security-restricted")
"""Bound for each mode of Pod Security, of which Kubernetes gives one the action Deny."""


@pytest.mark.parametrize("planned", CASES, ids=lambda planned: f"{planned.policy}: {planned.case.name}")
def test_case(planned: PlannedCase, library: PolicySet) -> None:
    (result,) = runs.run([planned], library)
    assert result.failures == (), result.texts


def test_the_policies_are_there(library: PolicySet) -> None:
    assert POLICIES == [
        "finalizer-enforcement",
        "no-host-path",
        "pod-security-baseline",
        "pod-security-labels",
        "pod-security-restricted",
        "protocol-whitelist",
        "replica-bounds",
    ]
    assert sorted({policy.name for policy in library.policies}) == POLICIES
    assert all(policy.failure_policy == "Fail" for policy in library.policies)
    assert all(policy.description for policy in library.policies)
    assert library.notes == ()


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_is_tested_both_ways(name: str) -> None:
    verdicts = {planned.case.expect for planned in CASES if planned.policy == name}
    assert verdicts >= {"allow", "deny"}


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_is_bound_with_deny(name: str, library: PolicySet) -> None:
    bindings = [binding for binding in library.bindings if binding.policy == name]
    actions = {binding.name: binding.actions for binding in bindings if binding.actions}
    if name in LEVELS:
        warnings = {f"{name}-warn": ("Warn",), f"{name}-warn-enforced": ("Warn",), f"{name}-audit": ("Audit",)}
        assert actions == {f"{name}-enforce": ("Deny",), **warnings}
    else:
        assert {binding.name for binding in bindings} == {name}
        assert list(actions.values()) == [("Deny",)]


@pytest.mark.parametrize(("variant", "expected"), [("warn", "warn"), ("audit", "audit")])
@pytest.mark.parametrize("name", POLICIES)
def test_the_other_bindings_only_tell(name: str, variant: str, expected: str, tmp_path: Path) -> None:
    """Copied over binding.yaml, they turn every denial of the policy's tests into a warning or a note."""
    tree = shutil.copytree(LIBRARY / name, tmp_path / name)
    shutil.copy(tree / f"_binding.{variant}.yaml", tree / "binding.yaml")
    policies = load(tree)
    assert {binding.name for binding in policies.bindings} == {
        each.name for each in load(LIBRARY).bindings if each.policy == name
    }
    planned, problems = policytest.plan([str(tree)], policies)
    assert problems == []
    denied = [result for result in runs.run(planned, policies) if result.planned.case.expect == "deny"]
    assert denied
    assert {result.verdict for result in denied} == {expected}


@pytest.mark.parametrize("name", POLICIES)
def test_the_variants_differ_from_the_binding_in_their_actions_alone(name: str) -> None:
    def validating(file: str) -> list[dict[str, object]]:
        read = yaml.safe_load_all((LIBRARY / name / file).read_text())
        return [document for document in read if document["kind"] == "ValidatingAdmissionPolicyBinding"]

    for variant in ("warn", "audit"):
        for deny, other in zip(validating("binding.yaml"), validating(f"_binding.{variant}.yaml"), strict=True):
            spec, expected = other["spec"], deny["spec"]
            assert isinstance(spec, dict)
            assert isinstance(expected, dict)
            assert other["metadata"] == deny["metadata"]
            assert {**spec, "validationActions": None} == {**expected, "validationActions": None}
            assert "Deny" not in spec["validationActions"]
            if "Deny" not in expected["validationActions"]:
                assert spec == expected


@pytest.mark.parametrize("name", ["no-host-path", "replica-bounds", *LEVELS, "pod-security-labels"])
def test_a_cel_policy_is_one_object_that_kubectl_applies_as_it_is(name: str) -> None:
    (policy,) = yaml.safe_load_all((LIBRARY / name / "policy.yaml").read_text())
    assert policy["apiVersion"] == "admissionregistration.k8s.io/v1"
    assert policy["kind"] == "ValidatingAdmissionPolicy"
    assert policy["metadata"]["name"] == name


@pytest.mark.parametrize("name", POLICIES)
def test_each_policy_has_a_readme(name: str) -> None:
    text = (LIBRARY / name / "README.md").read_text()
    for heading in ("## What it stops", "## How to adapt it", "## How to roll it out"):
        assert heading in text


@pytest.mark.parametrize(("namespace", "name", "refused"), [
    ("gatewright-system", "finalizer-enforcement", False),
    ("gatewright-system", "another", True),
    ("shop", "finalizer-enforcement", True),
])  # fmt: skip
def test_a_param_that_is_wrong_can_be_mended_and_only_that(namespace: str, name: str, refused: bool) -> None:
    policies = load(LIBRARY)
    wrong = [
        {**each, "data": {}} if each["metadata"]["name"] == "finalizer-enforcement" else each
        for each in policies.objects
    ]
    labels = {"gatewright.dev/keep-finalizer": "true"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    mended = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    request = Request(
        operation="CREATE",
        resource=GroupVersionResource("", "v1", "configmaps"),
        kind=GroupVersionKind("", "v1", "ConfigMap"),
        subresource="",
        name=name,
        namespace=namespace,
        object=mended,
        old_object=None,
    )
    view = ManifestsView(wrong, Kinds.builtin(), assume_namespaces=True)
    assert bool(engine.validate(request, policies, view).findings) == refused

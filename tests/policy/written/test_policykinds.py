"""Documents that are policies, that were meant to be, and that are none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from tests.policy.trees import BINDING, POLICY, binding, loaded, mutating_binding, places, policy, problems, wrong


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1"])
@pytest.mark.parametrize("written", [policy("q"), binding(), mutating_binding("m")])
def test_policy_kinds_of_older_versions_are_refused(version: str, written: dict[str, Any], tmp_path: Path) -> None:
    text = yaml.safe_dump({**written, "apiVersion": f"admissionregistration.k8s.io/{version}"}, sort_keys=False)
    mutator = "from gatewright import mutate\n\n@mutate(resources=['v1/pods'])\ndef m(request): ...\n"
    [found] = wrong(tmp_path, p_yaml=POLICY, m_py=mutator, other_yaml=text)
    assert places([found], tmp_path) == [("other.yaml", 1, 1)]
    assert found.message.endswith(
        f"apiVersion: expected admissionregistration.k8s.io/v1, found 'admissionregistration.k8s.io/{version}'; "
        "Gatewright reads v1: change the apiVersion; the fields have the same names"
    )


@pytest.mark.parametrize(
    "api_version", ["admissionregistration/v1", "policy.example.com/v1", "v1", "admissionregistration.k8s.io"]
)
@pytest.mark.parametrize("written", [policy("q"), binding()])
def test_policy_kinds_of_other_groups_are_refused(api_version: str, written: dict[str, Any]) -> None:
    [found] = problems(policy(), {**written, "apiVersion": api_version})
    assert found.endswith(
        f"apiVersion: expected admissionregistration.k8s.io/v1, found '{api_version}'; "
        f"{written['kind']} is a kind of admissionregistration.k8s.io"
    )


def test_policy_kinds_of_another_version_are_looked_at_all_the_same() -> None:
    beta = "admissionregistration.k8s.io/v1beta1"
    found = problems(
        {**policy(validations=[{"expression": "nope"}]), "apiVersion": beta},
        {**binding("gone"), "apiVersion": beta},
    )
    assert [message.partition(": ")[2].partition(":")[0] for message in found] == [
        "apiVersion",
        "spec.validations[0].expression",
        "apiVersion",
        "spec.policyName",
    ]


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("ValidatingAdmisionPolicy", "did you mean ValidatingAdmissionPolicy?"),
        ("validatingadmissionpolicy", "did you mean ValidatingAdmissionPolicy?"),
        ("ValidatingAdmissionPolicyBindings", "did you mean ValidatingAdmissionPolicyBinding?"),
        ("MutatingAdmissionPolicyBindng", "did you mean MutatingAdmissionPolicyBinding?"),
        ("ValidatingWebhookConfig", "did you mean ValidatingWebhookConfiguration?"),
        (
            "Policy",
            "expected one of ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, MutatingAdmissionPolicy, "
            "MutatingAdmissionPolicyBinding, ValidatingWebhookConfiguration, MutatingWebhookConfiguration",
        ),
    ],
)
def test_kinds_of_the_group_that_are_mistyped_are_refused(kind: str, meant: str, tmp_path: Path) -> None:
    text = dedent(POLICY).replace("ValidatingAdmissionPolicy", kind)
    [found] = wrong(tmp_path, p_yaml=text, b_yaml=BINDING)  # nor is its binding to blame
    assert places([found], tmp_path) == [("p.yaml", 2, 1)]
    assert found.message == f"{kind} 'p': kind: admissionregistration.k8s.io/v1 has no kind '{kind}'; {meant}"


def test_what_is_mistyped_in_apiversion_and_kind_is_told_twice() -> None:
    found = problems({**policy(), "apiVersion": "admissionregistration/v1", "kind": "ValidatingAdmissionPolcy"})
    assert [message.partition(": ")[2].partition(":")[0] for message in found] == ["apiVersion", "kind"]


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
        ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
        ("policies.example.com/v1", "ValidatingPolicy"),
        ("policies.example.com/v1", "AdmissionPolicy"),
        ("policies.example.com/v1", "ValidatingAdmissionPolicyReport"),
    ],
)
def test_kinds_of_others_are_objects(api_version: str, kind: str) -> None:
    other = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    assert loaded(policy(), binding(), other).objects == (other,)


def test_kinds_that_gatewright_does_not_have_are_not_passed_over() -> None:
    [found] = problems({"apiVersion": "gatewright.dev/v1", "kind": "PolicyExemption", "metadata": {"name": "x"}})
    assert "kind: gatewright.dev/v1 has no kind 'PolicyExemption'; expected PolicyTest or PolicyException" in found

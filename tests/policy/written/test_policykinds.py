"""Documents that are policies, that were meant to be, and that are none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from msgspec.structs import asdict

from tests.policy.trees import (
    BINDING,
    POLICY,
    binding,
    loaded,
    mutating_binding,
    mutating_policy,
    places,
    policy,
    problems,
    wrong,
)
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.policyset import PolicySet
from webhook.policy.written import policykinds
from webhook.versions import Version

_GROUP = "admissionregistration.k8s.io"


@pytest.mark.parametrize(
    ("version", "kind", "first", "last"),
    [
        ("v1alpha1", "ValidatingAdmissionPolicy", (1, 26), (1, 31)),
        ("v1beta1", "ValidatingAdmissionPolicy", (1, 28), (1, 33)),
        ("v1alpha1", "MutatingAdmissionPolicy", (1, 32), (1, 37)),
        ("v1beta1", "MutatingAdmissionPolicy", (1, 34), (1, 37)),
    ],
)
def test_earlier_versions_are_read_where_kubernetes_serves_them(
    version: str, kind: str, first: Version, last: Version
) -> None:
    for minor in range(26, 38):
        for name in (kind, f"{kind}Binding"):
            faults = list(policykinds.faults(f"{_GROUP}/{version}", name, (1, minor)))
            assert bool(faults) == (not first <= (1, minor) <= last), (name, minor)
            assert not list(policykinds.faults(f"{_GROUP}/v1", name, (1, minor)))


def _trees() -> list[tuple[Version, list[dict[str, Any]]]]:
    validating = [policy(), binding()]
    mutating = [
        mutating_policy("p", {"JSONPatch": "[JSONPatch{op: 'add', path: '/x', value: 1}]"}),
        mutating_binding("p"),
    ]
    return [((1, 33), validating), ((1, 37), mutating)]


@pytest.mark.parametrize(("version", "tree"), _trees())
@pytest.mark.parametrize("older", [(0,), (1,), (0, 1)])  # policy, binding, both
def test_policies_and_bindings_of_different_versions_are_one_tree(
    version: Version, tree: list[dict[str, Any]], older: tuple[int, ...], tmp_path: Path
) -> None:
    def in_version(api_version: str) -> PolicySet:
        documents = [{**each, "apiVersion": api_version} if at in older else each for at, each in enumerate(tree)]
        file = tmp_path / "p.yaml"
        file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
        return load(tmp_path, version)

    one, other = in_version(f"{_GROUP}/v1beta1"), in_version(f"{_GROUP}/v1")
    assert [each.name for each in one.policies] == [each.name for each in other.policies] == ["p"]
    assert [asdict(each) for each in one.bindings] == [asdict(each) for each in other.bindings]
    assert len(one.bindings) == 1


def test_one_policy_in_two_versions_is_defined_twice(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        yaml.safe_dump_all([policy(), {**policy(), "apiVersion": f"{_GROUP}/v1beta1"}, binding()], sort_keys=False)
    )
    with pytest.raises(PolicyTreeError, match="'p' is already defined"):
        load(tmp_path, (1, 33))


def test_params_that_are_not_found_deny_by_default_in_alpha_only(tmp_path: Path) -> None:
    tree = [
        policy(paramKind={"apiVersion": "v1", "kind": "ConfigMap"}),
        binding(paramRef={"name": "x", "namespace": "default"}),
    ]

    def in_version(version: str) -> PolicySet:
        documents = [{**each, "apiVersion": f"{_GROUP}/{version}"} for each in tree]
        (tmp_path / "p.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))
        return load(tmp_path, (1, 30))

    [bound] = in_version("v1alpha1").bindings
    assert bound.param_ref is not None
    assert bound.param_ref.deny_if_not_found
    for version in ("v1beta1", "v1"):
        with pytest.raises(PolicyTreeError, match="parameterNotFoundAction: required: Deny or Allow"):
            in_version(version)


@pytest.mark.parametrize(
    ("version", "served"), [("v1beta1", "1.28 to 1.33"), ("v1alpha1", "1.26 to 1.31"), ("v1beta2", None)]
)
@pytest.mark.parametrize("written", [policy("q"), binding()])
def test_versions_that_kubernetes_does_not_serve_are_refused(
    version: str, served: str | None, written: dict[str, Any], tmp_path: Path
) -> None:
    text = yaml.safe_dump({**written, "apiVersion": f"admissionregistration.k8s.io/{version}"}, sort_keys=False)
    [found] = wrong(tmp_path, p_yaml=POLICY, other_yaml=text)
    assert places([found], tmp_path) == [("other.yaml", 1, 1)]
    advice = (
        f"Kubernetes {served} serve it, 1.37 does not (--kubernetes-version): change it to v1; "
        "the fields have the same names"
        if served
        else "Gatewright reads v1: change the apiVersion; the fields have the same names"
    )
    assert found.message.endswith(f"apiVersion: expected {_GROUP}/v1, found '{_GROUP}/{version}'; {advice}")


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

"""A decision names the bindings that matched, in the order in which their policies were evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.admission.engine import decide, mutate, validate
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request

TREE = """\
from gatewright import Violation, mutate, validate


@validate(resources=["v1/configmaps"])
def second(request):
    yield Violation("no")


@validate(resources=["v1/configmaps"])
def first(request):
    return None


@mutate(resources=["v1/configmaps"])
def label(request):
    request.object["metadata"]["labels"] = {"a": "b"}
"""
BINDING = """\
---
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}PolicyBinding
metadata:
  name: {name}
spec:
  policyName: {policy}
  {rest}
"""
WARN = "validationActions: [Warn]"
ELSEWHERE = WARN + "\n  matchResources: {objectSelector: {matchLabels: {no: such}}}"


@pytest.fixture
def tree(tmp_path: Path) -> PolicySet:
    bindings = [
        ("ValidatingAdmission", "b", "second", WARN),
        ("ValidatingAdmission", "a", "second", WARN),
        ("ValidatingAdmission", "c", "second", ELSEWHERE),
        ("ValidatingAdmission", "z", "first", WARN),
        ("MutatingAdmission", "m", "label", "matchResources: {}"),
    ]
    (tmp_path / "policies.py").write_text(TREE)
    names = ("kind", "name", "policy", "rest")
    text = "".join(BINDING.format(**dict(zip(names, binding, strict=True))) for binding in bindings)
    (tmp_path / "bindings.yaml").write_text(text)
    return load(tmp_path)


def _request(resource: str = "configmaps") -> Request:
    return Request(
        operation="CREATE",
        resource=GroupVersionResource("", "v1", resource),
        kind=GroupVersionKind("", "v1", "ConfigMap"),
        namespace="default",
        object={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
    )


def test_those_that_matched_are_named_and_no_others(tree: PolicySet) -> None:
    cluster = ManifestsView(())
    validated = validate(_request(), tree, cluster).evaluated
    assert [(bound.policy, bound.name) for bound in validated] == [("first", "z"), ("second", "a"), ("second", "b")]
    assert [bound.name for bound in mutate(_request(), tree, cluster).evaluated] == ["m"]
    decision = decide(_request(), tree, cluster)
    assert decision.evaluated == validated
    assert decision.mutation is not None
    assert [bound.policy for bound in decision.mutation.evaluated] == ["label"]


def test_where_nothing_matches_there_are_none(tree: PolicySet) -> None:
    assert decide(_request("secrets"), tree, ManifestsView(())).evaluated == ()

"""What an observer of the engine hears: each policy and binding, evaluated or not, and why not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.trees import (
    binding,
    config_map,
    loaded,
    mutating_binding,
    mutating_policy,
    pod,
    policy,
    request,
)
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.admission.record import Record
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.policy.reviewing import Recording

DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
KIND: dict[str, Any] = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}


def recorded(
    policies: PolicySet, asked: Request | None = None, recording: Recording | None = "everything"
) -> tuple[Record, Decision]:
    record = Record()
    view = ManifestsView(policies.objects, assume_namespaces=True)
    return record, decide(asked or request(), policies, view, recording=recording, observer=record)


def params(name: str, **values: str) -> dict[str, Any]:
    return config_map(name, values, labels={"of": "p"})


SELECTED: dict[str, Any] = {"paramRef": {"selector": {"matchLabels": {"of": "p"}}, "parameterNotFoundAction": "Deny"}}


def test_there_is_an_evaluation_for_each_param_and_each_finding_has_its_own() -> None:
    policies = loaded(
        policy(
            validations=[{"expression": "params.data.ok == 'yes'", "messageExpression": "string(params.data.say)"}],
            **KIND,
        ),
        binding(**SELECTED),
        params("a", ok="no", say="first"),
        params("b", ok="yes", say="-"),
        params("c", ok="no", say="third"),
    )
    record, decision = recorded(policies)
    evaluations = record.evaluations(policies.validating[0], policies.bindings[0])
    assert [each.param["metadata"]["name"] for each in evaluations] == ["a", "b", "c"]
    found = [(each.message, each.evaluated) for each in decision.findings]
    assert found == [("first", evaluations[0]), ("third", evaluations[2])]
    for finding in decision.findings:
        assert finding.evaluated is not None
        assert finding.evaluated.binding is policies.bindings[0]
        assert finding.expression == ("spec", "validations", 0, "expression")
        trace = finding.evaluated.result.trace
        assert trace is not None
        traced = trace.at(finding.expression)
        assert traced is not None
        assert (traced.value, traced.recording["params"]) == (False, finding.evaluated.param)


@pytest.mark.parametrize("recording", [None, "failures", "everything"])
def test_the_trace_is_there_where_it_was_asked_for(recording: Recording | None) -> None:
    policies = loaded(
        policy("a", validations=[{"expression": "true"}, {"expression": "object.metadata.name == 'x'"}]),
        binding("a", name="a"),
        policy("b", validations=[{"expression": "true"}]),
        binding("b", name="b"),
    )
    record, _ = recorded(policies, recording=recording)
    failing, passing = (record.evaluations(each)[0].result.trace for each in policies.validating)
    assert (failing is not None, passing is not None) == (recording is not None, recording == "everything")
    if failing is not None:
        assert len(failing.expressions) == (1 if recording == "failures" else 2)
        assert failing.complete == (recording == "everything")


def test_what_is_not_evaluated_is_heard_of_with_the_reason() -> None:
    true = [{"expression": "true"}]
    policies = loaded(
        policy("kind", validations=true, rules=[DEPLOYMENTS]),
        binding("kind", name="kind"),
        policy("selected", validations=true, match={"objectSelector": {"matchLabels": {"app": "db"}}}),
        binding("selected", name="selected"),
        policy("unbound", validations=true),
        policy("bound", validations=true),
        binding("bound", name="elsewhere", matchResources={"resourceRules": [DEPLOYMENTS]}),
        binding("bound", name="labelled", matchResources={"objectSelector": {"matchLabels": {"app": "db"}}}),
        binding("bound", name="open"),
        policy("params", validations=true, **KIND),
        binding("params", name="params", paramRef={"name": "none", "parameterNotFoundAction": "Deny"}),
        policy("optional", validations=true, **KIND),
        binding("optional", name="optional", paramRef={"name": "none", "parameterNotFoundAction": "Allow"}),
        mutating_policy("mutating", {"JSONPatch": "[JSONPatch{op: 'remove', path: '/x'}]"}, rules=[DEPLOYMENTS]),
        mutating_binding("mutating", name="mutating"),
    )
    record, decision = recorded(policies)
    heard: dict[str, Any] = {}
    for each in policies.policies:
        for under in (None, *each.bindings):
            skipped = record.skip(each, under)
            if skipped is not None:
                heard[under.name if under else each.name] = skipped.why
    assert heard == {
        "kind": "matchConstraints.resourceRules are about deployments; this is v1 pods",
        "selected": "matchConstraints.objectSelector wants app=db (there is none)",
        "unbound": "no binding names the policy: it never runs",
        "elsewhere": "matchResources.resourceRules are about deployments; this is v1 pods",
        "labelled": "matchResources.objectSelector wants app=db (there is none)",
        "params": "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
        "optional": "the binding selects no param object, and its parameterNotFoundAction is Allow",
        "mutating": "matchConstraints.resourceRules are about deployments; this is v1 pods",
    }
    (finding,) = decision.findings
    assert finding.evaluated is None  # nothing was
    assert [each.name for each in policies.policies if record.evaluations(each)] == ["bound"]


def test_a_false_condition_is_named_and_the_evaluation_ran_no_further() -> None:
    conditions = [{"name": "yes", "expression": "true"}, {"name": "no", "expression": "false"}]
    policies = loaded(policy(validations=[{"expression": "false"}], matchConditions=conditions), binding())
    for recording in (None, "everything"):
        record, decision = recorded(policies, recording=recording)
        assert decision.allowed
        (evaluated,) = record.evaluations(policies.validating[0])
        assert (evaluated.result.ran, evaluated.result.unmet) == (False, "no")


def test_of_a_mutation_each_policy_sees_what_the_one_before_made() -> None:
    def label(name: str) -> dict[str, str]:
        return {"ApplyConfiguration": f"Object{{metadata: Object.metadata{{labels: {{'{name}': 'yes'}}}}}}"}

    policies = loaded(
        mutating_policy("a", label("a")),
        mutating_binding("a", name="a"),
        mutating_policy("b", label("b")),
        mutating_binding("b", name="b"),
        policy("v", validations=[{"expression": "size(object.metadata.labels) == 2"}]),
        binding("v", name="v"),
    )
    record, decision = recorded(policies, request(pod()))
    assert decision.allowed
    seen = [record.evaluations(each)[0].request.object for each in policies.policies]
    pairs = zip(policies.policies, seen, strict=True)
    labels = {each.name: value["metadata"]["labels"] for each, value in pairs if value}
    assert labels == {"v": {"a": "yes", "b": "yes"}, "a": {}, "b": {"a": "yes"}}
    trace = record.evaluations(policies.mutating[0])[0].result.trace
    assert trace is not None
    assert [each.place for each in trace.expressions] == [("spec", "mutations", 0, "applyConfiguration", "expression")]


def test_a_server_hears_nothing_and_no_evaluation_has_a_trace() -> None:
    policies = loaded(policy(validations=[{"expression": "false", "message": "no"}]), binding())
    decision = decide(request(), policies, ManifestsView(policies.objects, assume_namespaces=True))
    (finding,) = decision.findings
    assert finding.evaluated is not None
    assert finding.evaluated.result.trace is None
    assert finding.evaluated.policy is policies.validating[0]

"""PolicyExceptions at work: what they cover is in no verdict, and they cover nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import (
    binding,
    config_map,
    exception,
    loaded,
    loaded_files,
    mutating_binding,
    pod,
    policy,
    request,
    verdict,
)
from webhook.admission import excepting, replying
from webhook.admission.decision import Decision
from webhook.admission.engine import mutate
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.request import Request, User

LEGACY: dict[str, Any] = {"namespace": "legacy"}


def decided(asked: Request, *actions: str, policy_spec: dict[str, Any] | None = None, **spec: Any) -> Decision:
    return verdict(loaded(policy(**policy_spec or {}), binding("p", *actions), exception(**spec)), asked)


def covered(asked: Request, **spec: Any) -> bool:
    decision = decided(asked, **spec)
    assert decision.allowed == bool(decision.excepted)
    return decision.allowed


def test_in_force_a_denial_becomes_an_audit_annotation() -> None:
    decision = decided(request(**LEGACY))
    assert (decision.allowed, decision.findings, decision.warnings, decision.code) == (True, (), (), 200)
    [(by, finding)] = decision.excepted
    assert (by.name, finding.policy, finding.binding, finding.action, finding.message) == ("x", "p", "b", "Deny", "no")
    assert json.loads(decision.audit_annotations["policy_exception"]) == [
        {"exception": "x", "policy": "p", "binding": "b", "message": "no"}
    ]


def test_elsewhere_it_does_nothing() -> None:
    decision = decided(request())
    assert not decision.allowed
    assert (decision.excepted, dict(decision.audit_annotations)) == ((), {})


def test_expired_it_does_nothing() -> None:
    assert not covered(request(**LEGACY), expires="2020-01-31")


def test_it_ends_while_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = loaded(policy(), binding(), exception(expires="2999-12-31T00:00:00Z"))
    assert verdict(policies, request(**LEGACY)).allowed
    [by] = policies.exceptions
    monkeypatch.setattr("webhook.admission.excepting.time.time", lambda: by.expires - 0.001)
    assert verdict(policies, request(**LEGACY)).allowed
    monkeypatch.setattr("webhook.admission.excepting.time.time", lambda: by.expires)
    assert not verdict(policies, request(**LEGACY)).allowed


@pytest.mark.parametrize("actions", [("Warn",), ("Audit",), ("Deny", "Audit")])
def test_it_covers_every_action_of_the_binding(actions: tuple[str, ...]) -> None:
    decision = decided(request(**LEGACY), *actions)
    assert (decision.findings, decision.warnings) == ((), ())
    assert set(decision.audit_annotations) == {"policy_exception"}


def test_the_user_is_told_only_where_it_says_so() -> None:
    decision = decided(request(**LEGACY), warn=True)
    assert decision.warnings == (
        "Excepted by x until 2999-12-31: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
    )


def test_long_messages_are_cut_in_the_annotation() -> None:
    long = {"validations": [{"expression": "false", "message": "m" * 5000}]}
    noted = json.loads(decided(request(**LEGACY), policy_spec=long).audit_annotations["policy_exception"])
    assert len(noted[0]["message"]) == excepting.MAX_MESSAGE


ALL_OF = {
    "objects": {
        "namespaces": ["legacy"],
        "names": ["web"],
        "resources": ["pods"],
        "labelSelector": {"matchLabels": {"a": "b"}},
    },
    "operations": ["CREATE"],
    "users": ["jane"],
}


@pytest.mark.parametrize(
    ("asked", "is_covered"),
    [
        (request(pod(labels={"a": "b"}), **LEGACY), True),
        (request(pod(labels={"a": "c"}), **LEGACY), False),
        (request(pod("web2", labels={"a": "b"}), **LEGACY), False),
        (request(pod(labels={"a": "b"})), False),
        (request(pod(labels={"a": "b"}), "UPDATE", old_object=pod(labels={"a": "b"}), **LEGACY), False),
        (request(pod(labels={"a": "b"}), user=User("joe"), **LEGACY), False),
        (request(pod(labels={"a": "b"}), resource="v1/pods/status", **LEGACY), False),
        (request(pod(labels={"a": "b"}), resource="apps/v1/pods", **LEGACY), False),
        (request(pod(labels={"a": "b"}), resource="v2/pods", **LEGACY), True),  # another version is no way around
    ],
)
def test_all_criteria_must_hold(asked: Request, is_covered: bool) -> None:
    assert covered(asked, **ALL_OF) == is_covered


def test_a_namespace_is_in_no_namespace() -> None:
    legacy = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "legacy"}}
    asked = request(legacy, resource="v1/namespaces", kind="Namespace", **LEGACY)
    assert not covered(asked)
    assert covered(asked, objects={"names": ["legacy"], "resources": ["namespaces"]})


def test_labels_are_those_that_the_object_will_have() -> None:
    labelled = {"labelSelector": {"matchLabels": {"a": "b"}}}
    old, new = pod(labels={"a": "b"}), pod(labels={"a": "c"})
    assert not covered(request(new, "UPDATE", old_object=old), objects=labelled)
    assert covered(request(old, "UPDATE", old_object=new), objects=labelled)
    assert covered(request(None, "DELETE", old_object=old), objects=labelled)


def test_on_connect_no_selector_holds() -> None:
    labelled = {"labelSelector": {"matchLabels": {"a": "b"}}}
    connect = request({"metadata": {"labels": {"a": "b"}}}, "CONNECT", resource="v1/pods/exec", name="web")
    assert not covered(connect, objects=labelled)
    assert covered(connect, objects={"names": ["web"], "resources": ["pods/exec"]})


def test_a_generated_name_is_known_once_it_is_there() -> None:
    assert covered(request(pod("web-x7"), name=""), objects={"names": ["web-x7"]})
    scale = request({"metadata": {"name": "web"}}, resource="v1/pods/binding", name="")
    assert not covered(scale, objects={"names": ["web"]})  # of a subresource the object names whatever its sender likes


TWO = {
    "validations": [
        {"expression": "false", "message": "first"},
        {"expression": "false", "message": "second"},
        {"expression": "object.nope == 1"},
    ]
}


def test_of_several_validations_only_those_that_it_names() -> None:
    decision = decided(request(**LEGACY), policy_spec=TWO, policies=[{"name": "p", "validations": [0, 2]}])
    assert [each.finding.message for each in decision.excepted] == ["first"]
    # The third could not be evaluated: that is not what the exception was given for.
    assert [finding.message for finding in decision.findings] == [
        "second",
        "expression 'object.nope == 1' resulted in error: no such key: nope",
    ]


def test_of_the_whole_policy_its_errors_too() -> None:
    decision = decided(request(**LEGACY), policy_spec=TWO)
    assert decision.allowed
    assert [each.finding.error for each in decision.excepted] == [False, False, True]


def test_of_several_bindings_only_those_that_it_names() -> None:
    named = exception(policies=[{"name": "p", "bindings": ["b"]}])
    decision = verdict(loaded(policy(), binding(), binding(name="c"), named), request(**LEGACY))
    assert [finding.binding for finding in decision.findings] == ["c"]
    assert [each.finding.binding for each in decision.excepted] == ["b"]


def test_another_policy_is_not_excepted() -> None:
    decision = verdict(loaded(policy(), binding(), policy("q"), binding("q", name="q"), exception()), request(**LEGACY))
    assert [finding.policy for finding in decision.findings] == ["q"]


def test_what_is_wrongly_configured_is_not_excepted() -> None:
    kind: dict[str, Any] = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    bound = binding(paramRef={"name": "gone", "namespace": "legacy", "parameterNotFoundAction": "Deny"})
    decision = verdict(loaded(policy(**kind), bound, exception()), request(**LEGACY))
    assert not decision.allowed
    assert verdict(
        loaded(policy(**kind), bound, exception()), request(**LEGACY), config_map("gone", {}, "legacy")
    ).allowed


MUTATION = """\
    from gatewright import mutate

    @mutate(resources=["v1/pods"])
    def labelled(request):
        if request.object["metadata"]["name"] == "broken":
            raise ValueError("broken")
        request.object["metadata"].setdefault("labels", {}).setdefault("team", "unknown")
    """


def test_a_mutation_is_left_out_and_noted(tmp_path: Path) -> None:
    named = exception(policies=[{"name": "labelled"}], warn=True)
    policies = loaded_files(tmp_path, p_py=MUTATION, b_yaml=str(mutating_binding("labelled")), x_yaml=str(named))
    view = ManifestsView([], assume_namespaces=True)
    for name, message in (("web", "the object would be changed"), ("broken", "ValueError: broken")):
        asked = request(pod(name), **LEGACY)
        mutation = mutate(asked, policies, view)
        assert (mutation.allowed, mutation.changed, mutation.object) == (True, False, pod(name))
        response = json.loads(replying.respond_mutation(asked, mutation))["response"]
        [noted] = json.loads(response["auditAnnotations"]["policy_exception"])
        assert (noted["exception"], noted["policy"]) == ("x", "labelled")
        assert message in noted["message"]
        assert response["warnings"][0].startswith("Excepted by x until 2999-12-31: ")
        assert "patch" not in response
    assert mutate(request(), policies, view).changed  # elsewhere
    kept = mutate(request(pod(labels={"team": "a"}), **LEGACY), policies, view)
    assert (kept.changed, kept.excepted) == (False, ())  # nothing to leave out


def test_nothing_is_looked_at_where_nothing_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excepting, "in_force", lambda *_: pytest.fail("looked at"))
    policies = loaded(policy(validations=[{"expression": "true"}]), binding(), exception())
    assert verdict(policies, request(**LEGACY)).allowed
    assert time.time() < policies.exceptions[0].expires

"""What is noted in an event. tests/e2e/test_auditlog.py has the events of a real API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.auditlog.logs import FAILURE, event
from webhook.auditlog.notes import LEFT_OUT, NATIVE, Note, Target, noted


def notes(annotations: Any = None, **fields: Any) -> tuple[Note, ...]:
    found = noted(event(annotations, **fields))
    return () if found is None else found.notes


def test_a_failure_of_a_policy_of_the_server() -> None:
    found = noted(event({f"{NATIVE}/validation_failure": json.dumps([FAILURE])}))
    assert found is not None
    assert found.target == Target("apps", "v1", "deployments", "", "shop", "web")
    assert (found.operation, found.user, found.time) == ("UPDATE", "dora", "2026-11-29T10:00:00.000000Z")
    assert found.notes == (Note("replicas", "replicas", "audit", "too many"),)


@pytest.mark.parametrize(
    ("actions", "level"),
    [(["Audit"], "audit"), (["Audit", "Warn"], "warn"), (["Warn", "Deny", "Audit"], "deny"), (3, "audit")],
)
def test_the_level_is_that_of_the_gravest_action(actions: Any, level: str) -> None:
    value = json.dumps([{**FAILURE, "validationActions": actions}])
    assert [each.level for each in notes({"gatewright.dev/validation_failure": value})] == [level]


def test_what_the_webhook_notes() -> None:
    covered = [{"exception": "logs", "policy": "replicas", "binding": "replicas", "message": "too many"}]
    found = notes(
        {
            "it.gatewright.dev/validation_failure": json.dumps([FAILURE, {**FAILURE, "message": "another"}]),
            "it.gatewright.dev/policy_exception": json.dumps(covered),
            "it.gatewright.dev/revision": "5a1c",
            "authorization.k8s.io/decision": "allow",
        }
    )
    assert found == (
        Note("replicas", "replicas", "audit", "too many", "it.gatewright.dev"),
        Note("replicas", "replicas", "audit", "another", "it.gatewright.dev"),
        Note("replicas", "replicas", "audit", "too many", "it.gatewright.dev", "logs"),
    )


def test_a_denial_is_in_the_response() -> None:
    text = "ValidatingAdmissionPolicy 'replicas' with binding 'all' denied request: too many"
    refused = {"code": 422, "message": f'deployments.apps "web" is forbidden: {text}'}
    assert notes(responseStatus=refused) == (Note("replicas", "all", "deny", "too many"),)
    both = f"{text}\nValidatingAdmissionPolicy 'b' with binding 'c' denied request: d"
    by_us = {"code": 403, "message": f'admission webhook "it.gatewright.dev" denied the request: {both}'}
    assert notes(responseStatus=by_us) == (
        Note("replicas", "all", "deny", "too many", "it.gatewright.dev"),
        Note("b", "c", "deny", "d", "it.gatewright.dev"),
    )
    assert notes(responseStatus={"code": 200, "message": text}) == ()


def test_a_denial_that_is_noted_too_is_told_once() -> None:
    failure = {**FAILURE, "binding": "all", "validationActions": ["Deny", "Audit"]}
    text = "ValidatingAdmissionPolicy 'replicas' with binding 'all' denied request: too many"
    found = notes(
        {f"{NATIVE}/validation_failure": json.dumps([failure])}, responseStatus={"code": 422, "message": text}
    )
    assert found == (Note("replicas", "all", "deny", "too many"),)


def test_a_webhook_that_failed_open() -> None:
    key = "failed-open.validating.webhook.admission.k8s.io/round_0_index_1"
    found = noted(event({key: "it.gatewright.dev"}))
    assert found is not None
    assert (found.notes, found.failed_open) == ((), ("it.gatewright.dev",))


def test_what_is_said_of_a_secret_is_left_out() -> None:
    reference = {"apiVersion": "v1", "resource": "secrets", "namespace": "shop", "name": "key"}
    value = json.dumps([{**FAILURE, "message": "hunter2 is short"}])
    found = noted(event({f"{NATIVE}/validation_failure": value}, objectRef=reference))
    assert found is not None
    assert [each.message for each in found.notes] == [LEFT_OUT]
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    "given",
    [
        event({f"{NATIVE}/validation_failure": json.dumps([FAILURE])}, stage="RequestReceived"),
        event(None),
        event([]),
        event({f"{NATIVE}/validation_failure": "no json"}),
        event({f"{NATIVE}/validation_failure": "{}"}),
        event({f"{NATIVE}/validation_failure": "[1]"}),
        event({f"{NATIVE}/validation_failure": 3}),
        event(responseStatus={"code": "422", "message": 3}),
    ],
)
def test_others_note_nothing(given: dict[str, Any]) -> None:
    assert noted(given) is None


def test_whatever_is_in_an_event_it_is_read() -> None:
    found = noted(event({"x/validation_failure": '[{"policy": 1}]'}, objectRef=[], user="x", verb=None))
    assert found is not None
    assert found.notes == (Note("", "", "audit", "", "x"),)
    assert found.target == Target("", "", "", "", "", "")

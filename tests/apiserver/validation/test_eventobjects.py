"""Events of both groups."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, Object, cases, changed, check, refusals, sound
from webhook.apiserver.validation.names import qualified_name

TIME = "2020-01-01T00:00:00.000000Z"
NEW: Object = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "web", "namespace": "default"},
    "eventTime": TIME,
    "reportingController": "example.com/c",
    "reportingInstance": "c-1",
    "action": "Pull",
    "reason": "Pulled",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "web", "namespace": "default"},
}


@pytest.mark.parametrize("case", cases("eventobjects"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)


def test_an_event_of_another_namespace_is_about_an_object_in_it() -> None:
    event = changed(sound()["Event"], {"metadata.namespace": "other", "involvedObject.namespace": None})
    text = 'involvedObject.namespace: Invalid value: "": does not match event.namespace'
    assert refusals(event) == [text]
    timed = {"eventTime": TIME, "reportingComponent": "c", "reportingInstance": "i", "action": "a", "reason": "r"}
    assert refusals(changed(event, timed)) == [text]
    assert refusals(changed(event, {**timed, "metadata.namespace": "kube-system"})) == []


# The answers of a real API server to the first three stand in tests/dryrun.
def test_an_event_of_the_new_group() -> None:
    assert refusals(NEW) == []
    assert refusals(changed(NEW, {"eventTime": None, "type": "Odd", "deprecatedCount": 2})) == [
        "eventTime: Required value",
        'type: Invalid value: "": has invalid value: Odd',
        'count: Invalid value: "": needs to be unset',
    ]
    assert refusals(changed(NEW, {"reportingController": None, "action": None, "type": None}))[1:] == [
        'reportingController: Invalid value: "": name part must be non-empty',
        f'reportingController: Invalid value: "": {qualified_name("")[1]}',
        "action: Required value",
        'type: Invalid value: "": has invalid value: ',
    ]
    assert refusals(changed(NEW, {"note": "x" * 1025, "deprecatedSource": {"component": "c"}})) == [
        'message: Invalid value: "": can have at most 1024 characters',
        'source: Invalid value: "": needs to be unset',
    ]

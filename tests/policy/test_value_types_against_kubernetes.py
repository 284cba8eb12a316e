"""Every type of CEL value as a validation, a message, an audit annotation and a condition, as in the API server."""

from __future__ import annotations

from typing import Any

from tests.policy.apiserver import ours, theirs
from tests.policy.generated import Case
from tests.policy.trees import binding, loaded, pod, policy
from webhook.policy.load.loading import PolicyTreeError

TEXT, BOOL = "google.protobuf.StringValue", "google.protobuf.BoolValue"
ABSENT = "(object.metadata.name == 'q' ? {} : null)"
VALUES = (
    *("null", "true", "1", "'a'", "b'a'", "dyn(true)", "dyn('a')", "int", "[1]", "optional.of('a')", "quantity('1')"),
    *("object.metadata.name", ABSENT.format("'a'"), f"{TEXT}{{value: 'a'}}", ABSENT.format(f"{TEXT}{{}}")),
    *(f"{BOOL}{{value: true}}", f"{BOOL}{{}}", ABSENT.format(f"{BOOL}{{value: true}}"), f"{TEXT}{{value: dyn(1)}}"),
    *("google.protobuf.Value{string_value: 'a'}", "google.protobuf.Any{}", "google.protobuf.Empty{}"),
)


def specs(value: str) -> list[dict[str, Any]]:
    true, false = {"expression": "true"}, {"expression": "false"}
    return [
        {"validations": [{"expression": value}]},
        {"validations": [{**false, "messageExpression": value}]},
        {"validations": [true], "auditAnnotations": [{"key": "k", "valueExpression": value}]},
        {"validations": [false], "matchConditions": [{"name": "c", "expression": value}]},
    ]


def outcome(case: Case) -> dict[str, Any]:
    try:
        return ours(case, loaded(case.policy, binding("p")))
    except PolicyTreeError:
        return {"compile": True}


def test_every_type_of_value_is_taken_or_refused_in_every_place() -> None:
    cases = [
        Case(policy("p", **spec), "CREATE", pod("p"), None, None, None) for value in VALUES for spec in specs(value)
    ]
    differing = []
    for case, answer in zip(cases, theirs(cases), strict=True):
        found = outcome(case)
        if answer.get("compile") or "compile" in found:
            same = bool(answer.get("compile")) == ("compile" in found)
        else:
            same = all(found[each] == answer[each] for each in ("failures", "annotations", "errors"))
        if not same:
            differing.append((case.policy["spec"], found, answer))
    assert differing == []

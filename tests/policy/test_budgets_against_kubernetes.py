"""Policies that come near their cost budgets, in the API server's own evaluator and in ours: the same outcome."""

from __future__ import annotations

from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.costly import nested
from tests.policy.apiserver import ours, theirs
from tests.policy.generated import Case
from tests.policy.trees import binding, loaded, policy

LOOP = nested()  # 555,551 units: 18 are a budget
# So are 18 of this: a thousand tenths of one text times 555 of the other. It takes neither side any time.
DEAR = "!object.metadata.annotations.long.contains(object.metadata.annotations.short)"
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "namespace": "default",
        "labels": {f"l{n}": "x" * 60 for n in range(40)},
        "annotations": {"long": "x" * 10_000, "short": "x" * 5_549 + "y"},
    },
    "spec": {"containers": [{"name": f"c{n}", "image": f"registry.example.com/team/app:{n}"} for n in range(40)]},
}


def validations(*expressions: str, **more: Any) -> dict[str, Any]:
    return {"validations": [{"expression": each} for each in expressions], **more}


def variables(count: int) -> dict[str, Any]:
    names = [f"v{number}" for number in range(count)]
    every = " && ".join(f"variables.{each}" for each in names)
    return {"variables": [{"name": each, "expression": DEAR} for each in names], "validations": [{"expression": every}]}


def with_message(count: int, holds: str) -> dict[str, Any]:
    spec = variables(count)
    every = spec["validations"][0]["expression"]
    checks = [
        {"expression": f"({every}) && {holds}", "messageExpression": f"string({every})"},
        {"expression": "object.metadata.name == 'web'"},
        {"expression": "object.spec.nope == 1"},
    ]
    return {**spec, "validations": checks}


def conditions(count: int, last: str) -> dict[str, Any]:
    found = [{"name": f"c{number}", "expression": DEAR} for number in range(count)]
    return validations("false", matchConditions=[*found, {"name": "last", "expression": last}])


def audited(count: int) -> dict[str, Any]:
    found = [{"key": f"k{number}", "valueExpression": f"string({DEAR})"} for number in range(count)]
    return validations(DEAR, "false", auditAnnotations=found)


CONTAINERS = "object.spec.containers"
SPECS: dict[str, dict[str, Any]] = {
    "17 validations": validations(*[DEAR] * 17, "false"),
    "18 validations": validations(*[DEAR] * 18, "false"),
    "19 validations": validations("false", *[LOOP] * 19),
    "an expression over its limit": validations(nested("abcdef"), "false"),
    "many of them": validations(*[nested("abcdef")] * 9),
    "ten of them are over the budget": validations(*[nested("abcdef")] * 10),
    "17 variables": variables(17),
    "18 variables": variables(18),
    "a variable over its limit": {
        "variables": [{"name": "v", "expression": nested("abcdef")}],
        "validations": [{"expression": "variables.v"}, {"expression": "variables.v || true"}],
    },
    "8 variables and a message": with_message(8, "false"),
    "9 variables and a message": with_message(9, "false"),
    "10 variables and a message of a validation that holds": with_message(10, "true"),
    "3 conditions": conditions(3, "true"),
    "4 conditions": conditions(4, "true"),
    "5 conditions": conditions(5, "true"),
    "4 conditions, one false": conditions(4, "false"),
    "17 annotations": audited(17),
    "18 annotations": audited(18),
    "loops over the object": validations(
        f"{CONTAINERS}.all(a, {CONTAINERS}.all(b, {CONTAINERS}.exists(c, c.image == a.image)))",
        f"{CONTAINERS}.all(a, {CONTAINERS}.all(b, {CONTAINERS}.all(c, c.name.size() + b.name.size() > 2)))",
        f"{CONTAINERS}.all(a, {CONTAINERS}.all(b, {CONTAINERS}.map(c, c.name).size() > 2))",
    ),
    "texts that grow": validations(
        f"{CONTAINERS}.map(a, {CONTAINERS}.map(b, a.image + b.image).join(',')).join(',').size() > 5",
        f"{CONTAINERS}.map(a, {CONTAINERS}.map(b, {CONTAINERS}.map(c, a.image).join()).join()).join().size() > 5",
    ),
}


@pytest.mark.parametrize(("failure_policy", "step"), [("Fail", 1), ("Ignore", amount(1, 3))])
def test_budgets_end_where_the_api_server_ends_them(failure_policy: str, step: int) -> None:
    names = list(SPECS)[::step]
    cases = [
        Case(
            policy(**SPECS[name], failurePolicy=failure_policy),
            "CREATE",
            POD,
            None,
            None,
            {"metadata": {"name": "default"}},
        )
        for name in names
    ]
    for name, case, answer in zip(names, cases, theirs(cases), strict=True):
        assert {**ours(case, loaded(case.policy, binding())), "compile": None} == answer, name

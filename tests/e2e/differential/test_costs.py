"""Expressions at half and at double the cost limit, in policies of the API server's own and in ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.cost.scaled import LIMIT, SCALED, length_that_costs, scaled
from tests.cel.evaluating import ENVIRONMENT
from tests.e2e.controlplane import ControlPlane
from tests.e2e.differential.cases import Case
from tests.e2e.differential.checked import Asked, Told, findings, natively, report
from tests.e2e.differential.runs import prepare, run_natively, write_tree

GROUP, KIND = "costs.example.com", "Load"
CRD = {
    "group": GROUP,
    "scope": "Namespaced",
    "names": {"plural": "loads", "singular": "load", "kind": KIND, "listKind": "LoadList"},
    "versions": [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            },
        }
    ],
}
RULE = {"apiGroups": [GROUP], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["loads"]}


@dataclass(frozen=True, slots=True)
class Question:
    """An expression about `object.spec.x`, and that list."""

    name: str
    expression: str
    x: list[Any]

    def load(self) -> dict[str, Any]:
        metadata = {"name": self.name}
        return {"apiVersion": f"{GROUP}/v1", "kind": KIND, "metadata": metadata, "spec": {"x": self.x}}


def questions() -> list[Question]:
    """Each expression twice: about half the limit, and about double of it."""
    asked = []
    for index, (written, power, kind) in list(enumerate(SCALED))[:: amount(1, 4)]:
        expression = re.sub(r"\bx\b", "object.spec.x", written)
        if power == 1:  # the API server itself takes quadratic time for a long loop, but not for one in a loop
            expression, power = f"object.spec.x.all(z, {expression} || true)", 2  # noqa: PLW2901
        half = length_that_costs(ENVIRONMENT.compile(expression), kind, 500_000, power)
        asked.append(Question(f"half-{index}", expression, scaled(kind, half)))
        asked.append(Question(f"double-{index}", expression, scaled(kind, int(half * 4 ** (1 / power)) + 1)))
    return asked


def case_of(asked: list[Question]) -> Case:
    """A policy for each, with a binding, which meets nothing but its own object."""
    policies = {
        each.name: {
            "matchConstraints": {"resourceRules": [{**RULE, "resourceNames": [each.name]}]},
            "validations": [{"expression": each.expression}],
        }
        for each in asked
    }
    bindings = {name: {"policyName": name, "validationActions": ["Deny"]} for name in policies}
    requests = [{"send": f"POST {GROUP}/loads", "body": each.load(), "expect": "deny"} for each in asked]
    return Case.model_validate(
        {
            "name": "costs",
            "says": "an expression may cost 1,000,000",
            "policies": policies,
            "bindings": bindings,
            "crds": [CRD],
            "requests": requests,
        }
    )


def by_policy(asked: list[Question], namespace: str, folder: Path) -> dict[str, set[Told]]:
    """What check denies of the objects, by the policy, which is about one of them. Each run loads all policies."""
    found: dict[str, set[Told]] = {}
    for at in range(0, len(asked), 20):
        listed = {"apiVersion": "v1", "kind": "List", "items": [each.load() for each in asked[at : at + 20]]}
        for told in findings(report(Asked(listed, ("--as", "admin", "--namespace", namespace)), folder))["Deny"]:
            found.setdefault(told[0], set()).add(told)
    return found


def test_expressions_at_half_and_at_double_the_limit_end_as_in_the_server(
    cluster: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = questions()
    case = case_of(asked)
    prepare(cluster, [case])
    verdicts = run_natively(cluster, [case])
    write_tree(cluster, [case], tmp_path / "policies")
    differing, stopped = {}, set()
    checked = by_policy(asked, case.name, tmp_path)
    for index, each in enumerate(asked):
        verdict = verdicts[case.name, index]
        assert verdict.outcome == ("deny" if verdict.message else "allow"), verdict
        theirs, ours = natively(verdict)["Deny"], checked.get(each.name, set())
        if theirs != ours:
            differing[each.name, each.expression, len(each.x)] = (theirs, ours)
        if LIMIT in verdict.message:
            stopped.add(each.name)
    with capsys.disabled():
        print(f"\n{len(asked) - len(differing)} of {len(asked)} expressions agree, {len(stopped)} over the limit")
    assert differing == {}  # expression -> (the server's, ours)
    assert stopped == {each.name for each in asked if each.name.startswith("double-")}

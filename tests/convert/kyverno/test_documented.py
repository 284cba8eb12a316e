"""Rules of each feature that Kyverno documents: what is converted gives the verdict that the documentation gives.

The documents of `documented/` have a `rule` of an enforcing ClusterPolicy about objects of `kind`, with objects that
it lets `pass` or lets `fail`. `_` in an object says more of its request: op, old, user, nslabels, params. `not` is the
reason why the rule is not converted; `differs` the difference that is named. Others must have none: nothing may be
silently less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.converted import outcomes
from webhook.convert.foreigntests import running
from webhook.convert.foreigntests.expected import Expected
from webhook.convert.kyverno.operations import UNSAID
from webhook.convert.model import Outcome
from webhook.documents import syntax
from webhook.documents.yamlwriting import dumped
from webhook.versions import NEWEST

FOLDER = Path(__file__).parent / "documented"
VERSIONS = {"Deployment": "apps/v1", "Ingress": "networking.k8s.io/v1", "CronJob": "batch/v1"}
CONTAINERS = [{"name": "a", "image": "b"}]


def documents() -> list[Any]:
    return [
        pytest.param(root.value, id=f"{file.stem}: {root.value['name']}")
        for file in sorted(FOLDER.glob("*.yaml"))
        for root in syntax.read_yaml(file.read_text())
        if root.value
    ]


def policy(given: dict[str, Any]) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": [given.get("kind", "ConfigMap")]}}]}
    rule = {"name": "r", "match": match, **given["rule"]}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "p", "annotations": given.get("annotations", {})},
        "spec": {"validationFailureAction": "Enforce", **given.get("spec", {}), "rules": [rule]},
    }


def whole(given: dict[str, Any], kind: str) -> dict[str, Any]:
    """The object with what the documents leave out. pod: the spec of the Pod that it is, or makes."""
    made = {"kind": kind, "metadata": {}, **{key: value for key, value in given.items() if key not in ("_", "pod")}}
    made["apiVersion"] = VERSIONS.get(made["kind"], "v1")
    made["metadata"] = {"name": "x", **made["metadata"]}
    if "pod" in given:
        pod = {"containers": CONTAINERS, **given["pod"]}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
        labelled = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        made["spec"] = {**made.get("spec", {}), **(pod if made["kind"] == "Pod" else labelled)}
    return made


def expected(given: dict[str, Any], wanted: Any, outcome: Outcome, kind: str) -> Expected:
    said = given.get("_", {})
    one = Expected(outcome, outcome.made, str(given), outcome.document, 1, wanted, whole(given, kind))
    one.operation, one.user = said.get("op", ""), said.get("user", {})
    one.namespace_labels, one.params = said.get("nslabels", {}), said.get("params")
    if one.operation in ("UPDATE", "DELETE"):
        one.old = whole(said.get("old", given), kind)
    if one.operation == "DELETE":
        one.object = None
    return one


@pytest.mark.parametrize("given", documents())
def test_the_verdict_is_that_of_the_documentation(given: dict[str, Any], tmp_path: Path) -> None:
    (outcome,) = outcomes(tmp_path, dumped(policy(given)))
    not_converted = [each.message for each in (*outcome.refused, *outcome.unfinished)]
    if "not" in given:
        assert any(given["not"] in each for each in not_converted), not_converted
        return
    assert not_converted == []
    differs = [each.message for each in outcome.differences]
    if "differs" in given:
        assert any(given["differs"] in each for each in differs), differs
    else:
        assert [each for each in differs if not each.endswith(UNSAID)] == []
    kind = given.get("kind", "ConfigMap")
    cases = [expected(each, "pass-or-skip", outcome, kind) for each in given.get("pass", [])]
    cases += [expected(each, "fail", outcome, kind) for each in given.get("fail", [])]
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in outcome.tests if not each.passed] == []
    assert len(outcome.tests) == len(cases)


def test_they_are_many() -> None:
    """A rule of each kind that people write."""
    assert len(documents()) >= 100

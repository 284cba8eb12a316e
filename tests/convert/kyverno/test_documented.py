"""Rules of each feature that Kyverno documents: what is converted gives the verdict that the documentation gives.

The documents of `documented/` have a `rule` of an enforcing ClusterPolicy about objects of `kind`, with objects that
it lets `pass` or lets `fail`; `stricter` are those that it lets pass, and the converted rule does not. `_` in an object
says more of its request: op, old, user, nslabels, params. `not` is the reason why the rule is not converted; `differs`
the difference that is named. Others must have none: nothing may be silently less.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.converted import outcomes
from tests.convert.kyverno.given import expected
from webhook.convert.foreigntests import running
from webhook.convert.kyverno.operations import UNSAID
from webhook.documents import syntax
from webhook.documents.yamlwriting import dumped
from webhook.versions import NEWEST

FOLDER = Path(__file__).parent / "documented"


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
    cases += [expected(each, "fail", outcome, kind) for each in [*given.get("fail", []), *given.get("stricter", [])]]
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in outcome.tests if not each.passed] == []
    assert len(outcome.tests) == len(cases)


def test_they_are_many() -> None:
    """A rule of each kind that people write."""
    assert len(documents()) >= 100

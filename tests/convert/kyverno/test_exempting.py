"""An exception that takes nothing out is never reported as converted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import outcomes

POLICY = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
  - name: label
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate: {pattern: {metadata: {labels: {a: b}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: signed}
spec:
  rules:
  - name: verify
    match: {any: [{resources: {kinds: [Pod]}}]}
    verifyImages: [{imageReferences: ["*"]}]
---
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: e}
spec:
  match: {any: [{resources: {kinds: [Pod], names: [legacy]}}]}
  exceptions: [%s]
"""
ABSENT = "the policy q, which it names, is not among the sources"
NO_RULE = "the policy p has no rule other, which it names"


@pytest.mark.parametrize(
    ("named", "status", "said"),
    [
        ("{policyName: p}", "whole", []),
        ("{policyName: p, ruleNames: [label]}", "whole", []),
        ("{policyName: p, ruleNames: [autogen-label]}", "whole", []),
        ("{policyName: q}", "not", [ABSENT]),
        ("{policyName: p}, {policyName: q}", "differences", [ABSENT]),
        ("{policyName: p, ruleNames: [other]}", "not", [NO_RULE]),
        ("{policyName: p, ruleNames: [label, other]}", "differences", [NO_RULE]),
        ("{policyName: signed}", "not", ["the policy signed, which it names, is not converted"]),
    ],
)
def test_what_it_names_and_is_not_there_is_said(tmp_path: Path, named: str, status: str, said: list[str]) -> None:
    (exception,) = (each for each in outcomes(tmp_path, POLICY % named) if each.kind == "PolicyException")
    assert exception.status == status
    assert [note.message for note in (*exception.refused, *exception.differences)] == said

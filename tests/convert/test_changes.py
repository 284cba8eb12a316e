"""Mutations that have no equivalent are refused by name, with their place; nothing less is written in their stead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.convert.converted import only

MUTATOR = """\
apiVersion: mutations.gatekeeper.sh/v1
kind: {kind}
metadata: {{name: m}}
spec:
  applyTo: [{{groups: [''], versions: [v1], kinds: [Pod]}}]
  {rest}
"""
KYVERNO = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p}}
spec:
  rules:
  - name: r
    match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}
    mutate: {rest}
"""


@pytest.mark.parametrize(("kind", "rest", "reason"), [
    ("Assign", "other: 1", "spec.other"),
    ("Assign", "parameters: {assign: {value: a}}", "a mutator without a location"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {}}", "a mutator without a value"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {fromMetadata: {field: uid}}}", "of 'uid'"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {externalData: {}}}", "a provider over HTTP"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {value: a}, other: 1}", "parameters.other"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {value: a}, assignIf: {in: [b]}}", "assignIf"),
    (
        "Assign",
        "location: spec.nodeName\n"
        "  parameters: {assign: {value: a}, pathTests: [{subPath: spec.x, condition: MustExist}]}",
        "a subPath that is not a prefix of the location",
    ),
    (
        "Assign",
        "location: spec.nodeName\n"
        "  parameters: {assign: {value: a}, pathTests: [{subPath: spec, condition: Perhaps}]}",
        "the condition 'Perhaps'",
    ),
    ("Assign", "location: 'spec.containers[name:*]'\n  parameters: {assign: {value: {name: a}}}", "of all elements"),
    ("Assign", "location: metadata.labels.a\n  parameters: {assign: {value: a}}", "a location in metadata"),
    ("Assign", "location: spec.nodeName\n  parameters: {assign: {value: null}}", "a mutator without a value"),
    (
        "Assign",
        "location: 'spec.containers[name: a]'\n  parameters: {assign: {value: {name: b}}}",
        "a value whose name differs from that in the location",
    ),
    ("Assign", "location: 'spec.ports[port: 80].name'\n  parameters: {assign: {value: a}}", "selected by a number"),
    ("AssignMetadata", "location: metadata.labels.a\n  parameters: {assign: {value: 5}}", "that is not a string"),
    ("ModifySet", "location: 'spec.x[name: a]'\n  parameters: {values: {fromList: [a]}}", "expected the list itself"),
    ("ModifySet", "location: spec.x\n  parameters: {values: {}}", "ModifySet without values"),
    ("ModifySet", "location: spec.x\n  parameters: {operation: swap, values: {fromList: [a]}}", "the operation 'swap'"),
    ("AssignImage", "location: spec.x\n  parameters: {assignTag: '1'}", "assignTag '1', which is not a valid tag"),
    ("AssignImage", "location: spec.x\n  parameters: {assignDomain: a/b}", "which is not a valid domain of an image"),
    ("AssignImage", "location: spec.x\n  parameters: {assignPath: 'A:b'}", "which is not a valid path of an image"),
    ("AssignImage", "location: spec.x\n  parameters: {assignPath: a.io/b}", "begins with a part that may be a domain"),
    ("AssignImage", "location: 'spec.x[name: a]'\n  parameters: {assignTag: ':1'}", "the field with its image"),
    (
        "AssignImage",
        "location: 'spec.containers[name:*].image'\n  parameters: {assignTag: ':1', other: 1}",
        "parameters.other",
    ),
])  # fmt: skip
def test_a_mutator_that_cannot_be_converted_is_refused(kind: str, rest: str, reason: str, tmp_path: Path) -> None:
    outcome = only(tmp_path, MUTATOR.format(kind=kind, rest=rest))
    assert outcome.policies == []
    assert any(reason in str(each) for each in outcome.refused), outcome


@pytest.mark.parametrize(("rest", "reason"), [
    ("{other: {}}", "mutate.other"),
    ("{patchStrategicMerge: {}}", "a mutation that changes nothing"),
    ("{patchStrategicMerge: {data: {'^(a)': b}}}", "the anchor ^(a) in a patch"),
    ("{patchesJson6902: {a: b}}", "patchesJson6902 that is no text"),
    ("{foreach: [{list: request.object.data.x, other: 1}]}", "mutate.foreach.other"),
    ("{patchStrategicMerge: " + "{a: " * 70 + "b" + "}" * 70 + "}", "a patch of more than"),
])  # fmt: skip
def test_a_patch_that_cannot_be_converted_is_refused(rest: str, reason: str, tmp_path: Path) -> None:
    outcome = only(tmp_path, KYVERNO.format(rest=rest))
    assert outcome.policies == []
    assert any(reason in str(each) for each in outcome.refused), outcome

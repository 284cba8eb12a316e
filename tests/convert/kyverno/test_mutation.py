"""foreach with patchesJson6902: the objects that it makes, and what of it is not converted.

The other mutations are in tests/convert/sources/kyverno/mutate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.convert.converted import only
from tests.convert.kyverno.given import expected
from webhook.convert.foreigntests import running
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped
from webhook.versions import NEWEST

CONTAINERS = "request.object.spec.containers"
REMOVE = "- {op: remove, path: '/data/{{elementIndex}}'}"


def converted(tmp_path: Path, *foreach: dict[str, Any], kind: str = "Pod", **rule: Any) -> Outcome:
    return only(
        tmp_path,
        dumped(
            {
                "apiVersion": "kyverno.io/v1",
                "kind": "ClusterPolicy",
                "metadata": {"name": "p", "annotations": {"pod-policies.kyverno.io/autogen-controllers": "none"}},
                "spec": {
                    "rules": [
                        {
                            "name": "r",
                            "match": {"any": [{"resources": {"kinds": [kind]}}]},
                            "mutate": {"foreach": list(foreach)},
                            **rule,
                        }
                    ]
                },
            }
        ),
    )


def patch(*operations: dict[str, Any]) -> str:
    return dumped(list(operations))


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"pod": {"containers": list(containers), **spec}}


def assert_made(outcome: Outcome, kind: str, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    cases = []
    for given, wanted in pairs:
        one = expected(given, "mutated", outcome, kind)
        one.patched = expected(wanted, "mutated", outcome, kind).object
        cases.append(one)
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in outcome.tests if not each.passed] == []
    assert len(outcome.tests) == len(pairs)


A, B = {"name": "a", "image": "dev/a"}, {"name": "b", "image": "b"}


def test_a_field_of_each_element_is_added(tmp_path: Path) -> None:
    add = {
        "op": "add",
        "path": "/spec/containers/{{elementIndex}}/securityContext",
        "value": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    }
    outcome = converted(tmp_path, {"list": CONTAINERS, "patchesJson6902": patch(add)})
    assert outcome.status == "whole"
    (mutation,) = outcome.policies[0]["spec"]["mutations"]
    assert mutation["jsonPatch"]["expression"].count("JSONPatch{") == 1  # the list and its elements are there
    added = {"securityContext": add["value"]}
    old = {"securityContext": {"privileged": True}}
    assert_made(
        outcome,
        "Pod",
        [(pod(A, B), pod({**A, **added}, {**B, **added})), (pod({**A, **old}), pod({**A, **added}))],
    )


def test_several_operations_within_the_elements_that_meet_preconditions(tmp_path: Path) -> None:
    """Parents that are missing are made, and those that are there are kept."""
    at = "/spec/containers/{{elementIndex}}"
    entry = {
        "list": f"{CONTAINERS}[]",
        "preconditions": {"all": [{"key": "{{ element.image }}", "operator": "Equals", "value": "dev/*"}]},
        "patchesJson6902": patch(
            {"op": "add", "path": "/spec/containers/{{ elementIndex }}/securityContext/runAsNonRoot", "value": True},
            {"op": "replace", "path": f"{at}/image", "value": "corp.io/{{ element.image }}"},
            {
                "op": "add",
                "path": "/spec/containers/{{elementIndex0}}/env/-",
                "value": {"name": "A", "value": "b"},
            },
            {"op": "remove", "path": f"{at}/tty"},
        ),
    }
    outcome = converted(tmp_path, entry)
    assert outcome.status == "whole"
    env = [{"name": "A", "value": "b"}]
    made = {"name": "a", "image": "corp.io/dev/a", "securityContext": {"runAsNonRoot": True}, "env": env}
    kept = {"securityContext": {"privileged": True}, "tty": True, "env": [{"name": "Z", "value": "z"}]}
    kept_made = {"securityContext": {"privileged": True, "runAsNonRoot": True}, "env": [*kept["env"], *env]}  # type: ignore[misc]
    assert_made(
        outcome,
        "Pod",
        [
            (pod(B, A), pod(B, made)),
            (pod(A, {**A, "name": "c"}), pod(made, {**made, "name": "c"})),
            (pod({**A, **kept}, B), pod({**made, **kept_made}, B)),
            (pod(B), pod(B)),
        ],
    )


VOLUMES = [
    {"name": "u", "hostPath": {"path": "/a", "type": ""}},
    {"name": "v", "emptyDir": {}},
    {"name": "w", "hostPath": {"path": "/b", "type": ""}},
]


@pytest.mark.parametrize("order", ["Descending", "Ascending", None])
def test_elements_are_removed_from_the_last_one_to_the_first(order: str | None, tmp_path: Path) -> None:
    entry = {
        "list": "request.object.spec.volumes",
        "preconditions": [{"key": "{{ element.hostPath.path || '' }}", "operator": "NotEquals", "value": ""}],
        "patchesJson6902": patch({"op": "remove", "path": "/spec/volumes/{{elementIndex}}"}),
        **({"order": order} if order else {}),
    }
    outcome = converted(tmp_path, entry)
    differs = [each.message for each in outcome.differences]
    assert len(differs) == (order != "Descending")
    assert all("from the last one to the first" in each for each in differs)
    assert_made(
        outcome,
        "Pod",
        [(pod(A, volumes=VOLUMES), pod(A, volumes=VOLUMES[1:2])), (pod(A), pod(A))],
    )


@pytest.mark.parametrize(("order", "last"), [("Ascending", "c"), ("Descending", "a")])
def test_the_order_of_the_elements(order: str, last: str, tmp_path: Path) -> None:
    """Which of them writes last; the index goes with it."""
    entry = {
        "list": "request.object.metadata.finalizers",
        "order": order,
        "patchesJson6902": patch(
            {"op": "add", "path": "/data/last", "value": "{{ element }}-{{ elementIndex }}"},
        ),
    }
    outcome = converted(tmp_path, entry, kind="ConfigMap")
    assert outcome.status == "whole"
    finalizers = {"metadata": {"finalizers": ["a.io/a", "a.io/b", "a.io/c"]}}
    index = {"a": 0, "c": 2}[last]
    assert_made(outcome, "ConfigMap", [(finalizers, {**finalizers, "data": {"last": f"a.io/{last}-{index}"}})])


def test_a_second_foreach_has_what_the_first_one_made(tmp_path: Path) -> None:
    def entry(name: str, image: str) -> dict[str, Any]:
        replace = {"op": "replace", "path": "/spec/containers/{{elementIndex}}/image", "value": image}
        is_named = [{"key": "{{ element.image }}", "operator": "Equals", "value": name}]
        return {"list": CONTAINERS, "preconditions": is_named, "patchesJson6902": patch(replace)}

    outcome = converted(tmp_path, entry("b", "c"), entry("c", "d"))
    assert_made(outcome, "Pod", [(pod(A, B), pod(A, {**B, "image": "d"}))])


def test_the_elements_of_a_filter_have_the_indexes_of_what_is_left(tmp_path: Path) -> None:
    add = {"op": "add", "path": "/metadata/labels/index{{elementIndex}}", "value": "{{element.name}}"}
    entry = {"list": f"{CONTAINERS}[?image == 'b']", "patchesJson6902": patch(add)}
    labelled = {"metadata": {"labels": {"index0": "b"}}}
    assert_made(converted(tmp_path, entry), "Pod", [(pod(A, B), {**labelled, **pod(A, B)}), (pod(A), pod(A))])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"order": "Sideways"}, "the order 'Sideways': expected Ascending or Descending"),
        ({"patchStrategicMerge": {"data": {"a": "b"}}}, "a foreach with patchStrategicMerge and patchesJson6902"),
        ({"foreach": []}, "a foreach with patchesJson6902 and foreach"),
        ({"as": "one"}, "mutate.foreach.as"),
        ({"patchesJson6902": "- {op: copy, from: '/data/{{x}}', path: /data/a}"}, "the variable x"),
        ({"patchesJson6902": "- {op: copy, from: data, path: /data/a}"}, "copy from the path 'data'"),
        (
            {"patchesJson6902": f"- {{op: add, path: {'/a' * 25}, value: a}}"},
            "with the operation 'add' and the path '/a/a",
        ),
        ({"patchesJson6902": f"- {{op: move, from: {'/a' * 25}, path: /b}}"}, "that is to move from the path '/a/a"),
        ({"patchesJson6902": "nothing"}, "patchesJson6902 that is no list"),
        (
            {"patchesJson6902": "- {op: add, path: /data/a, value: a}\n- {op: add, path: /data/b, value: b}"},
            "a foreach with several operations, of which one changes other things than its element: /data/a",
        ),
        (
            {"patchesJson6902": f"{REMOVE}\n{REMOVE}"},
            "of which one changes other things than its element: /data/{{elementIndex}}",
        ),
    ],
)
def test_what_is_not_converted_is_named(entry: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {"list": "request.object.data", "patchesJson6902": REMOVE, **entry}
    outcome = converted(tmp_path, given, kind="ConfigMap")
    assert outcome.status == "not"
    assert said in outcome.refused[0].message


def test_new_elements_come_first_in_their_order(tmp_path: Path) -> None:
    """What is there and changes stays where it is."""
    new = [
        {"name": "u", "emptyDir": {"medium": "Memory"}},
        {"name": "w", "emptyDir": {}},
        {"name": "y", "emptyDir": {}},
    ]
    outcome = converted(tmp_path, mutate={"patchStrategicMerge": {"spec": {"volumes": new}}})
    there = [{"name": "x", "emptyDir": {}}, {"name": "w", "emptyDir": {"sizeLimit": "1Mi"}}]
    assert_made(outcome, "Pod", [(pod(A, volumes=there), pod(A, volumes=[new[0], new[2], *there]))])

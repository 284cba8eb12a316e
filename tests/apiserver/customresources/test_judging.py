"""Objects of custom kinds: what they become, and why they are refused."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests.apiserver.customresources.corpus import (
    BASE,
    NUMBER,
    PORT,
    TEXT,
    array,
    definition,
    of_spec,
    ruled,
    struct,
    widget,
)
from tests.timing import within
from webhook.apiserver.customresources import definitions, judging, openapi


def kind(schema: dict[str, Any], **version: Any) -> definitions.Kind:
    found = definitions.read(definition(schema, **version))
    assert not [error.text for error in found.refused]
    return found.kinds["v1"]


def judged(of: definitions.Kind, value: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    before = None if old is None else judging.decoded(of, old).value
    made = judging.prepared(of, judging.decoded(of, value).value, before)
    return [error.text for error in judging.refusals(of, made, before)]


def test_defaults_are_set_and_unknown_fields_go() -> None:
    spec = struct({"base": {**BASE, "default": {}}, "ports": array(PORT)})
    given = widget({"stray": 1, "ports": [{"port": 80, "other": {"x": 1}}]}, extra=True)
    decoded = judging.decoded(kind(of_spec(spec)), given)
    assert decoded.value["spec"] == {"ports": [{"port": 80, "protocol": "TCP"}], "base": {"replicas": 1}}
    assert sorted(decoded.unknown) == [("extra",), ("spec", "ports", 0, "other"), ("spec", "stray")]
    assert given["spec"]["stray"] == 1, "the manifest itself is not changed"


def test_nulls() -> None:
    spec = struct(
        {"gone": TEXT, "kept": {**TEXT, "nullable": True}, "set": {**TEXT, "default": "x"}, "list": array(TEXT)}
    )
    decoded = judging.decoded(kind(of_spec(spec)), widget({"gone": None, "kept": None, "set": None, "list": [None]}))
    assert decoded.value["spec"] == {"kept": None, "set": "x", "list": [None]}


def test_status_is_dropped_where_it_is_a_subresource() -> None:
    schema = struct({"spec": BASE, "status": struct({"ready": {"type": "boolean"}})})
    with_status = kind(schema, subresources={"status": {}})
    given = judging.decoded(with_status, widget({}, status={"ready": True})).value
    old = judging.decoded(with_status, widget({}, status={"ready": False})).value
    assert "status" not in judging.prepared(with_status, given)
    assert judging.prepared(with_status, given, old)["status"] == {"ready": False}
    assert judging.prepared(kind(schema), given)["status"] == {"ready": True}


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        ({"replicas": 1}, []),
        (
            {"replicas": 0},
            [
                "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
            ],
        ),
        (
            {"replicas": "x"},
            ['spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
        ),
        ({"name": "much too long"}, ["spec.name: Too long: may not be more than 5 bytes"]),
        (None, []),
    ],
)
def test_texts_of_the_schema(spec: Any, texts: list[str]) -> None:
    assert judged(kind(of_spec(BASE)), widget(spec)) == texts


def test_what_is_required() -> None:
    schema = of_spec(struct({"a": TEXT}, "a"), required=["spec"])
    assert judged(kind(schema), widget()) == ["spec: Required value"]
    assert judged(kind(schema), widget({})) == ["spec.a: Required value"]


def test_rules_are_not_asked_where_the_schema_is_violated() -> None:
    of = kind(of_spec(ruled(struct({"a": NUMBER}, "a"), "self.a > 1")))
    assert judged(of, widget({})) == [
        "spec.a: Required value",
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct "
        "the existing errors to complete validation",
    ]


def test_messages_reasons_and_paths_of_rules() -> None:
    of = kind(
        of_spec(
            ruled(
                struct({"low": NUMBER, "name": TEXT}),
                {"rule": "self.low > 1", "messageExpression": "'low is ' + (self.low == 1 ? 'one' : 'less')"},
                {"rule": "self.name != 'x'", "reason": "FieldValueForbidden", "message": "not x", "fieldPath": ".name"},
            )
        )
    )
    assert judged(of, widget({"low": 1, "name": "x"})) == [
        "spec: Invalid value: low is one",
        "spec.name: Forbidden: not x",
    ]
    assert judged(of, widget({"name": "y"})) == [
        'spec: Invalid value: "object": no such key: low evaluating rule: self.low > 1'
    ]


def test_transitions_and_ratcheting() -> None:
    spec = struct(
        {"fixed": ruled(TEXT, {"rule": "self == oldSelf", "message": "fixed"}), "n": {**NUMBER, "maximum": 3}}
    )
    of = kind(of_spec(spec))
    assert judged(of, widget({"fixed": "a"})) == []
    assert judged(of, widget({"fixed": "b"}), widget({"fixed": "a"})) == ['spec.fixed: Invalid value: "b": fixed']
    assert judged(of, widget({"n": 4, "fixed": "a"}), widget({"n": 4})) == []
    assert judged(of, widget({"n": 5}), widget({"n": 4})) == [
        "spec.n: Invalid value: 5: spec.n in body should be less than or equal to 3"
    ]


def test_metadata_is_checked() -> None:
    value = widget({})
    value["metadata"] = {"name": "Bad_Name", "namespace": "default", "labels": {"a b": "c"}, "stray": 1}
    decoded = judging.decoded(kind(of_spec(BASE)), value)
    assert decoded.unknown == [("metadata", "stray")]
    texts = judged(kind(of_spec(BASE)), value)
    assert texts[0].startswith('metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain')
    assert texts[1].startswith('metadata.labels: Invalid value: "a b": name part must consist of')


def test_a_name_that_is_still_to_be_generated_is_not_missed() -> None:
    value = widget({})
    value["metadata"] = {"generateName": "x-", "namespace": "default"}
    assert judged(kind(of_spec(BASE)), value) == []


def test_metadata_of_a_wrong_type() -> None:
    value = widget({})
    value["metadata"]["labels"] = {"a": 1}
    decoded = judging.decoded(kind(of_spec(BASE)), value)
    assert decoded.failed == "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"


def test_scale_paths() -> None:
    of = kind(
        of_spec(struct({"replicas": {"x-kubernetes-int-or-string": True}})),
        subresources={"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
    )
    assert judged(of, widget({"replicas": -1})) == [
        ".spec.replicas: Invalid value: -1: should be a non-negative integer"
    ]


def test_hostile_objects_stay_within_bounds() -> None:
    """A thousand unknown fields, 3 MiB of text, a large set: each is judged, with a bounded number of refusals."""
    spec = struct(
        {
            "set": array(TEXT, **{"x-kubernetes-list-type": "set"}),
            "list": array({**NUMBER, "minimum": 1}),
            "text": {**TEXT, "pattern": "^(a+)+$"},
        }
    )
    of = kind(of_spec(spec))
    unknown = judging.decoded(of, widget({f"f{number}": number for number in range(1000)}))
    assert len(unknown.unknown) == 1000
    with within(20, time.process_time):  # linear in the object
        texts = judged(of, widget({"set": ["x"] * 20_000, "list": [0] * 20_000, "text": "a" * 1_000_000 + "!"}))
    assert 1_000 <= len(texts) < 25_000


def test_a_rule_over_its_budget_ends() -> None:
    names = array({**TEXT, "maxLength": 10}, maxItems=200)
    rule = "self.names.all(a, self.names.all(b, self.names.size() > 0 && a != 'stop'))"
    of = kind(of_spec(ruled(struct({"names": names}), *[rule] * 3)))
    texts = judged(of, widget({"names": [f"n{number}" for number in range(200)]}))
    assert texts == []
    over = "self.names.map(a, a + a).size() > 0 && self.names.all(a, self.names.map(b, a + b).size() > 0)"
    many = kind(of_spec(struct({f"f{n}": ruled(struct({"names": names}), over) for n in range(30)})))
    value = widget({f"f{n}": {"names": [f"n{number}" for number in range(200)]} for n in range(30)})
    assert any("running out of cost budget" in text for text in judged(many, value))


def test_errors_past_the_limit_are_left_out_and_change_nothing_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors are the first of those without a limit."""
    ones = {"enum": [1, 3]}
    ranges = [
        {"items": {"anyOf": [ones, {"minimum": 3, "not": {"enum": [5, 7]}}]}},
        {"items": {"oneOf": [{"minimum": 0}, ones, {"maximum": -3, "enum": [-7]}]}},
    ]
    row = array({**NUMBER, "enum": list(range(-9, 10, 2))}, oneOf=ranges)
    words = array(TEXT, anyOf=[{"items": {"pattern": "^a"}}, {"not": {"items": {"enum": ["b"]}}}])
    of = kind(of_spec(struct({"rows": array(row), "words": array(words)})))
    chosen = random.Random(7)
    for _ in range(200):
        rows = [[chosen.choice([*range(-9, 10), "x", None]) for _ in range(chosen.randrange(40))] for _ in range(3)]
        texts = [[chosen.choice(["a", "ab", "b", "c", 1]) for _ in range(chosen.randrange(4))] for _ in range(9)]
        value = widget({"rows": rows, "words": texts})
        monkeypatch.setattr(openapi, "MAX_ERRORS", 10**6)
        every = judged(of, value)
        monkeypatch.setattr(openapi, "MAX_ERRORS", 4)
        first = judged(of, value)
        assert len(every) > 4
        assert first == every[:4]

"""Decoding and encoding against Kubernetes' own scheme, kind by kind, and the cases that are easy to get wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import goprograms
from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.generated import kinds, objects
from webhook.apiserver.decoding import decode_builtin, decode_metadata
from webhook.apiserver.encoding import encode_builtin


def ours(value: dict[str, Any]) -> dict[str, Any]:
    """What decoding and encoding make of an object, in the form of the oracle's answers."""
    decoded = decode_builtin(value)
    assert decoded is not None
    strict = [each.message for each in decoded.problems if each.message.startswith("unknown field ")]
    wrong = [each.message for each in decoded.problems if not each.message.startswith("unknown field ")]
    if wrong:
        return {"error": wrong[0]}
    made: dict[str, Any] = {"object": encode_builtin(decoded.object)}
    return made | ({"strict": strict} if strict else {})


@pytest.mark.parametrize("wrong", [0, 8, 40], ids=["valid", "mostly-valid", "invalid"])
def test_objects_of_every_kind_are_decoded_as_kubernetes_does(wrong: int) -> None:
    made = objects(f"decoding {wrong}", amount(len(list(kinds())) * 15, len(list(kinds())) * 3), wrong)
    differences = [
        (value, theirs, mine)
        for value, theirs in zip(made, oracle.ask(made, "decode"), strict=True)
        if (mine := ours(value)) != theirs
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"


def test_decoding_does_not_modify_the_value() -> None:
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "spec": {"containers": [{"command": []}]}}
    before = repr(value)
    ours(value)
    assert repr(value) == before


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}


def problems(spec: dict[str, Any]) -> list[tuple[Any, str, str]]:
    decoded = decode_builtin({**POD, "spec": spec})
    assert decoded is not None
    return [(each.path, each.message, each.hint) for each in decoded.problems]


def test_an_unknown_field_has_its_path_and_the_nearest_name() -> None:
    assert problems({"volumes": [{"name": "a", "hostpath": {"path": "/"}}]}) == [
        (("spec", "volumes", 0, "hostpath"), 'unknown field "spec.volumes[0].hostpath"', "hostPath")
    ]


def test_at_most_1000_unknown_fields_are_named() -> None:
    assert len(problems({f"x{index}": 1 for index in range(1200)})) == 1000
    assert len(problems({"containers": [{"name": index} for index in range(1200)]})) == 1000


def test_the_first_of_many_are_named_in_the_order_of_their_paths() -> None:
    containers = [{"name": "a", "é": 1, "ab": 1, "Zb": 1}, {"name": "b", "stdin": {"a": 1}, "aa": 1}]
    many = {f"x{index:04}": 1 for index in reversed(range(1200))}
    found = [path for path, _, _ in problems({"zz": 1, "aa": 1, "containers": containers, "volumes": [many]})]
    assert found[:7] == [
        ("spec", "containers", 1, "stdin"),  # of a wrong type, so it comes first
        ("spec", "aa"),
        ("spec", "containers", 0, "Zb"),
        ("spec", "containers", 0, "ab"),
        ("spec", "containers", 0, "é"),
        ("spec", "containers", 1, "aa"),
        ("spec", "volumes", 0, "x0000"),
    ]
    assert found[-1] == ("spec", "volumes", 0, "x0994")


def test_every_value_of_a_wrong_type_has_its_own_problem() -> None:
    found = problems({"containers": [{"name": 1, "ports": [{"containerPort": "80"}]}], "hostNetwork": "true"})
    assert [path for path, _, _ in found] == [
        ("spec", "containers", 0, "name"),
        ("spec", "containers", 0, "ports", 0, "containerPort"),
        ("spec", "hostNetwork"),
    ]


def test_metadata_of_any_object() -> None:
    decoded = decode_metadata({"name": "a", "labels": {"x": None}, "annotations": {}, "foo": 1, "finalizers": [None]})
    assert decoded.object == {"name": "a", "labels": {"x": ""}, "finalizers": [""]}
    assert [(each.path, each.message) for each in decoded.problems] == [
        (("metadata", "foo"), 'unknown field "metadata.foo"')
    ]


def test_no_metadata() -> None:
    assert decode_metadata(None) == ({}, ())


@pytest.mark.parametrize(
    "data", [[104, 105], [104.0, None], [], [256], [-1], [1.5], ["h"], [[1]], 5, True, {"a": 1}, "%"]
)
def test_binary_data_of_other_forms_is_read_as_kubernetes_does(data: Any) -> None:
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"key": data}}
    (theirs,) = oracle.ask([value], "decode")
    assert ours(value) == theirs


def test_binary_data_is_a_list_of_numbers_too() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert ours({**secret, "data": {"key": [104, 105]}})["object"]["data"] == {"key": "aGk="}
    assert ours({**secret, "data": {"key": [256]}}) == {
        "error": "json: cannot unmarshal number 256 into Go struct field Secret.data of type uint8"
    }
    assert ours({**secret, "data": {"key": 5}})["error"].startswith("json: cannot unmarshal number into Go ")


BLANKS = "\t\n\v\f\r\x1c\x1f \x85\xa0\u1680\u180e\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_blanks_around_a_quantity(blank: str) -> None:
    """The API server drops those that are not escaped in the JSON that kubectl writes."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"a": f"{blank}5Gi{blank}"}}}
    text = json.dumps(quota, ensure_ascii=False)
    for separator in "\u2028\u2029":  # which Go escapes
        text = text.replace(separator, ascii(separator)[1:-1])
    (answer,) = goprograms.answers(goprograms.built(oracle.SOURCE), [{"text": text, "step": "decode"}])
    decoded = decode_builtin(quota)
    assert decoded is not None
    assert [each.message for each in decoded.problems] == ([answer["error"]] if "error" in answer else [])
    assert ("error" in answer) == (blank in "\t\n\v\f\r\x1c\x1f\u180e\u200b\u2028\u2029\ufeff")

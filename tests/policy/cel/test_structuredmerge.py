"""Structured merge: plain rules that hold of any two values, and what each kind of field does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.policy.cel import structuredmerge
from webhook.policy.cel.structuredmerge import MergeError
from webhook.schema import Schema, Schemas

TEXT = {"type": "string"}
ITEM = {"type": "object", "properties": {"id": TEXT, "value": TEXT, "zone": {"type": "string", "default": "a"}}}
SCHEMA = Schema(
    {
        "type": "object",
        "properties": {
            "text": TEXT,
            "number": {"type": "integer"},
            "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
            "list": {
                "type": "array",
                "items": ITEM,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["id", "zone"],
            },
            "labels": {"type": "object", "additionalProperties": TEXT},
            "whole": {"type": "array", "items": TEXT},
            "wholeMap": {"type": "object", "additionalProperties": TEXT, "x-kubernetes-map-type": "atomic"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
)

names = st.sampled_from("abcdef")
unique_texts = st.lists(names, unique=True, max_size=6)
items = st.fixed_dictionaries({"id": names}, optional={"zone": st.sampled_from("ab"), "value": names})
unique_items = st.lists(items, unique_by=lambda item: (item["id"], item.get("zone", "a")), max_size=6)
maps = st.dictionaries(names, names, max_size=5)


def key(item: dict[str, Any]) -> tuple[str, str]:
    return item["id"], item.get("zone", "a")


def merged(live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    before = json.dumps([live, wanted])
    found = structuredmerge.apply(SCHEMA, live, wanted)
    assert json.dumps([live, wanted]) == before
    return found


@given(maps, maps)
def test_maps_are_united_and_what_is_wanted_wins(live: dict[str, str], wanted: dict[str, str]) -> None:
    assert merged({"labels": live}, {"labels": wanted})["labels"] == {**live, **wanted}


@given(unique_texts, unique_texts)
def test_sets_have_the_items_of_both_once(live: list[str], wanted: list[str]) -> None:
    found = merged({"set": live}, {"set": wanted})["set"]
    assert len(found) == len(set(found))
    assert set(found) == {*live, *wanted}


@given(unique_texts, unique_texts)
def test_the_order_of_what_is_wanted_is_kept(live: list[str], wanted: list[str]) -> None:
    found = merged({"set": live}, {"set": wanted})["set"]
    assert [item for item in found if item in wanted] == wanted
    only_live = [item for item in live if item not in wanted]
    assert [item for item in found if item not in wanted] == only_live


@given(unique_items, unique_items)
def test_items_of_lists_are_merged_with_those_of_their_keys(
    live: list[dict[str, str]], wanted: list[dict[str, str]]
) -> None:
    found = merged({"list": live}, {"list": wanted})["list"]
    there, asked = {key(item): item for item in live}, {key(item): item for item in wanted}
    assert {key(item): item for item in found} == {
        each: {**there.get(each, {}), **asked.get(each, {})} for each in {**there, **asked}
    }
    assert len(found) == len({**there, **asked})


@given(unique_items, unique_texts, maps)
def test_merging_with_itself_changes_nothing(
    live: list[dict[str, str]], texts: list[str], held: dict[str, str]
) -> None:
    value = {"list": live, "set": texts, "labels": held}
    assert merged(value, value) == value


@given(unique_items, unique_items, unique_texts, unique_texts)
def test_merging_twice_is_merging_once(
    live: list[dict[str, str]], wanted: list[dict[str, str]], texts: list[str], more: list[str]
) -> None:
    asked = {"list": wanted, "set": more}
    once = merged({"list": live, "set": texts}, asked)
    assert merged(once, asked) == once


def test_what_is_not_wanted_stays() -> None:
    live = {"text": "a", "whole": ["x"], "wholeMap": {"a": "b"}, "unknown": 1, "free": {"a": {"b": 1}}}
    assert merged(live, {"text": "b", "free": {"a": {"c": 2}}}) == {
        **live,
        "text": "b",
        "free": {"a": {"b": 1, "c": 2}},
    }


def test_items_that_stand_twice_give_way() -> None:
    live = {"list": [{"id": "a", "value": "1"}, {"id": "a", "value": "2"}, {"id": "b"}]}
    assert merged(live, {"list": [{"id": "a", "value": "3"}]}) == {"list": [{"id": "a", "value": "3"}, {"id": "b"}]}
    assert merged(live, {"list": [{"id": "c"}]})["list"] == [*live["list"], {"id": "c"}]


def test_where_something_stands_twice_new_items_come_after_its_second_place() -> None:
    assert merged({"set": ["a", "a", "c"]}, {"set": ["a", "x"]})["set"] == ["a", "x", "c"]
    assert merged({"set": ["a", "a", "c"]}, {"set": ["x", "a"]})["set"] == ["x", "a", "c"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"whole": ["a"]}, "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .whole"),
        ({"wholeMap": {}}, "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .wholeMap"),
        ({"free": {"a": ["x"]}}, None),  # below maps of whatever, the server looks for nothing atomic
        ({"nope": 1}, "failed to convert patch object to typed object: .nope: field not declared in schema"),
        ({"set": ["a", "a"]}, 'failed to convert patch object to typed object: .set: duplicate entries for key [="a"]'),
        (
            {"list": [{"id": "a"}, {"id": "a", "zone": "a"}]},
            'failed to convert patch object to typed object: .list: duplicate entries for key [id="a",zone="a"]',
        ),
        (
            {"list": [{"id": "a", "value": 1}]},
            'failed to convert patch object to typed object: .list[id="a",zone="a"].value: '
            "expected string, got &value.valueUnstructured{Value:1}",
        ),
        (
            {"number": "x", "text": True},
            "failed to convert patch object to typed object: errors:\n"
            "  .number: expected numeric (int or float), got string\n"
            "  .text: expected string, got &value.valueUnstructured{Value:true}",
        ),
        (
            {"number": True},
            "failed to convert patch object to typed object: .number: expected numeric (int or float), got bool",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_the_servers_words(wanted: dict[str, Any], text: str | None) -> None:
    if text is None:
        assert merged({}, wanted) == wanted
        return
    with pytest.raises(MergeError) as raised:
        structuredmerge.apply(SCHEMA, {}, wanted)
    assert str(raised.value) == text


def test_an_object_that_does_not_fit_cannot_be_merged_with() -> None:
    with pytest.raises(
        MergeError, match=r"failed to convert original object to typed object: \.number: expected numeric"
    ):
        structuredmerge.apply(SCHEMA, {"number": "x"}, {"text": "a"})


@pytest.mark.parametrize(
    ("group", "version", "kind"), [("", "v1", "Pod"), ("apps", "v1", "Deployment"), ("autoscaling", "v1", "Scale")]
)
def test_the_servers_own_kinds_have_schemas(group: str, version: str, kind: str) -> None:
    schema = Schemas.builtin().of(group, version, kind)
    assert schema is not None
    wanted = {"metadata": {"labels": {"a": "b"}}}
    assert structuredmerge.apply(schema, {"metadata": {"labels": {"c": "d"}}}, wanted) == {
        "metadata": {"labels": {"c": "d", "a": "b"}}
    }

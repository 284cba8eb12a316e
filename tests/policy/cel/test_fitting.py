"""What is taken for fitting a schema has no fault; and what the API server has stored is taken for fitting."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.amounts import amount
from tests.apiserver.generated import objects
from webhook.apiserver import admitted
from webhook.policy.cel.fitting import fitting
from webhook.policy.cel.golang import Opaque
from webhook.policy.cel.mergetypes import Type
from webhook.policy.cel.structuredmerge import faults
from webhook.schema import Schema, Schemas

TEXT = {"type": "string"}
ITEM = {"type": "object", "properties": {"id": TEXT, "zone": {"type": "string", "default": "a"}}}
MAP_LIST = {"type": "array", "items": ITEM, "x-kubernetes-list-type": "map"}
FIELDS: dict[str, Any] = {
    "text": TEXT,
    "data": {"type": "string", "format": "byte"},
    "port": {"x-kubernetes-int-or-string": True},
    "number": {"type": "integer"},
    "flag": {"type": "boolean"},
    "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    "list": {**MAP_LIST, "x-kubernetes-list-map-keys": ["id"]},
    "defaulted": {**MAP_LIST, "x-kubernetes-list-map-keys": ["id", "zone"]},
    "labels": {"type": "object", "additionalProperties": TEXT},
    "whole": {"type": "array", "items": TEXT},
    "bare": {"type": "array"},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "any": {},
}
SCHEMA = Schema({"type": "object", "properties": {**FIELDS, "below": {"type": "object", "properties": FIELDS}}})

scalars = st.sampled_from([None, True, 1, 1.5, "a", "b", ""])
names = st.sampled_from(["id", "zone", "a", *FIELDS])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def found(schema: Schema, value: Any) -> list[tuple[str, str]]:
    return faults(schema, value, allow_duplicates=True, allow_undeclared=True)


def fits(schema: Schema, value: Any) -> bool:
    return fitting(Type(schema))(value)


@given(st.dictionaries(st.sampled_from([*FIELDS, "below", "undeclared"]), values, max_size=5))
def test_what_fits_has_no_fault(value: dict[str, Any]) -> None:
    if found(SCHEMA, value):
        assert not fits(SCHEMA, value)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a", "data": "YQ==", "port": 80, "number": 1.0, "flag": True, "set": ["a", "a"], "undeclared": [{}]},
        {"list": [{"id": "a"}, {"id": "a", "zone": None}], "defaulted": [{"zone": "b"}, {}], "labels": {"a": "b"}},
        {"text": None, "set": None, "labels": None, "whole": ["a", None], "bare": [1, {}], "free": {"a": [[]]}},
        {"below": {"any": {"a": [1, {"b": None}]}, "port": "http"}},
    ],
)
def test_what_a_cluster_stores_fits(value: dict[str, Any]) -> None:
    assert fits(SCHEMA, value)
    assert not found(SCHEMA, value)


@pytest.mark.parametrize(
    "value",
    [
        {"text": 1},
        {"text": {}},
        {"number": True},
        {"flag": "true"},
        {"below": {"set": [{}]}},
        {"set": [None]},
        {"list": [{"zone": "a"}]},
        {"list": ["a"]},
        {"labels": []},
        {"whole": {}},
        {"text": Opaque("uint64", "1", "0x1")},
    ],
)
def test_what_has_a_fault_does_not(value: dict[str, Any]) -> None:
    assert not fits(SCHEMA, value)
    assert found(SCHEMA, value)


def test_objects_of_every_kind_fit_as_the_api_server_writes_them() -> None:
    chosen = random.Random(4)
    for written in objects("fitting", amount(2000, 200), 0):
        schema = Schemas.builtin().of(*group_version(written["apiVersion"]), written["kind"])
        assert schema is not None
        value = admitted.read(written).object
        assert fits(schema, value) == (not found(schema, value))
        spoilt = deepcopy(value)
        _spoil(spoilt, chosen)
        if found(schema, spoilt):
            assert not fits(schema, spoilt)


def group_version(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def _spoil(value: Any, chosen: random.Random) -> None:
    """Put a value of another type somewhere."""
    while isinstance(value, dict | list) and value:
        key = chosen.choice(sorted(value) if isinstance(value, dict) else range(len(value)))
        if chosen.random() < 0.3 or not isinstance(value[key], dict | list):
            value[key] = chosen.choice([None, True, 1, "a", [], {}, [1], {"a": 1}])
            return
        value = value[key]

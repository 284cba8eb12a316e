"""A patch turns the one object into the other, by the API server's rules, and is empty only if they are the same."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhook.admission import patch

_KEYS = st.sampled_from(["a", "b", "c", "", "/", "~", "~1", "x/y~z"])
_SCALARS = (
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "x", "ä"])
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_OBJECTS = st.dictionaries(_KEYS, _VALUES, max_size=4)


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(_OBJECTS, _OBJECTS)
def test_applying_the_patch_gives_the_other_object(before: dict[str, Any], after: dict[str, Any]) -> None:
    untouched = copy.deepcopy((before, after))
    operations = patch.diff(before, after)
    assert _text(jsonpatch.apply_patch(before, operations)) == _text(after)
    assert (operations == []) == (_text(before) == _text(after))
    assert _text([before, after]) == _text(list(untouched))


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        ({"metadata": {}}, {"metadata": {}}, []),
        (
            {"metadata": {"name": "x"}},
            {"metadata": {"name": "x", "finalizers": ["example.com/protect"]}},
            [{"op": "add", "path": "/metadata/finalizers", "value": ["example.com/protect"]}],
        ),
        (
            {"metadata": {"finalizers": ["a.b/c"]}},
            {"metadata": {"finalizers": ["a.b/c", "d.e/f"]}},
            [{"op": "add", "path": "/metadata/finalizers/1", "value": "d.e/f"}],
        ),
        (
            {"metadata": {"labels": {"app.io/a~b": "1"}}},
            {"metadata": {"labels": {}}},
            [{"op": "remove", "path": "/metadata/labels/app.io~1a~0b"}],
        ),
        (
            {"spec": {"replicas": 1}},
            {"spec": {"replicas": 2}},
            [{"op": "replace", "path": "/spec/replicas", "value": 2}],
        ),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": 1}, {"a": 1.0}, [{"op": "replace", "path": "/a", "value": 1.0}]),
        ({"a": None}, {}, [{"op": "remove", "path": "/a"}]),
    ],
)
def test_the_operations_are_the_smallest(
    before: dict[str, Any], after: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    assert patch.diff(before, after) == operations


def test_moves_within_a_list_keep_both_pointers_below_it() -> None:
    before, after = {"spec": {"a/b": [1, 2, 3]}}, {"spec": {"a/b": [3, 1, 2]}}
    operations = patch.diff(before, after)
    assert all(
        str(pointer).startswith("/spec/a~1b/") for o in operations for pointer in (o["path"], o.get("from", o["path"]))
    )
    assert jsonpatch.apply_patch(before, operations) == after


def test_the_patch_of_a_large_list_is_the_list() -> None:
    """An operation for each element would take many times the memory of the list."""
    before = {"spec": {"ports": [{"port": number} for number in range(1_500)]}}
    after = {"spec": {"ports": [{"port": number + 1, "name": "a"} for number in range(1_500)]}}
    (operation,) = patch.diff(before, after)
    assert operation == {"op": "replace", "path": "/spec/ports", "value": after["spec"]["ports"]}

"""JSON patches: what RFC 6902 says, what the API server's library has of its own, and what it never does."""

from __future__ import annotations

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.admission import patch
from webhook.policy.cel import jsonpatches
from webhook.policy.cel.jsonpatches import NO_VALUE, FailedTest, Operation, PatchError

TARGET = {"a": {"b": [1, 2, 3], "c~/d": "x"}, "n": None}

keys = st.sampled_from(["a", "b", "c/d", "e~f", "", "0"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "", "é"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=4)


def applied(*operations: Operation, target: dict[str, Any] = TARGET) -> Any:
    before = json.dumps(target)
    try:
        return jsonpatches.apply(target, operations)
    finally:
        assert json.dumps(target) == before


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Operation("add", "/a/b/1", value=9), [1, 9, 2, 3]),
        (Operation("add", "/a/b/-", value=9), [1, 2, 3, 9]),
        (Operation("add", "/a/b/3", value=9), [1, 2, 3, 9]),
        (Operation("add", "/a/b/-1", value=9), [1, 2, 3, 9]),
        (Operation("replace", "/a/b/-1", value=9), [1, 2, 9]),
        (Operation("replace", "/a/b/+00", value=9), [9, 2, 3]),
        (Operation("remove", "/a/b/0"), [2, 3]),
        (Operation("move", "/a/b/-", "/a/b/0"), [2, 3, 1]),
        (Operation("copy", "/a/b/0", "/a/b/2"), [3, 1, 2, 3]),
    ],
)
def test_lists(operation: Operation, expected: list[int]) -> None:
    assert applied(operation)["a"]["b"] == expected


def test_objects() -> None:
    assert applied(Operation("replace", "/a/new", value=1))["a"]["new"] == 1
    assert applied(Operation("replace", "/a/c~0~1d", value=1))["a"]["c~/d"] == 1
    assert applied(Operation("add", "/a/x"))["a"]["x"] is None
    assert applied(Operation("copy", "/a/x", "/nope"))["a"]["x"] is None
    assert applied(Operation("replace", "", value={"b": 1})) == {"b": 1}


@pytest.mark.parametrize(
    ("operation", "holds"),
    [
        (Operation("test", "/a/b", value=[1, 2, 3]), True),
        (Operation("test", "/a/b/0", value=1.0), True),
        (Operation("test", "/a/b/0", value=True), False),
        (Operation("test", "/a/b/0", value="1"), False),
        (Operation("test", "/a/nope"), True),
        (Operation("test", "/a/nope", value=None), False),
        (Operation("test", "/n"), True),
        (Operation("test", "/n", value=None), False),
        (Operation("test", "/a/b"), False),
    ],
)
def test_tests(operation: Operation, holds: bool) -> None:
    if holds:
        assert applied(operation) == TARGET
    else:
        with pytest.raises(FailedTest):
            applied(operation)


def test_an_explicit_null_is_told_from_one_of_the_object() -> None:
    null = Operation("add", "/x", value=None)
    assert applied(null, Operation("test", "/x", value=None))["x"] is None
    with pytest.raises(FailedTest):
        applied(null, Operation("test", "/x"))
    assert applied(Operation("add", "/x", value={}), Operation("test", "/x", value=None))["x"] == {}


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            Operation("remove", "/a/b/3"),
            "error in remove for path: '/a/b/3': Unable to access invalid index: 3: invalid index referenced",
        ),
        (
            Operation("add", "/a/b/x", value=1),
            "error in add for path: '/a/b/x': value was not a proper array index: "
            "'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            Operation("add", "/a/b/0/y/z", value=1),
            'add operation does not apply: doc is missing path: "/a/b/0/y/z": missing value',
        ),
        (Operation("add", "", value={}), 'add operation does not apply: doc is missing path: "": missing value'),
        (
            Operation("replace", "/a/b/9", value=1),
            "replace operation does not apply: doc is missing key: /a/b/9: missing value",
        ),
        (
            Operation("move", "/a/x"),
            "move operation failed to decode from: operation, missing from field: missing value",
        ),
        (Operation("add", "/a/\x01", value=1), "add operation failed to decode path: missing value"),
        (
            Operation("add", "/a/b/" + "9" * 5000, value=1),
            "error in add for path: '/a/b/"
            + "9" * 5000
            + "': value was not a proper array index: '"
            + "9" * 5000
            + "': strconv.Atoi: parsing \""
            + "9" * 5000
            + '": value out of range',
        ),
    ],
)
def test_errors_read_as_the_servers(operation: Operation, text: str) -> None:
    with pytest.raises(PatchError) as raised:
        applied(operation)
    assert str(raised.value) == text


def test_parts_of_the_result_are_nobody_elses() -> None:
    value: dict[str, Any] = {"k": []}
    add = Operation("add", "/x", value=value)
    applied(add, Operation("add", "/x/k/-", value=1))
    assert value == {"k": []}
    found = applied(add, Operation("copy", "/y", "/x"), Operation("add", "/y/k/-", value=1))
    assert (found["x"], found["y"]) == ({"k": []}, {"k": [1]})


def test_a_copy_shares_nothing_with_what_was_changed_before() -> None:
    found = applied(
        Operation("add", "/a/x", value=1), Operation("copy", "/c", "/a"), Operation("add", "/a/b/-", value=4)
    )
    assert found["c"] == {"b": [1, 2, 3], "c~/d": "x", "x": 1}
    assert found["a"] == {"b": [1, 2, 3, 4], "c~/d": "x", "x": 1}


steps = st.sampled_from(["a", "b", "c~1d", "0", "1", "-1", "-"])
paths = st.lists(steps, min_size=1, max_size=3).map(lambda path: "/" + "/".join(path))
replaced = st.builds(Operation, st.just("replace"), st.just(""), value=objects)
operations = st.builds(Operation, st.sampled_from(["add", "remove", "replace", "move", "copy"]), paths, paths, values)


@given(objects, st.lists(operations | replaced, min_size=2, max_size=6))
def test_operations_together_do_what_they_do_one_at_a_time(target: dict[str, Any], several: list[Operation]) -> None:
    """Nothing is changed but what a path leads to: not what it shares, nor what the operations hold."""
    held = json.dumps([target, *(each.value for each in several)])
    expected: Any = target
    done: list[Operation] = []
    for each in several:
        try:
            expected = json.loads(json.dumps(jsonpatches.apply(expected, [each])))
        except PatchError:
            continue
        done.append(each)
    assert json.dumps(jsonpatches.apply(target, done)) == json.dumps(expected)
    assert json.dumps([target, *(each.value for each in several)]) == held


def test_a_patch_of_nothing_has_no_paths() -> None:
    emptied = Operation("replace", "", value=None)
    for path in ("/a/b", "/0/b"):
        with pytest.raises(PatchError, match="doc is missing path"):
            applied(emptied, Operation("add", path, value=1))


@given(objects, objects)
def test_a_patch_between_two_objects_leads_from_one_to_the_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    operations = patch.diff(one, other)
    assert json.dumps(jsonpatch.apply_patch(one, operations), sort_keys=True) == json.dumps(other, sort_keys=True)
    here = [
        Operation(each["op"], each["path"], each.get("from", ""), each.get("value", NO_VALUE)) for each in operations
    ]
    assert json.dumps(jsonpatches.apply(one, here), sort_keys=True) == json.dumps(other, sort_keys=True)
    assert bool(operations) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))

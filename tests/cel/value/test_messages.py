"""Objects and JSON patches that expressions construct: types named by the expression, whatever else its text has."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation, CompileError, Environment, EvaluationError, types
from webhook.cel.check.construction import JSON_PATCH_TYPE, OBJECT_TYPE
from webhook.cel.library import jsonpatch
from webhook.cel.value.messages import Message, Raw

ENVIRONMENT = Environment({"object": types.DYN, "flag": types.BOOL}).constructing()
OBJECT = {"name": "web", "items": [{"name": "a"}, {"name": "b"}]}


def value(source: str) -> Any:
    """The value in all forms of the code, which agree."""
    program = ENVIRONMENT.compile(source)
    found = program.evaluate(Activation({"object": OBJECT, "flag": True}))
    assert program.evaluate_exactly(Activation({"object": OBJECT, "flag": True})) == found
    return found


def plain(found: Any) -> Any:
    """Messages as (type, fields)."""
    if isinstance(found, Message):
        return found.cel_type, {name: plain(item) for name, item in found.fields.items()}
    return [plain(item) for item in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Object{}", ("Object", {})),
        ("Object{a: 1, b: 'x'}", ("Object", {"a": 1, "b": "x"})),
        ("Object{a: Object.a{b: Object.a.b{}}}", ("Object", {"a": ("Object.a", {"b": ("Object.a.b", {})})})),
        ("Object{a: Object . a\n  {b: 1}}", ("Object", {"a": ("Object.a", {"b": 1})})),
        (".Object{a: .Object.a{}}", ("Object", {"a": ("Object.a", {})})),
        ("Object{a: 'Object.a{b: 1}'}", ("Object", {"a": "Object.a{b: 1}"})),
        ("Object{a: Object.a{}} // Object.b{}", ("Object", {"a": ("Object.a", {})})),
        ("Object{T0_: Object.T0_{}}", ("Object", {"T0_": ("Object.T0_", {})})),
        ("Object{?a: optional.none(), ?b: optional.of(1)}", ("Object", {"b": 1})),
        ("flag ? Object{a: 1} : Object{}", ("Object", {"a": 1})),
        ("Object{a: object.items.map(i, Object.a{n: i.name})}",
         ("Object", {"a": [("Object.a", {"n": "a"}), ("Object.a", {"n": "b"})]})),
        ("[JSONPatch{op: 'add', path: '/a', value: Object.x{}}]",
         [("JSONPatch", {"op": "add", "path": "/a", "value": ("Object.x", {})})]),
    ],
)  # fmt: skip
def test_messages_have_the_type_and_the_fields_that_are_written(source: str, expected: Any) -> None:
    assert plain(value(source)) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Object{a: 1}.a == 1", True),
        ("has(Object{a: 1}.b)", False),
        ("Object{a: 1}.b == null", True),
        ("JSONPatch{op: 'x'}.op == 'x' && JSONPatch{}.path == ''", True),
        ("has(JSONPatch{op: ''}.op) || has(JSONPatch{}.value)", False),
        ("Object{a: 1} == Object{a: 1} && Object{a: 1} != Object{a: 2}", True),
        ("Object{a: 1} == dyn({'a': 1})", False),
        ("Object{a: true} == Object{a: 1}", False),
        (jsonpatch.LIBRARY.overloads[0].example, True),
        ("jsonpatch.escapeKey('~/~1') == '~0~1~01'", True),
    ],
)
def test_reading_and_comparing(source: str, expected: bool) -> None:
    assert value(source) is expected


def test_their_types() -> None:
    assert ENVIRONMENT.compile("Object{}", (OBJECT_TYPE,)).type == OBJECT_TYPE
    assert ENVIRONMENT.compile("[JSONPatch{}]").type == types.list_of(JSON_PATCH_TYPE)
    assert str(ENVIRONMENT.compile("[Object.a.b{}]").type) == "list(Object.a.b)"


def test_lists_and_maps_that_are_made_within_others_are_marked() -> None:
    def items(source: str) -> list[type]:
        return [type(item) for item in value(source).fields["a"]]

    assert items("Object{a: [{'b': 1}]}") == [Raw]
    assert items("Object{a: flag ? [[1]] : []}") == [Raw]
    assert items("Object{a: object.items}") == [dict, dict]
    assert items("Object{a: [object.items[0]]}") == [dict]
    assert items("Object{a: [Object.a{}]}") == [Message]
    assert items("Object{a: object.items + [{'b': 1}]}") == [dict, dict, dict]


@pytest.mark.parametrize(
    ("source", "message", "column"),
    [
        ("Object{a: nope}", "undeclared reference to 'nope'", 11),
        ("Object{a: Object.a{b: object.nope()}}", "undeclared reference to 'nope'", 30),
        ("Other.a{}", "undeclared reference to 'Other'", 1),
        ("[Object.a{}, Object.b{}]", "expected type 'Object.a' but found 'Object.b'", 22),
        ("Object.a{} == Object.b{}", "found no matching overload for '_==_' applied to '(Object.a, Object.b)'", 12),
        ("type(Object{}) == Object", "program instantiation failed: reference to undefined type: Object", 19),
        ("JSONPatch{value: 1, path: 2}", "expected type of field 'path' is 'string' but provided type is 'int'", 25),
    ],
)
def test_errors_name_types_and_places_as_they_are_written(source: str, message: str, column: int) -> None:
    with pytest.raises(CompileError) as raised:
        ENVIRONMENT.compile(source)
    [issue] = raised.value.issues
    assert issue.message.startswith(message)
    assert issue.column == column
    assert raised.value.source == source


def test_a_field_that_must_be_text_and_is_not() -> None:
    with pytest.raises(EvaluationError, match=r"^unexpected type int64 for JSONPatchType 'op' field$"):
        ENVIRONMENT.compile("JSONPatch{op: object.n}").evaluate(Activation({"object": {"n": 1}}))


def test_other_expressions_construct_nothing() -> None:
    for source in ("Object{}", "[JSONPatch{}]", "jsonpatch.escapeKey('a')"):
        with pytest.raises(CompileError, match="only the expressions of mutations have it"):
            Environment({}).compile(source)

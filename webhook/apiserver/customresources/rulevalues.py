"""JSON values as expressions of rules see them (k8s.io/apiserver, pkg/cel/common/valuesunstructured.go).

Fields have escaped names, numbers the type of their schema, and texts with a format are durations, timestamps or bytes.
Lists that are sets or maps are equal in any order, and their sum is a union.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from webhook.apiserver.customresources.formats import duration
from webhook.apiserver.customresources.ruletypes import as_resource, escaped
from webhook.apiserver.customresources.structural import Schema
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.operators import equal
from webhook.cel.value.times import NANO, Duration, Timestamp, parse_timestamp

HIDDEN: Final = "\0"
"""The first character of keys that no expression can name. Only comparisons see these entries."""


class Unreadable:
    """A value that does not have the type or format of its schema. `text`: the API server's error.

    It only occurs in updates, where what was wrong before is not refused.
    """

    __slots__ = ("text",)
    cel_type = "error"

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        raise EvaluationError(self.text)

    __hash__ = None  # type: ignore[assignment]


class Guarded(dict[str, Any]):
    """An object with an unreadable field. Whoever reads that field gets its error."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if type(value) is Unreadable:
            raise EvaluationError(value.text)
        return value


class SetList(list[Any]):
    """A list that is a set."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list):
            return False
        return len(self) == len(other) and all(_within(item, other) for item in self)

    __hash__ = None

    def cel_plus(self, other: list[Any]) -> list[Any]:
        """The union: the elements of this list, then the new ones of the other."""
        made = SetList(self)
        made.extend(item for item in other if not _within(item, self))
        return made


def _within(item: Any, items: list[Any]) -> bool:
    return any(equal(item, each) for each in items)


class MapList(list[Any]):
    """A list that is a map. `keys`: the escaped names of its keys."""

    __slots__ = ("keys",)

    def __init__(self, items: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(items)
        self.keys = keys

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list) or len(self) != len(other):
            return False
        own = {self._key(item): item for item in self}
        theirs = {self._key(item): item for item in other}
        return own.keys() == theirs.keys() and all(equal(item, theirs[key]) for key, item in own.items())

    __hash__ = None

    def cel_plus(self, other: list[Any]) -> list[Any]:
        """The merge: elements of the other list replace those with the same keys, new ones follow."""
        places = {self._key(item): place for place, item in enumerate(self)}
        made = MapList(self, self.keys)
        for item in other:
            place = places.get(self._key(item))
            if place is None:
                made.append(item)
            else:
                made[place] = item
        return made

    def _key(self, item: Any) -> tuple[Any, ...]:
        values = (item.get(name) if isinstance(item, dict) else None for name in self.keys)
        return tuple((type(value), value) for value in values)


_INT_OR_STRING: Final = "invalid data, expected XIntOrString value to be either a string or integer"
_EXPECTED: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "object": ((dict,), "a map for the provided schema with type=object"),
    "array": ((list,), "an array for the provided schema with type=array"),
    "string": ((str,), "string, got {}"),
    "number": ((int, float), "float, got {}"),
    "integer": ((int,), "int, got {}"),
    "boolean": ((bool,), "bool, got {}"),
}
_GO_TYPES: Final = {
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def converted(value: Any, schema: Schema, *, root: bool = False, compared: bool = True) -> Any:
    """A value of the schema as an expression sees it.

    root: it is a resource. compared: the expression may compare or add lists, so sets and maps matter.
    """
    if value is None:
        return None
    if schema.int_or_string:
        return value if type(value) in (int, str) else Unreadable(_INT_OR_STRING)
    expected = _EXPECTED.get(schema.type)
    if expected is not None and type(value) not in expected[0]:
        return Unreadable(f"invalid data, expected {expected[1].format(_GO_TYPES[type(value)])}")
    match schema.type:
        case "object":
            return _object(value, as_resource(schema) if root or schema.embedded else schema, compared)
        case "array":
            if schema.items is None:
                return value
            items = schema.items
            made = [converted(item, items, compared=compared) for item in value]
            if not compared or schema.list_type not in ("set", "map"):
                return made
            if schema.list_type == "set":
                return SetList(made)
            return MapList(made, tuple(escaped(key) or key for key in schema.map_keys))
        case "string":
            return _text(value, schema.format) if schema.format else value
        case "number":
            return float(value) if type(value) is int else value
    return value


def unreadable(value: Any) -> str:
    """The API server's error for the first value that is unreadable, at any depth; "" if there is none."""
    if type(value) is Unreadable:
        return value.text
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((text for text in map(unreadable, parts) if text), "")


def _object(value: dict[str, Any], schema: Schema, compared: bool) -> Any:
    values = schema.values
    if not schema.properties and values is not None:
        entries = {key: converted(item, values, compared=compared) for key, item in value.items()}
        return Guarded(entries) if any(type(item) is Unreadable for item in entries.values()) else entries
    made: dict[str, Any] = {}
    properties = schema.properties
    for key, item in value.items():
        field = properties.get(key)
        name = escaped(key) if field is not None else None
        if field is None or name is None or item is None:
            made[HIDDEN + key] = item
        else:
            made[name] = converted(item, field, compared=compared)
    return Guarded(made) if any(type(item) is Unreadable for item in made.values()) else made


def _text(value: str, form: str) -> Any:
    try:
        match form:
            case "duration":
                found = duration(value)
                return Unreadable(f"Invalid duration {value}") if found is None else Duration(found)
            case "date":
                return parse_timestamp(f"{value}T00:00:00Z")
            case "date-time":
                return _date_time(value)
            case "byte":
                padded = value.encode("ascii")
                return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (EvaluationError, binascii.Error, UnicodeEncodeError, ValueError):
        return Unreadable(f"Invalid {form} formatted string {value}")
    return value


_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")


def _date_time(value: str) -> Timestamp:
    if not value:
        return Timestamp(0 * NANO)
    return parse_timestamp(f"{value}Z" if _WITHOUT_ZONE.fullmatch(value) else value)

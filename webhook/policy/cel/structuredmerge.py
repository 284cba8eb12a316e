"""Structured merge, as server-side apply merges: an object, and what somebody wants of it, into one.

What merges how is in the kind's schema: objects and maps field by field, lists of maps item by item as their keys tell
them apart, sets by their items; what is atomic is taken as a whole. From sigs.k8s.io/structured-merge-diff (package
typed), with the schema as k8s.io/kube-openapi (package schemaconv) reads it, texts of errors included.

Values are JSON, and golang.Opaque for what is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from webhook.policy.cel import golang
from webhook.schema import MISSING, UNKNOWN, Schema

_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"


class MergeError(ValueError):
    """Values that do not fit the schema; str(error) is the API server's text."""


@dataclass(frozen=True, slots=True)
class _List:
    """`keys` tell the items apart; without any the list is a set, or atomic."""

    atomic: bool
    keys: tuple[str, ...]
    items: _Type


@dataclass(frozen=True, slots=True)
class _Map:
    """`other`: the values under names that are no `fields`; None where there may be none."""

    atomic: bool
    fields: Mapping[str, Schema]
    other: _Type | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a value may be: a scalar (numeric, string, boolean, untyped), a list, a map; or any of them."""

    scalar: str = ""
    list: _List | None = None
    map: _Map | None = None

    def of(self, value: Any) -> _Shape:
        """What is left of it for this value; all of it where the value is none of what it may be."""
        if isinstance(value, dict):
            return _Shape(map=self.map) if self.map and (self.scalar or self.list) else self
        if isinstance(value, list):
            return _Shape(list=self.list) if self.list and (self.scalar or self.map) else self
        is_scalar = isinstance(value, bool | int | float | str)
        return _Shape(self.scalar) if is_scalar and self.scalar and (self.list or self.map) else self


@dataclass(frozen=True, slots=True)
class _Type:
    """The type of a place: its schema, and whether fields that are not declared are kept all the way from above.

    `schema` is None where nothing is known: such values are maps that merge and all else atomic; `atomic`: maps too.
    """

    schema: Schema | None
    keeping: bool = False
    atomic: bool = False

    def shape(self) -> _Shape:
        return _shape(self.schema, self.keeping, self.atomic)

    def field(self, holder: _Map, name: str) -> _Type | None:
        """The type of a map's value."""
        found = holder.fields.get(name)
        return self.below(found) if found is not None else holder.other

    def below(self, schema: Schema) -> _Type:
        """The type of a part of this one."""
        # A definition of its own does not inherit what was said where it is used.
        keeps = self.keeping or (self.schema is not None and self.schema.preserve_unknown_fields)
        return _Type(schema, keeps and not schema.definition)


_ANY: Final = _Type(None)
_ATOMIC: Final = _Type(None, atomic=True)


@lru_cache(maxsize=8192)
def _shape(schema: Schema | None, keeping: bool, atomic: bool) -> _Shape:
    if schema is None:
        return _Shape("untyped", _List(True, (), _ATOMIC), _Map(atomic, {}, _ATOMIC if atomic else _ANY))
    if schema.definition == _QUANTITY:
        return _Shape("untyped")
    if schema.definition == _RAW:
        return _shape(None, False, True)
    here = _Type(schema, keeping)
    match schema.type:
        case "":
            return _Shape("untyped", _list(here, schema), _map(here, schema))
        case "object":
            return _Shape(map=_map(here, schema))
        case "array":
            return _Shape(list=_list(here, schema))
        case "boolean":
            return _Shape("boolean")
        case "string":
            return _Shape("string" if schema.format in ("", "byte") else "untyped")
        case _:
            return _Shape("numeric")


def _list(here: _Type, schema: Schema) -> _List:
    items = here.below(schema.items) if schema.items is not None else _ATOMIC
    return _List(schema.list_type == "atomic", schema.list_map_keys if schema.list_type == "map" else (), items)


def _map(here: _Type, schema: Schema) -> _Map:
    if schema.values is UNKNOWN:
        other: _Type | None = _ANY
    elif schema.values is not None:
        other = here.below(schema.values)
    elif here.keeping or schema.preserve_unknown_fields or not schema.fields:
        other = _ANY
    else:
        other = None
    return _Map(schema.map_type == "atomic", schema.fields, other)


# ----------------------------------------------------------------------------------------------------------- checks

Fault = tuple[str, str]
"""One thing wrong with a value: where (`.spec.containers[name="main"].image`), and what."""


UNDECLARED: Final = "field not declared in schema"


def faults(schema: Schema, value: Any, *, twice: bool = False, unknown: bool = False) -> list[Fault]:
    """What is wrong with an object of this schema.

    twice: items of a list may stand twice, as they may in what the API server has read. unknown: nothing is said of
    fields that nobody declared.
    """
    return list(_check(_Type(schema), value, (twice, unknown)))


_Leniency = tuple[bool, bool]
"""Of `faults`: twice, unknown."""


def _check(known: _Type, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    shape = known.shape().of(value)
    if shape.map is not None:
        yield from _check_map(known, shape.map, value, lenient)
    elif shape.scalar:
        wrong = _scalar_fault(shape.scalar, value)
        if wrong:
            yield "", wrong
    elif shape.list is not None:
        yield from _check_list(shape.list, value, lenient)


def _scalar_fault(kind: str, value: Any) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "numeric":
            return "" if is_number else f"expected numeric (int or float), got {golang.type_name(value)}"
        case "string":
            syntax = golang.syntax(value)
            return "" if isinstance(value, str) else f"expected string, got &value.valueUnstructured{{Value:{syntax}}}"
        case "boolean":
            return "" if isinstance(value, bool) else f"expected boolean, got &{{{golang.text(value)}}}"
        case _:
            is_scalar = is_number or isinstance(value, bool | str)
            return "" if is_scalar else f"expected any scalar, got &{{{golang.text(value)}}}"


def _check_map(known: _Type, holder: _Map, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield "", f"expected map, got &{{{golang.text(value)}}}"
        return
    for name, item in value.items():
        below = known.field(holder, name)
        if below is not None:
            for where, what in _check(below, item, lenient):
                yield f".{name}{where}", what
        elif not lenient[1]:
            yield f".{name}", UNDECLARED


def _check_list(holder: _List, value: Any, lenient: _Leniency) -> Iterator[Fault]:
    if value is None:
        return
    if not isinstance(value, list):
        yield "", f"expected list, got &{{{golang.text(value)}}}"
        return
    seen: set[_Key] = set()
    for index, item in enumerate(value):
        key: _Key | None = None
        if not holder.atomic:
            try:
                key = _key(holder, item)
            except MergeError as error:
                yield "", f"element {index}: {error}"
                return
            if key in seen and not lenient[0]:
                yield "", f"duplicate entries for key {_shown(key)}"
            seen.add(key)
        for where, what in _check(holder.items, item, lenient):
            yield f"[{index}]{where}" if key is None else f"{_shown(key)}{where}", what


_Key = tuple[tuple[str, str, Any], ...]
"""What tells an item of a list from the others: (field, type, value) of each key; of a set's item the value alone."""


def _key(holder: _List, item: Any) -> _Key:
    if not holder.keys:
        if isinstance(item, dict):
            raise MergeError("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise MergeError("not supported: associative list with lists as elements")
        if item is None:
            raise MergeError("associative list without keys has an element that's an explicit null")
        return (_part("", item),)
    if item is None:
        raise MergeError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise MergeError("associative list with keys may not have non-map elements")
    parts = []
    for name in holder.keys:
        value = item[name] if name in item else _default(holder, name)
        if value is not MISSING and not (value is None and name not in item):
            parts.append(_part(name, value))
    if not parts:
        names = " ".join(map(golang.quoted, holder.keys))
        raise MergeError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return tuple(sorted(parts, key=lambda part: part[0]))


def _default(holder: _List, name: str) -> Any:
    shape = holder.items.shape()
    found = shape.map.fields.get(name) if shape.map is not None else None
    return MISSING if found is None else found.default


def _part(name: str, value: Any) -> tuple[str, str, Any]:
    """As Python's sets tell such values apart: 1 and 1.0 are one, true is none of them."""
    if isinstance(value, bool):
        return name, "bool", value
    if isinstance(value, int | float):
        return name, "number", value
    return (name, "string", value) if isinstance(value, str) else (name, "other", golang.syntax(value))


def _shown(key: _Key) -> str:
    """`[name="main"]`, or `["a"]` as `[="a"]`."""
    return f"[{','.join(f'{name}={_written(kind, value)}' for name, kind, value in key)}]"


def _written(kind: str, value: Any) -> str:
    if kind == "string":
        return golang.quoted(value)
    return "{{undefined}}" if kind == "other" else golang.text(value)


def atomics(schema: Schema, value: Any) -> list[str]:
    """Where the lists, maps and objects are that can only be had as a whole, as `.spec.nodeSelector`.

    As in the API server, the values of maps are not looked into.
    """
    return list(_atomics(_Type(schema), value, ""))


def _atomics(known: _Type, value: Any, at: str) -> Iterator[str]:
    shape = known.shape()
    if isinstance(value, dict) and shape.map is not None:
        if shape.map.atomic:
            yield at
        for name, item in value.items():
            found = shape.map.fields.get(name)
            if found is not None:
                yield from _atomics(known.below(found), item, f"{at}.{name}")
    elif isinstance(value, list) and shape.list is not None:
        if shape.list.atomic:
            yield at
        for index, item in enumerate(value):
            yield from _atomics(shape.list.items, item, f"{at}[{index}]")


def fractions(schema: Schema, value: Any) -> list[str]:
    """The formats (int32, int64) of the integers that `value` has fractions for."""
    return list(_fractions(_Type(schema), value))


def _fractions(known: _Type, value: Any) -> Iterator[str]:
    if isinstance(value, float):
        if known.schema is not None and known.schema.type == "integer" and not value.is_integer():
            yield known.schema.format or "int64"
        return
    shape = known.shape()
    if isinstance(value, dict) and shape.map is not None:
        for name, item in value.items():
            below = known.field(shape.map, name)
            if below is not None:
                yield from _fractions(below, item)
    elif isinstance(value, list) and shape.list is not None:
        for item in value:
            yield from _fractions(shape.list.items, item)


def told(found: list[Fault]) -> str:
    """All faults in one text."""
    texts = [f"{where}: {what}" if where else what for where, what in found]
    return texts[0] if len(texts) == 1 else "\n  ".join(["errors:", *texts])


# ------------------------------------------------------------------------------------------------------------ merge


def apply(schema: Schema, live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """`live` with all that `wanted` has, which may be a part of an object, and touch nothing that is atomic.

    Neither is changed; the result shares parts with both. Raises MergeError with the API server's text.
    """
    wrong = faults(schema, wanted)
    if wrong:
        raise MergeError(f"failed to convert patch object to typed object: {told(wrong)}")
    whole = atomics(schema, wanted)
    if whole:
        places = ", ".join(whole)
        raise MergeError(f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {places}")
    wrong = faults(schema, live, twice=True, unknown=True)
    if wrong:
        raise MergeError(f"failed to convert original object to typed object: {told(wrong)}")
    merged: dict[str, Any] = _merge(_Type(schema), live, wanted)
    return merged


def _merge(known: _Type, live: Any, wanted: Any) -> Any:
    """Both fit the type; `live` is None where there is nothing to merge with."""
    shape = known.shape()
    if shape.map is not None and isinstance(live, dict) and (wanted is None or isinstance(wanted, dict)):
        if shape.map.atomic or not (live or wanted):
            return wanted
        return _merge_maps(known, shape.map, live, wanted or {})
    if shape.list is not None and isinstance(live, list) and (wanted is None or isinstance(wanted, list)):
        if shape.list.atomic or not (live or wanted):
            return wanted
        return _merge_lists(shape.list, live, wanted or [])
    return wanted


def _merge_maps(known: _Type, holder: _Map, live: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    merged = dict(live)
    for name, value in wanted.items():
        below = known.field(holder, name) if name in live else None
        merged[name] = value if below is None else _merge(below, live[name], value)
    return merged


def _merge_lists(holder: _List, live: list[Any], wanted: list[Any]) -> list[Any]:
    """Items of both, in an order that keeps that of `wanted`, and that of `live` as far as it goes with it."""
    live_keys, wanted_keys = [_key(holder, item) for item in live], [_key(holder, item) for item in wanted]
    held: dict[_Key, Any] = {}
    for key, item in zip(live_keys, live, strict=True):
        held[key] = None if key in held else item  # what stands twice cannot be merged with: both give way
    asked = dict(zip(wanted_keys, wanted, strict=True))
    merged: list[Any] = []
    done: set[_Key] = set()
    in_both = (key for key in wanted_keys if key in held)
    awaited = next(in_both, None)  # the next of the wanted items that is there already
    at = 0
    for key in wanted_keys:
        # Before it come the live items up to it, but for those that are wanted further on.
        while at < len(live) and live_keys[at] != key:
            here = live_keys[at]
            if here not in asked:
                merged.append(live[at])
            elif awaited is None or awaited == here:
                at += here in done
                break
            at += 1
        if at < len(live) and live_keys[at] == key:
            at += 1
        merged.append(_merge(holder.items, held.get(key), asked[key]))
        done.add(key)
        if awaited == key:
            awaited = next(in_both, None)
    merged += (item for item, key in zip(live[at:], live_keys[at:], strict=True) if key not in asked)
    return merged

"""Decodes JSON values into the Go types of the built-in kinds, as the API server's strict decoder does.

A decoded value is plain JSON again, of what a Go value holds: unknown fields are gone; null is absent, as are zero
values (false, 0, "", an empty struct) but for those that pointers, lists and maps hold; an empty list or map is absent
where writing leaves it out; quantities, times and binary data are in the form in which Go writes them.
webhook.apiserver.encoding adds the zero values that Go writes. Items of lists keep their index.

A decoder of each type is made when it is first needed. A decoder takes the value, its place and the list of problems;
it returns what is decoded, None for what is absent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from webhook.apiserver import gotimes
from webhook.apiserver.decodingerrors import Decoder, Found, Known, Place, path_of
from webhook.apiserver.gotypes import OBJECT_META, Field, GoType, fields_of, short_name, struct_of
from webhook.apiserver.leafdecoding import as_is, binary, int_or_string, quantity, scalar, text_form
from webhook.apiserver.problems import FieldProblem
from webhook.paths import Path
from webhook.versions import NEWEST, Version


class Decoded(NamedTuple):
    """A decoded object, and what strict decoding refuses of it; see FieldProblem.

    Of problems the first is the one that the API server answers with: it names unknown fields only if there is nothing
    else. A value that has a problem is absent from the object.
    """

    object: dict[str, Any]
    problems: tuple[FieldProblem, ...]


def decode(value: dict[str, Any], struct: str, target: Version = NEWEST) -> Decoded:
    """Decode an object, or a part of one, as a struct (webhook.apiserver.gotypes) of a Kubernetes version.

    The value is not modified.
    """
    found = Found(target)
    decoded = _struct(struct, target)(value, None, found) or {}
    return Decoded(decoded, _advised(found, value, struct))


def decode_builtin(value: dict[str, Any], target: Version = NEWEST) -> Decoded | None:
    """Decode an object of a built-in kind by its apiVersion and kind; None if it has another kind."""
    struct = struct_of(value["apiVersion"], value["kind"], target)
    return None if struct is None else decode(value, struct, target)


def decode_metadata(metadata: Any) -> Decoded:
    """Decode the metadata of a custom resource, which the API server decodes alone. Paths begin with `metadata`.

    All versions have the same metadata.
    """
    found = Found(NEWEST)
    place = (None, "metadata", None)
    decoded = _struct(OBJECT_META, NEWEST)(metadata, place, found) if metadata is not None else None
    return Decoded(decoded or {}, _advised(found, metadata, OBJECT_META, ("metadata",)))


def _advised(found: Found, value: Any, struct: str, above: Path = ()) -> tuple[FieldProblem, ...]:
    if not found.wrong and not found.unknown:
        return ()
    from webhook.apiserver.advising import advised  # only for an object that has a problem

    return advised(found.problems(), value, struct, found.target, above)


def fields(struct: str) -> tuple[str, ...]:
    """The names of a struct's fields."""
    return tuple(field.name for field in fields_of(struct))


@cache
def _struct(struct: str, target: Version) -> Decoder:
    """The decoder of a struct. An empty struct is absent."""
    known: dict[str, Known] = {}
    names: list[str] = []
    complete = False
    go = ".".join(struct.split(".")[-2:])
    short = short_name(struct)

    def prepare() -> None:
        nonlocal complete  # on first use: types refer to each other
        for field in fields_of(struct, target):
            known[field.name] = _known(field, short, target)
            names.append(field.name)
        complete = True

    def decode_struct(value: Any, place: Place | None, found: Found) -> Any:
        if not complete:
            prepare()
        if value.__class__ is not dict:
            if value is not None:
                found.mistyped(value, go, place)
            return None
        decoded: dict[str, Any] = {}
        unknown: list[str] | None = None
        for name, each in value.items():
            field = known.get(name)
            if field is None:
                if unknown is None:
                    unknown = []
                    found.unknown.append((place, unknown, names, struct))
                unknown.append(name)
                continue
            plain, kept, decode, _, _ = field
            if each.__class__ is plain:
                if each or kept:
                    decoded[name] = each
            elif each is not None:
                made = decode(each, (place, name, field), found)
                if made is not None:
                    decoded[name] = made
        return decoded or None

    return decode_struct


def _known(field: Field, struct: str, target: Version) -> Known:
    form, pointer = field.type.form, field.type.pointer
    plain = {"string": str, "bool": bool}.get(form)
    decode = decoder_of(field.type, target)
    if pointer and form == "struct":
        decode = _kept(decode, {})
    elif form in ("list", "map") and (not field.left_out or (struct, field.name) in _NOT_NIL):
        decode = _kept_empty(decode, list if form == "list" else dict)
    elif pointer and form in ("time", "microtime"):
        decode = _kept_time(decode)
    elif not pointer and form in _ZEROS and (form != "bytes" or field.left_out):
        decode = _without_zero(decode, _ZEROS[form])
    named = field.embedded + field.name if target >= _NAMES_EMBEDDED else field.name
    return Known(plain, pointer, decode, struct, named)


_NAMES_EMBEDDED: Final[Version] = (1, 35)
"""The first version whose messages name the embedded structs that a field stands in."""


_NOT_NIL: Final = frozenset((("HPAScalingRules", "policies"), ("NodeStatus", "allocatable")))
"""Fields that have another default if they are absent than if they are empty. The functions that set these defaults
drop empty values, so that they are not written."""

_ZEROS: Final[dict[str, Any]] = {
    "int32": 0,
    "int64": 0,
    "float64": 0,
    "bytes": "",
    "quantity": "0",
    "intstr": 0,
}
"""The zero values of the forms that decoders return."""


def _without_zero(decode: Decoder, zero: Any) -> Decoder:
    def without_zero(value: Any, place: Place | None, found: Found) -> Any:
        decoded = decode(value, place, found)
        return None if decoded == zero and decoded.__class__ is zero.__class__ else decoded

    return without_zero


def _kept(decode: Decoder, zero: Any) -> Decoder:
    """Of a pointer to a struct, which keeps an empty struct."""

    def kept(value: Any, place: Place | None, found: Found) -> Any:
        decoded = decode(value, place, found)
        return {} if decoded is None and value.__class__ is dict else decoded

    return kept


def _kept_time(decode: Decoder) -> Decoder:
    """Of a pointer to a time, which keeps the zero time. It is written as null."""

    def kept_time(value: Any, place: Place | None, found: Found) -> Any:
        wrong = len(found.wrong)
        decoded = decode(value, place, found)
        return gotimes.ZERO if decoded is None and len(found.wrong) == wrong else decoded

    return kept_time


def _kept_empty(decode: Decoder, kind: type) -> Decoder:
    """Of a list or map that is written when it is empty."""

    def kept_empty(value: Any, place: Place | None, found: Found) -> Any:
        decoded = decode(value, place, found)
        return kind() if decoded is None and value.__class__ is kind else decoded

    return kept_empty


def decoder_of(go: GoType, target: Version) -> Decoder:
    """The decoder of values that are not null. Empty lists and maps, and empty structs, are absent."""
    if go.form == "struct":
        return _struct(go.struct, target)
    if go.form == "list":
        return _list(go, target)
    if go.form == "map":
        return _map(go, target)
    if go.form in _SPECIAL:
        return _SPECIAL[go.form]
    return scalar(go)


def _list(go: GoType, target: Version) -> Decoder:
    of = go.items
    decode = _kept_in(of, target)
    plain = {"string": str, "bool": bool}.get(of.form)
    zero = _zero_of(of)

    def decode_list(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is not list:
            if value is not None:
                found.mistyped(value, go.go, place)
            return None
        decoded = []
        for index, each in enumerate(value):
            plainly = each.__class__ is plain or each is None
            made = each if plainly else decode(each, (place, index, None), found)
            decoded.append(zero() if made is None else made)
        return decoded or None

    return decode_list


def _map(go: GoType, target: Version) -> Decoder:
    of = go.items
    decode = _kept_in(of, target)
    plain = {"string": str, "bool": bool}.get(of.form)
    zero = _zero_of(of)

    def decode_map(value: Any, place: Place | None, found: Found) -> Any:
        if value.__class__ is not dict:
            if value is not None:
                found.mistyped(value, go.go, place)
            return None
        decoded: dict[str, Any] = {}
        for key, each in value.items():
            plainly = each.__class__ is plain or each is None
            made = each if plainly else decode(each, (place, key, None), found)
            decoded[key] = zero() if made is None else made
        return decoded or None

    return decode_map


def _kept_in(of: GoType, target: Version) -> Decoder:
    """The decoder of a list's items or a map's values, which keep empty lists and maps."""
    decode = decoder_of(of, target)
    return _kept_empty(decode, list if of.form == "list" else dict) if of.form in ("list", "map") else decode


def _zero_of(go: GoType) -> Callable[[], Any]:
    """Makes the zero value of an item of a list or a map's value, which null stands for."""
    if go.form == "struct" and not go.pointer:
        return dict
    zero = {**_ZEROS, "string": "", "bool": False, "bytes": None}.get(go.form) if not go.pointer else None
    return lambda: zero


_SCHEMA: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def _nested_schema(value: Any, place: Place | None, found: Found) -> Any:
    """A JSON schema below another. It is not decoded strictly: unknown fields are dropped without a word."""
    within = Found(found.target)
    decoded = _struct(_SCHEMA, found.target)(value, None, within)
    for path, text, fatal in within.wrong:
        at = place
        for step in path:
            at = (at, step, None)
        found.wrong.append((path_of(at), text, True if fatal or path else fatal))
    return {} if decoded is None else decoded


def _schema_or_bool(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is bool:
        return value
    if value.__class__ is dict:
        return _nested_schema(value, place, found)
    found.unreadable("boolean or JSON schema expected", place, fatal=True)
    return None


def _schema_or_strings(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is dict:
        return _nested_schema(value, place, found)
    if value.__class__ is list:
        return _list(_STRINGS, found.target)(value, None, found)
    return None


def _schema_or_array(value: Any, place: Place | None, found: Found) -> Any:
    if value.__class__ is dict:
        return _nested_schema(value, place, found)
    if value.__class__ is list:
        return [_nested_schema(each, (place, index, None), found) for index, each in enumerate(value)] or None
    return None


_STRINGS: Final = GoType("list", "[]string", of=GoType("string", "string"))

_SPECIAL: Final[dict[str, Decoder]] = {
    "bytes": binary,
    "time": text_form(gotimes.time),
    "microtime": text_form(gotimes.micro_time),
    "quantity": quantity,
    "intstr": int_or_string,
    "raw": as_is,
    "fields": as_is,
    "json": as_is,
    "schemaorbool": _schema_or_bool,
    "schemaorstrings": _schema_or_strings,
    "schemaorarray": _schema_or_array,
}

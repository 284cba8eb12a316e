"""Writes decoded objects as Go writes them: with the zero values of fields that `omitempty` does not leave out.

An encoder of each struct is made when it is first needed. It adds to the decoded object in place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from webhook.apiserver import gotimes
from webhook.apiserver.gotypes import OBJECT_META, Field, GoType, fields_of, struct_of
from webhook.versions import NEWEST, Version

Encoder = Callable[[Any], None]


def encode(decoded: dict[str, Any], struct: str, target: Version = NEWEST) -> dict[str, Any]:
    """Complete a decoded object, or a part of one, in place, as a Kubernetes version writes it, and return it."""
    _struct(struct, target)(decoded)
    return decoded


def encode_builtin(decoded: dict[str, Any], target: Version = NEWEST) -> dict[str, Any]:
    """Complete a decoded object of a built-in kind in place, and return it. Other objects stay as they are."""
    struct = struct_of(decoded["apiVersion"], decoded["kind"], target)
    return decoded if struct is None else encode(decoded, struct, target)


def encode_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Complete the decoded metadata of any object in place, and return it."""
    return encode(metadata, OBJECT_META)


def written_zero(struct: str, name: str, target: Version = NEWEST) -> Any:
    """What is written of a field that is absent; None if it is left out, or null."""
    field = next((each for each in fields_of(struct, target) if each.name == name), None)
    return None if field is None or field.left_out else _zero(field, target)()


@cache
def _struct(struct: str, target: Version) -> Encoder:
    nested: list[tuple[str, Encoder]] = []
    written: list[tuple[str, Callable[[], Any]]] = []
    times: list[str] = []
    complete = False

    def prepare() -> None:
        nonlocal complete  # on first use: types refer to each other
        for field in fields_of(struct, target):
            encoder = _encoder(field.type, target)
            if field.type.pointer and field.type.form in ("time", "microtime"):
                times.append(field.name)
            if encoder is not None:
                nested.append((field.name, encoder))
            if not field.left_out:
                written.append((field.name, _zero(field, target)))
        complete = True

    def encode_struct(value: Any) -> None:
        if not complete:
            prepare()
        for name, encoder in nested:
            if name in value:
                encoder(value[name])
        for name in times:
            if value.get(name) == gotimes.ZERO:
                value[name] = None
        for name, zero in written:
            if name not in value:
                value[name] = zero()

    return encode_struct


def _encoder(go: GoType, target: Version) -> Encoder | None:
    """The encoder of a type; None if nothing within can be missing."""
    if go.form == "struct":
        return _struct(go.struct, target) if _writes(go.struct, target) else None
    if go.form in _SCHEMAS:
        return partial(_nested_schemas, target)
    within = _encoder(go.of, target) if go.of is not None else None
    if within is None:
        return None
    encoder = within

    def encode_list(value: Any) -> None:
        for each in value:
            encoder(each)

    def encode_map(value: Any) -> None:
        for each in value.values():
            encoder(each)

    return encode_list if go.form == "list" else encode_map


@cache
def _writes(struct: str, target: Version) -> bool:
    """Whether a struct, or one below it, has a field that the encoder may have to write."""
    ahead, seen = [struct], {struct}
    while ahead:
        for field in fields_of(ahead.pop(), target):
            if not field.left_out:
                return True
            go: GoType | None = field.type
            while go is not None:
                if go.form in _SCHEMAS or (go.pointer and go.form in ("time", "microtime")):
                    return True
                if go.form == "struct" and go.struct not in seen:
                    seen.add(go.struct)
                    ahead.append(go.struct)
                go = go.of
    return False


_NULL: Final = frozenset(("list", "map", "bytes", "time", "microtime", "raw", "fields", "json"))
_ZEROS: Final[dict[str, Any]] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float64": 0,
    "quantity": "0",
    "intstr": 0,
    "schemaorbool": False,
}


def _zero(field: Field, target: Version) -> Callable[[], Any]:
    """Makes what is written of a field that is absent."""
    go = field.type
    if go.form == "struct" and not go.pointer:

        def empty() -> dict[str, Any]:
            value: dict[str, Any] = {}
            _struct(go.struct, target)(value)
            return value

        return empty
    zero = None if go.pointer else _ZEROS.get(go.form)
    return lambda: zero


_SCHEMAS: Final = frozenset(("schemaorbool", "schemaorstrings", "schemaorarray"))
_SCHEMA: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def _nested_schemas(target: Version, value: Any) -> None:
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, dict):
            _struct(_SCHEMA, target)(each)

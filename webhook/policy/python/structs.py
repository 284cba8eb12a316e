"""Params of Python policies as msgspec structs or dataclasses.

msgspec converts a value that is right, in C. It stops at the first error, so a value that is wrong is walked once more
here, to report every error in it with its field.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from webhook.nearest import nearest
from webhook.policy.written.model import describe

Model = TypeVar("Model")


class Fault(NamedTuple):
    """One error in params. `path`: the keys and indexes of the value. `missing`: whether it is required and absent."""

    path: tuple[str | int, ...]
    message: str
    missing: bool = False


class InvalidParams(ValueError):
    """Values that do not fit the model."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults)
        self.faults = faults


class _Field(NamedTuple):
    """`attribute`: its name in Python. `wanted`: its annotation."""

    attribute: str
    wanted: Any
    required: bool


def is_struct(kind: Any) -> bool:
    """Whether a class is a struct or a dataclass."""
    # A TypedDict or NamedTuple describes JSON as well, but policies annotate the plain object with them.
    return isinstance(kind, type) and (issubclass(kind, msgspec.Struct) or hasattr(kind, "__dataclass_fields__"))


def unusable(model: type) -> str | None:
    """Why values cannot be converted to the model: msgspec does not know the type of one of its fields."""
    try:
        msgspec.convert(None, model)
    except msgspec.ValidationError:
        return None
    except (TypeError, NameError, ValueError, NotImplementedError) as error:
        return str(error)
    return None


def read(model: type[Model], value: Any) -> Model:
    """The value as a model. Raises InvalidParams, with every fault."""
    try:
        return msgspec.convert(value, model)
    except msgspec.ValidationError as error:
        raise InvalidParams(list(_faults(model, value, ())) or [_fault(error, (), value)]) from None


def _faults(wanted: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[Fault]:
    """The errors of a value, those in its parts before those of the whole."""
    inner = _plain(wanted)
    found = False
    for fault in _inner_faults(inner, value, path):
        found = True
        yield fault
    if not found:
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            expected = _expected(inner)
            if expected is not None and not _fits(inner, value):
                hint = "; quote it" if inner is str and isinstance(value, bool | int | float) else ""
                yield Fault(path, f"expected {expected}, found {describe(value)}{hint}")
            else:
                yield _fault(error, path, value, _fields(inner) if is_struct(inner) else ())


def _inner_faults(wanted: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if is_struct(wanted):
        if isinstance(value, dict):
            yield from _fields_faults(wanted, value, path)
        return
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if not isinstance(origin, type):
        return
    if issubclass(origin, Mapping) and isinstance(value, dict):
        for key, item in value.items():
            yield from _faults(arguments[1], item, (*path, key))
    elif issubclass(origin, tuple) and isinstance(value, list) and arguments[-1:] != (...,):
        for index, (item, each) in enumerate(zip(value, arguments, strict=False)):
            yield from _faults(each, item, (*path, index))
    elif issubclass(origin, Sequence | Set) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(arguments[0], item, (*path, index))


def _fields_faults(model: type, value: dict[Any, Any], path: tuple[str | int, ...]) -> Iterator[Fault]:
    fields = _fields(model)
    for name, field in fields.items():
        if name in value:
            yield from _faults(field.wanted, value[name], (*path, name))
        elif field.required:
            expected = _expected(_plain(field.wanted))
            yield Fault((*path, name), f"required{f': {expected}' if expected else ''}", missing=True)
    config = getattr(model, "__struct_config__", None)
    if config is not None and config.forbid_unknown_fields:
        for name in value:
            if name not in fields and name != config.tag_field:
                close = nearest(str(name), sorted(fields))
                hint = f"did you mean {close}?" if close else f"expected one of {', '.join(sorted(fields))}"
                yield Fault((*path, name), f"unknown field; {hint}")


def _fields(model: type) -> dict[str, _Field]:
    """The fields of a struct or dataclass, by their names in the params."""
    hints = typing.get_type_hints(model, include_extras=True)
    if issubclass(model, msgspec.Struct):
        return {
            each.encode_name: _Field(each.name, hints[each.name], each.required)
            for each in msgspec.structs.fields(model)
        }
    dataclasses = sys.modules["dataclasses"]
    return {
        each.name: _Field(each.name, hints[each.name], each.default is each.default_factory is dataclasses.MISSING)
        for each in dataclasses.fields(model)
        if each.init
    }


def _plain(wanted: Any) -> Any:
    """An annotation without its constraints, and X of `X | None`."""
    while True:
        if typing.get_origin(wanted) is typing.Annotated:
            wanted = typing.get_args(wanted)[0]
        elif isinstance(wanted, types.UnionType) or typing.get_origin(wanted) is typing.Union:
            some = [each for each in typing.get_args(wanted) if each is not types.NoneType]
            if len(some) != 1:
                return wanted
            wanted = some[0]
        else:
            return wanted


_SCALARS: Final[Mapping[Any, tuple[str, tuple[type, ...]]]] = {
    str: ("text", (str,)),
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
}


def _expected(wanted: Any) -> str | None:
    """The values that a type takes, in words; None for types that are rare in params."""
    if wanted in _SCALARS:
        return _SCALARS[wanted][0]
    origin = typing.get_origin(wanted) or wanted
    if origin is Literal:
        return " or ".join(map(repr, typing.get_args(wanted)))
    if is_struct(wanted) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return "a mapping"
    return "a list" if isinstance(origin, type) and issubclass(origin, Sequence | Set) and origin is not bytes else None


def _fits(wanted: Any, value: Any) -> bool:
    """Whether a value has the JSON type of a type that `_expected` names, so that the error is another one."""
    if wanted in _SCALARS:
        kinds = _SCALARS[wanted][1]
        return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    origin = typing.get_origin(wanted) or wanted
    if origin is Literal:
        return False
    return isinstance(value, dict if is_struct(wanted) or issubclass(origin, Mapping) else list)


_WORDS: Final = {"`array`": "a list", "`object`": "a mapping", "`str`": "text", "`int`": "a whole number"}


def _fault(
    error: msgspec.ValidationError, path: tuple[str | int, ...], value: Any, fields: Iterable[str] = ()
) -> Fault:
    """msgspec's error at a place; of `__post_init__` at the field with whose name and a colon the text begins."""
    text, _, where = str(error).partition(" - at `")
    name, colon, rest = text.partition(": ")
    if error.__cause__ is not None:  # what __post_init__ raised
        return Fault((*path, name), rest) if colon and name in fields else Fault(path, text)
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    inside = where.rstrip("`").removeprefix("$").removeprefix(".")
    return Fault((*path, inside) if inside else path, f"{text[:1].lower()}{text[1:]}")

"""Makes pydantic models read-only, so that all requests can share params.

`sealed` makes the attributes of a model read-only, and the dicts, lists and models in it. The model stays an instance
of its class, with the same class name, equality and repr. Copies by `copy` or `model_copy` can be changed.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from abc import ABCMeta
from fractions import Fraction
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, SecretBytes, SecretStr

from webhook.policy.readonly import ReadOnlyError, sealed_dict, sealed_list

Model = TypeVar("Model", bound=BaseModel)

_UNCHANGEABLE: Final = (
    str, int, float, complex, bool, bytes, type(None), type, enum.Enum, range, re.Pattern, uuid.UUID, decimal.Decimal,
    Fraction, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, pathlib.PurePath,
    SecretStr, SecretBytes,
    ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface,
    ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface,
)  # fmt: skip


class NotSealable(TypeError):
    """A mutable value that cannot be made read-only."""


def sealed(model: Model) -> Model:
    """Make the model read-only, and return it.

    Raises NotSealable if it contains a value that cannot be made read-only: a set, a private attribute, an instance of
    a custom class. Then the model is not changed.
    """
    fields: list[tuple[BaseModel, dict[str, Any]]] = []
    _sealed(model, fields)
    kinds = {type(each) for each, _ in fields}
    classes = {kind: _sealed_class(kind) for kind in kinds}
    for each, values in fields:
        each.__dict__.update(values)
        _set_class(each, classes[type(each)])
    return model


def _sealed(value: Any, fields: list[tuple[BaseModel, dict[str, Any]]]) -> Any:
    """The read-only form of a value. Adds to `fields` each model in it with the read-only values of its fields."""
    kind = type(value)
    if kind is dict:
        return sealed_dict({key: _sealed(item, fields) for key, item in value.items()})
    if kind is list:
        return sealed_list([_sealed(item, fields) for item in value])
    if kind is tuple:
        return tuple(_sealed(item, fields) for item in value)
    if kind is frozenset:
        return frozenset(_sealed(item, fields) for item in value)
    if isinstance(value, _UNCHANGEABLE):
        return value
    if isinstance(value, BaseModel) and not (value.__pydantic_private__ or value.__pydantic_extra__):
        fields.append((value, {name: _sealed(item, fields) for name, item in value.__dict__.items()}))
        return value
    raise NotSealable(kind.__name__)


_set_class: Final = object.__dict__["__class__"].__set__


def _sealed_class(kind: type[BaseModel]) -> type[BaseModel]:
    """A subclass that looks like the class itself, with read-only instances."""

    def refuse(self: BaseModel, name: str, value: Any = None) -> NoReturn:
        raise ReadOnlyError(
            f"{name} of {kind.__name__} cannot be set: all requests share the params; change a copy, "
            "model_copy(deep=True)"
        )

    def copied(self: BaseModel) -> BaseModel:
        made = kind.__copy__(self)
        _set_class(made, kind)
        return made

    def deeply_copied(self: BaseModel, memo: dict[int, Any] | None = None) -> BaseModel:
        made = kind.__deepcopy__(self, memo)
        _set_class(made, kind)
        return made

    def reduced(self: BaseModel, protocol: Any) -> Any:
        return deeply_copied(self).__reduce_ex__(protocol)

    names = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__class__": property(lambda self: kind),
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__copy__": copied,
        "__deepcopy__": deeply_copied,
        "__reduce_ex__": reduced,
    }
    try:
        # Without pydantic's metaclass, which would compile the fields again.
        made: type[BaseModel] = ABCMeta.__new__(type(kind), kind.__name__, (kind,), names)
    except TypeError:  # the class allows no subclasses, or requires keywords for them
        raise NotSealable(kind.__name__) from None
    return made

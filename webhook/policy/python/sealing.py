"""Pydantic models that cannot be changed: the params that all requests share.

`sealed` makes the dicts and lists of a model read-only, and its attributes, and those of the models in it. The model
stays an instance of its class, with that class's name, equality and text. Copies, by `copy` or `model_copy`, can be
changed.
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
    """A value that can be changed, and cannot be kept from it."""


def sealed(model: Model) -> Model:
    """The model itself, which cannot be changed from now on.

    Raises NotSealable where something in it can be changed by other means: a set, a private attribute, an object of the
    policy's own. It is as it was then.
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
    """A value that cannot be changed; of the models in it, what their fields are to be is added to `fields`."""
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
    """A subclass that passes for the class itself, and whose instances cannot be changed."""

    def refuse(self: BaseModel, name: str, value: Any = None) -> NoReturn:
        raise ReadOnlyError(
            f"{name} of {kind.__name__} cannot be set: all requests share the params; change a copy of them, "
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
        # Not pydantic's way to make a class, which would compile the fields again.
        made: type[BaseModel] = ABCMeta.__new__(type(kind), kind.__name__, (kind,), names)
    except TypeError:  # a class that wants no subclasses, or keywords for them
        raise NotSealable(kind.__name__) from None
    return made

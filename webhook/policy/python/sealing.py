"""Makes models read-only, so that all requests can share params.

`sealed` makes the attributes of a model read-only, and the dicts, lists and models in it. The model stays an instance
of its class, with the same class name, equality and repr. Deep copies can be changed.

The attributes of a pydantic model become read-only by a subclass. Structs and dataclasses have to be frozen.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import sys
import uuid
from abc import ABCMeta
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from msgspec import Struct
from msgspec.structs import force_setattr

from webhook.policy.readonly import ReadOnlyError, sealed_dict, sealed_list

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model")

_UNCHANGEABLE: Final = (
    str, int, float, complex, bool, bytes, type(None), type, enum.Enum, range, re.Pattern, uuid.UUID, decimal.Decimal,
    Fraction, datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, pathlib.PurePath,
    ipaddress.IPv4Address, ipaddress.IPv4Network, ipaddress.IPv4Interface,
    ipaddress.IPv6Address, ipaddress.IPv6Network, ipaddress.IPv6Interface,
)  # fmt: skip


class NotSealable(TypeError):
    """A mutable value that cannot be made read-only."""


def sealed(model: Model) -> Model:
    """Make the model read-only, and return it.

    Raises NotSealable if it contains a value that cannot be made read-only: a set, a private attribute, a struct or
    dataclass that is not frozen, an instance of a custom class. Then the model is not changed.
    """
    changes: list[Callable[[], None]] = []
    _sealed(model, changes)
    for change in changes:
        change()
    return model


def pydantic_model() -> type[BaseModel] | None:
    """pydantic's BaseModel, if a policy has imported it: it takes a fifth of the time of a short run."""
    module = sys.modules.get("pydantic.main")
    return None if module is None else module.BaseModel


def _sealed(value: Any, changes: list[Callable[[], None]]) -> Any:
    """The read-only form of a value. Adds to `changes` what makes each model in it read-only."""
    kind = type(value)
    if kind is dict:
        return sealed_dict({key: _sealed(item, changes) for key, item in value.items()})
    if kind is list:
        return sealed_list([_sealed(item, changes) for item in value])
    if kind is tuple:
        return tuple(_sealed(item, changes) for item in value)
    if kind is frozenset:
        return frozenset(_sealed(item, changes) for item in value)
    if isinstance(value, _UNCHANGEABLE):
        return value
    if isinstance(value, Struct) and value.__struct_config__.frozen:
        fields = {name: _sealed(getattr(value, name), changes) for name in value.__struct_fields__}
        changes.append(lambda: _set_all(force_setattr, value, fields))
        return value
    if (params := getattr(kind, "__dataclass_params__", None)) is not None and params.frozen:
        fields = {name: _sealed(getattr(value, name), changes) for name in kind.__dataclass_fields__}
        changes.append(lambda: _set_all(object.__setattr__, value, fields))
        return value
    base = pydantic_model()
    if base is not None:
        if isinstance(value, base) and not (value.__pydantic_private__ or value.__pydantic_extra__):
            fields = {name: _sealed(item, changes) for name, item in value.__dict__.items()}
            made = _sealed_class(kind)
            changes.append(lambda: _seal(value, fields, made))
            return value
        if isinstance(value, sys.modules["pydantic"].SecretStr | sys.modules["pydantic"].SecretBytes):
            return value
    raise NotSealable(kind.__name__)


def _set_all(setting: Callable[[Any, str, Any], None], value: Any, fields: dict[str, Any]) -> None:
    for name, item in fields.items():
        setting(value, name, item)


def _seal(model: BaseModel, fields: dict[str, Any], kind: type[BaseModel]) -> None:
    model.__dict__.update(fields)
    _set_class(model, kind)


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

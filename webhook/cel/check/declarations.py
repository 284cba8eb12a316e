"""The declarations that the checker reads: what an expression can name, and the overloads of functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from webhook.cel.check.unifying import optional_of
from webhook.cel.library.declaring import FunctionDeclaration
from webhook.cel.tree import types
from webhook.cel.tree.types import Type
from webhook.cel.value import wellknown

_SCALARS: Final = (types.BOOL, types.INT, types.UINT, types.DOUBLE, types.STRING, types.BYTES)
_NAMED: Final = (*_SCALARS, types.TYPE, types.DURATION, types.TIMESTAMP)
TYPE_NAMES: Final[Mapping[str, Type]] = {
    **{each.name: Type("type", (each,)) for each in _NAMED},
    "list": Type("type", (types.list_of(types.DYN),)),
    "map": Type("type", (types.map_of(types.DYN, types.DYN),)),
    "null_type": Type("type", (types.NULL,)),
    **{name: Type("type", (declared,)) for name, declared in wellknown.TYPES.items()},
    wellknown.NULL_VALUE: types.INT,
}
"""The names of types and constants in expressions."""

OPTIONAL_NAME: Final = {"optional_type": Type("type", (optional_of(types.DYN),))}
"""The name of the type of optional values, where the version has them."""


class Signature(Struct, frozen=True):
    """An overload for the checker. variables: the names of its type variables."""

    id: str
    params: tuple[Type, ...]
    result: Type
    member: bool
    variables: tuple[str, ...]


def signature(declared: FunctionDeclaration) -> Signature:
    """A declared overload as the checker reads it."""
    found: dict[str, None] = {}

    def collect(each: Type) -> None:
        if each.is_param:
            found[each.name] = None
        for param in each.params:
            collect(param)

    for each in (*declared.params, declared.result):
        collect(each)
    return Signature(declared.id, declared.params, declared.result, declared.member, tuple(found))


class KnownCall(Struct, frozen=True):
    """A call with arguments of plain types: its type, its overloads, and the steps that it took to find these. Each
    expression with such a call is charged the steps."""

    type: Type
    overloads: tuple[str, ...]
    steps: int


Calls = dict[tuple[str, bool, tuple[Type, ...]], KnownCall]
"""Known calls, by the function's name, whether it is a method, and the types of its arguments. All expressions of a
version share them."""


class Names(Struct, frozen=True):
    """What an expression can name.

    globals: variables and types by qualified name. functions: overloads by qualified name, in their order. fields:
    struct name -> field -> type. open: the first part of the names of structs that have every field, each of type dyn
    (`Object`); "" for none. opaque: the types without fields. container: where names are looked up first.
    """

    globals: Mapping[str, Type]
    functions: Mapping[str, tuple[Signature, ...]]
    fields: Mapping[str, Mapping[str, Type]]
    opaque: frozenset[str] = frozenset()
    open: str = ""
    container: str = ""
    types: Mapping[str, Type] = {}
    """The names of types that literals of messages may be tried with."""
    roots: frozenset[str] = frozenset()
    """The first parts of qualified names of globals."""
    namespaces: frozenset[str] = frozenset()
    """The first parts of qualified names of functions."""
    calls: Calls = {}
    """Calls whose overloads are known."""

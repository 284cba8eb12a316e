"""Checks a syntax tree: the type of each node and the meaning of each name, by cel-go's algorithm.

Nodes are changed in place: they get their types, names get their qualified form, and calls of qualified functions lose
their target. Type variables are resolved when the tree is built (webhook.cel.check.building).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from webhook.cel.check.declarations import KnownCall, Names, Signature
from webhook.cel.check.nodes import Fault
from webhook.cel.check.unifying import DYNAMIC, Substitution, is_struct, most_general, optional_of, unwrapped
from webhook.cel.tree import types
from webhook.cel.tree.parsed import CALL, CONST, FOLD, IDENT, LIST, MAP, SELECT, STRUCT, Parsed
from webhook.cel.tree.types import Type
from webhook.cel.value import wellknown
from webhook.cel.value.numbers import UInt

_CONSTANTS: Final[Mapping[type, Type]] = {
    str: types.STRING,
    int: types.INT,
    bool: types.BOOL,
    float: types.DOUBLE,
    UInt: types.UINT,
    bytes: types.BYTES,
    type(None): types.NULL,
}
_MESSAGES: Final = {types.NULL.name: "google.protobuf.NullValue", "list": "google.protobuf.ListValue"} | {
    each.name: f"{wellknown.PREFIX}{each.name.capitalize()}" for each in (types.DURATION, types.TIMESTAMP)
}
"""The messages of types that have literals under two names."""

_LOGICAL: Final = frozenset(("_&&_", "_||_"))
_WILD: Final = (types.DYN, types.ERROR)

_MOST_CALLS: Final = 10_000
"""How many known calls are kept."""


def shown(declared: Type) -> str:
    """The name of a type in error messages."""
    return str(declared)


class Checker:
    """The checker of one expression. `faults`: the errors, in the order in which they were found."""

    __slots__ = ("_container", "_functions", "_globals", "_locals", "_names", "_variables", "faults", "substitution")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._globals = names.globals
        self._functions = names.functions
        self._container = names.container
        self._locals: dict[str, list[Type]] = {}
        self._variables = 0
        self.substitution = Substitution()
        self.faults: list[Fault] = []

    def check(self, node: Parsed) -> None:
        """Checks a node and all below it."""
        _CHECKS[node.kind](self, node)

    # ----------------------------------------------------------------------------------------------------- names

    def _candidates(self, name: str) -> Sequence[str]:
        """The qualified names that a name may stand for, in their order."""
        if name[0] == ".":
            return (name[1:],)
        if not self._container:
            return (name,)
        found: list[str] = []
        outer = self._container
        while outer:
            found.append(f"{outer}.{name}")
            outer = outer.rpartition(".")[0]
        return (*found, name)

    def _global(self, name: str) -> tuple[str, Type] | None:
        for candidate in self._candidates(name):
            declared = self._globals.get(candidate)
            if declared is not None:
                return candidate, declared
            if self._is_struct(candidate):
                return candidate, Type("type", (Type(candidate),))
        return None

    def _is_struct(self, name: str) -> bool:
        return name in self._names.fields or self._is_open(name)

    def _is_open(self, name: str) -> bool:
        first = self._names.open
        return bool(first) and (name == first or name.startswith(f"{first}."))

    def _function(self, name: str) -> tuple[str, tuple[Signature, ...]] | None:
        for candidate in self._candidates(name):
            found = self._functions.get(candidate)
            if found is not None:
                return candidate, found
        return None

    def _fault(self, node: Parsed, text: str) -> None:
        self.faults.append(Fault(node.offset, text))

    def _undeclared(self, node: Parsed, name: str) -> None:
        node.type = types.ERROR
        self._fault(node, f"undeclared reference to '{name}' (in container '{self._container}')")

    # ----------------------------------------------------------------------------------------------------- nodes

    def _constant(self, node: Parsed) -> None:
        node.type = _CONSTANTS[type(node.value)]

    def _ident(self, node: Parsed) -> None:
        name = node.name
        local = self._locals.get(name.removeprefix(".") if self._locals else name)
        if local and name[0] != ".":
            node.type = local[-1]
            return
        found = self._global(name)
        if found is None:
            self._undeclared(node, name)
            return
        node.name = f".{found[0]}" if local else found[0]
        node.type = found[1]

    def _qualified(self, node: Parsed) -> str:
        """a.b.c for a chain of selections on a name that may be qualified; else ""."""
        fields: list[str] = []
        while node.kind == SELECT and not node.value:
            fields.append(node.name)
            node = node.target  # type: ignore[assignment]
        if node.kind != IDENT or not fields:
            return ""
        fields.append(node.name)
        return ".".join(reversed(fields))

    def _select(self, node: Parsed) -> None:
        operand: Parsed = node.target  # type: ignore[assignment]
        if node.value:
            if self._is_variable(operand, node.name):  # variables are there, whatever their values
                node.kind, node.value, node.target = CONST, True, None
                node.type = types.BOOL
                return
        elif (self._container or self._may_be_qualified(node)) and self._named(node, operand):
            return
        result = self._field(node, operand, node.name)
        node.type = types.BOOL if node.value else self.substitution.resolved(result)

    def _is_variable(self, operand: Parsed, name: str) -> bool:
        """Whether operand.name is a variable of the policy: the API server declares an object `variables`, and here
        each of its fields is declared."""
        if operand.kind != IDENT or operand.name != "variables" or self._locals.get("variables"):
            return False
        return f"variables.{name}" in self._globals

    def _named(self, node: Parsed, operand: Parsed) -> bool:
        """Whether a selection is a qualified name, which is then resolved."""
        qualified = self._qualified(node)
        first = qualified.split(".", 2)[1 if qualified[:1] == "." else 0]
        local = self._locals.get(first)
        found = None if not qualified or (local and qualified[0] != ".") else self._global(qualified)
        if found is not None:
            node.kind, node.target = IDENT, None
            node.name = f".{found[0]}" if local else found[0]
            node.type = found[1]
            return True
        if operand.kind != IDENT or operand.name != "variables" or local or "variables" in self._globals:
            return False
        self._undeclared(node, qualified)
        return True

    def _may_be_qualified(self, node: Parsed) -> bool:
        while node.kind == SELECT:
            node = node.target  # type: ignore[assignment]
        return node.kind == IDENT and (node.name.lstrip(".") in self._names.roots or node.name == self._names.open)

    def _field(self, node: Parsed, operand: Parsed, name: str, optional: bool = False) -> Type:
        """The type of a field of an operand."""
        self.check(operand)
        target, is_optional = unwrapped(self.substitution.resolved(operand.type))
        result = types.ERROR
        if target.is_param:
            self.substitution.assignable(types.DYN, target)
            result = types.DYN
        elif target in _WILD or target.name in DYNAMIC:
            result = types.DYN
        elif target.name == "map":
            result = target.params[1] if target.params else types.DYN
        elif is_struct(target, self._names.opaque):
            result = self._field_of(node.offset, target.name, name) or types.ERROR
        else:
            self._fault(node, f"type '{shown(target)}' does not support field selection")
            result = types.DYN
        return optional_of(result) if optional or is_optional else result

    def _field_of(self, offset: int, struct: str, name: str) -> Type | None:
        """The type of a field of a struct; None if there is none, which has been reported."""
        fields = self._names.fields.get(struct)
        if fields is None:
            if self._is_open(struct):
                return types.DYN
            self.faults.append(Fault(offset, f"unexpected failed resolution of '{struct}'"))
            return None
        declared = fields.get(name)
        if declared is None:
            self.faults.append(Fault(offset, f"undefined field '{name}'", struct))
        return declared

    def _call(self, node: Parsed) -> None:
        name = node.name
        if name == "_?._":
            operand, selected = node.args
            result = self._field(node, operand, selected.value, optional=True)
            selected.type = types.STRING
            node.type = self.substitution.resolved(result)
            return
        args: Sequence[Parsed] = node.args
        checks = _CHECKS
        for arg in args:
            checks[arg.kind](self, arg)
        target = node.target
        if target is None:
            found = self._functions.get(name) if not self._container else None
            function = (name, found) if found is not None else self._function(name)
            if function is None:
                self._undeclared(node, name)
            else:
                node.name = function[0]
                self._overload(node, function[1], None, args)
            return
        prefix = target.name if target.kind == IDENT else self._qualified(target) if target.kind == SELECT else ""
        if prefix and (self._container or prefix.lstrip(".").partition(".")[0] in self._names.namespaces):
            function = self._function(f"{prefix}.{name}")
            if function is not None:
                node.name, node.target = function[0], None
                self._overload(node, function[1], None, args)
                return
        checks[target.kind](self, target)
        function = self._function(name)
        if function is None:
            self._undeclared(node, name)
        else:
            self._overload(node, function[1], target, args)

    def _overload(
        self, node: Parsed, overloads: tuple[Signature, ...], target: Parsed | None, args: Sequence[Parsed]
    ) -> None:
        """Finds the overloads of a call, and its type."""
        substitution = self.substitution
        found = [arg.type for arg in args] if target is None else [target.type, *[arg.type for arg in args]]
        member = target is not None
        if node.name in _LOGICAL:
            node.type = types.BOOL
            node.overloads = (overloads[0].id,)
            for arg in args:
                if not substitution.assignable(arg.type, types.BOOL):
                    node.type = types.ERROR
                    self._fault(arg, f"expected type 'bool' but found '{shown(arg.type)}'")
            return
        key = (node.name, member, tuple(found)) if all(map(_is_plain, found)) else None
        known = self._names.calls.get(key) if key is not None else None
        if known is not None:
            substitution.spend(known.steps)
            node.type, node.overloads = known.type, known.overloads
            return
        begun = substitution.steps
        result: Type | None = None
        chosen: list[str] = []
        count = len(found)
        for overload in overloads:
            if overload.member is not member:
                continue
            params, made = overload.params, overload.result
            if overload.variables:
                fresh: dict[str, Type] = {}
                for variable in overload.variables:
                    fresh[variable] = self._variable()
                if len(params) != count:
                    continue
                params = tuple([_instance(param, fresh) for param in params])
                made = _instance(made, fresh)
            if substitution.all_assignable(found, params):
                chosen.append(overload.id)
                made = substitution.resolved(made)
                if result is None:
                    result = made
                elif result.name not in DYNAMIC and made != result:
                    result = types.DYN
        if result is not None:
            node.type = result
            node.overloads = tuple(chosen)
            if key is not None and _is_plain(result):
                if len(self._names.calls) >= _MOST_CALLS:
                    self._names.calls.clear()
                self._names.calls[key] = KnownCall(result, node.overloads, substitution.steps - begun)
            return
        node.type = types.ERROR
        texts = [shown(substitution.resolved(each, final=True)) for each in found]
        before = f"{texts.pop(0)}." if member else ""
        self._fault(node, f"found no matching overload for '{node.name}' applied to '{before}({', '.join(texts)})'")

    def _list(self, node: Parsed) -> None:
        element: Type | None = None
        optional = node.value
        for place, each in enumerate(node.args):
            self.check(each)
            found = each.type
            if optional and place in optional:
                found = self._unwrapped(each)
            element = found if element is None else self._joined(element, found)
        node.type = types.list_of(self._variable() if element is None else element)

    def _map(self, node: Parsed) -> None:
        keys: Type | None = None
        values: Type | None = None
        for _, _, key, value, optional in node.args:
            self.check(key)
            keys = key.type if keys is None else self._joined(keys, key.type)
            self.check(value)
            found = self._unwrapped(value) if optional else value.type
            values = found if values is None else self._joined(values, found)
        if keys is None or values is None:
            keys = self._variable()
            values = self._variable()
        node.type = types.map_of(keys, values)

    def _unwrapped(self, node: Parsed) -> Type:
        """The type of an optional element or entry."""
        found, is_optional = unwrapped(node.type)
        if not is_optional and found.name not in DYNAMIC:
            self._fault(node, f"expected type '{shown(optional_of(found))}' but found '{shown(found)}'")
        return found

    def _joined(self, one: Type, other: Type) -> Type:
        """The type of a literal with elements of both types."""
        return most_general(one, other) if self.substitution.assignable(one, other) else types.DYN

    def _struct(self, node: Parsed) -> None:
        names, candidates = self._names, self._candidates(node.name)
        name = next((each for each in candidates if each in names.types or self._is_struct(each)), None)
        if name is None:
            self._undeclared(node, node.name)
            return
        node.name = struct = name
        node.type = Type(name)
        if name in names.types:
            node.type = names.types[name].params[0]
            if node.type.name in _MESSAGES:
                struct = _MESSAGES[node.type.name]
            elif name not in names.fields:
                node.type = types.ERROR
                self._fault(node, f"'{name}' is not a message type")
        for _, offset, key, value, optional in node.args:
            key.type = types.STRING
            self.check(value)
            declared = self._field_of(offset, struct, key.value) or types.ERROR
            found = self._unwrapped(value) if optional else value.type
            if not self.substitution.assignable(declared, found):
                text = (
                    f"expected type of field '{key.value}' is '{shown(declared)}' but provided type is '{shown(found)}'"
                )
                self.faults.append(Fault(offset, text))

    def _fold(self, node: Parsed) -> None:
        outer, init, condition, step, result = node.args
        name, second, accumulator = node.value
        self.check(outer)
        self.check(init)
        over = self.substitution.resolved(outer.type)
        made: Type = init.type
        other: Type = types.INT
        if over.is_param or over in _WILD:
            self.substitution.assignable(types.DYN, over)
            first = other = types.DYN
        elif over.name == "list":
            first = over.params[0] if over.params else types.DYN
            if second:
                first, other = types.INT, first
        elif over.name == "map":
            first, other = over.params if over.params else (types.DYN, types.DYN)
        else:
            text = (
                f"expression of type '{shown(over)}' cannot be range of a comprehension (must be list, map, or dynamic)"
            )
            self._fault(outer, text)
            first = other = types.ERROR
        scope = self._locals
        scope.setdefault(accumulator, []).append(made)
        scope.setdefault(name, []).append(first)
        if second:
            scope.setdefault(second, []).append(other)
        self.check(condition)
        self._expect(condition, types.BOOL)
        self.check(step)
        self._expect(step, made)
        if second:
            scope[second].pop()
        scope[name].pop()
        self.check(result)
        scope[accumulator].pop()
        node.type = self.substitution.resolved(result.type)

    def _expect(self, node: Parsed, declared: Type) -> None:
        if not self.substitution.assignable(declared, node.type):
            self._fault(node, f"expected type '{shown(declared)}' but found '{shown(node.type)}'")

    def _variable(self) -> Type:
        """A new type variable."""
        number = self._variables
        self._variables = number + 1
        return Type(f"_var{number}", is_param=True)


def _is_plain(declared: Type) -> bool:
    """Whether a type has no variables, and is not deep. A wrapper equals the type of its value, but is not plain."""
    if declared.is_param or type(declared) is not Type:
        return False
    for param in declared.params:  # noqa: SIM110 - a generator takes C stack at each level
        if param.params or param.is_param or type(param) is not Type:
            return False
    return True


def _instance(declared: Type, fresh: Mapping[str, Type]) -> Type:
    """A declared type with new type variables."""
    if declared.is_param:
        return fresh[declared.name]
    if not declared.params:
        return declared
    return Type(declared.name, tuple([_instance(param, fresh) for param in declared.params]))


def _checks() -> tuple[Callable[[Checker, Parsed], None], ...]:
    table: dict[int, Callable[[Checker, Parsed], None]] = {
        CONST: Checker._constant,
        IDENT: Checker._ident,
        SELECT: Checker._select,
        CALL: Checker._call,
        LIST: Checker._list,
        MAP: Checker._map,
        STRUCT: Checker._struct,
        FOLD: Checker._fold,
    }
    return tuple(table[kind] for kind in range(len(table)))


_CHECKS: Final = _checks()

"""The origins of the values in an expression: a part of a variable, or the node that computed the value.

Everything that only passes a value on keeps its origin: variables, `?:`, optionals, list and map literals, and lists
that are joined, filtered, mapped, flattened, sorted or sliced. Origins are read from the record of one evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from webhook.cel.code.recording import Record, chosen_key
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, ListLiteral, MapLiteral, Select
from webhook.cel.tree.declared import Shape
from webhook.cel.tree.macros import Fold, recognise
from webhook.cel.value.values import NONE
from webhook.cel.why.asked import TEXT, UNKNOWN, Asked, Reading, in_round, recorded, valued
from webhook.paths import Path, lookup

if TYPE_CHECKING:  # an import at run time would be circular
    from webhook.cel.program import Recording

_RESTATED: Final = frozenset({"name", "namespace"})
"""The fields of `request` that repeat the object's metadata."""

_MAX_STEPS: Final = 200_000
_MAX_ELEMENTS: Final = 500


class At(Struct, frozen=True):
    """A part of the root variable, by its path. The part may be absent."""

    path: Path


class Made(Struct, frozen=True):
    """A value that a node computed."""

    node: Expr
    frame: Frame


Origin = At | Made | None
"""None: a loop variable without a known origin, such as an index."""


class Frame(Struct, frozen=True):
    """The context of nodes: the record with their values, and the variables of the enclosing loops."""

    record: Record
    scope: Mapping[str, Origin]


class Origins:
    """The origins of recorded values, as Paths into the variable `root`.

    private: the variables have private parts. A key that the expression computed may then be a secret, so Paths leave
    it out. asked: answers what the variable has, and takes down what else is read of values.
    """

    def __init__(self, activation: Recording, root: str, *, private: bool = False, asked: Asked | None = None) -> None:
        self.activation = activation
        self.root = root
        self.private = private
        self.asked = asked or Asked(activation.get(root))
        self.base = Frame(self.asked.over(activation.record), {})
        self._variables: dict[str, Origin] = {}
        # By node and frame; the frames stay alive, so no other gets the same id.
        self._known: dict[tuple[int, int], tuple[Frame, Origin]] = {}
        self._inside: dict[tuple[int, int, int], tuple[Frame, Frame]] = {}
        self._steps = 0

    def of(self, node: Expr, frame: Frame) -> Origin:
        """The origin of a node's value."""
        key = id(node), id(frame)
        if (known := self._known.get(key)) is not None:
            return known[1]
        origin = self._of(node, frame)
        self._known[key] = frame, origin
        return origin

    def _of(self, node: Expr, frame: Frame) -> Origin:
        self._steps += 1
        if self._steps > _MAX_STEPS:  # nested names can multiply the steps
            return None
        match node:
            case Ident():
                return self._named(node, frame)
            case Select(test=False):
                return self._selected(node, frame)
            case Call():
                return self._called(node, frame)
            case Comprehension():
                if recognise(node).kind == "bind":
                    scope = {**frame.scope, node.accu: self.of(node.init, frame)}
                    inner = Frame(frame.record, scope)
                    return self.of(node.result, inner)
                return Made(node, frame)
            case _:
                return Made(node, frame)

    def place(self, node: Expr, frame: Frame) -> Path | None:
        """The path of a node's value in the root variable; None if the value is not a part of it."""
        origin = self.of(node, frame)
        return origin.path if isinstance(origin, At) else None

    def value(self, node: Expr, frame: Frame) -> Any:
        """The recorded value of a node, taken out of its optional; None if the node was not evaluated."""
        return valued(node, frame.record)

    def read(self, frame: Frame, reading: Reading) -> Any:
        """What a reading of values themselves gives. It is taken down: see Asked."""
        return self.asked.read(frame.record, reading)

    def inside(self, node: Comprehension, at: int, frame: Frame) -> Frame:
        """The frame of a loop's body in the round `at`. The same of the same round, so that it is searched once."""
        key = id(node), at, id(frame)
        if (known := self._inside.get(key)) is None:
            known = self._inside[key] = frame, self._frame(node, at, frame)
        return known[1]

    def _frame(self, node: Comprehension, at: int, frame: Frame) -> Frame:
        value = self._recorded(node.range, frame)
        outer = self.of(node.range, frame)
        if value is UNKNOWN and isinstance(outer, At):
            self.asked.by_shape = False
            value = lookup(self.asked.searched, outer.path)
        element: Origin = None
        key: Origin = None
        if isinstance(value, list) and at < len(value):
            element = self.item(outer, at)
        elif isinstance(value, dict) and at < len(value):
            element = key = self.item(outer, list(value)[at])
        scope = dict(frame.scope)
        if node.var2:
            scope |= {node.var: key, node.var2: element}
        else:
            scope[node.var] = element
        return Frame(in_round(node, at, frame.record), scope)

    def chosen(self, node: Comprehension, frame: Frame) -> list[int]:
        """The indices of the elements that passed a filter."""
        return list(frame.record.get(chosen_key(node), ()))

    def left_out(self, node: Call, frame: Frame) -> list[Origin]:
        """The elements of a call's first argument that are missing from its result, if both are such lists."""
        made, items = self.value(node, frame), self.value(node.args[0], frame) if node.args else None
        if node.declared.shape is not Shape.ELEMENTS or not isinstance(made, list) or not isinstance(items, list):
            return []
        outer = self.of(node.args[0], frame)
        return [self.item(outer, at) for at in self.read(frame, partial(_left_out, node))]

    # ------------------------------------------------------------------------------------------------------ by node

    def _named(self, node: Ident, frame: Frame) -> Origin:
        if node.name in frame.scope:
            return frame.scope[node.name]
        if node.name == self.root:
            return At(())
        variable = self.activation.variables.get(node.name)
        if variable is None:
            return Made(node, frame)
        if node.name not in self._variables:
            self._variables[node.name] = None  # variables are not recursive
            self._variables[node.name] = self.of(variable.tree, self.base)
        return self._variables[node.name]

    def _selected(self, node: Select, frame: Frame) -> Origin:
        of = node.operand
        if isinstance(of, Ident) and of.name == "request" and "request" not in frame.scope and node.field in _RESTATED:
            return At(("metadata", node.field))
        return self.item(self.of(of, frame), node.field) or Made(node, frame)

    def _called(self, node: Call, frame: Frame) -> Origin:
        match node.declared.shape:
            case Shape.SAME:
                return self.of(node.args[0], frame)
            case Shape.EITHER:
                present = frame.record.get(id(node.args[0])) is not NONE
                return self.of(node.args[0 if present else 1], frame)
            case Shape.CHOSEN:
                condition, yes, no = node.args
                held = self._recorded(condition, frame)
                return self.of(yes if held is True else no, frame) if isinstance(held, bool) else Made(node, frame)
            case Shape.PART:
                return self._part(node, frame)
            case Shape.ELEMENT:
                return self._element_of_call(node, 0, frame) or Made(node, frame)
            case _:
                return Made(node, frame)

    def _part(self, node: Call, frame: Frame) -> Origin:
        key_node = node.args[1]
        key = self._recorded(key_node, frame)
        if isinstance(key, bool) or not isinstance(key, str | int):
            return Made(node, frame)
        operand = self.of(node.args[0], frame)
        if self.private and isinstance(operand, At) and not isinstance(key_node, Const):
            return Made(node, frame)
        return self.item(operand, key) or Made(node, frame)

    # ----------------------------------------------------------------------------------------------- parts of values

    def item(self, origin: Origin, key: Any) -> Origin:
        """The origin of the element or entry `key` of a value, or of the text with the character `key` of a text that
        was put together; that of the whole value if it cannot be determined."""
        if isinstance(origin, At):
            if self.asked.kind(origin.path) == TEXT:
                return origin
            return At((*origin.path, key if isinstance(key, int) else str(key)))
        if origin is None:
            return None
        node, frame = origin.node, origin.frame
        found: Origin = None
        match node:
            case ListLiteral():
                found = self._element(node, key, frame)
            case MapLiteral():
                for entry in node.entries:
                    if self._recorded(entry.key, frame) == key:
                        found = self.of(entry.value, frame)
            case Call():
                found = self._item_of_call(node, key, frame)
            case Comprehension():
                found = self._collected(node, recognise(node), key, frame)
            case Select() | Ident() | Const():
                pass
        return found or origin

    def _element(self, node: ListLiteral, at: Any, frame: Frame) -> Origin:
        place = 0
        for index, element in enumerate(node.elements):
            if index in node.optional and frame.record.get(id(element)) is NONE:
                continue
            if place == at:
                return self.of(element, frame)
            place += 1
        return None

    def _item_of_call(self, node: Call, at: Any, frame: Frame) -> Origin:
        if not isinstance(at, int):
            return None
        if node.declared.shape is not Shape.JOINED:
            return self._element_of_call(node, at, frame)
        first = self._recorded(node.args[0], frame)
        if isinstance(first, str):
            length = self.read(frame, partial(_length, node.args[0]))
        elif isinstance(first, list):
            length = len(first)
        else:
            return None
        within = at < length
        return self.item(self.of(node.args[0 if within else 1], frame), at if within else at - length)

    def _element_of_call(self, node: Call, at: int, frame: Frame) -> Origin:
        """The origin of the element `at` of a call's result, if it is an element of the first argument."""
        if node.declared.element is None:
            return None
        places = self.read(frame, partial(_element, node, at))
        if places is None:
            return None
        origin = self.of(node.args[0], frame)
        for place in places:
            origin = self.item(origin, place)
        return origin

    def _collected(self, node: Comprehension, fold: Fold, key: Any, frame: Frame) -> Origin:
        """The origin of the item that map, filter or a transforming macro collected under an index or key."""
        at = key
        if fold.kind == "map":
            items = self._recorded(node.range, frame)
            if not isinstance(fold.key, Ident) or fold.key.name != node.var or not isinstance(items, list | dict):
                return None
            keys = list(items) if isinstance(items, dict) else range(len(items))
            at = keys.index(key) if key in keys else None
        elif fold.kind != "list":
            return None
        elif fold.filter is not None and isinstance(at, int):
            chosen = self.chosen(node, frame)
            at = chosen[at] if at < len(chosen) else None
        if not isinstance(at, int):
            return None
        return self.of(fold.value, self.inside(node, at, frame))

    # ---------------------------------------------------------------------------------------------------- the record

    def _recorded(self, node: Expr, frame: Frame) -> Any:
        return recorded(node, frame.record)


# ------------------------------------------------------------------- readings: what is read of values themselves


def _left_out(node: Call, value: Callable[[Expr], Any]) -> tuple[int, ...]:
    """The indices of the elements of a call's first argument that are missing from its result."""
    made, items, element = value(node), value(node.args[0]), node.declared.element
    arguments = [value(arg) for arg in node.args]
    found = {element(at, made, *arguments) for at in range(min(len(made), _MAX_ELEMENTS))} if element else set()
    return tuple(at for at in range(min(len(items), _MAX_ELEMENTS)) if (at,) not in found)


def _length(node: Expr, value: Callable[[Expr], Any]) -> int:
    return len(value(node))


def _element(node: Call, at: int, value: Callable[[Expr], Any]) -> tuple[int, ...] | None:
    """See Element in webhook.cel.tree.declared."""
    element = node.declared.element
    return None if element is None else element(at, value(node), *map(value, node.args))

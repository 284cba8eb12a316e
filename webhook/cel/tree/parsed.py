"""The syntax tree of an expression before it is checked, and what the expansions of macros build of it.

Its nodes have the numbers (`id`) and the offsets that cel-go's parser gives them. The checker fills in types and turns
the tree into the nodes of webhook.cel.tree.ast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from webhook.cel.tree.declared import Declared
from webhook.cel.tree.types import Type

CONST, IDENT, SELECT, CALL, LIST, MAP, STRUCT, FOLD, FAULT = range(9)
"""The kinds of nodes. FAULT stands for source that could not be parsed; the error has been reported."""

ACCUMULATOR: Final = "@result"
"""The accumulator of a fold, which no expression can name."""
FORMER_ACCUMULATOR: Final = "__result__"
UNUSED: Final = "#unused"
"""The loop variable of a fold that only binds a value."""


class Parsed:
    """A node. name: that of an identifier, field, function or message type.

    args: the operands of a call, without its `target`; the elements of a list; the entries of maps and messages, as
    (id, offset, key, value, optional), with the name of a field as a constant; the parts of a fold, in the order of
    webhook.cel.tree.ast.children. value: that of a constant; the indexes of optional elements of a list; the names that
    a fold binds (variable, second variable, accumulator); whether a selection is a test. height: the levels that the
    API server counts.
    """

    __slots__ = ("args", "declared", "height", "id", "kind", "name", "offset", "overloads", "target", "type", "value")

    type: Type
    declared: Declared
    overloads: tuple[str, ...]

    def __init__(
        self,
        kind: int,
        node_id: int,
        offset: int,
        height: int = 0,
        name: str = "",
        target: Parsed | None = None,
        args: Sequence[Any] = (),
        value: Any = None,
    ) -> None:
        self.kind = kind
        self.id = node_id
        self.offset = offset
        self.height = height
        self.name = name
        self.target = target
        self.args = args
        self.value = value


class MacroError(Exception):
    """A macro whose arguments have a wrong form. node: the argument."""

    def __init__(self, node: Parsed, message: str) -> None:
        super().__init__(message)
        self.node = node


class Expansion:
    """Builds the expansion of one macro call. All nodes have the offset of the call."""

    __slots__ = ("_next", "offset")

    def __init__(self, next_id: Callable[[], int], offset: int) -> None:
        self._next = next_id
        self.offset = offset

    def constant(self, value: Any) -> Parsed:
        return Parsed(CONST, self._next(), self.offset, value=value)

    def name(self, name: str) -> Parsed:
        return Parsed(IDENT, self._next(), self.offset, name=name)

    def accumulated(self) -> Parsed:
        """The accumulator's value."""
        return self.name(ACCUMULATOR)

    def call(self, function: str, *args: Parsed) -> Parsed:
        return Parsed(CALL, self._next(), self.offset, name=function, args=args)

    def method(self, function: str, target: Parsed, *args: Parsed) -> Parsed:
        return Parsed(CALL, self._next(), self.offset, name=function, target=target, args=args)

    def present(self, operand: Parsed, field: str) -> Parsed:
        """has(operand.field)"""
        return Parsed(SELECT, self._next(), self.offset, name=field, target=operand, value=True)

    def list(self, *elements: Parsed) -> Parsed:
        return Parsed(LIST, self._next(), self.offset, args=elements, value=())

    def map(self) -> Parsed:
        """{}"""
        return Parsed(MAP, self._next(), self.offset)

    def fold(self, names: tuple[str, str, str], *parts: Parsed) -> Parsed:
        """names: variable, second variable or "", accumulator. parts: range, init, condition, step, result."""
        return Parsed(FOLD, self._next(), self.offset, args=parts, value=names)

    def copy(self, node: Parsed) -> Parsed:
        """A copy with numbers of its own and the same offsets."""
        copied: list[Any] = [None]
        # Without recursion, as trees are deep. Numbers are counted from the root, arguments before the target.
        waiting: list[tuple[Any, Any, int]] = [(node, copied, 0)]
        while waiting:
            source, into, place = waiting.pop()
            if type(source) is tuple:  # the entry of a map or message
                _, _, key, value, optional = source
                entry = [self._next(), self.offset, key, value, optional]
                into[place] = entry
                waiting.append((value, entry, 3))
                if type(key) is Parsed:
                    waiting.append((key, entry, 2))
                continue
            made = Parsed(source.kind, self._next(), source.offset, source.height, source.name, None, (), source.value)
            if place < 0:
                into.target = made
            else:
                into[place] = made
            if source.target is not None:
                waiting.append((source.target, made, -1))
            if source.args:
                args = list(source.args)
                made.args = args
                waiting += [(args[at], args, at) for at in range(len(args) - 1, -1, -1)]
        return cast(Parsed, copied[0])


Expand = Callable[[Expansion, Parsed, Sequence[Parsed]], Parsed]
"""(builder, target, arguments) -> the expansion of a macro. The target of a global macro is its first argument."""

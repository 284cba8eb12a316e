"""Writes Python functions statement by statement: names, blocks, bound values, and CPython's limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from msgspec import Struct

from webhook.cel.tree.errors import EvaluationError

# CPython allows 20 nested blocks (loops, try) and 100 levels of indentation in one function, and about 90 levels of
# brackets in one expression. Before these limits the writer begins a new function or statement.
_MAX_BLOCKS: Final = 14
_MAX_INDENT: Final = 60
_MAX_BRACKETS: Final = 40

_INDENT: Final = " "

_NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    **{each.__name__: each for each in (type, len, enumerate, iter, next, list, dict, int, str, EvaluationError)},
}


class Operand(Struct, frozen=True):
    """A generated Python expression that needs no brackets around it, and the depth of its own brackets."""

    text: str
    depth: int = 0
    atomic: bool = False
    """It is a name, so it can be written twice at no cost."""


class Account:
    """A generated statement that charges for the code after it. Its units are known once that code is written."""

    __slots__ = ("_text", "units")

    def __init__(self, text: str) -> None:
        """text: the statement, with `{units}` in it."""
        self._text = text
        self.units = 0

    def __str__(self) -> str:
        return self._text.format(units=self.units) if self.units else ""


class Repeated(Struct, frozen=True):
    """A value that one expression uses more than once: the text of its first use, and of the others."""

    operand: Operand
    first: str
    again: str


@lru_cache(maxsize=4096)
def _compiled(source: str) -> CodeType:
    """Compile a source, with a cache. Expressions of one shape have the same source, as their constants are bound."""
    return compile(source, "<cel>", "exec")


class _Frame:
    """One Python function being written."""

    def __init__(self, name: str, params: list[str]) -> None:
        self.name = name
        self.params = params
        self.lines: list[str | Account] = []
        self.indent = 1
        self.blocks = 0
        self.hoisted: dict[str, str] = {}


class Writer:
    """A Python function of one parameter, the activation `a`, and the functions it needs below it."""

    def __init__(self, *, statements: bool) -> None:
        """statements: write every expression as a statement of its own."""
        self._statements = statements
        self._globals = dict(_NAMES)
        self._bound: dict[tuple[str, int | str], str] = {}
        self._kept: list[Any] = []  # keeps the values alive that _bound identifies by id()
        self._counter = 0
        self._finished: list[str] = []
        self._frame = _Frame("run", ["a"])
        self._accounts = [Account("")]

    def function(self, result: Operand) -> Callable[[Any], Any]:
        """The function, which returns `result`, compiled."""
        self.emit(f"return {result.text}")
        self._finish()
        source = "\n".join(self._finished)
        exec(_compiled(source), self._globals)  # noqa: S102 - made of names and operators chosen here
        # Without its own name among its globals, a function is in no reference cycle, and a policy set that a reload
        # replaces is freed at once: the garbage collector would stop all reviews for a while.
        run: Callable[[Any], Any] = self._globals.pop("run")
        return run

    def _finish(self) -> None:
        frame = self._frame
        self._finished.append(f"def {frame.name}({', '.join(frame.params)}):")
        self._finished.extend(f"{_INDENT}{local} = a[{name}]" for name, local in frame.hoisted.items())
        self._finished.extend(filter(None, map(str, frame.lines)))

    def write_statements(self, statements: bool) -> None:
        """Write every expression as a statement of its own from here on, or do not."""
        self._statements = statements

    # ---------------------------------------------------------------------------------------------------- statements

    def emit(self, statement: str) -> None:
        """Write one statement."""
        self._frame.lines.append(_INDENT * self._frame.indent + statement)

    def charge(self, units: int) -> None:
        """Charge units for the code that is being written, to the current account."""
        self._accounts[-1].units += units

    @property
    def charged(self) -> int:
        """The units that were charged outside of all accounts."""
        return self._accounts[0].units

    @contextmanager
    def account(self, statement: str = "a.cost += {units}") -> Iterator[None]:
        """A block whose charges are made by one statement at its start. Without charges there is no statement."""
        account = Account(_INDENT * self._frame.indent + statement)
        self._frame.lines.append(account)
        self._accounts.append(account)
        yield
        self._accounts.pop()

    def splice(self, statements: list[str | Account]) -> None:
        """Write statements that were captured at the same level."""
        self._frame.lines.extend(statements)

    @contextmanager
    def block(self, header: str, *, counted: bool = False) -> Iterator[None]:
        """An indented block under a header; `counted` for those that CPython limits to 20 (loops, try)."""
        self.emit(header)
        self._frame.indent += 1
        self._frame.blocks += counted
        yield
        self._frame.indent -= 1
        self._frame.blocks -= counted

    @contextmanager
    def captured(self) -> Iterator[list[str | Account]]:
        """A block whose statements are collected, one level deeper, instead of written."""
        frame = self._frame
        lines, frame.lines = frame.lines, []
        collected = frame.lines
        frame.indent += 1
        yield collected
        frame.indent -= 1
        frame.lines = lines

    def full(self) -> bool:
        """Whether the function has reached the depth that CPython allows."""
        return self._frame.blocks >= _MAX_BLOCKS or self._frame.indent >= _MAX_INDENT

    def outlined(self, names: set[str], body: Callable[[], Operand]) -> Operand:
        """The value that `body` writes, computed by a separate function with the locals `names` as parameters."""
        outer = self._frame
        params = sorted(names - {"None", "True", "False"})
        self._frame = _Frame(self.fresh("f"), ["a", *params])
        result = body()
        self.emit(f"return {result.text}")
        self._finish()
        name, self._frame = self._frame.name, outer
        return self.expression(f"{name}({', '.join(['a', *params])})")

    # --------------------------------------------------------------------------------------------------- expressions

    def fresh(self, prefix: str = "t") -> str:
        """A new unused name."""
        self._counter += 1
        return f"{prefix}{self._counter}"

    def bind(self, value: Any) -> str:
        """Bind a Python value to a global name, and return the name."""
        key: tuple[str, int | str] = ("text", value) if type(value) is str else (type(value).__name__, id(value))
        name = self._bound.get(key)
        if name is None:
            name = self._bound[key] = self.fresh("k")
            self._kept.append(value)
            self._globals[name] = value
        return name

    def hoisted(self, name: str) -> Operand:
        """The variable whose name is bound to `name`, read once at the start of the function."""
        local = self._frame.hoisted.get(name)
        if local is None:
            local = self._frame.hoisted[name] = self.fresh("h")
        return Operand(local, atomic=True)

    def spill(self, operand: Operand) -> Operand:
        """The operand in a local; the operand itself if it is a name."""
        if operand.atomic:
            return operand
        name = self.fresh()
        self.emit(f"{name} = {operand.text}")
        return Operand(name, atomic=True)

    def expression(self, text: str, *parts: Operand) -> Operand:
        """An expression of operands. It becomes a statement of its own if its brackets would be too deep."""
        operand = Operand(text, 1 + max((part.depth for part in parts), default=0))
        return self.spill(operand) if self._statements or operand.depth > _MAX_BRACKETS else operand

    def call(self, function: Callable[..., Any], *args: Operand) -> Operand:
        """A call of a Python function."""
        return self.expression(f"{self.bind(function)}({', '.join(arg.text for arg in args)})", *args)

    def repeated(self, operand: Operand) -> Repeated:
        """An operand that an expression uses more than once."""
        if operand.atomic:
            return Repeated(operand, operand.text, operand.text)
        name = self.fresh()
        return Repeated(operand, f"({name} := {operand.text})", name)

"""Writing Python functions statement by statement: names, blocks, bound values, and CPython's limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Final

from webhook.cel.tree.errors import EvaluationError

# CPython allows 20 nested blocks (loops, try) and 100 levels of indentation in one function, and about 90 levels of
# brackets in one expression. Beyond these a new function or statement is begun.
_MAX_BLOCKS: Final = 14
_MAX_INDENT: Final = 60
_MAX_BRACKETS: Final = 40

_INDENT: Final = " "

_NAMES: Final[dict[str, Any]] = {
    "__builtins__": {},
    **{each.__name__: each for each in (type, len, enumerate, iter, next, list, dict, int, str, EvaluationError)},
}


@dataclass(frozen=True, slots=True)
class Operand:
    """Generated Python for a value: an expression that needs no brackets around it, and how deep its own go."""

    text: str
    depth: int = 0
    atomic: bool = False
    """A name: costs nothing to write twice."""


class Account:
    """A line of generated code that charges for what is evaluated after it, known once all of that is written."""

    __slots__ = ("_text", "units")

    def __init__(self, text: str) -> None:
        """text: the statement, with `{units}` in it."""
        self._text = text
        self.units = 0

    def __str__(self) -> str:
        return self._text.format(units=self.units) if self.units else ""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A value that one expression names more than once: where it is evaluated first, and again."""

    operand: Operand
    first: str
    again: str


@lru_cache(maxsize=4096)
def _compiled(source: str) -> CodeType:
    """Expressions of one shape are one source, for what they name is bound: policies have many of these."""
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
        """statements: every expression becomes a statement of its own."""
        self._statements = statements
        self._globals = dict(_NAMES)
        self._bound: dict[tuple[str, int | str], str] = {}
        self._kept: list[Any] = []  # what _bound knows by id() stays alive
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
        run: Callable[[Any], Any] = self._globals["run"]
        return run

    def _finish(self) -> None:
        frame = self._frame
        self._finished.append(f"def {frame.name}({', '.join(frame.params)}):")
        self._finished.extend(f"{_INDENT}{local} = a[{name}]" for name, local in frame.hoisted.items())
        self._finished.extend(filter(None, map(str, frame.lines)))

    # ---------------------------------------------------------------------------------------------------- statements

    def emit(self, statement: str) -> None:
        """Writes one statement."""
        self._frame.lines.append(_INDENT * self._frame.indent + statement)

    def charge(self, units: int) -> None:
        """Charges for what is being written, with the account that it is on."""
        self._accounts[-1].units += units

    @property
    def charged(self) -> int:
        """What is charged outside of all accounts."""
        return self._accounts[0].units

    @contextmanager
    def account(self, statement: str = "a.cost += {units}") -> Iterator[None]:
        """What is charged within goes to a statement here; it is left out if nothing is."""
        account = Account(_INDENT * self._frame.indent + statement)
        self._frame.lines.append(account)
        self._accounts.append(account)
        yield
        self._accounts.pop()

    def splice(self, statements: list[str | Account]) -> None:
        """Writes statements that were captured at the same level."""
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
        """Statements emitted within are collected, one level in, instead of written."""
        frame = self._frame
        lines, frame.lines = frame.lines, []
        collected = frame.lines
        frame.indent += 1
        yield collected
        frame.indent -= 1
        frame.lines = lines

    def full(self) -> bool:
        """Whether the function is as deep as CPython lets it be."""
        return self._frame.blocks >= _MAX_BLOCKS or self._frame.indent >= _MAX_INDENT

    def outlined(self, names: set[str], body: Callable[[], Operand]) -> Operand:
        """The value that `body` writes, found by a function of its own, which is handed the locals of these names."""
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
        """A name that is not used yet."""
        self._counter += 1
        return f"{prefix}{self._counter}"

    def bind(self, value: Any) -> str:
        """The global name of a Python value."""
        key: tuple[str, int | str] = ("text", value) if type(value) is str else (type(value).__name__, id(value))
        name = self._bound.get(key)
        if name is None:
            name = self._bound[key] = self.fresh("k")
            self._kept.append(value)
            self._globals[name] = value
        return name

    def hoisted(self, name: str) -> Operand:
        """The variable whose name is bound to `name`, read once, where the function begins."""
        local = self._frame.hoisted.get(name)
        if local is None:
            local = self._frame.hoisted[name] = self.fresh("h")
        return Operand(local, atomic=True)

    def spill(self, operand: Operand) -> Operand:
        """The operand in a local, unless it is one."""
        if operand.atomic:
            return operand
        name = self.fresh()
        self.emit(f"{name} = {operand.text}")
        return Operand(name, atomic=True)

    def expression(self, text: str, *parts: Operand) -> Operand:
        """An expression made of operands; a statement of its own where brackets would go too deep."""
        operand = Operand(text, 1 + max((part.depth for part in parts), default=0))
        return self.spill(operand) if self._statements or operand.depth > _MAX_BRACKETS else operand

    def call(self, function: Callable[..., Any], *args: Operand) -> Operand:
        """A call of a Python function."""
        return self.expression(f"{self.bind(function)}({', '.join(arg.text for arg in args)})", *args)

    def repeated(self, operand: Operand) -> Repeated:
        """An operand that a text names more than once."""
        if operand.atomic:
            return Repeated(operand, operand.text, operand.text)
        name = self.fresh()
        return Repeated(operand, f"({name} := {operand.text})", name)

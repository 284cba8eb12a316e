"""Random expressions with every operator and macro over one JSON value `x`; half of them are well typed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

X: dict[str, Any] = {
    "i": 3,
    "n": -7,
    "z": 0,
    "big": 9007199254740,
    "f": 1.5,
    "s": "abc",
    "e": "",
    "b": True,
    "fa": False,
    "nu": None,
    "l": [1, 2, 3],
    "ls": ["a", "b", "abc"],
    "lm": [{"a": 1, "s": "x"}, {"a": 2}, {"b": 3}],
    "m": {"a": 1, "b": "two", "c": {"d": []}},
    "mixed": [1, "a", None, True, 1.5],
}
_CONSTANTS = (
    "1",
    "0",
    "-1",
    "3",
    "2u",
    "1.5",
    "'abc'",
    "'a'",
    "''",
    "true",
    "false",
    "null",
    "b'abc'",
    "duration('1s')",
    "9223372036854775807",
)


class Expressions:
    """A source of expressions; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.loop_variables: list[str] = []

    def one(self) -> str:
        """An expression of type bool, int or string."""
        return self.pick(self.boolean, self.boolean, self.integer, self.string)(self.random.randint(1, 4))

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def field(self) -> str:
        return self.pick(*X, "nope")

    def leaf(self) -> str:
        chance = self.random.random()
        if self.loop_variables and chance < 0.35:
            return self.pick(*self.loop_variables)
        if chance < 0.75:
            return f"x.{self.field()}" + self.pick("", "", "", ".a", ".b", ".c", ".d", ".size()")
        if chance < 0.8:
            return f"x.?{self.field()}.orValue({self.pick(*_CONSTANTS)})"
        return self.pick(*_CONSTANTS)

    def any(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.3:
            return self.leaf()
        return self.pick(self.integer, self.string, self.boolean, self.list)(depth)

    def list(self, depth: int) -> str:
        # Maps are left to the fixed tests: the order in which Go goes over one is random.
        made: list[Callable[[], str]] = [
            lambda: f"x.{self.pick('l', 'ls', 'lm', 'mixed', 'nope', 's', 'nu')}",
            lambda: self.pick("[1, 2, 3]", "['a', 'b']", "[]"),
        ]
        if depth > 0:
            made += (
                lambda: f"{self.list(depth - 1)}.map(q, {self.any(depth - 1)})",
                lambda: f"{self.list(depth - 1)}.filter(q, {self.boolean(depth - 1)})",
            )
        return str(self.pick(*made)())

    def integer(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.3:
            return self.pick("1", "2", "0", "-3", "x.i", "x.n", "x.z", "x.big", "x.s", "x.f")
        below = depth - 1
        return self.pick(
            lambda: f"({self.integer(below)} {self.pick(*'+-*/%')} {self.integer(below)})",
            lambda: f"size({self.any(below)})",
            lambda: f"int({self.any(below)})",
            lambda: f"{self.string(below)}.indexOf({self.string(below)})",
            lambda: f"({self.boolean(below)} ? {self.integer(below)} : {self.integer(below)})",
            lambda: f"{self.list(below)}.{self.pick('max()', 'min()', 'sum()', 'size()', 'indexOf(1)')}",
        )()

    def string(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.4:
            return self.pick("'abc'", "'a'", "''", "x.s", "x.e", "x.i", "x.m.b")
        below = depth - 1
        return self.pick(
            lambda: f"string({self.any(below)})",
            lambda: f"({self.string(below)} + {self.string(below)})",
            lambda: f"{self.string(below)}.{self.pick('upperAscii()', 'trim()', 'substring(1)', 'charAt(0)')}",
            lambda: f"{self.string(below)}.replace({self.string(0)}, {self.string(0)})",
            lambda: f"{self.list(below)}.map(w, string(w)).join('-')",
            lambda: f"'%s-%s'.format([{self.any(below)}, {self.any(below)}])",
        )()

    def boolean(self, depth: int) -> str:
        if depth <= 0 or self.random.random() < 0.1:
            return self.pick("true", "false", "x.b", "x.fa", "x.i", "x.nope")
        below = depth - 1
        return self.pick(
            lambda: f"({self.boolean(below)} {self.pick('&&', '||')} {self.boolean(below)})",
            lambda: f"({self.boolean(below)} {self.pick('&&', '||')} {self.boolean(below)})",
            lambda: f"!({self.boolean(below)})",
            lambda: f"({self.any(below)} {self.pick('==', '!=', '<', '<=', '>', '>=')} {self.any(below)})",
            lambda: f"({self.any(below)} in {self.list(below)})",
            lambda: f"has(x.{self.field()}.{self.pick(*'abc')})",
            lambda: self.quantified(depth, f"e{depth}"),
            lambda: self.quantified(depth, "k", "v"),
            lambda: f"{self.string(below)}.{self.pick('contains', 'startsWith', 'matches')}({self.string(below)})",
        )()

    def quantified(self, depth: int, *variables: str) -> str:
        container = self.list(depth - 1)
        self.loop_variables += variables
        body = self.boolean(depth - 1)
        del self.loop_variables[-len(variables) :]
        return f"{container}.{self.pick('all', 'exists', 'exists_one')}({', '.join(variables)}, {body})"

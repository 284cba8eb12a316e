"""Random expressions of CEL's core: every operator, macro, conversion and standard function. They read one JSON value
`x` without nulls, since the reference runtime miscounts nulls.
"""

from __future__ import annotations

from random import Random
from typing import Any

X: dict[str, Any] = {
    "i": 3,
    "n": -7,
    "z": 0,
    "big": 9007199254740993,
    "max": 9223372036854775807,
    "f": 1.5,
    "g": -0.25,
    "s": "abc",
    "u": "déjà vu",
    "e": "",
    "b": True,
    "fa": False,
    "l": [1, 2, 3],
    "ls": ["a", "b", "abc"],
    "lf": [1.5, 2.0],
    "ll": [[1, 2], [], [3]],
    "lm": [{"a": 1, "s": "x"}, {"a": 2}, {"b": 3}],
    "m": {"a": 1, "b": "two", "c": {"d": [4]}},
    "mi": {"a": 1, "b": 2, "c": 3},
    "mixed": [1, "a", True, 1.5],
}
KINDS = {
    "int": ["x.i", "x.n", "x.z", "x.big", "x.max", "x.m.a", "x.l[1]", "x.mi['b']", "1", "0", "-3", "7", "x.nope"],
    "double": ["x.f", "x.g", "1.5", "0.0", "-2.5", "1e3", "x.lf[0]", "double(x.i)"],
    "uint": ["1u", "0u", "7u", "uint(x.i)", "uint(x.n)"],
    "string": ["x.s", "x.u", "x.e", "x.m.b", "x.ls[0]", "'abc'", "''", "'b'", "'7'", "'1.5'", "'true'", "x.nope"],
    "bytes": ["b'abc'", "b''", "bytes(x.s)", "bytes(x.u)"],
    "bool": ["true", "false", "x.b", "x.fa", "x.i", "x.nope"],
    "list": ["x.l", "x.ls", "x.ll[0]", "x.lm", "x.mixed", "[1, 2, 3]", "['a', 'b']", "x.nope", "x.s", "[]"],
    "map": ["x.m", "x.mi", "x.m.c", "{'a': 1}", "{1: 'a', 2: 'b'}", "{true: 1}", "x.lm[0]"],
    "duration": ["duration('1h')", "duration('90s')", "duration('-1.5s')", "duration(x.s)"],
    "timestamp": ["timestamp('2020-02-29T12:30:45Z')", "timestamp(0)", "timestamp('1999-12-31T23:59:59.5Z')"],
}
NUMBERS = ("int", "double", "uint")
DATE_PARTS = ["FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear"]
DATE_PARTS += ["Hours", "Minutes", "Seconds", "Milliseconds"]

Depth = int  # a method of CoreExpressions has that name


class CoreExpressions:
    """A source of expressions; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.variables: list[str] = []

    def one(self) -> str:
        """An expression of type bool, int, double or string, or a list of such."""
        kind = self.random.choice(["bool", "bool", "bool", "int", "double", "string", "list"])
        return self.of(kind, self.random.randint(1, 3))

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def leaf(self, kind: str) -> str:
        if self.variables and self.random.random() < 0.3:
            return str(self.random.choice(self.variables))
        text = str(self.random.choice(KINDS[kind]))
        return f"dyn({text})" if self.random.random() < 0.1 else text

    def of(self, kind: str, depth: Depth) -> str:
        if self.random.random() < 0.03:
            kind = self.random.choice(list(KINDS))  # mistyped on purpose
        if depth <= 0 or self.random.random() < 0.15:
            return self.leaf(kind)
        if self.random.random() < 0.08:
            return f"({self.of('bool', depth - 1)} ? {self.of(kind, depth - 1)} : {self.of(kind, depth - 1)})"
        return str(getattr(self, kind)(depth - 1))

    def loop(self, variable: str, kind: str, depth: Depth) -> str:
        self.variables.append(variable)
        body = self.of(kind, depth)
        self.variables.pop()
        return body

    def int(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('int', depth)} {self.pick(*'+-*/%')} {self.of('int', depth)})",
                lambda: f"-({self.of('int', depth)})",
                lambda: f"size({self.of(self.pick('string', 'list', 'map', 'bytes'), depth)})",
                lambda: f"{self.of(self.pick('string', 'list', 'map'), depth)}.size()",
                lambda: f"int({self.of(self.pick('double', 'string', 'uint', 'int', 'timestamp'), depth)})",
                lambda: f"{self.of('list', depth)}[{self.of('int', 0)}]",
                lambda: f"{self.of('timestamp', depth)}.get{self.pick(*DATE_PARTS)}({self.zone()})",
                lambda: f"{self.of('duration', depth)}.get{self.pick('Hours', 'Minutes', 'Seconds')}()",
            )()
        )

    def zone(self) -> str:
        return str(self.pick("", "", "'UTC'", "'-08:00'", "'+05:30'"))

    def double(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('double', depth)} {self.pick(*'+-*/')} {self.of('double', depth)})",
                lambda: f"-({self.of('double', depth)})",
                lambda: f"double({self.of(self.pick('int', 'uint', 'string', 'double'), depth)})",
            )()
        )

    def uint(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('uint', depth)} {self.pick(*'+-*/%')} {self.of('uint', depth)})",
                lambda: f"uint({self.of(self.pick('int', 'double', 'string'), depth)})",
            )()
        )

    def string(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('string', depth)} + {self.of('string', depth)})",
                lambda: f"string({self.of(self.pick('int', 'uint', 'bool', 'bytes', 'string'), depth)})",
                lambda: f"{self.of('list', depth)}[{self.of('int', 0)}]",
                lambda: f"{self.of('map', depth)}[{self.of('string', 0)}]",
            )()
        )

    def bytes(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('bytes', depth)} + {self.of('bytes', depth)})",
                lambda: f"bytes({self.of('string', depth)})",
            )()
        )

    def duration(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"({self.of('duration', depth)} {self.pick('+', '-')} {self.of('duration', depth)})",
                lambda: f"({self.of('timestamp', depth)} - {self.of('timestamp', depth)})",
            )()
        )

    def timestamp(self, depth: Depth) -> str:
        return f"({self.of('timestamp', depth)} {self.pick('+', '-')} {self.of('duration', depth)})"

    def map(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"{{'a': {self.of('int', depth)}, 'b': {self.of('int', depth)}}}",
                lambda: f"{{{self.of('string', 0)}: {self.of('string', depth)}}}",
                lambda: self.leaf("map"),
            )()
        )

    def list(self, depth: Depth) -> str:
        return str(
            self.pick(
                lambda: f"[{self.of('int', depth)}, {self.of('int', depth)}]",
                lambda: f"[{self.of('string', depth)}]",
                lambda: f"({self.of('list', depth)} + {self.of('list', depth)})",
                lambda: f"{self.of('list', depth)}.map(p, {self.loop('p', self.pick('int', 'string'), depth)})",
                lambda: f"{self.of('list', depth)}.filter(q, {self.loop('q', 'bool', depth)})",
                lambda: f"{self.of('list', depth)}.map(r, {self.loop('r', 'bool', 0)}, {self.loop('r', 'int', depth)})",
            )()
        )

    def bool(self, depth: Depth) -> str:
        kind = self.pick(*KINDS)
        return str(
            self.pick(
                lambda: f"({self.of('bool', depth)} && {self.of('bool', depth)})",
                lambda: f"({self.of('bool', depth)} || {self.of('bool', depth)})",
                lambda: f"!({self.of('bool', depth)})",
                lambda: f"({self.of(kind, depth)} {self.pick('==', '!=')} {self.of(kind, depth)})",
                lambda: f"(dyn({self.of(kind, depth)}) == dyn({self.of(self.pick(*NUMBERS), depth)}))",
                lambda: self.ordered(depth),
                lambda: f"({self.of(self.pick('int', 'string'), depth)} in {self.of('list', depth)})",
                lambda: f"({self.of('string', 0)} in {self.of('map', depth)})",
                lambda: f"has({self.pick('x', 'x.m', 'x.m.c', 'x.lm[0]', 'x.nope')}.{self.pick('a', 'b', 'd', 'i')})",
                lambda: (
                    f"{self.of('string', depth)}.{self.pick('contains', 'startsWith', 'endsWith')}"
                    f"({self.of('string', depth)})"
                ),
                lambda: f"{self.of('string', depth)}.matches({self.pick(*PATTERNS)})",
                lambda: (
                    f"{self.of('list', depth)}.{self.pick('all', 'exists', 'exists_one')}"
                    f"(t, {self.loop('t', 'bool', depth)})"
                ),
                lambda: f"{self.of('map', depth)}.{self.pick('all', 'exists')}(k, {self.loop('k', 'bool', depth)})",
                lambda: f"type({self.of(kind, depth)}) == {self.pick('int', 'string', 'bool', 'list', 'map')}",
                lambda: f"bool({self.pick('x.s', 'true', self.leaf('bool'))})",
            )()
        )

    def ordered(self, depth: Depth) -> str:
        kind = self.pick("int", "double", "uint", "string", "bytes", "bool", "duration", "timestamp")
        left, right = self.of(kind, depth), self.of(kind, depth)
        if kind in NUMBERS and self.random.random() < 0.3:
            left, right = f"dyn({left})", f"dyn({self.of(self.pick(*NUMBERS), depth)})"
        return f"({left} {self.pick('<', '<=', '>', '>=')} {right})"


PATTERNS = ("'^a'", "'b$'", "'[a-z]+'", "'^$'", "'a|b'", "'(?i)ABC'", "'\\\\d+'", "'.'")

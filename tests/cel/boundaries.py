"""Calls of every overload with arguments at the boundaries of their types, made at random.

An argument is a literal, or the conversion of one, of the type that the overload declares: empty, at and beyond both
ends, negative, not a number, not ASCII. Some arguments are of another type, which dyn() hides from the checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from webhook.cel.functions import LIBRARIES
from webhook.cel.library.declaring import Overload
from webhook.cel.tree import types
from webhook.cel.tree.types import Type


def _sections() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The heads of boundaries.txt, a type or a function with a position, and the arguments below them."""
    for section in (Path(__file__).with_suffix(".txt")).read_text().split("\n\n"):
        lines = [line for line in section.splitlines() if not line.startswith("#")]
        if lines:
            for head in lines[0].strip("[]").split(", "):
                yield head, tuple(lines[1:])


_SECTIONS: Final = dict(_sections())

_KINDS: Final = ("null", "bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp", "type")
_OPAQUE: Final = (
    *("kubernetes.URL", "net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"),
    "kubernetes.NamedFormat",
)
_OPERATORS: Final = ("+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in")


class Boundaries:
    """A source of calls; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def of(self, overload: Overload, count: int) -> list[str]:
        """So many different calls of an overload; fewer if it has no more."""
        found: dict[str, None] = {}
        for _ in range(4 * count):
            found[self._call(overload)] = None
            if len(found) == count:
                break
        return list(found)

    def operations(self, count: int) -> Iterator[str]:
        """So many uses of operators, literals and macros."""
        for _ in range(count):
            yield self._operation()

    # ---------------------------------------------------------------------------------------------------- expressions

    def _call(self, overload: Overload) -> str:
        element = Type(self.random.choice((*_KINDS, *_KINDS, *_OPAQUE)))
        args = [self._argument(overload.name, place, param, element) for place, param in enumerate(overload.params)]
        if overload.name == "@sortByAssociatedKeys":  # only its macro can be written
            key = self.random.choice(("e", "-e", "size(e)", "string(e)", "dyn(e)", "[e]", "1", "e < e ? e : e", "null"))
            return f"{args[0]}.sortBy(e, {key})"
        if overload.member:
            return f"{args[0]}.{overload.name}({', '.join(args[1:])})"
        return f"{overload.name}({', '.join(args)})"

    def _argument(self, name: str, place: int, declared: Type, element: Type) -> str:
        chance = self.random.random()
        if chance < 0.07:
            return f"dyn({self.value(self._any())})"
        if chance < 0.09:
            return self.random.choice(("x.nope", "x", "x.mixed", "x.m", "x.lm", "dyn(1 / 0)", "y"))
        parsed = _SECTIONS.get(f"{name} {place}")
        text = self.random.choice(parsed) if parsed and chance < 0.9 else self.value(declared, element)
        return f"dyn({text})" if self.random.random() < 0.1 else text

    def _any(self) -> Type:
        return self.random.choice(
            (
                *map(Type, (*_KINDS, *_KINDS, *_OPAQUE)),
                types.list_of(types.DYN),
                types.map_of(types.DYN, types.DYN),
                Type("optional_type", (types.DYN,)),
            )
        )

    def value(self, declared: Type, element: Type = types.DYN) -> str:
        """An expression of a type. A type parameter is `element`."""
        if declared.is_param:
            declared = element
        if declared == types.DYN:
            return f"dyn({self.value(self._any())})"
        match declared.name:
            case "list":
                return self._list(declared.params[0], element)
            case "map":
                return self._map()
            case "optional_type":
                held = self.value(declared.params[0], element)
                return self.random.choice(
                    (
                        f"optional.of({held})",
                        f"optional.of({held})",
                        "optional.none()",
                        f"optional.ofNonZeroValue({held})",
                    )
                )
        return self.random.choice(_SECTIONS[declared.name])

    def _list(self, element: Type, param: Type) -> str:
        size = self.random.choice((0, 1, 1, 2, 2, 3, 4, 6))
        chance = self.random.random()
        items = [self.value(element, param) for _ in range(size)]
        if items and self.random.random() < 0.4:
            items.append(self.random.choice(items))
        if chance < 0.15:
            items = [f"dyn({item})" for item in items] + [f"dyn({self.value(self._any())})"]
        elif chance < 0.25:
            return self.random.choice(("x.l", "x.ls", "x.lm", "x.mixed", "[]", "x.s", "x.m"))
        return f"[{', '.join(items)}]"

    def _map(self) -> str:
        size = self.random.choice((0, 1, 2, 2, 3))
        key, value = (self.random.choice(("bool", "int", "uint", "string", "string")) for _ in range(2))
        mixed = self.random.random() < 0.5
        entries: list[str] = []
        for _ in range(size):
            if mixed:
                key, value = (self.random.choice(("bool", "int", "uint", "string", "double", "null")) for _ in range(2))
            one, other = self.random.choice(_SECTIONS[key]), self.random.choice(_SECTIONS[value])
            if mixed:
                one, other = f"dyn({one})", f"dyn({other})"
            if self.random.random() < 0.15:
                other = self.random.choice((f"optional.of({other})", f"optional.of({other})", "optional.none()"))
                one = f"?{one}"
            entries.append(f"{one}: {other}")
            if self.random.random() < 0.2:
                entries.append(self.random.choice(entries))
        return f"{{{', '.join(entries)}}}"

    def _number(self) -> str:
        return self.random.choice(_SECTIONS[self.random.choice(("int", "uint", "double"))])

    def _operation(self) -> str:
        kind = self._any()
        one = self.value(kind)
        other = self.value(kind if self.random.random() < 0.6 else self._any())
        if self.random.random() < 0.3:
            one, other = self._number(), self._number()
        if self.random.random() < 0.4:
            one = f"dyn({one})"
        if self.random.random() < 0.4:
            other = f"dyn({other})"
        listed = self._list(self._any(), types.DYN)
        mapped = self._map()
        operator = self.random.choice(_OPERATORS)
        held = self.random.choice((mapped, listed, one))
        quantifier = self.random.choice(("all", "exists", "exists_one"))
        return self.random.choice(
            (
                f"{one} {operator} {other}",
                f"{one} {operator} {other}",
                f"{one} {operator} {other}",
                f"{one} {operator} {other}",
                f"{one} in {self.random.choice((listed, mapped, f'[{other}]', f'[{other}, {one}]'))}",
                f"-{one}",
                f"!{one}",
                f"{one} ? {other} : {one}",
                f"{one} || {other}",
                f"{one} && {other}",
                f"{listed}[{self.random.choice((one, self._number()))}]",
                f"{listed}[?{self.random.choice((one, self._number()))}]",
                f"{mapped}[{one}]",
                f"{mapped}[?{one}]",
                f"{one}[{other}]",
                f"{mapped} == {self._map()}",
                f"{mapped} == {mapped}",
                f"{listed} == {self._list(self._any(), types.DYN)}",
                f"{listed} + {self._list(self._any(), types.DYN)}",
                f"{mapped}.size()",
                f"{mapped}",
                f"has({held}.{self.random.choice(('a', 'abc'))})",
                f"{held}.a",
                f"{held}.?a",
                f"{held}.{quantifier}(e, e == {one})",
                f"{held}.map(e, {self.random.choice(('e', 'e == e', one))}).size()",
                f"{self.random.choice((mapped, listed))}.transformMap(k, v, {self.random.choice(('k', 'v', one))})",
                f"{self.random.choice((mapped, listed))}.transformMapEntry(k, v, {{v: k}})",
                f"type({one})",
                f"optional.ofNonZeroValue({one}).hasValue()",
                f"{{{one}: 1}}",
                f"[{one}, {other}]",
            )
        )


def every_overload() -> list[tuple[str, Overload]]:
    """All overloads of the newest version, each with a name that no other one has."""
    found: list[tuple[str, Overload]] = []
    for library in LIBRARIES:
        for overload in library.overloads:
            found.append((f"{library.name}: {overload.name}({', '.join(map(str, overload.params))})", overload))
    return found

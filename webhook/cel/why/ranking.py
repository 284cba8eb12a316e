"""Ranks several places that all decided, so that the best one comes first.

The values of a false `A || B` do not show which term is the condition and which is the requirement. These rules do,
from the habits of policy authors for Kubernetes: docs/decisions/011-lines.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from webhook.cel.tree.ast import Const, Expr, Ident, Select, children
from webhook.cel.why.asked import Asked
from webhook.paths import Path

NAMESPACE: Final = ("metadata", "namespace")

_KINDS: Final = ((), ("kind",), ("apiVersion",))
_IDENTITY: Final = (("metadata", "name"), NAMESPACE, ("metadata", "generateName"))
_ASIDE, _NAME, _KIND = 1, 2, 3
_EXEMPTION: Final = re.compile(r"exempt|exclu|ignor|skip|except|bypass", re.IGNORECASE)


class Alternative(Struct, frozen=True):
    """One of several terms, any of which would have sufficed: its places, the best first.

    condition: the term selects the objects that the other terms apply to. exemption: the term names an exemption.
    """

    paths: list[Path]
    condition: bool
    exemption: bool


class Ranking:
    """The order of places in an object. asked: answers which places the object has."""

    def __init__(self, asked: Asked) -> None:
        self._present = asked.is_present

    def of_alternatives(self, alternatives: Iterable[Alternative]) -> list[Path]:
        """The places of alternatives, the best first.

        Terms that only test kind, name, operating system or labels rank last, and so do conditions and exemptions.
        Present places rank before absent ones, deeper places before shallower ones, later terms before earlier ones.
        """
        ranked: list[tuple[Any, list[Path]]] = []
        for place, each in enumerate(alternatives):
            if each.paths:
                level, absent, depth = self._rank(each.paths[0])
                level = max(level, _ASIDE) if each.condition else level
                ranked.append(((each.exemption, level, each.condition, absent, depth, -place), each.paths))
        ranked.sort(key=lambda each: each[0])
        return [path for _, paths in ranked for path in paths]

    def of_branch(self, branch: list[Path], condition: list[Path]) -> list[Path]:
        """The places of `condition ? branch : …`, the best first: those of the branch, unless only places of the
        condition are present in the object."""

        def rank(each: tuple[bool, Path]) -> tuple[bool, bool, bool]:
            asked, path = each
            level, absent, _ = self._rank(path)
            return level >= (_ASIDE if asked else _NAME), absent, asked

        places = [*((False, path) for path in branch), *((True, path) for path in condition)]
        return [path for _, path in sorted(places, key=rank)]

    def together(self, parts: Iterable[list[Path]]) -> list[Path]:
        """The places of the values that one value was computed from. Places that the object has come first. The name of
        an element comes after other fields of it."""
        found = [paths for paths in parts if paths]
        others = [paths[0] for paths in found if not _names_element(paths[0])]
        around = {path[:depth] for path in others for depth in range(len(path))} if len(others) < len(found) else ()

        def rank(paths: list[Path]) -> tuple[bool, bool, bool]:
            first = paths[0]
            named = _names_element(first) and first[:-1] in around
            return self._level(first) >= _NAME, not self._present(first), named

        ranked = sorted(found, key=rank)
        return [path for paths in ranked for path in paths]

    def in_the_end(self, paths: Iterable[Path]) -> list[Path]:
        """All places in their order, except that the object's kind comes last."""
        return sorted(paths, key=lambda path: self._level(path) == _KIND)

    def _rank(self, path: Path) -> tuple[int, bool, int]:
        depth = next((size for size in range(len(path), 0, -1) if self._present(path[:size])), 0)
        level = self._level(path)
        if not depth and level < _KIND:
            level = _NAME  # it would locate the finding at the whole object
        return level, depth < len(path), -depth

    def _level(self, path: Path) -> int:
        """How likely a place only belongs to a condition; 0 is the least likely."""
        if path in _KINDS:
            return _KIND
        if path == ("metadata",) or path[:2] in _IDENTITY or path[-2:] == ("os", "name"):
            return _NAME
        if _names_element(path) or "metadata" in path or path[-1] in ("kind", "serviceAccountName"):
            return _ASIDE
        return 0


def _names_element(path: Path) -> bool:
    return len(path) > 1 and path[-1] == "name" and isinstance(path[-2], int)


def speaks_of_exemptions(term: Expr) -> bool:
    """Whether a term has a name or a literal that says exemption: `c.image in variables.exemptImages`."""
    match term:
        case Ident(name=text) | Select(field=text) if _EXEMPTION.search(text):
            return True
        case Const():
            return isinstance(term.value, str) and _EXEMPTION.search(term.value) is not None
        case _:
            return any(map(speaks_of_exemptions, children(term)))

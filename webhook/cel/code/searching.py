"""Regular expressions that take more time here than they cost: those with large programs, those that are made when they
are evaluated, and all matches in a text.

RE2 takes time by the length of the text times the size of its program, which counted repetition makes large: `a.{1000}`
has 8,000 instructions. Compiling takes time by that size, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.cel.cost import costs
from webhook.cel.cost.metering import Metered
from webhook.cel.library.regex import compiled
from webhook.cel.tree.errors import EvaluationError

_MATCH: Final = 40
"""Steps that each match of findAll takes."""

_SCANNED: Final = 100
"""Characters that one instruction of a program, or findAll behind a match, goes over in a step."""

_COMPILING: Final = 200
_PER_INSTRUCTION: Final = 4
_PER_CHARACTER: Final = 10
_PER_CLASS: Final = 300  # steps a character, where it may name a class of Unicode
_TOO_LARGE: Final = 400_000  # what RE2 takes at most until it gives up

_KEPT: Final = 256  # patterns an expression
_LIGHT: Final = 300


def light(pattern: str) -> bool:
    """Whether the cost of searching for a literal pattern bounds the time that it takes."""
    try:
        return bool(compiled(pattern).programsize <= 2 * len(pattern) + _LIGHT)
    except EvaluationError:
        return True  # there is nothing to search with


def search(a: Metered, function: Callable[..., Any], literal: bool, text: Any, pattern: Any) -> Any:
    """matches and find: `function` does it."""
    a.spend(costs.regex(text, pattern))
    if type(text) is str and type(pattern) is str:
        _scan(a, _program(a, pattern, literal), text)
    return function(text, pattern)


def search_all(a: Metered, function: Callable[..., Any], literal: bool, text: Any, pattern: Any, *limit: Any) -> Any:
    """findAll, match by match."""
    a.spend(costs.regex(text, pattern))
    if type(text) is not str or type(pattern) is not str or any(type(each) is not int for each in limit):
        return function(text, pattern, *limit)
    program = _program(a, pattern, literal)
    _scan(a, program, text)
    found: list[str] = []
    if limit == (0,):
        return found
    for match in program.finditer(text):
        found.append(match[0])
        a.work(_MATCH + (len(text) - match.end()) // _SCANNED)
        if limit and len(found) == limit[0]:
            break
    return found


def _program(a: Metered, pattern: str, literal: bool) -> Any:
    """The pattern compiled. What that takes is work, but for patterns that are literals and those that are kept."""
    if literal:
        return compiled(pattern)
    kept = a.meter().patterns
    known = kept.get(pattern)
    if known is not None:
        return known
    classes = "\\p" in pattern or "\\P" in pattern or "(?" in pattern
    a.work(_COMPILING + len(pattern) * (_PER_CLASS if classes else _PER_CHARACTER))
    try:
        program = compiled(pattern)
    except EvaluationError as error:
        if "too large" in str(error):
            a.work(_TOO_LARGE)
        raise
    a.work(_PER_INSTRUCTION * program.programsize)
    if len(kept) < _KEPT:
        kept[pattern] = program
    return program


def _scan(a: Metered, program: Any, text: str) -> None:
    size = program.programsize
    if size > _LIGHT:
        a.work(len(text) * size // _SCANNED)


METERED: Final[dict[str, Callable[..., Any]]] = {"matches": search, "find": search, "findAll": search_all}

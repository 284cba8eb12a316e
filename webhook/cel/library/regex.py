"""Kubernetes' regular expression library: find and findAll.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-regex-library
Patterns are RE2's (github.com/google/re2/wiki/Syntax): linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.metering import Metered
from webhook.cel.library.declaring import Library, method
from webhook.cel.library.re2 import compiled, compiling_steps, memory_of, program_steps
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.tree.types import Type
from webhook.cel.value.values import NONE, Optional


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return compiled(pattern).search(text) is not None


MAX_KNOWN: Final = 128
"""The most code points of a text whose match with a literal pattern is cached."""


def matching(pattern: str) -> Callable[[Any, str], bool]:
    """matches() with a literal pattern, which is compiled once."""
    search = compiled(pattern).search
    # A call of RE2 takes microseconds, and policies match the same names and params again and again.
    known = lru_cache(maxsize=512)(lambda text: search(text) is not None)

    def call(text: Any, _: str) -> bool:
        text = _text(text)
        return known(text) if len(text) <= MAX_KNOWN else search(text) is not None

    return call


def _find(text: str, pattern: str) -> str:
    match = compiled(pattern).search(text)
    return "" if match is None else match[0]


def finding(pattern: str) -> Callable[[Any, str], str]:
    """find() with a literal pattern, which is compiled once."""
    search = compiled(pattern).search

    def call(text: Any, _: str) -> str:
        match = search(_text(text))
        return "" if match is None else str(match[0])

    return call


def _text(value: Any) -> str:
    """The text that the API server searches for a literal pattern: that of a type, or held by an optional, too."""
    if type(value) is str:
        return value
    if type(value) is Type:
        return value.name
    if type(value) is Optional and value is not NONE:
        return _text(value.value)
    raise no_such_overload()


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    if limit == 0:
        return found
    for match in _found(compiled(pattern), text):
        found.append(match[0])
        if len(found) == limit:
            break
    return found


def _found(program: Any, text: str) -> Iterator[Any]:
    """The matches, without empty ones at the end of the one before."""
    end = -1
    for match in program.finditer(text):
        if match.end() > match.start() or match.start() != end:
            yield match
        end = match.end()


# ----------------------------------------------------------------------------------- work that the cost does not bound

# RE2 takes time by the length of the text times the size of its program, which counted repetition makes large:
# `a.{1000}` has 8,000 instructions. Compiling takes time by that size, too.

_MATCH: Final = 40
"""The steps of each match of findAll."""

_SCANNED: Final = 100
"""The characters that one instruction of a program, or findAll after a match, scans in a step."""

_TOO_LARGE: Final = 400_000  # the most steps until RE2 rejects a pattern

_KEPT_MEMORY: Final = 32 * 1024 * 1024  # of the patterns that an expression has compiled, in bytes
_LIGHT: Final = 300


def light(pattern: str) -> bool:
    """Whether the cost of a search for a literal pattern bounds its time."""
    try:
        return bool(compiled(pattern).programsize <= 2 * len(pattern) + _LIGHT)
    except EvaluationError:
        return True  # an invalid pattern raises before any search


def search(a: Metered, function: Callable[..., Any], literal: bool, text: Any, pattern: Any) -> Any:
    """Call `function` for matches and find, with metering."""
    a.spend(costs.regex(text, pattern))
    if type(text) is str and type(pattern) is str:
        _scan(a, _program(a, pattern, literal), text)
    return a.hold(function(text, pattern))


def search_all(a: Metered, function: Callable[..., Any], literal: bool, text: Any, pattern: Any, *limit: Any) -> Any:
    """findAll with metering, match by match."""
    a.spend(costs.regex(text, pattern))
    if literal:
        text = _text(text)
        if any(type(each) is not int for each in limit):
            raise no_such_overload()
    if type(text) is not str or type(pattern) is not str or any(type(each) is not int for each in limit):
        return function(text, pattern, *limit)
    program = _program(a, pattern, literal)
    _scan(a, program, text)
    found: list[str] = []
    if limit == (0,):
        return found
    for match in _found(program, text):
        found.append(match[0])
        a.work(_MATCH + (len(text) - match.end()) // _SCANNED)
        if limit and len(found) == limit[0]:
            break
    a.hold(found)
    return found


def _program(a: Metered, pattern: str, literal: bool) -> Any:
    """The compiled pattern. Compiling counts as work, except for literal patterns and cached ones."""
    if literal:
        return compiled(pattern)
    kept = a.meter().patterns
    known = kept.get(pattern)
    if known is not None:
        return known
    a.work(compiling_steps(pattern))
    try:
        program = compiled(pattern)
    except EvaluationError as error:
        if "too large" in str(error):
            a.work(_TOO_LARGE)
        raise
    a.work(program_steps(program))
    if sum(map(memory_of, kept.values())) + memory_of(program) <= _KEPT_MEMORY:
        kept[pattern] = program
    return program


def _scan(a: Metered, program: Any, text: str) -> None:
    size = program.programsize
    if size > _LIGHT:
        a.work(len(text) * size // _SCANNED)


LIBRARY = Library(
    "regex",
    (1, 23),
    (
        method(
            "find",
            "string, string -> string",
            _find,
            "The first match; empty if there is none.",
            "'abc 123'.find('[0-9]+') == '123'",
            cost=costs.regex,
            estimate=estimates.regex_found,
            pattern=1,
            of_pattern=finding,
            metered=search,
            light=light,
        ),
        method(
            "findAll",
            "string, string -> list(string)",
            _find_all,
            "All matches.",
            "'1 22'.findAll('[0-9]+') == ['1', '22']",
            cost=costs.regex,
            estimate=estimates.regex_found,
            pattern=1,
            metered=search_all,
        ),
        method(
            "findAll",
            "string, string, int -> list(string)",
            _find_all,
            "The first matches, up to a limit; all if it is negative.",
            "'1 22'.findAll('[0-9]+', 1) == ['1']",
            cost=costs.regex,
            estimate=estimates.regex_found,
            pattern=1,
            metered=search_all,
        ),
    ),
)

"""The parser and the checker beside those of a kube-apiserver: the same trees, types and errors, each at its place.

Without Go, or modules to build the API server's own packages from, this is skipped.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.check.checked import Broken, asked, choices, outcome, theirs, typed
from tests.cel.conformance import SUITE, cases
from tests.cel.core_generated import CoreExpressions
from tests.cel.generated import Expressions
from tests.cel.generated_libraries import Calls
from webhook.cel.functions import LIBRARIES
from webhook.cel.tree.stack import deep_stack

SEED = 20261128
WELL_FORMED, BROKEN = amount(14_000, 1500), amount(8000, 500)

MANY = "more errors were truncated"
# Kubernetes refuses these when it builds the program; here they are refused with the other errors.
BUILT = (
    "program instantiation failed",
    "index ",
    "invalid ",
    "could not parse",
    "error during formatting",
    "too many arguments",
)
OURS = ("the expression is nested too deeply", "expression is empty", "not valid Unicode")


def named() -> list[str]:
    """The documented examples and the conformance suite's expressions."""
    found = [each.example for library in LIBRARIES for each in library.overloads if each.example]
    found += [each.example for library in LIBRARIES for each in library.macros]
    return found + ([case.expression for case in cases()] if SUITE.is_dir() else [])


def generated(count: int) -> list[str]:
    source, core, calls = Expressions(SEED), CoreExpressions(SEED), Calls(SEED)
    found = [source.one() for _ in range(count // 3)] + [core.one() for _ in range(count // 3)]
    each = count // 3 // len(list(calls.libraries))
    return found + [expression for library in calls.libraries for expression in calls.of(library, each)]


def differing(program: Path, expressions: list[str]) -> tuple[Counter[str], list[tuple[str, Any, Any]]]:
    expressions = [each for each in dict.fromkeys(expressions) if each.strip()]
    kinds: Counter[str] = Counter()
    found: list[tuple[str, Any, Any]] = []
    compared = choices(program)
    for expression, answer in zip(expressions, asked(program, expressions), strict=True):
        mine, other = outcome(expression), theirs(answer)
        texts = [text for _, _, text in (*mine.get("errors", ()), *other.get("errors", ()))]
        if "tree" in mine and mine == other:
            one, two = compared(expression, answer)
            if one != two:
                found.append((expression, one, two))
        kinds["syntax" if any("Syntax error" in text for text in texts) else next(iter(other))] += 1
        if mine == other or any(each in text for text in texts for each in OURS):
            continue
        if texts and all(text.startswith(BUILT) or "expected type" in text for text in texts):
            continue
        if "has(variables." in expression or "variables." in str(texts):
            continue  # the API server's own environment declares an object `variables`
        found.append((expression, mine, other))
    return kinds, found


def test_well_formed_expressions_are_parsed_and_checked_alike(
    kubernetes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = named() + generated(WELL_FORMED)
    kinds, found = differing(kubernetes, made + typed(SEED, made))
    with capsys.disabled():
        print(f"\nparsed and checked beside Kubernetes: {dict(kinds)} (seed {SEED}), {len(found)} differ")
    assert found == []
    assert kinds["tree"] > WELL_FORMED / 2
    assert kinds["errors"] > WELL_FORMED / 10


def test_errors_of_broken_expressions_have_the_same_texts_and_places(
    kubernetes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Broken(SEED, [each for each in named() + generated(1000) if len(each) < 200])
    kinds, found = differing(kubernetes, [source.one() for _ in range(BROKEN)])
    with capsys.disabled():
        print(f"\nbroken expressions beside Kubernetes: {dict(kinds)} (seed {SEED}), {len(found)} differ")
    assert found == []
    assert kinds["syntax"] > BROKEN / 2


def chain(count: int, sign: str = "+") -> str:
    return sign.join(["'a'"] * count)


DEPTHS = [
    *(chain(count) + end for count in (33, 249, 250, 251, 252) for end in ("", " == 'a'")),
    *("(" * count + "1" + ")" * count for count in (31, 124, 249, 250)),
    *("1+(2*(" * count + "1" + "))" * count for count in (83, 84, 124, 125)),
    *("1<(" * count + "b" + ")" * count for count in (2, 3, 125)),
    *("1*2+3*(" * count + "1" + ")" * count for count in (82, 83, 84)),
    *("x" + ".a" * count for count in (249, 250, 251)),
    *("x" + "[0]" * count for count in (249, 250, 251)),
    *("[" * count + "]" * count for count in (249, 250, 251)),
    *("true ? 1 : " * count + "1" for count in (248, 249, 250)),
    *("x" + ".map(a, a)" * count for count in (240, 251)),
    *("x.all(a, " * count + "true" + ")" * count for count in (100, 251)),
    "!" * 4999 + "b",
    "-" * 4999 + "i",
    " && ".join(["b"] * 3000),
    "f(" * 90 + "1" + ")" * 90,
    "f(" * 251,
    "[" * 300 + "'",
]


def test_as_many_levels_are_read_as_the_api_server_reads(kubernetes: Path) -> None:
    for expression, answer in zip(DEPTHS, asked(kubernetes, DEPTHS), strict=True):
        with deep_stack(expression):
            assert in_depth(expression) == theirs(answer), expression[:60]


def in_depth(expression: str) -> dict[str, Any]:
    found = outcome(expression)
    if "tree" in found:
        return found
    ours = ": the expression is nested too deeply"
    return {"errors": [[*place, text.removesuffix(ours)] for *place, text in found["errors"]]}

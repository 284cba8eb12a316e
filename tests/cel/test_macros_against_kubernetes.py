"""Every macro over ranges and bodies of all kinds, beside the API server's own CEL: values, errors, refusals."""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path

from tests import goprograms
from tests.amounts import amount
from tests.cel.apiserver import BOUND
from tests.cel.evaluating import ENVIRONMENT
from tests.cel.exactly import Outcome, agree, forms, of_answer
from tests.cel.generated import X
from webhook.cel import CompileError

UNORDERED = "{'a': [1], 'b': []}"
"""The range whose entries Go visits in any order."""

RANGES = (
    *("[]", "[1, 2, 3]", "[1, 2, 2]", "['a', 'b']", "[[1], [2, 3]]", "[true, false]", "[null]", "[0, 1 / 0]"),
    *("{}", "{'a': 1}", UNORDERED, "dyn([1, 'a', null])", "dyn({'a': 1})", "dyn(1)"),
    *("1", "'text'", "null", "[optional.of(1), optional.none()]", "[1u, 2u]", "[1.5, 0.0 / 0.0]"),
)
"""What macros go over, and what they cannot."""

BODIES = ("true", "false", "e == 1", "e > 1", "e / 0 == 1", "e", "1", "null", "e == e || 1 / 0 > 0", "dyn(e)")
"""Bodies and conditions of one variable."""

BOTH = ("true", "k == v", "v == 1 || k == 1", "k", "v / 0 == 1", "[k]")
"""Bodies of two variables: index or key, and value."""

OPTIONALS = ("optional.of(1)", "optional.none()", "optional.of('a')", "optional.ofNonZeroValue(0)", "1", "[1][?0]")


def calls() -> list[str]:
    found = [f"{over}.{macro}(e, {body})" for over in RANGES for macro in QUANTIFIERS for body in BODIES]
    found += [f"{over}.map(e, {body}, {made})" for over in RANGES for body, made in (("e == 1", "e"), ("true", "[e]"))]
    found += [f"{over}.{macro}(k, v, {body})" for over, macro, body in product(RANGES, OF_TWO, BOTH)]
    found += [f"{over}.{macro}(k, v, v == 1, k)" for over, macro in product(RANGES, ("transformList", "transformMap"))]
    found += [f"{each}.{macro}" for each, macro in product(OPTIONALS, OF_OPTIONALS)]
    found += [f"cel.bind(b, {over}, {body})" for over, body in product(RANGES, ("b", "[b, b]", "b == b", "1"))]
    found += [f"has({over}.{field})" for over, field in product(RANGES, ("a", "b.c"))]
    found += [f"{over}.all(e, [1, 2].exists(f, {body}))" for over, body in product(RANGES, ("f == e", "e", "f > e"))]
    found += [f"{{'a': {each}}}.transformMapEntry(k, v, v)" for each in DYNAMIC]
    found += MISUSED
    step = amount(1, 4)  # of each macro a part
    return found[::step]


DYNAMIC = tuple(f"dyn({each})" for each in ("[1]", "'x'", "1", "null", "{'b': 1}", "b'x'", "1.5", "optional.of(1)"))
QUANTIFIERS = ("all", "exists", "exists_one", "existsOne", "filter", "map")
OF_TWO = ("all", "exists", "existsOne", "transformList", "transformMap", "transformMapEntry")
OF_OPTIONALS = (
    *("optMap(o, o)", "optMap(o, o + 1)", "optMap(o, o / 0)", "optMap(o, [o])"),
    *("optFlatMap(o, optional.of(o))", "optFlatMap(o, optional.none())", "optFlatMap(o, o)"),
)
MISUSED = [
    *("[1].all(1, true)", "[1].all(e.f, true)", "[1].map(e)", "[1].all(e, e, e, e)", "[1].exists(e, f, e)"),
    *("has(1)", "has(a)", "has([1][0])", "has({'a': 1}['a'])", "cel.bind(1, 2, 3)", "[1].map(e, e, e, e)"),
    *("[1].all(k, k, true)", "[1].filter(__result__, true)", "optional.of(1).optMap(1, 2)", "all(e, true)"),
]


def comparable(expression: str, outcome: Outcome) -> Outcome:
    """The outcome; of a list that was made of a map's entries, with the items in order."""
    if expression.startswith(f"{UNORDERED}.") and isinstance(outcome.content, dict) and "list" in outcome.content:
        return Outcome(outcome.kind, {"list": sorted(outcome.content["list"], key=json.dumps)})
    return outcome


def test_every_macro_gives_what_it_gives_in_kubernetes(kubernetes: Path) -> None:
    expressions = calls()
    questions = [{"expression": each, "bindings": {"x": X, "y": None}} for each in expressions]
    differing: list[tuple[str, object, object]] = []
    counts: Counter[str] = Counter()
    for expression, answer in zip(expressions, goprograms.answers(kubernetes, questions), strict=True):
        theirs = comparable(expression, of_answer(answer))
        counts[theirs.kind] += 1
        try:
            program = ENVIRONMENT.compile(expression)
        except CompileError:
            if theirs.kind != "compile":
                differing.append((expression, Outcome("compile", ""), theirs))
            continue
        found = {form: outcome for form, (outcome, _) in forms(program, BOUND).items()}
        if any(outcome != found["plain"] for outcome in found.values()):
            differing.append((expression, "the forms differ", found))
        elif not agree(mine := comparable(expression, found["plain"]), theirs):
            differing.append((expression, mine, theirs))
    assert differing == [], f"{len(differing)} of {len(expressions)}:\n" + "\n".join(map(str, differing[:10]))
    assert min(counts.values()) > len(expressions) / 20, counts

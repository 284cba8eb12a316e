"""Every overload of every library, at the boundaries of its arguments' types, beside the API server's own CEL.

Values with their types, texts of errors, refusals and costs; all forms of the generated code.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests import goprograms
from tests.amounts import amount
from tests.cel.apiserver import BOUND
from tests.cel.boundaries import Boundaries, every_overload
from tests.cel.evaluating import ENVIRONMENT
from tests.cel.exactly import Outcome, agree, forms, of_answer
from tests.cel.generated import X
from webhook.cel import CompileError

SEED = 20261128
AN_OVERLOAD, OPERATIONS = amount(200, 10), amount(8000, 800)


def calls() -> list[tuple[str, str]]:
    """(overload, a call of it), and uses of operators."""
    source = Boundaries(SEED)
    found = [(name, call) for name, overload in every_overload() for call in source.of(overload, AN_OVERLOAD)]
    return found + [("operators", operation) for operation in source.operations(OPERATIONS)]


def differing_costs(expression: str, cost: int, theirs: str) -> bool:
    # Selections from an optional cost nothing where it is absent. An optional within dyn() is charged as a map is.
    # Go visits the entries of a map in any order, so that a quantifier ends sooner or later.
    unsure = "dyn(optional" in expression or ("{" in expression and "(e, e == " in expression)
    return str(cost) != theirs and not unsure


def test_every_overload_gives_what_it_gives_in_kubernetes(kubernetes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expressions = calls()
    questions = [{"expression": call, "bindings": {"x": X, "y": None}} for _, call in expressions]
    answers = goprograms.answers(kubernetes, questions)
    differing: list[tuple[str, str, object, object]] = []
    counts: Counter[str] = Counter()
    for (name, expression), answer in zip(expressions, answers, strict=True):
        theirs = of_answer(answer)
        counts[theirs.kind] += 1
        try:
            program = ENVIRONMENT.compile(expression)
        except CompileError:
            if theirs.kind != "compile":
                differing.append((name, expression, Outcome("compile", ""), theirs))
            continue
        found = forms(program, BOUND)
        plain, (_, cost) = found["plain"][0], found["counted"]
        if any(outcome != plain for outcome, _ in found.values()):
            differing.append((name, expression, "the forms differ", found))
        elif not agree(plain, theirs):
            differing.append((name, expression, plain, theirs))
        elif theirs.kind == "value" and differing_costs(expression, cost, answer["cost"]):
            differing.append((name, expression, f"costs {cost}", answer["cost"]))
    with capsys.disabled():
        agreeing = f"{len(expressions) - len(differing)} of {len(expressions)} boundary calls"
        of = len({name for name, _ in expressions})
        print(f"\n{agreeing} of {of} overloads agree with Kubernetes': {dict(counts)}")
    assert differing == [], "\n".join(map(str, differing[:10]))
    assert min(counts.values()) > len(expressions) / 20

"""Generated expressions of CEL's core in cel-expr-python's own runtime and in ours: the same values, errors alike.

That runtime is the CEL project's C++ one. Where the two differ the API server's cel-go was asked, and differs too: the
differences are named here, and each other one is a failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.cel_cpp import EPOCH, tagged
from tests.cel.core_generated import CoreExpressions, X
from tests.cel.evaluating import ENVIRONMENT
from tests.timing import HANGING
from webhook.cel import Activation, CompileError, EvaluationError
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import Key

SEED, COUNT = 20261124, amount(20_000, 4000)

Outcome = dict[str, Any]

# Name -> whether it explains that an expression gave `mine` here and `other` there.
DIFFERENCES: dict[str, Callable[[str, Outcome, Outcome], bool]] = {
    "cel-go does not evaluate the item of `in []`": lambda expression, mine, other: (
        " in [])" in expression and "error" in other
    ),
    "cel-go says that what can be no key is not in a map": lambda _, mine, other: (
        "value" in mine and "No matching overloads found : @in" in other.get("error", "")
    ),
    "cel-go takes any key in a map, and the last of equal ones": lambda _, mine, other: (
        "value" in mine and ("Invalid map key type" in str(other) or "repeated key" in str(other))
    ),
    "cel-go has int(duration)": lambda _, mine, other: (
        "value" in mine and "No matching overloads found : int(duration)" in other.get("error", "")
    ),
    "cel-go writes half a second as 0.5s, not as 0.500s": lambda expression, mine, other: (
        "string(" in expression and re.sub(r"0+s", "s", str(other)) == re.sub(r"0+s", "s", str(mine))
    ),
    "cel-go keeps to the overload that the checker chose, of a list joined with a dyn": lambda text, mine, other: (
        mine.get("error", "").startswith("no such overload") and "value" in other and " + " in text
    ),
}


def plain(value: Any) -> Any:
    """A value with times as Python has them, to the microsecond."""
    match value:
        case Timestamp():
            return EPOCH + timedelta(microseconds=value.ns // 1000)
        case Duration():
            return timedelta(microseconds=value.ns // 1000)
        case list():
            return list(map(plain, value))
        case dict():
            return {key.value if isinstance(key, Key) else key: plain(each) for key, each in value.items()}
        case _:
            return value


def ours(expression: str) -> Outcome:
    try:
        program = ENVIRONMENT.compile(expression)
    except CompileError as error:
        return {"compile": str(error)}
    bindings = {"x": X, "y": None, "object": None}
    outcomes: list[Outcome] = []
    for evaluate in (program.evaluate, program.evaluate_exactly):
        try:
            outcomes.append({"value": tagged(plain(evaluate(Activation(bindings))))})
        except EvaluationError as error:
            outcomes.append({"error": str(error)})
    assert outcomes[0] == outcomes[1], expression
    return outcomes[0]


def theirs(expressions: list[str]) -> list[Outcome]:
    """The answers of the other runtime; {"crash": ...} for an expression that ended it."""
    answers: list[Outcome] = []
    while len(answers) < len(expressions):
        lines = [json.dumps(X), *(json.dumps({"expression": each}) for each in expressions[len(answers) :])]
        run = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "cel_cpp.py")],
            input="\n".join(lines) + "\n",
            capture_output=True,
            text=True,
            timeout=HANGING,
            check=False,
        )
        answers += [json.loads(line) for line in run.stdout.splitlines()]
        if len(answers) < len(expressions):
            answers.append({"crash": str(run.returncode)})
    return answers


def kind(outcome: Outcome) -> str:
    return next(iter(outcome))


def test_generated_expressions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    source = CoreExpressions(SEED)
    expressions = [source.one() for _ in range(COUNT)]
    found: Counter[str] = Counter()
    named: Counter[str] = Counter()
    unexplained: list[tuple[str, Outcome, Outcome]] = []
    for expression, other in zip(expressions, theirs(expressions), strict=True):
        mine = ours(expression)
        found[f"{kind(mine)}/{kind(other)}"] += 1
        if "compile" in mine or kind(other) in ("compile", "crash"):
            continue  # what may be compiled is for other tests; Kubernetes restricts literals, for one
        if mine == other or ("error" in mine and "error" in other):
            continue
        reasons = [name for name, explains in DIFFERENCES.items() if explains(expression, mine, other)]
        named.update(reasons[:1])
        if not reasons:
            unexplained.append((expression, mine, other))
    with capsys.disabled():
        print(f"\nCEL beside cel-expr-python (ours/theirs, seed {SEED}): {dict(found)};")
        print(f"differing, and why: {dict(named)}")
    assert unexplained == []
    assert found["value/value"] > COUNT / 4
    assert found["error/error"] > COUNT / 20

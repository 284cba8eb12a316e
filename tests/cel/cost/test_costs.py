"""What evaluations cost, in the CEL environment of a kube-apiserver and in ours.

The environment is the API server's own Go package, as in test_against_kubernetes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import goprograms
from tests.amounts import amount
from tests.cel.cost.scaled import SCALED, bindings, counted_cost, length_that_costs, scaled
from tests.cel.evaluating import ENVIRONMENT
from tests.cel.generated import Expressions, X
from webhook.cel import Activation, CompileError, EvaluationError, Program

SEED, COUNT = 20261124, amount(6000, 1500)


def asked(program: Path, questions: list[tuple[str, Any]]) -> list[dict[str, str]]:
    return goprograms.answers(program, [{"expression": each, "bindings": {"x": x, "y": None}} for each, x in questions])


def exact_cost(program: Program, x: Any) -> int:
    """As the careful form of the code charges."""
    activation = Activation(bindings(x))
    with suppress(EvaluationError):
        program.evaluate_exactly(activation)
    return activation.cost


def bound(program: Program, x: Any) -> int | None:
    """As the plain form charges; None where it gave up."""
    activation = Activation(bindings(x))
    try:
        program.plain(activation)
    except BaseException:
        return None
    return activation.cost + program.fixed_cost


def test_generated_expressions_cost_the_same(kubernetes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Expressions(SEED)
    expressions = [source.one() for _ in range(COUNT)]
    found: Counter[str] = Counter()
    worst, worst_bound = 1.0, 1.0
    for expression, answer in zip(expressions, asked(kubernetes, [(each, X) for each in expressions]), strict=True):
        try:
            program = ENVIRONMENT.compile(expression)
        except CompileError:
            continue
        theirs, mine = int(answer["cost"]), exact_cost(program, X)
        kind = "with an error" if "error" in answer else "with a value"
        found[f"{kind}, {'the same' if mine == theirs else 'another'}"] += 1
        assert counted_cost(program, X) == mine, expression
        most = bound(program, X)
        if most is not None:
            assert most >= mine, expression
            worst_bound = max(worst_bound, most / max(mine, 20))
        ratio = max(mine, theirs, 20) / max(min(mine, theirs), 20)
        worst = max(worst, ratio)
        assert ratio <= 2, (expression, theirs, mine)
    with capsys.disabled():
        print(f"\nCosts beside Kubernetes' (seed {SEED}): {dict(found)}; at most {worst:.2f} times another's,")
        print(f"costs under 20 taken for 20; the plain form's bound is at most {worst_bound:.1f} times the cost")
    assert found["with a value, another"] < COUNT / 100


TEXT = "abcdefghijklmnopqrstuvwxyz0123456789"
OBJECTS = [{"name": f"n{n}", "image": f"registry/{n}", "ports": [{"p": n}], "on": n % 2 == 0} for n in range(25)]
VALUES: dict[str, Any] = {
    "n": list(range(37)),
    "none": [],
    "words": [f"{TEXT}{n}" for n in range(33)],
    "text": TEXT * 31,
    "empty": "",
    "objects": OBJECTS,
    "map": {f"key-{n}": f"value-{n}" for n in range(45)},
    "deep": {"a": {"b": {"c": [1, 2, {"d": TEXT}]}}},
    "long": {f"k{n}": [TEXT, n] for n in range(120)},
    "i": 7,
    "ii": 30,
    "b": True,
    "address": "10.1.2.3",
}


def test_every_operator_and_function_costs_what_it_costs_there(
    kubernetes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (Path(__file__).parent / "costed.txt").read_text().splitlines()
    expressions = [line for line in lines if not line.startswith("#")]
    compared = 0
    for expression, answer in zip(
        expressions, asked(kubernetes, [(each, VALUES) for each in expressions]), strict=True
    ):
        program = ENVIRONMENT.compile(expression)
        compared += 1
        assert "value" in answer, (expression, answer)
        theirs = int(answer["cost"])
        assert (exact_cost(program, VALUES), counted_cost(program, VALUES)) == (theirs, theirs), expression
        most = bound(program, VALUES)
        assert most is None or most >= theirs, expression
    with capsys.disabled():
        print(f"\n{compared} of {len(expressions)} expressions cost what they cost in Kubernetes")


def test_expressions_at_half_and_at_double_the_limit_end_as_they_end_there(
    kubernetes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions: list[tuple[str, Any]] = []
    asking = SCALED[:: amount(1, 8)]
    for expression, power, kind in asking:
        if power == 1:  # the API server itself takes quadratic time for a long loop, but not for one in a loop
            expression, power = f"x.all(z, {expression} || true)", 2  # noqa: PLW2901
        half = length_that_costs(ENVIRONMENT.compile(expression), kind, 500_000, power)
        for length in (half, int(half * 4 ** (1 / power)) + 1):
            questions.append((expression, scaled(kind, length)))
    costs: list[int] = []
    differing: list[tuple[str, int, str, str]] = []
    for (expression, x), answer in zip(questions, asked(kubernetes, questions), strict=True):
        try:
            mine = str(ENVIRONMENT.compile(expression).evaluate(Activation(bindings(x)))).lower()
        except EvaluationError as error:
            mine = str(error)
        theirs = answer.get("error", answer.get("value", ""))
        if mine != theirs:
            differing.append((expression, len(x), mine, theirs))
        if "value" in answer:
            costs.append(int(answer["cost"]))
    with capsys.disabled():
        print(
            f"\n{len(questions) - len(differing)} of {len(questions)} expressions at half and at double the cost limit"
        )
    assert differing == []
    assert len(costs) == len(asking)
    assert all(300_000 <= cost <= 750_000 for cost in costs), costs

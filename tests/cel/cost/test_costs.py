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
from tests.cel.evaluating import ENVIRONMENT
from tests.cel.generated import Expressions, X
from tests.cel.test_against_kubernetes import kubernetes
from webhook.cel import Activation, CompileError, Counting, EvaluationError, Program
from webhook.cel.cost import metering

__all__ = ["kubernetes"]

SEED, COUNT = 20261124, 6000
LIMIT = "operation cancelled: actual cost limit exceeded"


def asked(program: Path, questions: list[tuple[str, Any]]) -> list[dict[str, str]]:
    return goprograms.answers(program, [{"expression": each, "bindings": {"x": x, "y": None}} for each, x in questions])


def bindings(x: Any) -> dict[str, Any]:
    return {"x": x, "y": None, "object": {"spec": {"x": x}}}


def exact_cost(program: Program, x: Any) -> int:
    """As the careful form of the code charges."""
    activation = Activation(bindings(x))
    with suppress(EvaluationError):
        program.evaluate_exactly(activation)
    return activation.cost


def counted_cost(program: Program, x: Any) -> int:
    """As the quick form charges that counts."""
    activation = Counting(bindings(x))
    with suppress(EvaluationError):
        program.evaluate_counting(activation)
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


# Each with the power of the list's length that its cost grows with.
SCALED = [
    ("x.all(e, e >= 0)", 1, "numbers"),
    ("x.exists(e, e < 0)", 1, "numbers"),
    ("x.exists_one(e, e == 3)", 1, "numbers"),
    ("x.map(e, e + 1).size() > 1", 1, "numbers"),
    ("x.filter(e, e % 2 == 0).size() > 1", 1, "numbers"),
    ("x.map(e, e).all(e, e >= 0)", 1, "numbers"),
    ("x.all(i, e, e >= 0 && i >= 0)", 1, "numbers"),
    ("x.transformMap(i, e, e + 1).size() > 1", 1, "numbers"),
    ("x.transformList(i, e, i + e).size() > 1", 1, "numbers"),
    ("x.all(a, x.all(b, a + b >= 0))", 2, "numbers"),
    ("x.all(a, x.exists(b, a == b && b >= 0))", 2, "numbers"),
    ("x.all(a, x.map(b, b).size() > 0)", 2, "numbers"),
    ("x.map(a, x.filter(b, b > a)).size() > 0", 2, "numbers"),
    ("x.all(a, x.all(b, x.all(c, a + b + c >= 0)))", 3, "numbers"),
    ("x.all(a, x.all(b, x.exists(c, c >= 0)))", 2, "numbers"),
    ("x.exists(a, x.exists(b, x.exists(c, a * b * c < 0)))", 3, "numbers"),
    ("x.all(a, x.nope == 1 || a >= 0)", 1, "numbers"),
    ("sets.contains(x, x)", 2, "numbers"),
    ("sets.equivalent(x, x)", 2, "numbers"),
    ("x.sum() > 0 && x.isSorted()", 1, "numbers"),
    ("x.all(a, a in x.map(b, b) || true)", 2, "numbers"),
    ("x.map(e, string(e)).join(',').size() > 1", 1, "numbers"),
    ("x.all(e, type(e) == int)", 1, "numbers"),
    ("x.all(e, [e].size() == 1)", 1, "numbers"),
    ("x.all(e, {'a': e}.a == e)", 1, "numbers"),
    ("x.all(e, e >= 0 ? true : e < 0)", 1, "numbers"),
    ("x.all(e, '%d'.format([e]) != '')", 1, "numbers"),
    ("x.all(e, optional.of(e).orValue(1) >= 0)", 1, "numbers"),
    ("x.all(e, size(e) > 1)", 1, "words"),
    ("x.all(e, e.startsWith('word'))", 1, "words"),
    ("x.all(e, e.contains('ord'))", 1, "words"),
    ("x.all(e, e.matches('^[a-z]+-[0-9]+$'))", 1, "words"),
    ("x.all(e, e + '-' + e != '')", 1, "words"),
    ("x.all(e, e.upperAscii() != e)", 1, "words"),
    ("x.all(e, e.split('-').size() == 2)", 1, "words"),
    ("x.all(e, e.replace('-', '+') != '')", 1, "words"),
    ("x.all(a, x.exists(b, b == a))", 2, "words"),
    ("x.all(a, x.all(b, a + b != ''))", 2, "words"),
    ("x.map(e, e.substring(5)).join(' ').contains('999999')", 1, "words"),
    ("x.join(',').matches('(word-[0-9]+,?)+')", 1, "words"),
    ("x.all(e, e in ['a', 'b'] || e != '')", 1, "words"),
    ("x.all(a, x.map(b, a + b).size() > 0)", 2, "words"),
    ("x.all(o, o.name.startsWith('n'))", 1, "objects"),
    ("x.all(o, has(o.name) && has(o.spec.image))", 1, "objects"),
    ("x.all(o, o.spec.ports.all(p, p > 0))", 1, "objects"),
    ("x.all(o, o.?spec.?image.orValue('').startsWith('r'))", 1, "objects"),
    ("x.filter(o, o.spec.ports.exists(p, p == 80)).map(o, o.name).size() > 0", 1, "objects"),
    ("x.all(a, x.exists_one(b, a.name == b.name))", 2, "objects"),
    ("x.all(a, x.exists(b, b.spec == a.spec))", 1, "objects"),
    ("x.map(o, o.spec.ports.sum()).sum() > 0", 1, "objects"),
    ("x.all(o, o.labels.all(k, v, k != v))", 1, "objects"),
    ("x.map(o, o.labels.transformMap(k, v, v + k)).size() > 0", 1, "objects"),
]


def scaled(kind: str, length: int) -> list[Any]:
    if kind == "numbers":
        return list(range(length))
    if kind == "words":
        return [f"word-{number:06}" for number in range(length)]
    labels = {"app": "web", "tier": "front"}
    spec = {"image": "registry.example.com/app", "ports": [80, 443, 8080]}
    return [{"name": f"n{number}", "spec": spec, "labels": labels} for number in range(length)]


def length_that_costs(program: Program, kind: str, units: int, power: int) -> int:
    """The length of a list that the expression about so much is charged for."""
    length = 4
    while (cost := counted_cost(program, scaled(kind, length))) < units / 20:
        length *= 2
    for _ in range(3):
        length = max(2, int(length * (units / cost) ** (1 / power)))
        cost = counted_cost(program, scaled(kind, length))
        if abs(cost / units - 1) < 0.05:
            break
    return length


def test_expressions_at_half_and_at_double_the_limit_end_as_they_end_there(
    kubernetes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metering, "EXPRESSION_SECONDS", 10.0)  # only costs decide
    questions: list[tuple[str, Any]] = []
    for expression, power, kind in SCALED:
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
    assert len(costs) == len(SCALED)
    assert all(300_000 <= cost <= 750_000 for cost in costs), costs

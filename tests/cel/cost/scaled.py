"""Expressions over lists, and the length of a list for a given cost."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from webhook.cel import Counting, EvaluationError, Program

LIMIT = "operation cancelled: actual cost limit exceeded"


def bindings(x: Any) -> dict[str, Any]:
    return {"x": x, "y": None, "object": {"spec": {"x": x}}}


def counted_cost(program: Program, x: Any) -> int:
    """As the quick form charges that counts."""
    activation = Counting(bindings(x))
    with suppress(EvaluationError):
        program.evaluate_counting(activation)
    return activation.cost


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

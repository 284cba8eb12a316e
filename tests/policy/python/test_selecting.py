"""`selects` matches what Kubernetes' own LabelSelectorAsSelector matches, and refuses what that refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

import pytest

from gatewright import selects
from tests.goprograms import answers, built
from webhook.policy.readonly import view

KEYS: Final = (
    "a",
    "b",
    "app.kubernetes.io/name",
    "x_y",
    "A",
    "-a",
    "a/b/c",
    "",
    "a b",
    "/a",
    "é",
    "a" * 64,
    "EX.com/a",
)
VALUES: Final = ("1", "2", "", "v_1.2-3", "x" * 63, "x" * 64, "-x", "a b", "é", None)
OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "in", "Equals", "", None)


def generated(count: int) -> list[tuple[Any, dict[str, Any] | None]]:
    chance = random.Random(54)

    def one(among: tuple[Any, ...], sound: int) -> Any:
        return chance.choice(among if chance.random() < 0.06 else among[:sound])

    def values() -> list[Any]:
        return [one(VALUES, 4) for _ in range(chance.choice((0, 1, 1, 2, 3)))]

    def requirement() -> dict[str, Any]:
        operator = one(OPERATORS, 4)
        found: dict[str, Any] = {"key": one(KEYS, 3), "operator": operator}
        some = values() or ["1"]
        if operator in ("In", "NotIn") or chance.random() < 0.1:
            found["values"] = some if chance.random() < 0.95 else []
        return found

    cases: list[tuple[Any, dict[str, Any] | None]] = []
    for _ in range(count):
        selector: dict[str, Any] = {}
        if chance.random() < 0.6:
            selector["matchLabels"] = {one(KEYS, 3): one(VALUES, 3) for _ in range(chance.randint(0, 2))}
        if chance.random() < 0.7:
            selector["matchExpressions"] = [requirement() for _ in range(chance.randint(0, 3))]
        absent = chance.random() < 0.03
        labels = {one(KEYS, 3): one(VALUES, 4) for _ in range(chance.randint(0, 3))}
        cases.append((None if absent else selector, labels if chance.random() < 0.95 else None))
    return cases


def ours(selector: Any, labels: Any) -> bool | None:
    try:
        return selects(selector, labels)
    except ValueError:
        return None


def test_it_matches_what_kubernetes_matches() -> None:
    program = built(Path(__file__).parent / "selectors")
    cases = [
        *generated(4_000),
        (None, {}),
        ({}, {}),
        ({}, None),
        ({"matchLabels": None, "matchExpressions": None}, {"a": "1"}),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": None}]}, {"a": None}),
        ({"matchLabels": {"a": 1}}, {"a": "1"}),
        ({"matchLabels": ["a"]}, {"a": "1"}),
        ({"matchExpressions": {"key": "a"}}, {"a": "1"}),
        ({"matchExpressions": ["a"]}, {"a": "1"}),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": "1"}]}, {"a": "1"}),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": [True]}]}, {"a": "true"}),
    ]
    counts = {True: 0, False: 0, None: 0}
    questions = [{"selector": selector, "labels": labels} for selector, labels in cases]
    for (selector, labels), answer in zip(cases, answers(program, questions), strict=True):
        theirs = None if answer["error"] else answer["matches"]
        counts[theirs] += 1
        assert ours(selector, labels) is theirs, (json.dumps(selector), labels, answer)
        if selector is not None and labels is not None:
            assert ours(view(selector), view(labels)) is theirs
    assert min(counts.values()) > 500


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ({"matchLabels": {"a b": "1"}}, "matchLabels.a b: expected a label key, [PREFIX/]NAME, found 'a b'"),
        ({"matchLabels": {"a": "x y"}}, "matchLabels.a: expected a label value, found 'x y'"),
        (
            {"matchExpressions": [{"key": "a", "operator": "is"}]},
            "matchExpressions[0].operator: expected In, NotIn, Exists or DoesNotExist, found 'is'",
        ),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "matchExpressions[0].values: In needs values"),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["1"]}]},
            "matchExpressions[0].values: Exists must have no values",
        ),
        ({"matchExpressions": "a"}, "matchExpressions: expected a list, found 'a'"),
    ],
)
def test_what_is_refused_is_said(selector: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        selects(selector, {})
    assert str(error.value) == said

"""Generated rules of Kyverno and the objects that they are asked about: patterns, conditions, JMESPath.

Each is deterministic for its seed. Values are asked in all pairs; patterns get objects that satisfy them, and what
these become when a part of them is changed, so that both verdicts come out.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from tests.convert.kyverno.ours import Asked, Policy

WIDGETS: Final[dict[str, Any]] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }},
            }
        ],
    },
}  # fmt: skip
"""A kind whose spec may be anything: a field of any type."""

MISSING: Final = object()
SCALARS: Final[list[Any]] = [
    "*", "?*", "*?", "??*", "?", "", "a", "a*", "*b", "a?", "*a*", "!a", "!a*", "!*", "!?*", "!", "null", "!null",
    ">1", ">=1", "<1", "<=1", ">1Gi", "<=512Mi", ">500m", "<0.5", ">= 5", "> -1", "=5", "==5", ">a", "<b",
    "1-5", "1!-5", "10Mi-1Gi", "500m-2", "1h-2h", "-1-5", "1 - 5", "1.5-2.5", "a-b", "5-1",
    "a | b", "a|b*", "5 | 1Gi", ">1 & <5", ">1&<5", "!a & !b", "?* & !a", "a & b", "a | >1", "<1 | >5", "1-2 | 5",
    "| a",
    "a |", "&", "|", "!a | b",
    "1h", ">1h", "<=30m", "60m", "3600s", "1h30m", "!1h", ">1m", "<1m",
    5, 1.5, 0, -1, 1000, True, False, None, "5", "1.5", "0", "true", "false", "!5", "!true", "1000m", "0.5", "500m",
    "1Gi", "1024Mi",
    "0s", "!0", "!0s", "0m", "<=0", ">=0s", "0Gi", ">0", "<0", "0-5", "!", "!!a", ">", "<", ">=", "*5*", "5*", "!5*",
    "t*", "!t*", "?????", "?????*", "!?????", "*e*", "E*", "*E*",
    "a,b", "a-", "-", "--", "1-", "1--5", "-5--1", "1Ki-1Mi", "1s-1m", "!1-5", ">1Gi & <2Gi", "1Gi | 2Gi", "500m | 1",
    "1h | 2h", "true | false", "!true & !false", "| ", "5 & 5", "> 1 & < 5", "a*b", "a*b*c", "\u00e9*",
    "1e3", "5.0", ">1.0.0", "<=1.2.3", "1.2.3", ">v1.0.0", "0x5", "01", " a ", "a b", "$", "(a)", "[a]", "a.b", "a+b",
    "\\*", "*.*",
]  # fmt: skip
VALUES: Final[list[Any]] = [
    MISSING, None, "", "a", "b", "ab", "abc", "A", " a", "*", "null", 0, 1, 2, 5, 6, -1, 1000, 1.5, 0.5, 5.0, True,
    False,
    "0", "1", "3", "5", "5.0", "1.5", "-1", "1000", "true", "false", "1Gi", "1024Mi", "512Mi", "2Gi", "500m", "600m",
    "1e3",
    "1h", "60m", "30m", "90m", "3600s", "1h30m", "45s", "1.2.3", "1.0.1", "v1.2.3", "0.9.0", "a b", "a.b", "axb",
    "a\nb",
    [], ["a"], ["b"], ["a", "b"], [5], [1, 5], [None], [""], [["a"]], [{"a": 1}], {}, {"a": "a"}, {"a": {"b": 1}},
]  # fmt: skip


class Batch(Struct):
    """Rules of one policy, each asked about each request."""

    name: str
    policy: Policy
    requests: list[Asked]


def widget(name: str, spec: Any, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": "default", **(metadata or {})},
        "spec": spec,
    }


def policy(name: str, validations: list[dict[str, Any]]) -> Policy:
    """A policy with a rule for each validation. A validation's `_` has further fields of its rule."""
    rules = []
    for index, each in enumerate(validations):
        more = each.get("_", {})
        own = {key: value for key, value in each.items() if key != "_"}
        match = {"any": [{"resources": {"kinds": ["Widget"], "operations": ["CREATE", "UPDATE"]}}]}
        rules.append({"name": f"r{index}", "match": match, **more, "validate": own})
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"validationFailureAction": "Enforce", "background": False, "rules": rules},
    }


def _objects(prefix: str, values: list[Any], key: str = "v") -> list[Asked]:
    specs = [{"other": "x"} if value is MISSING else {key: value, "other": "x"} for value in values]
    return [Asked(widget(f"{prefix}{index}", spec)) for index, spec in enumerate(specs)]


def scalars() -> Iterator[Batch]:
    """Every scalar pattern against every value."""
    for start in range(0, len(SCALARS), 50):
        rules = [{"pattern": {"spec": {"v": each}}} for each in SCALARS[start : start + 50]]
        yield Batch(f"scalars-{start}", policy(f"scalars-{start}", rules), _objects("o", VALUES))


KEYS: Final = "abc"
_LEAVES: Final[list[Any]] = ["?*", "*", "x", "x*", "!x", 5, ">3", "1-5", True, False, "x | y", None, "5"]


class Generator:
    """Patterns with anchors, and objects for them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pattern(self, depth: int = 0) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key in self.random.sample(KEYS, self.random.choice([1, 1, 2, 2, 3])):
            anchor = self.random.choices(["", "=", "(", "X", "^", "<"], [9, 4, 4, 1.5, 1.5, 2.5])[0]
            if anchor == "X":
                made[f"X({key})"] = "null"
            elif anchor == "^":
                made[f"^({key})"] = [self._item(depth)]
            else:
                written = {"": key, "=": f"=({key})", "(": f"({key})", "<": f"<({key})"}[anchor]
                made[written] = self._value(depth)
        return made

    def _value(self, depth: int) -> Any:
        kind = self.random.choices(["leaf", "map", "list"], [6, 3, 3] if depth < 2 else [1, 0, 0])[0]
        if kind == "leaf":
            return self.random.choice(_LEAVES)
        if kind == "map":
            return self.pattern(depth + 1)
        return [self._item(depth) for _ in range(self.random.choices([1, 2], [12, 1])[0])]

    def _item(self, depth: int) -> Any:
        return self.pattern(depth + 1) if depth < 2 and self.random.random() < 0.7 else self.random.choice(_LEAVES)

    def satisfying(self, pattern: Any) -> Any:
        """An object that a pattern is likely to accept."""
        if isinstance(pattern, dict):
            made = {}
            for key, value in pattern.items():
                bare = key.rpartition("(")[2].rstrip(")")
                if key.startswith("X") or (key.startswith("=") and self.random.random() < 0.3):
                    continue
                made[bare] = self.satisfying(value)
            return made
        if isinstance(pattern, list):
            return [self.satisfying(each) for each in pattern for _ in range(self.random.choice([1, 1, 2]))]
        good: dict[Any, list[Any]] = {
            "?*": ["q", "x"], "*": ["", 5], "x": ["x"], "x*": ["xy", "x"], "!x": ["y", "z"], 5: [5], ">3": [4, "7"],
            "1-5": [1, 5, "3"], "x | y": ["x", "y"], "5": [5, "5"], None: [None, "", 0], True: [True], False: [False],
        }  # fmt: skip
        return self.random.choice(good[pattern])

    def changed(self, value: Any) -> Any:
        """The object with one part changed."""
        value = copy.deepcopy(value)
        places: list[tuple[Any, Any]] = []

        def walk(inner: Any) -> None:
            pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
            for key, each in pairs:
                places.append((inner, key))
                walk(each)

        walk(value)
        if not places or self.random.random() < 0.1:
            value[self.random.choice(KEYS)] = self.random.choice(["x", 5, [], {}, None, [{"a": "x"}], {"a": "x"}])
            return value
        holder, key = self.random.choice(places)
        match self.random.randrange(5):
            case 0 | 1:
                del holder[key]
            case 2:
                holder[key] = self.random.choice(["x", "y", "", 5, 2, True, False, None])
            case 3:
                holder[key] = self.random.choice([[], {}, [{}], ["x"], [{"a": "x"}], {"a": "x"}, [None]])
            case _:
                if isinstance(holder, list):
                    holder.append(self.random.choice(["x", 5, {}, {"a": "x"}, {"b": 5}]))
                elif isinstance(holder[key], list):
                    holder[key].append(self.random.choice(["x", 5, {}, {"a": "x"}, {"b": 5}]))
                else:
                    holder[self.random.choice(KEYS)] = self.random.choice(["x", 5, {"a": "x"}])
        return value


def patterns(seed: int, rules: int, objects: int) -> Iterator[Batch]:
    """Patterns, each with the objects that are made for the patterns of its batch."""
    made = Generator(seed)
    size = 10
    for start in range(0, rules, size):
        group = [made.pattern() for _ in range(min(size, rules - start))]
        specs: list[Any] = [{}]
        while len(specs) < objects:
            spec = made.satisfying(made.random.choice(group))
            for _ in range(made.random.choice([0, 0, 1, 1, 2])):
                spec = made.changed(spec)
            specs.append(spec)
        rules_of: list[dict[str, Any]] = [{"pattern": {"spec": each}} for each in group]
        for index in range(0, len(group) - 1, 5):
            rules_of.append({"anyPattern": [{"spec": group[index]}, {"spec": group[index + 1]}]})
        requests = [Asked(widget(f"o{index}", spec)) for index, spec in enumerate(specs)]
        yield Batch(f"patterns-{seed}-{start}", policy(f"patterns-{seed}-{start}", rules_of), requests)


OPERATORS: Final = (
    "Equals", "NotEquals", "Equal", "NotEqual", "AnyIn", "AllIn", "AnyNotIn", "AllNotIn", "In", "NotIn",
    "GreaterThan", "GreaterThanOrEquals", "LessThan", "LessThanOrEquals",
    "DurationGreaterThan", "DurationGreaterThanOrEquals", "DurationLessThan", "DurationLessThanOrEquals",
)  # fmt: skip
OPERANDS: Final[list[Any]] = [
    "", "a", "a*", "*", "?*", "b", "5", 5, 1.5, 0, "1.5", True, False, "true", "1Gi", "1024Mi", "500m", "1h", "60m",
    "30m", 3600,
    "1.2.3", "1-5", "1!-5", [], ["a"], ["a", "b"], ["a*"], [1, 5], ["5"], [True], "a,b", '["a","b"]', {"a": "a"},
    "null", ["1-5"], ["a", "1Ki-4Ki"], [1, "a"], [1.5],
]  # fmt: skip
_KEYS: Final[list[Any]] = [
    each for each in VALUES if not isinstance(each, dict) and each not in (MISSING, None, [None], [["a"]], [{"a": 1}])
]
"""Kyverno's command panics where some operators are asked about maps."""


def conditions(seed: int, amount: int) -> Iterator[Batch]:
    """Conditions of each operator and value, about a field of each type. A field that is missing, with a default."""
    picked = random.Random(seed)
    pairs: list[tuple[str, Any]] = [
        (operator, value) for operator in OPERATORS for value in OPERANDS if value != {"a": "a"}
    ]
    picked.shuffle(pairs)
    pairs = pairs[:amount]
    for start in range(0, len(pairs), 60):
        rules = []
        for operator, value in pairs[start : start + 60]:
            one = {"key": "{{ request.object.spec.v }}", "operator": operator, "value": value}
            rules.append({"deny": {"conditions": {"any": [one]}}})
        name = f"conditions-{seed}-{start}"
        yield Batch(name, policy(name, rules), _objects("o", [MISSING, *_KEYS]))

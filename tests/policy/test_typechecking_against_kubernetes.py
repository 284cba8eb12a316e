"""Generated expressions, half of them with a misspelt field: the API server's type checking names the same fields."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.amounts import amount
from tests.policy.apiserver import asked
from tests.policy.trees import binding, loaded, policy
from webhook.schema import Schema, Schemas, shipped

SEED, COUNT = 20261124, amount(600, 200)
KINDS = [
    ("apps", "v1", "Deployment", "deployments"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Service", "services"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
]
_WRONG = re.compile(
    r"undefined field '(?P<field>[^']*)'|type '\w+(?:\([^']*\))?' does not support field selection"
    r"|(?P<mismatch>found no matching overload for '[^']*' applied to '[^']*')"
)
_OF_OTHER_TYPES = ("date-time", "byte", "duration")


@dataclass
class Walk:
    """Expressions that go down the fields of a kind, now and then by one that it does not have."""

    random: random.Random

    def expression(self, schema: Schema) -> str:
        parts = [self.one("object", schema) for _ in range(self.random.randint(1, 3))]
        return self.random.choice([" && ", " || "]).join(parts)

    def one(self, value: str, schema: Schema, depth: int = 0) -> str:
        """A condition on what is below `value`."""
        while depth < 7:
            depth += 1
            if schema.fields:
                name = self.random.choice([name for name, field in schema.fields.items() if usable(field)] or ["x"])
                schema = schema.fields.get(name, schema)
                if self.random.random() < 0.12:
                    return self.test(f"{value}.{self.misspelt(name)}", self.random.random() < 0.5)
                value = f"{value}.?{name}.orValue({value}.{name})" if self.random.random() < 0.05 else f"{value}.{name}"
            elif schema.values is not None:
                schema, value = schema.values, f"{value}[{self.random.choice(['0', '1'])!r}]"
            elif (items := schema.items) is not None:
                variable = "abcdefgh"[depth]
                match self.random.randint(0, 3):
                    case 0:
                        schema, value = items, f"{value}[0]"
                    case 1:
                        return f"{value}.all({variable}, {self.one(variable, items, depth)})"
                    case 2:
                        return f"{value}.exists({variable}, {self.one(variable, items, depth)})"
                    case _:
                        inner = self.one(variable, items, depth)
                        then = self.one(variable, items, depth)
                        return (
                            f"{value}.filter({variable}, {inner}).map({variable}, {variable}).all({variable}, {then})"
                        )
            else:
                if schema.type and self.random.random() < 0.05:
                    return self.test(f"{value}.more", has=False)
                if schema.type in ("integer", "string", "boolean") and schema.format not in _OF_OTHER_TYPES:
                    return self.compared(value)
                break
            if self.random.random() < 0.1:
                break
        return f"dyn({value}) == dyn(1)"

    def test(self, value: str, has: bool) -> str:
        return f"has({value})" if has else f"dyn({value}) == dyn(1)"

    def compared(self, value: str) -> str:
        literal = self.random.choice(["'a'", "1", "true"])
        return self.random.choice([f"{value} == {literal}", f"{literal} != {value}", f"{value} in [{literal}]"])

    def misspelt(self, name: str) -> str:
        return self.random.choice([name + "z", name[:-1] or "q", name[1:2] + name])


def usable(field: Schema) -> bool:
    """Not a field that the API server calls undefined though it is there: quantities, and what may be anything."""
    if (
        field.unknown
        or field.preserve_unknown_fields
        or (field.type == "object" and not field.fields and not field.values)
    ):
        return False
    below = field.items if field.items is not None else field.values
    return below is None or usable(below)


def wrong(texts: Iterator[str]) -> list[str]:
    """The fields that are said to be undefined, selections of what has none, operands that do not fit."""
    return sorted(
        {match["field"] or match["mismatch"] or "(selection)" for text in texts for match in _WRONG.finditer(text)}
    )


def test_the_same_fields_are_undefined(capsys: pytest.CaptureFixture[str]) -> None:
    walk = Walk(random.Random(SEED))
    cases = []
    for _ in range(COUNT):
        group, version, kind, resource = walk.random.choice(KINDS)
        schema = Schemas.builtin().of(group, version, kind)
        assert schema is not None
        rules = [{"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE"], "resources": [resource]}]
        cases.append(policy(rules=rules, validations=[{"expression": walk.expression(schema)}]))
    answers = asked(({"Policy": each} for each in cases), str(shipped.FOLDER))
    differing = []
    for case, answer in zip(cases, answers, strict=True):
        theirs = wrong(each["warning"] for each in answer["warnings"] or ())
        ours = wrong(each.message for each in loaded(case, binding()).warnings)
        if ours != theirs:
            differing.append((case["spec"]["validations"][0]["expression"], ours, theirs, answer))
    with_any = sum(bool(answer["warnings"]) for answer in answers)
    with capsys.disabled():
        print(f"\n{COUNT} expressions type-checked, {with_any} with warnings, {len(differing)} otherwise than there")
    assert differing == []
    assert COUNT / 4 < with_any < COUNT * 0.9

"""Objects of the built-in kinds, generated from their Go types: terse and full, valid and not.

target: the Kubernetes version of the types and kinds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from webhook.apiserver.gotypes import Field, GoType, fields_of, struct_of
from webhook.schema import shipped
from webhook.versions import NEWEST, Version

TEXTS = ("", "a", "web", "0", "80", "http", "10%", "true", "1Gi", "a b", "ü", "x/y", "kube-system")
NUMBERS = (0, 1, -1, 80, 8080, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 1.5, 3.0, 1e21, -0.0, 1e-7)
QUANTITIES = (
    *(
        "1",
        "100m",
        "1000m",
        "0.5",
        "1.5Gi",
        "1024Mi",
        "1024",
        "2048Ki",
        "0",
        "-1",
        "+1",
        "1e3",
        "1E3",
        "1e-3",
        "12e6",
        "0.1n",
    ),
    *(
        "1.1Ki",
        "1023Mi",
        "8Ei",
        "9.5Ei",
        "10Ei",
        "0.5Mi",
        "-2Gi",
        "1000000",
        "1000k",
        "123456789012345678901",
        "0Mi",
        "00.5",
    ),
    *(
        "1.",
        ".5",
        "1.25",
        "0.0001",
        "1u",
        "3000000n",
        "1e9",
        "5E",
        "12345678901234567890n",
        "1.0000000001",
        " 1 ",
        "-0",
    ),
)
BAD_QUANTITIES = ("", "a", "1ki", "1KiB", "--1", "1 Gi", "1e", "1.2.3", "e3", "+", ".", "1Mim", "0x1", "Ki")
TIMES = (
    *("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.678Z", "2024-02-29T23:59:59+02:00", "0001-01-01T00:00:00Z"),
    *("1999-12-31T23:59:59-14:00", "2024-01-02T03:04:05.123456Z", "9999-12-31T00:00:00Z", "2024-01-02T3:04:05Z"),
)
BAD_TIMES = (
    *(
        "",
        "now",
        "2024-01-02",
        "2024-13-02T03:04:05Z",
        "2023-02-29T03:04:05Z",
        "2024-01-02T03:04:05",
        "2024-01-02 03:04:05Z",
    ),
    *(
        "2024-01-02T24:04:05Z",
        "2024-01-02T03:04:60Z",
        "2024-01-02T03:04:05Zx",
        "2024-01-02T03:04:05+2:00",
        "24-01-02T03:04:05Z",
    ),
    *("2024-01-02T03:04:05+25:00", "2024-1-02T03:04:05Z", "2024-01-00T03:04:05Z", 'a"b\\', "ü"),
)
BINARIES = ("", "YQ==", "YWI=", "YWJj", "YWJj\nZGVm", "YR==", "/+8=")
BAD_BINARIES = ("a", "YQ", "YQ=", "YQ==x", "Y!Q=", "====", "YWJj ", "ü", "YWJjZGVmZ", "YQ=\n=", "YQ=\n")
WRONG: tuple[Any, ...] = (True, False, "text", "", 1, 0, 2.5, [], [1], ["a"], {}, {"a": 1}, [{}], None)


class Objects:
    """Generates objects. `wrong`: how many of 1,000 values are of a wrong type or an unknown field."""

    def __init__(self, seed: str, wrong: int, target: Version = NEWEST) -> None:
        self.random = random.Random(seed)
        self.wrong = wrong
        self.target = target

    def of(self, api_version: str, kind: str) -> dict[str, Any]:
        """An object of a kind."""
        struct = struct_of(api_version, kind, self.target)
        assert struct is not None
        density = self.random.choice((0.1, 0.3, 0.6, 0.9))
        made = self.struct(struct, density, 0)
        return {**made, "apiVersion": api_version, "kind": kind}

    def struct(self, struct: str, density: float, depth: int) -> dict[str, Any]:
        # The deeper, the terser: structs are large, and schemas hold schemas.
        share = density / (1 + depth * depth / 8) if depth < 9 else 0.02
        fields = [field for field in fields_of(struct, self.target) if self.random.random() < share]
        self.random.shuffle(fields)
        made = {field.name: self.value(field.type, density, depth + 1, field) for field in fields}
        if self.random.randrange(3000) < self.wrong:
            name = self.random.choice(
                ["nope", "Spec", 'qu"ote', "ü", "", *(f"{field.name}s".title() for field in fields)]
            )
            made.setdefault(name, self.random.choice(WRONG))
        return made

    def value(self, go: GoType, density: float, depth: int, field: Field | None = None) -> Any:
        chance = self.random.random()
        if chance < 0.06:
            return None
        if self.random.randrange(1000) < self.wrong:
            return self.random.choice(WRONG)
        if go.form == "struct":
            return {} if chance < 0.1 else self.struct(go.struct, density, depth)
        if go.form in ("list", "map"):
            assert go.of is not None
            size = 0 if chance < 0.12 or depth > 12 else self.random.choice((1, 1, 1, 2, 3))
            items = [self.value(go.of, density, depth + 1) for _ in range(size)]
            if go.form == "list":
                return items
            keys = self.random.sample(("a", "b.c/d", "cpu", "memory", "", "ü", "hugepages-2Mi"), size)
            return dict(zip(keys, items, strict=True))
        return self.scalar(go.form, depth)

    def scalar(self, form: str, depth: int) -> Any:
        pick = self.random.choice
        odd = self.random.randrange(500) < self.wrong
        if form == "string":
            return pick(TEXTS)
        if form == "bool":
            return pick((True, False))
        if form in ("int32", "int64", "float64"):
            return pick(NUMBERS) if odd else pick((0, 1, 2, 80, 3600, -1))
        if form == "quantity":
            return pick(BAD_QUANTITIES) if odd else pick((*QUANTITIES, 1, 0, 0.5, 2**31, 1e6, 0.1))
        if form == "intstr":
            return pick(NUMBERS) if odd else pick((*TEXTS, 0, 80, 443))
        if form == "time":
            return pick(BAD_TIMES) if odd else pick(TIMES)
        if form == "microtime":
            return (
                pick((*BAD_TIMES, *TIMES))
                if odd
                else pick(("2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05.000000+01:00"))
            )
        if form == "bytes":
            return pick((*BAD_BINARIES, [1, 2, None], [300])) if odd else pick(BINARIES)
        if form in ("raw", "json", "fields"):
            free: tuple[Any, ...] = ({"a": None, "b": [{}, 1.5]}, {}, {"kind": "X", "n": 2})
            return pick(free) if form == "raw" else pick((*free, 1, "x", [1], True))
        if form in ("schemaorbool", "schemaorarray", "schemaorstrings"):
            schema = self.struct(_SCHEMA, 0.2, depth + 2)
            return pick(
                (True, False, schema)
                if form == "schemaorbool"
                else (schema, [schema], [])
                if form == "schemaorarray"
                else (schema, ["a", "b"], [])
            )
        raise AssertionError(form)


_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def kinds(target: Version = NEWEST) -> Iterator[tuple[str, str]]:
    """The built-in kinds, as (apiVersion, kind)."""
    yield from sorted(shipped.kinds(target))


def objects(seed: str, amount: int, wrong: int, target: Version = NEWEST) -> list[dict[str, Any]]:
    """So many objects, kind by kind."""
    made = Objects(seed, wrong, target)
    named = list(kinds(target))
    return [made.of(*named[index % len(named)]) for index in range(amount)]

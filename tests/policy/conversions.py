"""CEL values that a mutation constructs, and the result of each: an object's spec, or an error.

tests/policy/cel/test_constructed.py holds ours to this table, tests/policy/test_mutating_against_kubernetes.py the API
server's own packages.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.policy.generated_mutations import GROUP, KIND, VERSION, Case

OBJECT: dict[str, Any] = {
    "apiVersion": f"{GROUP}/{VERSION}",
    "kind": KIND,
    "metadata": {"name": "w", "namespace": "default"},
    "spec": {},
}


def patched(value: str) -> Case:
    """The value in a JSON patch."""
    return Case("JSONPatch", f"[JSONPatch{{op: 'add', path: '/spec/anything', value: {value}}}]", OBJECT)


def patched_within(value: str) -> Case:
    """The value in an object of a JSON patch."""
    return patched(f"Object.spec.anything{{a: {value}}}")


def applied(value: str) -> Case:
    """The value in an ApplyConfiguration, for a field that takes anything."""
    return Case("ApplyConfiguration", f"Object{{spec: Object.spec{{anything: {value}}}}}", OBJECT)


def applied_as_text(value: str) -> Case:
    """The value in an ApplyConfiguration, for a field that takes texts."""
    return Case("ApplyConfiguration", f"Object{{spec: Object.spec{{text: {value}}}}}", OBJECT)


class Conversion(NamedTuple):
    case: Case
    outcome: Any
    """The spec afterwards, or the text of the error."""


def conversions() -> list[Conversion]:
    """Those of conversions.json: for each value its outcome by form, without those whose texts hold Go's addresses."""
    forms = {form.__name__: form for form in (patched, patched_within, applied, applied_as_text)}
    rows = json.loads((Path(__file__).parent / "conversions.json").read_text())
    return [Conversion(form(row["value"]), row[name]) for row in rows for name, form in forms.items() if name in row]

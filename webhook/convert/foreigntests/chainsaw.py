"""Chainsaw's tests, as far as they apply objects and look at them. Source: the documentation of Chainsaw, "Operations".

An object that is applied must be allowed by every policy that the test applied before, or denied by one, if the step
expects an error. An `assert` on an object after it was applied is compared with what mutation makes of it.
"""

from __future__ import annotations

from typing import Any

from webhook.convert.converting import GROUPS
from webhook.convert.foreigntests import files
from webhook.convert.foreigntests.expected import Expected
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.model import JSONObject, Note, Outcome
from webhook.documents.reader import Document
from webhook.paths import Path

_APPLY = ("apply", "create")
_BESIDE = ("use", "catch", "finally", "cleanup")
"""What a step has beside its operations: a template of a step, and what is done after it."""


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a test. What cannot be run of it becomes a note."""
    found: list[Expected] = []
    applied: list[Outcome] = []
    spec = test.value.get("spec") or {}
    if spec.get("skip"):
        notes.append(Note(test.stream, test.position(("spec", "skip")).line, "the chainsaw test skips itself"))
        return []
    for number, step in enumerate(spec.get("steps") or []):
        if beside := [each for each in _BESIDE if (step or {}).get(each)]:
            line = test.position(("spec", "steps", number)).line
            notes.append(Note(test.stream, line, f"{', '.join(beside)} of a step of a chainsaw test: not run"))
        for place, operation in enumerate((step or {}).get("try") or []):
            at: Path = ("spec", "steps", number, "try", place)
            line = test.position(at).line
            kind = next((each for each in (*_APPLY, "assert") if each in (operation or {})), "")
            if not kind:
                other = next((each for each in operation or {} if each != "description"), "")
                if other:
                    notes.append(
                        Note(test.stream, line, f"the operation {str(other)[:40]} of a chainsaw test is not run")
                    )
                continue
            action = operation[kind] or {}
            try:
                given = files.objects(test, action["file"], roots) if "file" in action else _inline(action, test)
            except (NoFile, KeyError) as error:
                notes.append(Note(test.stream, line, str(error)))
                continue
            for each in given:
                if kind == "assert":
                    _asserted(each.value, found, test, line, notes)
                    continue
                found += _applied(each, action, outcomes, applied, test, line)
    return found


def _inline(action: JSONObject, test: Document) -> list[Document]:
    resource = action["resource"]
    if (
        not isinstance(resource, dict)
        or not isinstance(resource.get("kind"), str)
        or not isinstance(resource.get("apiVersion"), str)
    ):
        raise NoFile("a resource without apiVersion and kind")
    return [test.item((), resource)]


def _applied(
    given: Document, action: JSONObject, outcomes: list[Outcome], applied: list[Outcome], test: Document, line: int
) -> list[Expected]:
    value = given.value
    if value["apiVersion"].rpartition("/")[0] in GROUPS:
        name = (value.get("metadata") or {}).get("name")
        applied += [
            each for each in outcomes if each.kind == value["kind"] and each.name == name and each not in applied
        ]
        return []
    fails = _expects_error(action.get("expect"))
    name = (value.get("metadata") or {}).get("name")
    made: list[Expected] = []
    for outcome in applied:
        title = f"{value['kind']} {name} is {'denied' if fails else 'allowed'}"
        if outcome.made:
            made.append(Expected(outcome, outcome.made, title, test, line, "fail" if fails else "pass-or-skip", value))
            if fails is None:
                made[-1].unrun = "what is expected of the error is an expression"
            elif _has_expressions(value):
                made[-1].unrun = "the object has expressions of chainsaw"
    if fails and len(made) > 1 and not any(each.unrun for each in made):
        for each in made:
            each.unrun = "one of several policies must deny it, and the test does not say which"
    return made


def _asserted(partial: JSONObject, found: list[Expected], test: Document, line: int, notes: list[Note]) -> None:
    """An assert about an object that was applied: what the mutating policies make of it."""
    name = (partial.get("metadata") or {}).get("name")
    if partial["apiVersion"].rpartition("/")[0] in GROUPS:
        return  # that a policy is ready
    about = [
        each
        for each in found
        if each.object
        and each.object["kind"] == partial["kind"]
        and each.object.get("metadata", {}).get("name") == name
    ]
    if not about:
        notes.append(Note(test.stream, line, f"an assert about {partial['kind']} {name}, which the test did not apply"))
    for each in about:
        if any(one["kind"] == "MutatingAdmissionPolicy" for one in each.outcome.policies) and each.object:
            if any(key.startswith("(") for key in _keys(partial)):
                each.unrun = "an assert with expressions"
                continue
            each.line, each.wanted, each.patched = line, "mutated", _merged(each.object, partial)


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*map(str, value), *(key for each in value.values() for key in _keys(each))]
    return [key for each in value for key in _keys(each)] if isinstance(value, list) else []


def _merged(value: Any, partial: Any) -> Any:
    """The object with what the assert says of it; lists by position, as Chainsaw compares them."""
    if isinstance(value, dict) and isinstance(partial, dict):
        return value | {key: _merged(value.get(key), each) for key, each in partial.items()}
    if isinstance(value, list) and isinstance(partial, list) and len(value) == len(partial):
        return [_merged(one, other) for one, other in zip(value, partial, strict=True)]
    return partial


def _has_expressions(value: Any) -> bool:
    """Whether a text in an object is an expression, such as ($namespace)."""
    if isinstance(value, dict | list):
        return any(map(_has_expressions, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and value.startswith("($") and value.endswith(")")


def _expects_error(expect: Any) -> bool | None:
    """Whether an operation expects an error, as `expect: - check: ($error != null): true` says; None if it asks more
    of the error."""
    for each in expect if isinstance(expect, list) else []:
        check = each.get("check") if isinstance(each, dict) else None
        for key, wanted in (check or {}).items() if isinstance(check, dict) else ():
            text = "".join(str(key).split())
            if text == "($error!=null)":
                return wanted is True
            if text == "($error==null)":
                return wanted is False
            if text == "$error":
                return bool(wanted)
            if "$error" in text:
                return None
    return False

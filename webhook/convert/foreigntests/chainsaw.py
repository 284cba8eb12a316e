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


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a test. What cannot be run of it becomes a note."""
    found: list[Expected] = []
    applied: list[Outcome] = []
    spec = test.value.get("spec") or {}
    for number, step in enumerate(spec.get("steps") or []):
        for place, operation in enumerate((step or {}).get("try") or []):
            at: Path = ("spec", "steps", number, "try", place)
            line = test.position(at).line
            kind = next((each for each in _APPLY if each in (operation or {})), "")
            if not kind:
                other = next(iter(operation or {"nothing": 0}))
                if other not in ("assert", "description"):
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
    if fails and len(made) > 1:
        for each in made:
            each.unrun = "one of several policies must deny it, and the test does not say which"
    return made


def _expects_error(expect: Any) -> bool:
    """Whether an operation expects an error, as `expect: - check: ($error != null): true` says."""
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
    return False

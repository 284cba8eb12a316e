"""suite.yaml of gator: cases of a constraint. Source: the documentation of Gatekeeper, "The gator CLI"."""

from __future__ import annotations

from webhook.convert.foreigntests import files
from webhook.convert.foreigntests.expected import Expected
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.model import JSONObject, Note, Outcome
from webhook.documents.reader import Document


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a suite. What cannot be read of it becomes a note."""
    found: list[Expected] = []
    for index, each in enumerate(test.value.get("tests") or []):
        at = ("tests", index)
        if not isinstance(each, dict) or each.get("skip"):
            continue
        try:
            constraint = files.objects(test, each.get("constraint"), roots)
        except NoFile as error:
            notes.append(Note(test.stream, test.position(at).line, str(error)))
            continue
        outcome = next((one for one in outcomes for given in constraint if _same(one, given)), None)
        if outcome is None:
            notes.append(Note(test.stream, test.position(at).line, "its constraint is not among the sources"))
            continue
        for number, case in enumerate(each.get("cases") or []):
            if isinstance(case, dict):
                found.append(_case(case, str(each.get("name")), outcome, test, (*at, "cases", number), roots))
    return found


def _same(outcome: Outcome, given: Document) -> bool:
    value = given.value
    return outcome.kind == value["kind"] and outcome.name == (value.get("metadata") or {}).get("name")


def _case(
    case: JSONObject, name: str, outcome: Outcome, test: Document, at: tuple[str | int, ...], roots: list[str]
) -> Expected:
    line = test.position(at).line
    one = Expected(outcome, outcome.made, f"{name}: {case.get('name')}", test, line, "pass-or-skip")
    if case.get("skip"):
        one.unrun = "the suite skips it"
    elif case.get("inventory"):
        one.unrun = "it needs an inventory of other objects"
    try:
        given = files.objects(test, case.get("object"), roots)
    except NoFile as error:
        one.unrun = str(error)
        return one
    if len(given) != 1:
        one.unrun = f"expected one object, found {len(given)}"
        return one
    one.object = given[0].value
    if one.object["kind"] == "AdmissionReview":
        _review(one, one.object.get("request") or {})
    for each in case.get("assertions") or []:
        violations = each.get("violations", "yes") if isinstance(each, dict) else "yes"
        if violations in ("no", False, 0):
            continue
        one.wanted = "fail"
        message = each.get("message")
        if isinstance(message, str) and message.replace(" ", "").isalnum():  # else a regular expression
            one.message = message
    return one


def _review(one: Expected, request: JSONObject) -> None:
    """A case whose object is an AdmissionReview."""
    one.object, one.old = request.get("object") or None, request.get("oldObject") or None
    one.operation = str(request.get("operation") or "")
    user = request.get("userInfo") or {}
    one.user = {key: user[key] for key in ("username", "groups") if key in user}

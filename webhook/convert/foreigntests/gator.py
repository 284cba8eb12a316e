"""suite.yaml of gator: the cases of a constraint. Source: the documentation of Gatekeeper, "The gator CLI"."""

from __future__ import annotations

from webhook.cel import EvaluationError
from webhook.cel.library import re2
from webhook.convert.foreigntests import files
from webhook.convert.foreigntests.expansions import expanded
from webhook.convert.foreigntests.expected import Count, Expected
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.model import JSONObject, Note, Outcome, Unsupported, listing
from webhook.documents.reader import Document


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a suite. Parts that cannot be read become notes."""
    found: list[Expected] = []
    for index, each in enumerate(test.value.get("tests") or []):
        at = ("tests", index)
        if not isinstance(each, dict):
            continue
        if each.get("skip"):
            notes.append(Note(test.stream, test.position(at).line, "the suite skips this test"))
            continue
        try:
            constraint = files.objects(test, each.get("constraint"), roots)
            expansion = files.objects(test, each["expansion"], roots) if each.get("expansion") else []
        except NoFile as error:
            notes.append(Note(test.stream, test.position(at).line, str(error)))
            continue
        outcome = next((one for one in outcomes for given in constraint if _same(one, given)), None)
        if outcome is None:
            notes.append(Note(test.stream, test.position(at).line, "its constraint is not among the sources"))
            continue
        templates = [one.value for one in expansion if one.value["kind"] == "ExpansionTemplate"]
        for number, case in enumerate(each.get("cases") or []):
            if isinstance(case, dict):
                one = _case(case, str(each.get("name")), outcome, test, (*at, "cases", number), roots)
                _expand(one, templates)
                found.append(one)
    return found


def _expand(one: Expected, templates: list[JSONObject]) -> None:
    """Add the objects that templates make of a case's object to the case, if the constraint matches them."""
    match = (one.outcome.document.value.get("spec") or {}).get("match") or {}
    if one.object is None or not templates or match.get("source") == "Original":
        return
    for template, made in expanded(one.object, templates):
        title = f"{one.name}: the {made['kind']} of it"
        part = Expected(one.outcome, one.policies, title, one.document, one.line, one.wanted, made)
        part.namespace, part.cluster, part.user = one.namespace, one.cluster, one.user
        part.prefix = f"[Implied by {template}] "
        one.parts.append(part)


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
    try:
        for each in listing(case.get("inventory"), "inventory"):
            # CEL has no lookups: of an inventory only the labels of Namespaces matter.
            found = (document.value for document in files.objects(test, each, roots))
            one.cluster += [value for value in found if (value["apiVersion"], value["kind"]) == ("v1", "Namespace")]
        given = files.objects(test, case.get("object"), roots)
    except (NoFile, Unsupported) as error:
        one.unrun = one.unrun or str(error)
        return one
    if len(given) != 1:
        one.unrun = f"expected one object, found {len(given)}"
        return one
    one.object = given[0].value
    if one.object["kind"] == "AdmissionReview":
        _review(one, one.object.get("request") or {})
    try:
        one.counts = [_count(each) for each in case.get("assertions") or []]
    except ValueError as error:
        one.unrun = one.unrun or str(error)
    if any(each.least for each in one.counts):
        one.wanted = "fail"
    elif any(each.pattern for each in one.counts):  # there may be violations with other messages
        one.wanted = "counted"
    return one


def _count(assertion: object) -> Count:
    """The number of violations that an assertion demands. Raises ValueError if it is malformed."""
    if not isinstance(assertion, dict):
        raise ValueError(f"an assertion is not an object: {assertion!r}")  # noqa: TRY004
    wanted, message = assertion.get("violations", "yes"), assertion.get("message") or ""
    if not isinstance(message, str):
        raise ValueError(f"the message of an assertion is not a string: {message!r}")  # noqa: TRY004
    try:
        re2.compiled(message)
    except EvaluationError as error:
        raise ValueError(f"the message of an assertion: {error}") from None
    if wanted is True or wanted == "yes":  # YAML reads yes as true
        return Count(1, None, message)
    if wanted is False or wanted == "no":
        return Count(0, 0, message)
    if isinstance(wanted, int) and wanted >= 0:
        return Count(wanted, wanted, message)
    raise ValueError(f"the violations of an assertion are neither yes, no nor a number: {wanted!r}")


def _review(one: Expected, request: JSONObject) -> None:
    """A case whose object is an AdmissionReview."""
    one.object, one.old = request.get("object") or None, request.get("oldObject") or None
    one.operation = str(request.get("operation") or "")
    user = request.get("userInfo") or {}
    one.user = {key: user[key] for key in ("username", "uid", "groups", "extra") if user.get(key)}
    about = one.object or one.old or {}
    if about.get("kind") != "Namespace":
        one.namespace = str(request.get("namespace") or "")

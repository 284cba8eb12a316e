"""One rule of a ClusterPolicy with `validate` -> what a ValidatingAdmissionPolicy asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.kyverno import conditions, jmespath, variables
from webhook.convert.kyverno.assertions import Assertions
from webhook.convert.kyverno.context import Context
from webhook.convert.kyverno.exempting import Exempted
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmesfields import as_list
from webhook.convert.kyverno.jmesvalues import Lists, Scalar, Stream, Value
from webhook.convert.kyverno.patterns import Patterns, any_of
from webhook.convert.kyverno.podsecurity import pod_security
from webhook.convert.model import JSONObject, Unfinished, Unsupported, listing, mapping
from webhook.convert.standard import Rule
from webhook.lazypatterns import lazily
from webhook.paths import Path

_ADVICE: Final = {
    "manifests": "validate.manifests: signatures of manifests",
}
_DEEPEST: Final = 4  # levels of foreach
_WORD: Final = lazily(r"[A-Za-z0-9_]+")
_KNOWN: Final = frozenset(
    {
        "message", "failureAction", "failureActionOverrides", "allowExistingViolations", "pattern", "anyPattern",
        "deny", "foreach", "cel", "podSecurity", "assert", *_ADVICE,
    }
)  # fmt: skip


class _Check(Struct, frozen=True):
    applies: str
    holds: str


def validate(given: JSONObject, rule: Rule, context: Context, at: Path, exempted: Sequence[Exempted] = ()) -> None:
    """Fill the rule with what `validate` asks. Raises Unsupported or Unfinished, with the place.

    exempted: exceptions that leave out controls of `podSecurity`.
    """
    for name, advice in _ADVICE.items():
        if name in given:
            raise Unsupported(advice, (*at, name))
    if unknown := sorted(given.keys() - _KNOWN):
        raise Unsupported(f"validate.{unknown[0]}", (*at, unknown[0]))
    if given.get("allowExistingViolations") is True:
        text = "an update of an object that violated the rule before is refused too, and not let through"
        context.differs((*at, "allowExistingViolations"), text)
    if "cel" in given:
        _of_cel(given, rule, context, at)
        return
    if "assert" in given:
        _of_tree(given, rule, context, at)
        return
    if "podSecurity" in given:
        said = message(given.get("message"), context, at)
        pod_security(given["podSecurity"], rule, context, exempted, said, (*at, "podSecurity"))
        return
    if "foreach" in given:
        terms = [_foreach(each, context, (*at, "foreach", index), 0) for index, each in _entries(given, at)]
        expression = celtext.conjunction(terms)
    else:
        check = _check(given, context, context.root, at)
        expression = celtext.implies(check.applies, check.holds)
        if context.deletes and "deny" not in given:
            expression = celtext.disjunction(["object == null", expression])  # no pattern is about what is deleted
    rule.validations.append({"expression": expression} | message(given.get("message"), context, at))


def _of_tree(given: JSONObject, rule: Rule, context: Context, at: Path) -> None:
    """validate.assert: a tree about the object as it is."""
    if beside := sorted({"pattern", "anyPattern", "deny", "foreach", "podSecurity"} & given.keys()):
        raise Unsupported(f"validate.assert beside {beside[0]}", (*at, "assert"))
    expression = Assertions(context.translator).holds(given["assert"], (*at, "assert"))
    if context.deletes:
        expression = celtext.disjunction(["object == null", expression])
    said = message(given.get("message"), context, at)
    rule.validations.append({"expression": expression} | said)
    context.differs((*at, "assert"), "Kyverno 1.19 and later refuse rules with assert; here it counts")


def _entries(given: JSONObject, at: Path) -> list[tuple[int, JSONObject]]:
    entries = listing(given["foreach"], "foreach", (*at, "foreach"))
    if not entries:
        raise Unsupported("a foreach without entries", (*at, "foreach"))
    return [(index, mapping(each, "a foreach", (*at, "foreach", index))) for index, each in enumerate(entries)]


def _check(given: JSONObject, context: Context, subject: str, at: Path) -> _Check:
    """The pattern, anyPattern or deny of a rule or of a foreach. subject: what patterns are about."""
    kinds = [name for name in ("pattern", "anyPattern", "deny") if name in given]
    if len(kinds) != 1:
        raise Unsupported(f"a validation with {' and '.join(kinds) or 'nothing to check'}", at)
    if "deny" in given:
        deny = mapping(given["deny"], "deny", (*at, "deny"))
        where = (*at, "deny", "conditions")
        denied = _denied(deny["conditions"], context, where) if "conditions" in deny else "true"
        return _Check("true", celtext.negation(celtext.enclose(denied)))
    patterns = Patterns(context.translator, of_pods=context.root == "variables.pod", typed=context.typed)
    if "pattern" in given:
        made = patterns.translated(given["pattern"], subject, (*at, "pattern"))
    else:
        listed = listing(given["anyPattern"], "anyPattern", (*at, "anyPattern"))
        if not listed:
            raise Unsupported("an anyPattern without patterns", at)
        made = any_of(
            [patterns.translated(each, subject, (*at, "anyPattern", index)) for index, each in enumerate(listed)]
        )
    check = _Check("true", made.holds)
    for place, text in patterns.differs:
        context.differs(place, text)
    return check


def _denied(given: Any, context: Context, at: Path) -> str:
    """Whether conditions deny. A variable that is missing is an error of the rule, which the failurePolicy decides."""
    there, denied = met(given, context, at)
    if context.ignores:
        return celtext.conjunction([there, denied])
    return denied if there == "true" else celtext.disjunction([celtext.negation(there), denied])


def met(given: Any, context: Context, at: Path) -> tuple[str, str]:
    """Whether the variables of conditions are there, and whether the conditions are met."""
    outer, context.translator.demanded = context.translator.demanded, []
    try:
        written = conditions.conditions(given, context.translator, at)
        return celtext.conjunction(context.translator.demanded), written
    finally:
        context.translator.demanded = outer


def _foreach(given: JSONObject, context: Context, at: Path, depth: int) -> str:
    if depth > _DEEPEST:
        raise Unsupported(f"a foreach of more than {_DEEPEST} levels", at)
    if unknown := sorted(
        given.keys()
        - {"list", "elementScope", "preconditions", "deny", "pattern", "anyPattern", "context", "foreach", "order"}
    ):
        raise Unsupported(f"foreach.{unknown[0]}", (*at, unknown[0]))
    outer_demands, context.translator.demanded = context.translator.demanded, []
    try:
        value = listed(given, context, at)
        there = celtext.conjunction(context.translator.demanded)
    finally:
        context.translator.demanded = outer_demands
    outer = dict(context.translator.names)
    number = context.translator.fresh()

    def test(element: Scalar) -> str:
        index = Scalar(number, type="int")
        own = {"element": element, "elementIndex": index, f"element{depth}": element, f"elementIndex{depth}": index}
        context.translator.names = outer | own
        try:
            context.read(given.get("context"), (*at, "context"))
            place = (*at, "preconditions")
            known, when = met(given.get("preconditions"), context, place)
            if context.ignores:
                known, when = "true", celtext.conjunction([known, when])
            if "foreach" in given:
                inner = celtext.conjunction(
                    _foreach(each, context, (*at, "foreach", index), depth + 1) for index, each in _entries(given, at)
                )
                return celtext.conjunction([known, celtext.implies(when, inner)])
            check = _check(given, context, element.cel, at)
            held = celtext.implies(celtext.conjunction([when, check.applies]), check.holds)
            return celtext.conjunction([known, held])
        finally:
            context.translator.names = outer

    made = context.translator.quantified(value, test, every=True)
    # A function of what is missing is an error of the rule.
    if number not in _WORD.findall(made):
        return _known(there, made, context)
    variable = context.translator.fresh()
    made = f"{elements(value, context.translator)}.all({number}, {variable}, {test(Scalar(variable))})"
    return _known(there, made, context)


def _known(there: str, held: str, context: Context) -> str:
    return celtext.implies(there, held) if context.ignores else celtext.conjunction([there, held])


def elements(value: Stream | Lists, translator: Translator) -> str:
    """The list that a foreach goes through, with the indexes that its elements have for it."""
    if isinstance(value, Lists):
        return translator.elements(value)
    whole = value.body == Scalar(value.variable) and value.condition == "true"
    return value.base if whole else translator.materialized(value).cel


def listed(given: JSONObject, context: Context, at: Path) -> Stream | Lists:
    """The list of a foreach, as something to go through."""
    text = given.get("list")
    if not isinstance(text, str):
        raise Unsupported("a foreach without a list", at)
    try:
        value: Value = context.translator.value(
            jmespath.parse(text.strip().removeprefix("{{").removesuffix("}}").strip())
        )
    except jmespath.JMESPathError as error:
        raise variables.BadVariable(f"JMESPath does not parse: {error}: {text[:80]}", (*at, "list")) from None
    except Unsupported as error:
        error.path = error.path or (*at, "list")
        raise
    if isinstance(value, Stream):
        return value
    variable = context.translator.fresh()
    base = as_list(value) if isinstance(value, Scalar) else context.translator.elements(value)
    return Stream(base, variable, Scalar(variable))


def message(given: Any, context: Context, at: Path) -> JSONObject:
    """The message of a validation: text, or an expression if it has variables."""
    if given is None:
        return {}
    if not isinstance(given, str):
        raise Unsupported("a message that is no text", (*at, "message"))
    text = " ".join(given.split())
    if not variables.has_variables(text):
        return {"message": text[:1000]} if text else {}
    try:
        expression = variables.concatenation(variables.parts(text), context.translator, shown=True)
    except Unfinished as error:
        context.differs((*at, "message"), f"the message names its variables and not their values: {error}")
        return {"message": text[:1000]}
    return {"message": text[:1000], "messageExpression": expression}


def _of_cel(given: JSONObject, rule: Rule, context: Context, at: Path) -> None:
    """validate.cel: the fields of a ValidatingAdmissionPolicy, as they are."""
    cel = mapping(given["cel"], "cel", (*at, "cel"))
    if context.part is not None:
        cel = context.part.rewritten(cel)
    known = {"expressions", "variables", "paramKind", "paramRef", "auditAnnotations", "generate", "matchConditions"}
    if unknown := sorted(cel.keys() - known):
        raise Unsupported(f"cel.{unknown[0]}", (*at, "cel", unknown[0]))
    shared = message(given.get("message"), context, at)
    for index, each in enumerate(listing(cel.get("expressions"), "expressions", (*at, "cel"))):
        validation = dict(mapping(each, "an expression", (*at, "cel", "expressions", index)))
        if "message" not in validation and "messageExpression" not in validation:
            validation |= shared
        rule.validations.append(validation)
    for each in listing(cel.get("variables"), "variables", (*at, "cel")):
        variable = mapping(each, "a variable", (*at, "cel", "variables"))
        rule.variables.append((str(variable.get("name")), str(variable.get("expression"))))
    rule.audit_annotations += listing(cel.get("auditAnnotations"), "auditAnnotations", (*at, "cel"))
    if cel.get("paramKind"):
        rule.param_kind = mapping(cel["paramKind"], "paramKind", (*at, "cel", "paramKind"))
        context.param_ref = mapping(cel.get("paramRef"), "paramRef", (*at, "cel", "paramRef"))

"""Constraints -> a policy each: that of their template in CEL with their parameters, or one of our library.

Source: the documentation of Gatekeeper, "Constraint", "Enforcement points", "Validating Admission Policy".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from webhook.convert import celtext, standard
from webhook.convert.gatekeeper import library, parameters
from webhook.convert.gatekeeper.match import match
from webhook.convert.gatekeeper.templates import Template
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping
from webhook.convert.standard import Rule
from webhook.schema.kinds import Kinds

_ACTIONS: Final = {"deny": ["Deny"], "warn": ["Warn", "Audit"], "dryrun": ["Audit"]}
_POINTS: Final = ("validation.gatekeeper.sh", "vap.k8s.io", "*")
"""The enforcement points of admission. The others are audit.gatekeeper.sh and gator.gatekeeper.sh."""
_SPEC: Final = frozenset({"match", "parameters", "enforcementAction", "scopedEnforcementActions"})
_SOURCE: Final = frozenset({"validations", "variables", "matchCondition", "failurePolicy", "generateVAP"})
_VALIDATION: Final = ("expression", "message", "messageExpression")
_OWN: Final = ("anyObject", "params")
_PREFIX: Final = "gatekeeper_internal_"
_ELSEWHERE: Final = {
    "namespaceObject": "namespaceObject is null in Gatekeeper, and here the Namespace of the request",
    "authorizer": "authorizer is not in Gatekeeper's CEL, where its validation refuses everything",
}
"""Variables of Kubernetes that mean something else in Gatekeeper, or nothing -> the difference."""
ANY_OBJECT: Final = "has(request.operation) && request.operation == 'DELETE' && object == null ? oldObject : object"


def convert(outcome: Outcome, templates: dict[str, Template], kinds: Kinds) -> None:
    """Fill the outcome of a constraint."""
    given = templates.get(outcome.kind)
    spec: JSONObject = {}
    try:
        spec = mapping(outcome.document.value.get("spec"), "spec", ("spec",))
        if unknown := sorted(map(str, spec.keys() - _SPEC)):
            raise Unsupported(f"spec.{unknown[0]}", ("spec", unknown[0]))
        actions = _actions(spec)
        template = given if given and given.source is not None else library.template(outcome, spec, given)
        _convert(outcome, spec, template, kinds, actions)
    except Unsupported as error:
        outcome.refuse(error.path or (("spec",) if spec else ()), str(error))
        return
    if given is not None:
        given.used = True


def written_by_author(outcome: Outcome, templates: dict[str, Template]) -> Callable[[str], bool]:
    """Whether the variable of a name is one that the constraint's template has; others are ours."""
    given = templates.get(outcome.kind)
    source = (given.source if given else None) or {}
    written = source.get("variables")
    names = {each.get("name") for each in written if isinstance(each, dict)} if isinstance(written, list) else set()
    return lambda name: name in names


def _convert(outcome: Outcome, spec: JSONObject, template: Template, kinds: Kinds, actions: list[str]) -> None:
    source = template.source or {}
    _note_ignored_fields(source, template)
    failure_policy = source.get("failurePolicy") or "Fail"
    if failure_policy not in ("Fail", "Ignore"):
        raise Unsupported(f"the template's failurePolicy {str(failure_policy)[:40]!r}: Gatekeeper refuses it")
    rule = Rule(outcome.folder)
    rule.annotations = standard.described(template.outcome.document.value.get("metadata", {}).get("annotations"))
    rule.failure_policy = failure_policy
    operations = template.operations or ("CREATE", "UPDATE")
    match(spec.get("match"), rule, outcome, kinds, operations, ("spec", "match"))
    for index, each in enumerate(listing(source.get("matchCondition"), "matchCondition")):
        condition = mapping(each, "a condition")
        name = str(condition.get("name", index))
        if name.startswith(_PREFIX):
            raise Unsupported(f"the template's matchCondition {name[:60]}: Gatekeeper keeps the prefix for itself")
        rule.conditions.append((name, str(condition.get("expression"))))
    rule.variables = [
        ("anyObject", ANY_OBJECT),
        ("params", _params(parameters.taken(template.custom, spec) if template.custom else spec.get("parameters"))),
        *map(_variable, listing(source.get("variables"), "variables")),
    ]
    rule.validations = [
        {key: each[key] for key in _VALIDATION if key in each}
        for each in (mapping(one, "a validation") for one in listing(source.get("validations"), "validations"))
    ]
    if not rule.validations:
        raise Unsupported("a template without validations, so it is incomplete")
    made = standard.policy(rule)
    outcome.policies.append(made)
    outcome.rules[""] = [rule.name]
    outcome.bindings.append(standard.binding(made, actions))


def _variable(given: Any) -> tuple[str, str]:
    variable = mapping(given, "a variable")
    name = str(variable.get("name"))
    if name in _OWN or name.startswith(_PREFIX):
        raise Unsupported(f"the template's variable {name[:60]}: Gatekeeper keeps the name for itself")
    return name, str(variable.get("expression"))


def _note_ignored_fields(source: JSONObject, template: Template) -> None:
    """Notes the fields of a source that Gatekeeper does not read. They are left out here."""
    for field in sorted(map(str, source.keys() - _SOURCE)):
        instead = ": its field is matchCondition" if field == "matchConditions" else ""
        template.outcome.differs((*template.at, field), f"Gatekeeper does not read source.{field[:60]}{instead}")
    for index, each in enumerate(listing(source.get("validations"), "validations")):
        for field in sorted(map(str, mapping(each, "a validation").keys() - set(_VALIDATION))):
            at = (*template.at, "validations", index, field)
            template.outcome.differs(at, f"Gatekeeper does not read validations[].{field[:60]}")
    for name, text in _ELSEWHERE.items():
        if any(name in each for each in _expressions(source)):
            template.outcome.differs(template.at, text)


def _expressions(source: JSONObject) -> Iterator[str]:
    for field in ("validations", "variables", "matchCondition"):
        for each in listing(source.get(field), field):
            yield from (str(one) for one in mapping(each, "an expression").values())


def _params(given: Any) -> str:
    """The parameters of the constraint as an expression; null if it has none."""
    return f"dyn({celtext.literal(given)})" if given is not None else "dyn(null)"


def _actions(spec: JSONObject) -> list[str]:
    """The actions of the binding. Raises Unsupported if the constraint does not apply to admission."""
    stated = str(spec.get("enforcementAction") or "deny").lower()
    if stated != "scoped":
        if stated not in _ACTIONS:
            raise Unsupported(f"the enforcementAction {stated[:40]!r}", ("spec", "enforcementAction"))
        return _ACTIONS[stated]
    at = ("spec", "scopedEnforcementActions")
    found: list[str] = []
    for index, each in enumerate(listing(spec.get("scopedEnforcementActions"), "scopedEnforcementActions", at)):
        entry = mapping(each, "a scoped action", (*at, index))
        points = [
            mapping(point, "an enforcement point", (*at, index)).get("name")
            for point in listing(entry.get("enforcementPoints"), "enforcementPoints", (*at, index))
        ]
        action = str(entry.get("action")).lower()
        if action not in _ACTIONS:
            raise Unsupported(f"the action {action[:40]!r}", (*at, index, "action"))
        if not points or any(point in _POINTS for point in points):
            found += [each for each in _ACTIONS[action] if each not in found]
    if not found:
        raise Unsupported("a constraint that applies to audit or gator only, not to admission", at)
    # A denial is a warning already: the API server refuses both together.
    return [each for each in found if not (each == "Warn" and "Deny" in found)]

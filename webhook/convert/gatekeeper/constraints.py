"""Constraints -> a policy each: that of their template in CEL with their parameters, or one of our library.

Source: the documentation of Gatekeeper, "Constraint", "Enforcement points", "Validating Admission Policy".
"""

from __future__ import annotations

from typing import Any, Final

from webhook.convert import celtext, standard
from webhook.convert.gatekeeper import library
from webhook.convert.gatekeeper.match import match
from webhook.convert.gatekeeper.templates import Template
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping
from webhook.convert.standard import Rule
from webhook.schema.kinds import Kinds

_ACTIONS: Final = {"deny": ["Deny"], "warn": ["Warn", "Audit"], "dryrun": ["Audit"]}
_DEEPEST: Final = 24
_POINTS: Final = ("validation.gatekeeper.sh", "vap.k8s.io", "*")
"""The enforcement points that are about admission. Others: audit.gatekeeper.sh and gator.gatekeeper.sh."""
_SPEC: Final = frozenset({"match", "parameters", "enforcementAction", "scopedEnforcementActions"})
_SOURCE: Final = frozenset(
    {"validations", "variables", "matchCondition", "matchConditions", "failurePolicy", "generateVAP"}
)
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


def _convert(outcome: Outcome, spec: JSONObject, template: Template, kinds: Kinds, actions: list[str]) -> None:
    source = template.source or {}
    if unknown := sorted(source.keys() - _SOURCE):
        raise Unsupported(f"source.{unknown[0]} of the template")
    rule = Rule(outcome.folder)
    rule.annotations = standard.described(template.outcome.document.value.get("metadata", {}).get("annotations"))
    rule.failure_policy = "Ignore" if source.get("failurePolicy") == "Ignore" else "Fail"
    operations = template.operations or ("CREATE", "UPDATE")
    match(spec.get("match"), rule, outcome, kinds, operations, ("spec", "match"))
    for index, each in enumerate(
        listing(source.get("matchConditions") or source.get("matchCondition"), "matchConditions")
    ):
        condition = mapping(each, "a condition")
        rule.conditions.append((str(condition.get("name", index)), str(condition.get("expression"))))
    rule.variables = [
        ("anyObject", ANY_OBJECT),
        ("params", _params(defaulted(spec.get("parameters"), template.schema))),
        *(
            (str(each.get("name")), str(each.get("expression")))
            for each in listing(source.get("variables"), "variables")
        ),
    ]
    rule.validations = [
        dict(mapping(each, "a validation")) for each in listing(source.get("validations"), "validations")
    ]
    if not rule.validations:
        raise Unsupported("a template without validations: half a policy")
    made = standard.policy(rule)
    outcome.policies.append(made)
    outcome.rules[""] = [rule.name]
    outcome.bindings.append(standard.binding(made, actions))


def defaulted(value: Any, schema: Any, depth: int = 0) -> Any:
    """The parameters with the defaults of the template's schema, which the API server adds to the constraint."""
    if not isinstance(schema, dict):
        return value
    if depth > _DEEPEST:
        raise Unsupported(f"a template's schema of more than {_DEEPEST} levels")
    if value is None and "default" in schema:
        value = schema["default"]
    if isinstance(value, dict):
        properties = mapping(schema.get("properties"), "properties of the template's schema")
        others = schema.get("additionalProperties")
        found = {key: defaulted(each, properties.get(key, others), depth + 1) for key, each in value.items()}
        for key, each in properties.items():
            if key not in value and isinstance(each, dict) and "default" in each:
                found[key] = defaulted(each["default"], each, depth + 1)
        return found
    if isinstance(value, list):
        return [defaulted(each, schema.get("items"), depth + 1) for each in value]
    return value


def _params(given: Any) -> str:
    """The parameters of the constraint, as they are at evaluation: null without any."""
    return f"dyn({celtext.literal(given)})" if given is not None else "dyn(null)"


def _actions(spec: JSONObject) -> list[str]:
    """The actions of the binding. Raises Unsupported where the constraint is not about admission."""
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
        raise Unsupported("a constraint for audit or gator alone, not for admission", at)
    # A denial is a warning already: the API server refuses both together.
    return [each for each in found if not (each == "Warn" and "Deny" in found)]

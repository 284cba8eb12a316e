"""Kyverno's kinds in CEL (policies.kyverno.io) -> the standard ones, of which they are a superset.

What they have beyond the standard (images, HTTP, the cluster, other evaluations) is refused by name; a function that
Kubernetes does not have is refused when the policy that is made is compiled.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.convert import celtext, standard
from webhook.convert.kyverno import celautogen, celkinds, exempting, match
from webhook.convert.kyverno.exempting import Exempted
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts
from webhook.convert.standard import Rule

_MATCH: Final = frozenset(
    {"resourceRules", "excludeResourceRules", "namespaceSelector", "objectSelector", "matchPolicy"}
)
_SHARED: Final = frozenset(
    {
        "matchConstraints", "matchConditions", "variables", "failurePolicy", "autogen", "evaluation",
        "webhookConfiguration", "auditAnnotations", "images", "credentials",
    }
)  # fmt: skip
_VALIDATING: Final = _SHARED | {"validations", "validationActions", "validationAction"}
_MUTATING: Final = _SHARED | {"mutations", "reinvocationPolicy"}
_EVALUATION: Final = frozenset({"mode", "admission", "background", "mutateExisting"})
_ACTIONS: Final = ("Deny", "Warn", "Audit")


def convert(outcome: Outcome, exceptions: list[Exempted]) -> None:
    """Fill the outcome of a ValidatingPolicy, a MutatingPolicy, or one of their namespaced kinds."""
    value: JSONObject = outcome.document.value
    try:
        _convert(outcome, value, exceptions)
    except Unsupported as error:
        outcome.refuse(error.path or ("spec",), str(error))


def _convert(outcome: Outcome, value: JSONObject, exceptions: list[Exempted]) -> None:
    spec = mapping(value.get("spec"), "spec", ("spec",))
    mutating = value["kind"].endswith("MutatingPolicy")
    known = _MUTATING if mutating else _VALIDATING
    if unknown := sorted(spec.keys() - known):
        raise Unsupported(f"spec.{unknown[0]}", ("spec", unknown[0]))
    for name in ("images", "credentials"):
        if spec.get(name):
            raise Unsupported(f"spec.{name}: data of images", ("spec", name))
    _evaluated(mapping(spec.get("evaluation"), "evaluation", ("spec", "evaluation")))
    rule = Rule(outcome.folder, annotations=standard.described(value["metadata"].get("annotations")))
    rule.failure_policy = "Ignore" if spec.get("failurePolicy") == "Ignore" else "Fail"
    constraints = mapping(spec.get("matchConstraints"), "matchConstraints", ("spec", "matchConstraints"))
    if unknown := sorted(constraints.keys() - _MATCH):
        raise Unsupported(f"matchConstraints.{unknown[0]}", ("spec", "matchConstraints", unknown[0]))
    rule.resource_rules = listing(constraints.get("resourceRules"), "resourceRules", ("spec", "matchConstraints"))
    if not rule.resource_rules:
        raise Unsupported("a policy that matches nothing, so it is incomplete", ("spec",))
    rule.excluded = listing(
        constraints.get("excludeResourceRules"), "excludeResourceRules", ("spec", "matchConstraints")
    )
    rule.namespace_selector = constraints.get("namespaceSelector")
    rule.object_selector = constraints.get("objectSelector")
    rule.match_policy = str(constraints.get("matchPolicy") or "")
    if celkinds.is_namespaced(outcome.kind):
        rule.conditions.append(("namespace", f"{match.NAMESPACE} == {celtext.text(celkinds.namespace(outcome))}"))
    own = _named(spec, "matchConditions")
    rule.conditions = [*own, *rule.conditions, *exempting.conditions(exceptions, outcome)]
    rule.variables = _named(spec, "variables")
    if mutating:
        rule.mutations = listing(spec.get("mutations"), "mutations", ("spec", "mutations"))
        rule.reinvocation = str(spec.get("reinvocationPolicy") or "Never")
    else:
        rule.validations = listing(spec.get("validations"), "validations", ("spec", "validations"))
        rule.audit_annotations = listing(spec.get("auditAnnotations"), "auditAnnotations", ("spec", "auditAnnotations"))
    if not (rule.mutations or rule.validations):
        raise Unsupported(
            f"a policy without {'mutations' if mutating else 'validations'}, so it is incomplete", ("spec",)
        )
    actions = _actions(spec)
    if mutating:
        _only_pods(outcome, spec, rule)
        divided = [rule]
    else:
        divided = [celautogen.derived(rule, each, len(own)) for each in celautogen.of_policy(outcome, spec, rule)]
    for each in divided:
        made = standard.policy(each)
        outcome.policies.append(made)
        outcome.rules.setdefault("", []).append(each.name)
        outcome.bindings.append(standard.binding(made, actions))


def _actions(spec: JSONObject) -> list[str]:
    at = ("spec", "validationActions" if "validationActions" in spec else "validationAction")
    stated = texts(spec.get(at[1]) or ["Deny"], at[1], at)
    if unknown := [each for each in stated if each not in _ACTIONS]:
        raise Unsupported(f"the validation action {unknown[0][:40]!r}: expected {', '.join(_ACTIONS)}", at)
    # A denial is a warning already: the API server refuses both together, and one twice.
    return [each for each in dict.fromkeys(stated) if not (each == "Warn" and "Deny" in stated)]


def _named(spec: JSONObject, key: str) -> list[tuple[str, str]]:
    found = []
    for index, each in enumerate(listing(spec.get(key), key, ("spec", key))):
        entry = mapping(each, f"an item of {key}", ("spec", key, index))
        found.append((str(entry.get("name")), str(entry.get("expression"))))
    return found


def _evaluated(evaluation: JSONObject) -> None:
    if unknown := sorted(map(str, evaluation.keys() - _EVALUATION)):
        raise Unsupported(f"evaluation.{unknown[0][:40]}", ("spec", "evaluation", unknown[0]))
    mode = evaluation.get("mode") or "Kubernetes"
    if mode != "Kubernetes":
        raise Unsupported(
            f"the evaluation of {str(mode)[:40]}, not of Kubernetes objects", ("spec", "evaluation", "mode")
        )
    admission = mapping(evaluation.get("admission"), "admission", ("spec", "evaluation", "admission"))
    if admission.get("enabled") is False:
        raise Unsupported("a policy for background scans alone", ("spec", "evaluation", "admission"))
    existing = evaluation.get("mutateExisting")
    if isinstance(existing, dict) and existing.get("enabled"):
        raise Unsupported("mutateExisting: existing objects are changed", ("spec", "evaluation", "mutateExisting"))


def _only_pods(outcome: Outcome, spec: JSONObject, rule: Rule) -> None:
    """Name that a mutation of Pods is not made in the templates of their controllers."""
    autogen: Any = spec.get("autogen") or {}
    controllers = (autogen.get("podControllers") or {}).get("controllers") if isinstance(autogen, dict) else None
    of_pods = any("pods" in (each.get("resources") or []) for each in rule.resource_rules if isinstance(each, dict))
    if controllers or (of_pods and controllers is None):
        text = "Pods are changed as they are created, and not the templates of their controllers too"
        outcome.differs(("spec",), text)

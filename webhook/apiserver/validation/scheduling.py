"""Where Pods may run: tolerations, affinity, spreading, and the gates before they are scheduled or ready."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, duplicate, each, forbidden, invalid, not_supported, required
from webhook.apiserver.fielderrors import named as field_name
from webhook.apiserver.validation.fields import Object, Refusals, at, label_selector, listed
from webhook.apiserver.validation.names import dns_label, dns_subdomain, label_value, qualified_name
from webhook.paths import Path

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def scheduling(spec: Object, path: Path) -> Refusals:
    """The spec of a Pod."""
    if spec.get("affinity"):
        yield from _affinity(spec["affinity"], (*path, "affinity"))
    if spec.get("topologySpreadConstraints"):
        yield from _spread(listed(spec, "topologySpreadConstraints"), (*path, "topologySpreadConstraints"))
    names: set[str] = set()
    for place, gate in enumerate(listed(spec, "schedulingGates")):
        name, here = gate.get("name") or "", (*path, "schedulingGates", place)
        yield from each(here, name, qualified_name(name))
        if name in names:
            yield duplicate(here, name)
        names.add(name)
    for place, gate in enumerate(listed(spec, "readinessGates")):
        kind = gate.get("conditionType") or ""
        yield from each((*path, "readinessGates", place, "conditionType"), kind, qualified_name(kind))


def _affinity(affinity: Object, path: Path) -> Refusals:
    nodes = affinity.get("nodeAffinity")
    if nodes:
        here = (*path, "nodeAffinity")
        if nodes.get(_REQUIRED) is not None:
            yield from node_selector(nodes[_REQUIRED], (*here, _REQUIRED))
        for place, term in enumerate(listed(nodes, _PREFERRED)):
            there = (*here, _PREFERRED, place)
            yield from _weight(term, there)
            yield from _node_term(term.get("preference") or {}, (*there, "preference"), values=False)
    for name in ("podAffinity", "podAntiAffinity"):
        pods, here = affinity.get(name) or {}, (*path, name)
        for place, term in enumerate(listed(pods, _REQUIRED)):
            yield from _pod_term(term, (*here, _REQUIRED, place))
        for place, term in enumerate(listed(pods, _PREFERRED)):
            there = (*here, _PREFERRED, place)
            yield from _weight(term, there)
            yield from _pod_term(term.get("podAffinityTerm") or {}, (*there, "podAffinityTerm"))


def _weight(term: Object, path: Path) -> Refusals:
    weight = term.get("weight") or 0
    if not 0 < weight <= 100:
        yield invalid((*path, "weight"), weight, "must be in the range 1-100")


def node_selector(selector: Object, path: Path) -> Refusals:
    """A selector of nodes."""
    terms = listed(selector, "nodeSelectorTerms")
    if not terms:
        yield required((*path, "nodeSelectorTerms"), "must have at least one node selector term")
    for place, term in enumerate(terms):
        yield from _node_term(term, (*path, "nodeSelectorTerms", place), values=True)


def _node_term(term: Object, path: Path, *, values: bool) -> Refusals:
    """values: whether those of labels must have their form."""
    for place, requirement in enumerate(listed(term, "matchExpressions")):
        yield from _of_labels(requirement, (*path, "matchExpressions", place), values=values)
    for place, requirement in enumerate(listed(term, "matchFields")):
        yield from _of_fields(requirement, (*path, "matchFields", place))


def _of_labels(requirement: Object, path: Path, *, values: bool) -> Refusals:
    operator, given, here = requirement.get("operator") or "", requirement.get("values") or [], (*path, "values")
    if operator in ("In", "NotIn"):
        if not given:
            yield required(here, "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if given:
            yield forbidden(here, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in ("Gt", "Lt"):
        if len(given) != 1:
            yield required(here, "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid((*path, "operator"), operator, "not a valid selector operator")
    key = requirement.get("key") or ""
    yield from each((*path, "key"), key, qualified_name(key))
    if values:
        for place, text in enumerate(given):
            yield from each((*here, place), text, label_value(text))


def _of_fields(requirement: Object, path: Path) -> Refusals:
    operator, given, here = requirement.get("operator") or "", requirement.get("values") or [], (*path, "values")
    if operator not in ("In", "NotIn"):
        yield invalid((*path, "operator"), operator, "not a valid selector operator")
    elif len(given) != 1:
        yield required(here, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector")
    key = requirement.get("key") or ""
    if key != "metadata.name":
        yield invalid((*path, "key"), key, "not a valid field selector key")
        return
    for place, text in enumerate(given):
        yield from each((*here, place), text, dns_subdomain(text))


def _pod_term(term: Object, path: Path) -> Refusals:
    for name in ("labelSelector", "namespaceSelector"):
        yield from label_selector(term.get(name), (*path, name))
    for name in term.get("namespaces") or []:
        yield from each((*path, "namespace"), name, dns_label(name))
    key, here = term.get("topologyKey") or "", (*path, "topologyKey")
    if not key:
        yield required(here, "can not be empty")
    yield from each(here, key, qualified_name(key))


_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")
_NODES: Final = ("Honor", "Ignore")


def _spread(constraints: list[Any], path: Path) -> Refusals:
    """How Pods are spread."""
    pairs = [(each_.get("topologyKey") or "", each_.get("whenUnsatisfiable") or "") for each_ in constraints]
    last = {pair: place for place, pair in enumerate(pairs)}
    for place, constraint in enumerate(constraints):
        here, (key, action) = (*path, place), pairs[place]
        yield from _positive(constraint.get("maxSkew") or 0, (*here, "maxSkew"))
        if not key:
            yield required((*here, "topologyKey"), "can not be empty")
        if action not in _ACTIONS:
            yield not_supported((*here, "whenUnsatisfiable"), action, _ACTIONS)
        if last[key, action] > place:
            yield duplicate((*here, "{topologyKey, whenUnsatisfiable}"), f"{{{key}, {action}}}")
        domains = constraint.get("minDomains")
        if domains is not None:
            yield from _positive(domains, (*here, "minDomains"))
            if action != "DoNotSchedule":
                words = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                yield invalid((*here, "minDomains"), domains, words)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = constraint.get(name)
            if policy is not None and policy not in _NODES:
                yield not_supported((*here, name), policy, _NODES)
        yield from label_selector(at(constraint, "labelSelector"), (*here, "labelSelector"))
        yield from _keys(constraint, here)


_TWICE: Final = "exists in both matchLabelKeys and labelSelector"


def _keys(constraint: Object, path: Path) -> Refusals:
    """Keys of labels by which Pods are told apart: the API server has put the Pod's own labels into the selector, so a
    key that stands there twice was there before."""
    keys = constraint.get("matchLabelKeys") or []
    if not keys:
        return
    selector = constraint.get("labelSelector")
    if selector is None:
        yield forbidden((*path, "matchLabelKeys"), "must not be specified when labelSelector is not set")
    for place, key in enumerate(keys):
        yield from each((*path, "matchLabelKeys", place), key, qualified_name(key))
    places = {key: place for place, key in enumerate(keys)}
    seen = set(at(selector, "matchLabels") or {})
    for expression in listed(selector, "matchExpressions"):
        key = expression.get("key") or ""
        if key in places and key in seen:
            error = invalid((*path, "matchLabelKeys", places[key]), key, _TWICE)
            yield FieldError(error.path, error.kind, error.body, field_name((*path, places[key])))
        seen.add(key)


def _positive(number: int, path: Path) -> Refusals:
    if number <= 0:
        yield invalid(path, number, "must be greater than zero")


_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def tolerations(tolerations: list[Any], path: Path) -> Refusals:
    for place, toleration in enumerate(tolerations):
        here = (*path, place)
        key, operator = toleration.get("key") or "", toleration.get("operator") or ""
        value, effect = toleration.get("value") or "", toleration.get("effect") or ""
        if key:
            yield from each((*here, "key"), key, qualified_name(key))
        elif operator != "Exists":
            words = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid((*here, "operator"), operator, words)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            words = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid((*here, "effect"), effect, words)
        if operator in ("Equal", ""):
            faults = label_value(value)
            if faults:
                yield invalid((*here, "operator"), value, ";".join(faults))
        elif operator == "Exists":
            if value:
                yield invalid((*here, "operator"), value, "value must be empty when `operator` is 'Exists'")
        elif operator not in ("Lt", "Gt"):
            yield not_supported((*here, "operator"), operator, ("Equal", "Exists"))
        if effect and effect not in _EFFECTS:
            yield not_supported((*here, "effect"), effect, _EFFECTS)

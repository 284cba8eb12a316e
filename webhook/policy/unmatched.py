"""The reason why a policy or a binding does not match a request: the rule, scope, name or selector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from webhook.policy.matching import Match, NamespaceNotFound, RequestKey, RequestNamespace, Rule, labels_of
from webhook.policy.request import CONNECT, Request
from webhook.policy.selectors import Selector

_MAX_NAMES = 12


def why_not(
    match: Match, request: Request, namespace: RequestNamespace, field: str, *, of_binding: bool = False
) -> str | None:
    """The reason why a request does not match; None if it does.

    field: the name of the match, `matchConstraints` or `matchResources`. of_binding: no rules match every request.
    """
    key, sent = RequestKey.of(request), RequestKey.sent(request)
    residual = match.narrow_binding(key, sent) if of_binding else match.narrow(key, sent)
    try:
        if residual is not None and residual.matches(request, namespace):
            return None
    except NamespaceNotFound as error:
        return f"{field}.namespaceSelector cannot be decided: {error}"
    for place, rule in enumerate(match.excludes):
        if rule.covers(key) and rule.condition(key).holds(request):
            return f"{field}.excludeResourceRules[{place}] leaves out {_what(request)}"
    if residual is None and key != sent and any(rule.covers(key) for rule in match.rules):
        version = f"{sent.group}/{sent.version}" if sent.group else sent.version
        return f"{field} are not about objects that were converted: it was sent in {version}"
    if match.rules:
        covering = [rule for rule in match.rules if rule.covers(key)]
        if not covering:
            return _uncovered(match.rules, key, request, field)
        if not any(rule.condition(key).holds(request) for rule in covering):
            return _conditions(covering, request, field)
    if match.object_selector and not _object_selected(match.object_selector, request):
        if request.operation == CONNECT:
            return f"{field}.objectSelector selects no {request.operation} request"
        return f"{field}.objectSelector wants {_wants(match.object_selector, _labels(request))}"
    return f"{field}.namespaceSelector wants {_wants(match.namespace_selector, namespace.labels())} of the Namespace"


def _uncovered(rules: Iterable[Rule], key: RequestKey, request: Request, field: str) -> str:
    """The reason if no rule covers requests of this kind: their operation, or their resource."""
    rules = list(rules)
    anything = [rule for rule in rules if rule.covers(key._replace(operation=next(iter(rule.operations), "")))]
    if anything:
        operations = sorted({operation for rule in anything for operation in rule.operations})
        return f"{field}.resourceRules are about {' and '.join(operations)} of these, not about {request.operation}"
    names = {resource: None for rule in rules for resource, _ in rule.resources}
    if key.resource in names or "*" in names:  # another group or version of it, or a subresource
        names = {name: None for rule in rules for name in _resources(rule)}
    covered = [*names][:_MAX_NAMES] + ([f"{len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else [])
    return f"{field}.resourceRules are about {', '.join(covered)}; this is {_what(request)}"


def _conditions(rules: list[Rule], request: Request, field: str) -> str:
    names = sorted({name for rule in rules for name in rule.names})
    if names:
        return f"{field}.resourceRules are about the names {', '.join(names)}; this is {request.name or '(none yet)'}"
    found = "namespaced" if request.namespace else "cluster-scoped"
    return (
        f"{field}.resourceRules have the scope {' or '.join(sorted({rule.scope for rule in rules}))}; this is {found}"
    )


def _resources(rule: Rule) -> Iterator[str]:
    for group in sorted(rule.groups):
        for version in sorted(rule.versions):
            for resource, subresource in rule.resources:
                name = f"{resource}/{subresource}" if subresource else resource
                yield f"{group}/{version} {name}" if group else f"{version} {name}"


def _what(request: Request) -> str:
    group, version, resource = request.resource
    name = f"{resource}/{request.subresource}" if request.subresource else resource
    return f"{group}/{version} {name}" if group else f"{version} {name}"


def _labels(request: Request) -> dict[str, Any]:
    return labels_of(request.object if request.object is not None else request.old_object)


def _object_selected(selector: Selector, request: Request) -> bool:
    objects = [each for each in (request.object, request.old_object) if each is not None]
    return request.operation != CONNECT and any(selector.matches(labels_of(each)) for each in objects)


def _wants(selector: Selector, labels: dict[str, Any]) -> str:
    """The requirements that the labels do not meet, each with the label's actual value."""
    wants: list[str] = []
    for requirement in selector.requirements:
        if requirement.matches(labels):
            continue
        key, values = requirement.key, ", ".join(sorted(requirement.values))
        wanted = {
            "In": f"{key} in ({values})" if len(requirement.values) != 1 else f"{key}={values}",
            "NotIn": f"{key} not in ({values})",
            "Exists": f"the label {key}",
            "DoesNotExist": f"no label {key}",
        }[requirement.operator]
        wants.append(f"{wanted} ({f'it is {labels[key]!r}' if key in labels else 'there is none'})")
    return " and ".join(wants)

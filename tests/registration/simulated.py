"""A model of the API server: which native policies it runs, which webhooks it calls, and with which requests.

It follows k8s.io/apiserver (plugin/policy/matching, plugin/webhook/generic) and uses our own code only for
matchConditions and for the type Request. It reads the manifests of policies and webhook configurations. It serves every
resource in every version of VERSIONS.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from webhook.policy import conditions
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request
from webhook.policy.reviewing import Review

VERSIONS = ("v2", "v1", "v1beta1")  # in the API server's order of preference
KINDS = {"deployments": "Deployment", "horizontalpodautoscalers": "HorizontalPodAutoscaler", "pods": "Pod"}
KINDS |= {"nodes": "Node", "serviceaccounts": "ServiceAccount", "tokenreviews": "TokenReview"}

Json = dict[str, Any]


class Sent(Struct, frozen=True):
    """A request as the client sends it. `namespace_labels`: of its Namespace; None for cluster-scoped objects."""

    group: str
    version: str
    resource: str
    subresource: str
    operation: str
    name: str
    namespace: str
    labels: Json | None
    old_labels: Json | None
    namespace_labels: Json | None = None

    def request(self, version: str | None = None) -> Request:
        """The request as a webhook or policy receives it, converted to `version` (None: not converted)."""
        to = version or self.version
        kind, group = KINDS[self.resource], self.group
        if self.subresource == "token":
            kind, group = "TokenRequest", "authentication.k8s.io"

        def made(labels: Json | None) -> Json | None:
            if labels is None:
                return None
            metadata = {"name": self.name, "labels": labels}
            return {"apiVersion": f"{self.group}/{to}".lstrip("/"), "kind": kind, "metadata": metadata}

        return Request(
            operation=self.operation,
            resource=GroupVersionResource(self.group, to, self.resource),
            kind=GroupVersionKind(group, to, kind),
            subresource=self.subresource,
            name=self.name,
            namespace=self.namespace,
            object=made(self.labels),
            old_object=made(self.old_labels),
            request_resource=GroupVersionResource(self.group, self.version, self.resource),
            request_kind=GroupVersionKind(group, self.version, kind),
            request_subresource=self.subresource,
        )


def rule_matches(rule: Json, sent: Sent) -> bool:
    def among(items: list[str], item: str) -> bool:
        return "*" in items or item in items

    def resource(text: str) -> bool:
        name, _, subresource = text.partition("/")
        return name in ("*", sent.resource) and subresource in ("*", sent.subresource)

    scope = rule.get("scope", "*")
    return (
        (scope == "*" or (scope == "Namespaced") == bool(sent.namespace))
        and among(rule["operations"], sent.operation)
        and among(rule["apiGroups"], sent.group)
        and among(rule["apiVersions"], sent.version)
        and any(map(resource, rule["resources"]))
        and (not rule.get("resourceNames") or sent.name in rule["resourceNames"])
    )


def converted_to(rules: list[Json], match_policy: str, sent: Sent) -> str | None:
    """The version that a request is converted to for these rules; None if they do not match it."""
    if any(rule_matches(rule, sent) for rule in rules):
        return sent.version
    if match_policy == "Exact":
        return None
    for rule in rules:
        for version in VERSIONS:
            if rule_matches(rule, replace(sent, version=version)):
                return version
    return None


def selects(selector: Json, labels: Json) -> bool:
    def holds(requirement: Json) -> bool:
        key, operator = requirement["key"], requirement["operator"]
        if operator in ("Exists", "DoesNotExist"):
            return bool((key in labels) == (operator == "Exists"))
        return bool((labels.get(key) in requirement["values"]) == (operator == "In"))

    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        map(holds, selector.get("matchExpressions", []))
    )


def selected(match: Json, sent: Sent) -> bool:
    """Whether namespaceSelector and objectSelector both match the request."""
    if sent.namespace_labels is not None and not selects(match.get("namespaceSelector") or {}, sent.namespace_labels):
        return False
    selector = match.get("objectSelector") or {}
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return True
    if sent.operation == "CONNECT":
        return False
    return any(selects(selector, labels) for labels in (sent.labels, sent.old_labels) if labels is not None)


def native(constraints: Json, sent: Sent) -> str | None:
    """The version in which matchConstraints or matchResources match the request; None if they do not."""
    match_policy = constraints.get("matchPolicy", "Equivalent")
    excluded = constraints.get("excludeResourceRules", [])
    if not selected(constraints, sent) or converted_to(excluded, match_policy, sent) is not None:
        return None
    rules = constraints.get("resourceRules", [])
    return converted_to(rules, match_policy, sent) if rules else sent.version


def hold(match_conditions: list[Json], request: Request) -> bool:
    if not match_conditions:
        return True
    compiled, faults = conditions.read(str(match_conditions))
    assert compiled is not None, faults
    unmatched = compiled.unmatched(Review(request, None, lambda _name: None))
    assert not isinstance(unmatched, str)
    return unmatched is None


def called(configurations: list[Json], sent: Sent) -> Iterator[tuple[Json, Request]]:
    """The webhooks that the API server calls, each with the request that it sends."""
    for configuration in configurations:
        for webhook in configuration["webhooks"]:
            if not selected(webhook, sent):
                continue
            version = converted_to(webhook.get("rules", []), webhook["matchPolicy"], sent)
            if version is None:
                continue
            request = sent.request(version)
            if hold(webhook.get("matchConditions", []), request):
                yield webhook, request

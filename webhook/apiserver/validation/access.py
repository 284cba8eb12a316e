"""Roles, bindings, and what else says who may do what (pkg/apis/rbac/validation)."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.fielderrors import each, invalid, not_supported, required
from webhook.apiserver.validation.fields import Object, Refusals, at, is_sound, label_selector, listed
from webhook.apiserver.validation.names import dns_subdomain, path_segment
from webhook.paths import Path

_GROUP: Final = "rbac.authorization.k8s.io"


def role(value: Object) -> Refusals:
    """A Role."""
    for place, rule in enumerate(listed(value, "rules")):
        yield from _rule(rule, ("rules", place), namespaced=True)


def cluster_role(value: Object) -> Refusals:
    """A ClusterRole."""
    for place, rule in enumerate(listed(value, "rules")):
        yield from _rule(rule, ("rules", place), namespaced=False)
    aggregation = value.get("aggregationRule")
    if aggregation is None:
        return
    selectors = listed(aggregation, "clusterRoleSelectors")
    path: Path = ("aggregationRule", "clusterRoleSelectors")
    if not selectors:
        yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for place, selector in enumerate(selectors):
        yield from label_selector(selector, (*path, place))
        if not is_sound(selector):
            yield invalid((*path, place), None, "invalid label selector.")


def _rule(rule: Object, path: Path, *, namespaced: bool) -> Refusals:
    if not rule.get("verbs"):
        yield required((*path, "verbs"))
    urls = rule.get("nonResourceURLs")
    if urls:
        here = (*path, "nonResourceURLs")
        if namespaced:
            yield invalid(here, urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            yield invalid(here, urls, "rules cannot apply to both regular resources and non-resource URLs")
        return
    if not rule.get("apiGroups"):
        yield required((*path, "apiGroups"), "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required((*path, "resources"), "resource rules must supply at least one resource")


def role_binding(value: Object) -> Refusals:
    """A RoleBinding."""
    yield from _binding(value, ("Role", "ClusterRole"), namespaced=True)


def cluster_role_binding(value: Object) -> Refusals:
    """A ClusterRoleBinding."""
    yield from _binding(value, ("ClusterRole",), namespaced=False)


def _binding(value: Object, kinds: tuple[str, ...], *, namespaced: bool) -> Refusals:
    reference = at(value, "roleRef") or {}
    group, kind, name = (reference.get(field) or "" for field in ("apiGroup", "kind", "name"))
    if group != _GROUP:
        yield not_supported(("roleRef", "apiGroup"), group, (_GROUP,))
    if kind not in kinds:
        yield not_supported(("roleRef", "kind"), kind, kinds)
    if not name:
        yield required(("roleRef", "name"))
    else:
        yield from each(("roleRef", "name"), name, path_segment(name))
    for place, subject in enumerate(listed(value, "subjects")):
        yield from _subject(subject, ("subjects", place), namespaced=namespaced)


def _subject(subject: Object, path: Path, *, namespaced: bool) -> Refusals:
    kind, name, group = (subject.get(field) or "" for field in ("kind", "name", "apiGroup"))
    if not name:
        yield required((*path, "name"))
    if kind == "ServiceAccount":
        if name:
            yield from each((*path, "name"), name, dns_subdomain(name))
        if group:
            yield not_supported((*path, "apiGroup"), group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield required((*path, "namespace"))
    elif kind in ("User", "Group"):
        if group != _GROUP:
            yield not_supported((*path, "apiGroup"), group, (_GROUP,))
    else:
        yield not_supported((*path, "kind"), kind, ("ServiceAccount", "User", "Group"))

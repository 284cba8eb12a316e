"""Looks up the params of a binding, as k8s.io/apiserver's CollectParams does, with the same error texts."""

from __future__ import annotations

from typing import Any

from webhook.cluster.view import ClusterView, NotCached, UnknownKind
from webhook.policy.evaluation import ParamKind
from webhook.policy.matching import labels_of
from webhook.policy.policyset import Binding
from webhook.schema import Resource

NONE: tuple[None] = (None,)
"""The params of a policy without paramKind, or a binding without paramRef: one evaluation with `params` null."""


class ConfigurationError(Exception):
    """A policy or binding is configured wrongly; str(error) is the API server's text."""


def resource_of(kind: ParamKind, cluster: ClusterView) -> Resource:
    """The resource of a paramKind. Raises ConfigurationError if the cluster serves no such kind."""
    resource = cluster.kinds.for_kind(kind.api_version, kind.kind)
    if resource is not None:
        return resource
    try:
        cluster.get(kind.api_version, kind.kind, "")
    except UnknownKind:
        raise _not_served(kind) from None
    except NotCached:
        raise _not_synced(kind) from None
    # Manifests may hold objects of the kind without its CustomResourceDefinition.
    return cluster.kinds.guess(kind.api_version, kind.kind)


def collect(
    kind: ParamKind, resource: Resource, binding: Binding, namespace: str, cluster: ClusterView
) -> tuple[Any, ...]:
    """The param objects that a binding selects for a request. The policy is evaluated once for each.

    namespace: the request's, "" if it is cluster-scoped. An empty result means that the binding is skipped. Raises
    ConfigurationError.
    """
    ref = binding.param_ref
    if ref is None:
        return NONE
    where: str | None = ref.namespace or namespace
    if not resource.namespaced:
        if ref.namespace:
            raise ConfigurationError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        where = None
    elif not where:
        raise ConfigurationError(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        )
    selector = ref.selector
    try:
        if selector is None:
            param = cluster.get(kind.api_version, kind.kind, ref.name, where).value
            found: tuple[Any, ...] = () if param is None else (param,)
        else:
            listed = cluster.list(kind.api_version, kind.kind, where).value
            found = tuple(each for each in listed if selector.matches(labels_of(each)))
    except UnknownKind:  # the kind was removed after `resource_of`
        raise _not_served(kind) from None
    except NotCached:
        raise _not_synced(kind) from None
    if not found and ref.deny_if_not_found:
        raise ConfigurationError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _not_served(kind: ParamKind) -> ConfigurationError:
    return ConfigurationError(f"failed to find resource referenced by paramKind: '{kind}'")


def _not_synced(kind: ParamKind) -> ConfigurationError:
    return ConfigurationError(f"paramKind kind `{kind}` not yet synced to use for admission")

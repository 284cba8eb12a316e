"""HorizontalPodAutoscalers (pkg/apis/autoscaling/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from webhook.apiserver.fielderrors import FieldError, each, forbidden, invalid, not_supported, required
from webhook.apiserver.validation.fields import Object, Refusals, at, listed
from webhook.apiserver.validation.names import path_segment
from webhook.apiserver.validation.resources import negative_quantity, quantity
from webhook.paths import Path


def autoscaler(value: Object) -> Refusals:
    """A HorizontalPodAutoscaler."""
    spec = at(value, "spec") or {}
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if most == 0:
        yield required(("spec", "maxReplicas"))
    elif most < 0:
        yield invalid(("spec", "maxReplicas"), most, "must be greater than or equal to 1")
    if isinstance(least, int) and most < least:
        yield invalid(("spec", "maxReplicas"), most, "must be greater than or equal to `minReplicas`")
    if isinstance(least, int) and least < 0:
        yield invalid(("spec", "minReplicas"), least, "must be greater than or equal to 0")
    target, path = at(spec, "scaleTargetRef") or {}, ("spec", "scaleTargetRef")
    yield from _reference(target, path)
    version = target.get("apiVersion") or ""
    # Of the kinds that can be scaled, this one alone has no group.
    if "/" not in version and version != "v1" and target.get("kind") != "ReplicationController":
        yield invalid((*path, "apiVersion"), version, "apiVersion must specify API group")
    share = spec.get("targetCPUUtilizationPercentage")  # of version 1: a metric in the API server's own form
    if isinstance(share, int) and share < 1:
        error = invalid(("spec", "targetCPUUtilizationPercentage"), share, "must be greater than 0")
        yield FieldError(error.path, error.kind, error.body, "spec.metrics[0].resource.target.averageUtilization")
    kinds = {metric.get("type") for metric in listed(spec, "metrics")}
    if least == 0 and not {"Object", "External"} & kinds and value.get("apiVersion") == "autoscaling/v2":
        words = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden(("spec", "metrics"), words)
    for place, metric in enumerate(listed(spec, "metrics")):
        yield from _metric(metric, ("spec", "metrics", place))
    for name in ("scaleUp", "scaleDown"):
        rules = at(spec, "behavior", name)
        if rules is not None:
            yield from _scaling(rules, ("spec", "behavior", name))


def _reference(target: Object, path: Path) -> Refusals:
    """A reference to an object by its kind and name."""
    for name in ("kind", "name"):
        text = target.get(name) or ""
        if not text:
            yield required((*path, name))
        else:
            yield from each((*path, name), text, path_segment(text))


_MOST_STABLE, _MOST_PERIOD = 3600, 1800  # seconds
_SELECTED: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")


def _scaling(rules: Object, path: Path) -> Refusals:
    """How fast replicas are added or taken away."""
    window, here = rules.get("stabilizationWindowSeconds"), (*path, "stabilizationWindowSeconds")
    if isinstance(window, int) and window < 0:
        yield invalid(here, window, "must be greater than or equal to zero")
    if isinstance(window, int) and window > _MOST_STABLE:
        yield invalid(here, window, f"must be less than or equal to {_MOST_STABLE}")
    selected = rules.get("selectPolicy")
    if selected is not None and selected not in _SELECTED:
        yield not_supported((*path, "selectPolicy"), selected, _SELECTED)
    policies = listed(rules, "policies")
    if not policies:
        yield required((*path, "policies"), "must specify at least one Policy")
    for place, policy in enumerate(policies):
        there = (*path, "policies", place)
        kind, amount, period = policy.get("type") or "", policy.get("value") or 0, policy.get("periodSeconds") or 0
        if kind not in _POLICIES:
            yield not_supported((*there, "type"), kind, _POLICIES)
        if amount <= 0:
            yield invalid((*there, "value"), amount, "must be greater than zero")
        if period <= 0:
            yield invalid((*there, "periodSeconds"), period, "must be greater than zero")
        if period > _MOST_PERIOD:
            yield invalid((*there, "periodSeconds"), period, f"must be less than or equal to {_MOST_PERIOD}")
    yield from negative_quantity(rules.get("tolerance"), (*path, "tolerance"))


_SOURCES: Final[Mapping[str, str]] = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}


def _metric(metric: Object, path: Path) -> Refusals:
    """A metric: the source that its type names, and no other."""
    kind = metric.get("type") or ""
    if not kind:
        yield required((*path, "type"), "must specify a metric source type")
    if kind not in _SOURCES:
        yield not_supported((*path, "type"), kind, tuple(_SOURCES))
    given = [name for name in ("object", "external", "pods", "resource", "containerResource") if metric.get(name)]
    if given:
        yield from _metric_source(given[0], metric[given[0]], (*path, given[0]))
    expected = _SOURCES.get(kind, "")
    if expected and metric.get(expected) is None:
        yield required((*path, expected), "must populate information for the given metric source")
    if len(given) > 1:
        for name in given:
            if name != expected:
                yield forbidden((*path, name), "must populate the given metric source only")


_TARGETS: Final = ("Utilization", "Value", "AverageValue")


def _metric_source(name: str, source: Object, path: Path) -> Refusals:
    target, here = at(source, "target") or {}, (*path, "target")
    if name == "object":
        yield from _reference(at(source, "describedObject") or {}, (*path, "describedObject"))
    if name in ("object", "external", "pods"):
        metric = at(source, "metric", "name") or ""
        if not metric:
            yield required((*path, "metric", "name"), "must specify a metric name")
        else:
            yield from each((*path, "metric", "name"), metric, path_segment(metric))
    elif not source.get("name"):
        yield required((*path, "name"), "must specify a resource name")
    if name == "containerResource" and not source.get("container"):
        yield required((*path, "container"), "must specify a container")
    kind = target.get("type") or ""
    if not kind:
        yield required((*here, "type"), "must specify a metric target type")
    if kind not in _TARGETS:
        yield invalid((*here, "type"), kind, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        known = quantity(target.get(field))
        if known is not None and known.digits <= 0:
            yield invalid((*here, field), target[field], "must be positive")
    share, average = target.get("averageUtilization"), target.get("averageValue")
    if isinstance(share, int) and share < 1:
        yield invalid((*here, "averageUtilization"), share, "must be greater than 0")
    match name:
        case "object" if target.get("value") is None and average is None:
            yield required((*here, "averageValue"), "must set either a target value or averageValue")
        case "external" if target.get("value") is None and average is None:
            words = "must set either a target value for metric or a per-pod target"
            yield required((*here, "averageValue"), words)
        case "external" if target.get("value") is not None and average is not None:
            yield forbidden((*here, "value"), "may not set both a target value for metric and a per-pod target")
        case "resource" | "containerResource" if share is None and average is None:
            words = "must set either a target raw value or a target utilization"
            yield required((*here, "averageUtilization"), words)
        case "resource" | "containerResource" if share is not None and average is not None:
            words = "may not set both a target raw value and a target utilization"
            yield forbidden((*here, "averageValue"), words)
        case "pods" if average is None:
            yield required((*here, "averageValue"), "must specify a positive target averageValue")

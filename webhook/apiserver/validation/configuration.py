"""ConfigMaps, Secrets, limits, quotas, budgets, autoscalers, and classes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, Key, each, forbidden, invalid, not_supported, required, too_long
from webhook.apiserver.goshown import json_text
from webhook.apiserver.validation.fields import (
    Object,
    Refusals,
    at,
    at_most_all,
    int_or_percent,
    label_selector,
    listed,
    nonnegative,
)
from webhook.apiserver.validation.names import config_key, dns_label, path_segment
from webhook.apiserver.validation.pods import negative_quantity, quantity
from webhook.paths import Path

MAX_SIZE: Final = 1024 * 1024
"""Bytes of the data of a ConfigMap or Secret."""


def config_map(value: Object) -> Refusals:
    """A ConfigMap."""
    data, binary = value.get("data") or {}, value.get("binaryData") or {}
    for key in data:
        yield from each(("data", Key(key)), key, config_key(key))
        if key in binary:
            yield invalid(("data", Key(key)), key, "duplicate of key present in binaryData")
    for key in binary:
        yield from each(("binaryData", Key(key)), key, config_key(key))
    size = sum(len((item or "").encode()) for item in data.values()) + sum(map(_decoded_size, binary.values()))
    if size > MAX_SIZE:
        error = too_long((), MAX_SIZE)
        yield FieldError((), error.kind, error.body, "[]")


def _decoded_size(text: str | None) -> int:
    """The bytes of a value in base64; an empty one is null."""
    text = text or ""
    return len(text) * 3 // 4 - text[-2:].count("=")


_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_LOGIN: Final = ("username", "password")


def secret(value: Object) -> Refusals:
    """A Secret, whose stringData is in its data already. No text shows a value."""
    data = value.get("data") or {}
    for key in data:
        yield from each(("data", Key(key)), key, config_key(key))
    if sum(map(_decoded_size, data.values())) > MAX_SIZE:
        yield too_long(("data",), MAX_SIZE)
    kind = value.get("type") or ""
    if kind == "kubernetes.io/service-account-token":
        key = "kubernetes.io/service-account.name"
        if not (at(value, "metadata", "annotations") or {}).get(key):
            yield required(("metadata", "annotations", Key(key)))
    elif kind == "kubernetes.io/basic-auth":
        if not any(key in data for key in _LOGIN):
            yield from (required(("data", Key(key))) for key in _LOGIN)
    else:
        for key in _NEEDED.get(kind, ()):
            if key not in data or (key == "ssh-privatekey" and not _not_empty(data[key])):
                yield required(("data", Key(key)))


def _not_empty(text: str | None) -> bool:
    try:
        return bool(base64.b64decode(text or ""))
    except (binascii.Error, ValueError):
        return True


# ------------------------------------------------------------------------------------------------- limits and quotas


def limit_range(value: Object) -> Refusals:
    """A LimitRange: what is least must not be more than what is most, with defaults between them."""
    for place, limit in enumerate(listed(value, "spec", "limits")):
        path = ("spec", "limits", place)
        if limit.get("type") == "Pod":
            for name in ("default", "defaultRequest"):
                if limit.get(name):
                    yield forbidden((*path, name), "may not be specified when `type` is 'Pod'")
        yield from _limits(limit, path)


_COMPARED: Final = (
    # the smaller, the larger, the field that is refused, the value that is shown, their names
    ("min", "max", "min", "min", "min", "max"),
    ("min", "defaultRequest", "defaultRequest", "defaultRequest", "min", "default request"),
    ("defaultRequest", "max", "defaultRequest", "defaultRequest", "default request", "max"),
    ("defaultRequest", "default", "defaultRequest", "defaultRequest", "default request", "default limit"),
    ("min", "default", "default", "min", "min", "default"),
    ("default", "max", "default", "max", "default", "max"),
)


def _limits(limit: Object, path: Path) -> Refusals:
    for small, large, field, shown, low_name, high_name in _COMPARED:
        if limit.get("type") == "Pod" and {small, large} & {"default", "defaultRequest"}:
            continue
        smaller, larger = limit.get(small) or {}, limit.get(large) or {}
        for key, item in smaller.items():
            low, high = quantity(item), quantity(larger.get(key))
            if low is not None and high is not None and high.below(low):
                text = f"{low_name} value {item} is greater than {high_name} value {larger[key]}"
                yield invalid((*path, field, Key(key)), (limit[shown])[key], text)


def resource_quota(value: Object) -> Refusals:
    """A ResourceQuota."""
    for key, item in (at(value, "spec", "hard") or {}).items():
        yield from negative_quantity(item, ("spec", "hard", Key(key)))


# ------------------------------------------------------------------------------------------ budgets and autoscalers


def disruption_budget(value: Object) -> Refusals:
    """A PodDisruptionBudget."""
    spec = at(value, "spec") or {}
    path: Path = ("spec",)
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        yield FieldError(path, "Invalid value", _both(spec))
    for name, amount in (("minAvailable", least), ("maxUnavailable", most)):
        if amount is not None:
            yield from int_or_percent(amount, (*path, name))
            yield from at_most_all(amount, (*path, name))
    yield from label_selector(spec.get("selector"), (*path, "selector"))


def _both(spec: Object) -> str:
    """The API server shows its internal form of the spec."""
    fields = {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": spec.get("selector"),
        "MaxUnavailable": spec.get("maxUnavailable"),
        "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
    }
    shown = ",".join(f'"{name}":{json_text(item)}' for name, item in fields.items())
    return f"Invalid value: {{{shown}}}: minAvailable and maxUnavailable cannot be both set"


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
    for name in ("kind", "name"):
        text = target.get(name) or ""
        if not text:
            yield required((*path, name))
        else:
            yield from each((*path, name), text, path_segment(text))
    version = target.get("apiVersion") or ""
    if "/" not in version and version != "v1":
        yield invalid((*path, "apiVersion"), version, "apiVersion must specify API group")
    for place, metric in enumerate(listed(spec, "metrics")):
        yield from _metric(metric, ("spec", "metrics", place))


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
    if name in ("object", "external", "pods"):
        metric = at(source, "metric", "name") or ""
        if not metric:
            yield required((*path, "metric", "name"), "must specify a metric name")
        else:
            yield from each((*path, "metric", "name"), metric, path_segment(metric))
    elif not source.get("name"):
        yield required((*path, "name"), "must specify a resource name")
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
        case "resource" | "containerResource" if share is None and average is None:
            words = "must set either a target raw value or a target utilization"
            yield required((*here, "averageUtilization"), words)
        case "resource" | "containerResource" if share is not None and average is not None:
            words = "may not set both a target raw value and a target utilization"
            yield forbidden((*here, "averageValue"), words)
        case "pods" if average is None:
            yield required((*here, "averageValue"), "must specify a positive target averageValue")


# ----------------------------------------------------------------------------------------------------------- classes

_USERS_MOST: Final = 1_000_000_000
_RESERVED: Final = "system-"
_SYSTEMS: Final = ("system-node-critical", "system-cluster-critical")


def priority_class(value: Object) -> Refusals:
    """A PriorityClass."""
    name, number = at(value, "metadata", "name") or "", value.get("value") or 0
    if name.startswith(_RESERVED) and name not in _SYSTEMS:
        words = f"priority class names with '{_RESERVED}' prefix are reserved for system use only."
        yield forbidden(("metadata", "name"), f"{words} error: {name} is not a known system priority class")
    elif not name.startswith(_RESERVED) and number > _USERS_MOST:
        yield forbidden(("value",), f"maximum allowed value of a user defined priority is {_USERS_MOST}")


def runtime_class(value: Object) -> Refusals:
    """A RuntimeClass."""
    handler = value.get("handler") or ""
    if not handler:
        yield required(("handler",))
    else:
        yield from each(("handler",), handler, dns_label(handler))


def lease(value: Object) -> Refusals:
    """A Lease."""
    for name in ("leaseDurationSeconds",):
        number = at(value, "spec", name)
        if isinstance(number, int) and number <= 0:
            yield invalid(("spec", name), number, "must be greater than 0")
    yield from nonnegative(at(value, "spec", "leaseTransitions"), ("spec", "leaseTransitions"))


def controller_revision(value: Object) -> Refusals:
    """A ControllerRevision."""
    if value.get("data") is None:
        yield required(("data",), "data is mandatory")
    yield from nonnegative(value.get("revision"), ("revision",))


def namespace_of_event(value: Any) -> Refusals:
    """An Event without eventTime is in the Namespace of its object."""
    involved = at(value, "involvedObject", "namespace") or ""
    own = at(value, "metadata", "namespace") or ""
    if value.get("eventTime") is None and own != involved and (involved or own != "default"):
        yield invalid(("involvedObject", "namespace"), involved, "does not match event.namespace")

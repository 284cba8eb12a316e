"""ConfigMaps, Secrets, limits, quotas, budgets, and classes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from webhook.apiserver.fielderrors import (
    FieldError,
    Key,
    duplicate,
    each,
    forbidden,
    invalid,
    named,
    not_supported,
    required,
    too_long,
)
from webhook.apiserver.goshown import json_text
from webhook.apiserver.quantities import Quantity
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.fields import (
    Object,
    Refusals,
    at,
    at_most_all,
    int_or_percent,
    label_selector,
    listed,
    nonnegative,
    one_of,
)
from webhook.apiserver.validation.names import config_key, dns_label, qualified_name
from webhook.apiserver.validation.resources import STANDARD, negative_quantity, quantity, resources, whole_amount
from webhook.apiserver.validation.scheduling import tolerations
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
    types: set[str] = set()
    for place, limit in enumerate(listed(value, "spec", "limits")):
        path = ("spec", "limits", place)
        kind = limit.get("type") or ""
        yield from _limit_type(kind, (*path, "type"))
        if kind in types:
            yield duplicate((*path, "type"), kind)
        types.add(kind)
        if kind == "PersistentVolumeClaim" and not any("storage" in (limit.get(name) or {}) for name in ("min", "max")):
            words = "either minimum or maximum storage value is required, but neither was provided"
            yield required((*path, "limits"), words)
        if limit.get("type") == "Pod":
            for name in ("default", "defaultRequest"):
                if limit.get(name):
                    yield forbidden((*path, name), "may not be specified when `type` is 'Pod'")
        yield from _limits(limit, path)


def _limit_type(kind: str, path: Path) -> Refusals:
    faults = qualified_name(kind)
    yield from each(path, kind, faults)
    if not faults and "/" not in kind and kind not in ("Container", "PersistentVolumeClaim", "Pod"):
        yield invalid(path, kind, "must be a standard limit type or fully qualified")


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
    one = Quantity(1, 0, "decimal")
    for key, item in (limit.get("maxLimitRequestRatio") or {}).items():
        ratio = quantity(item)
        if ratio is not None and ratio.below(one):
            yield invalid((*path, "maxLimitRequestRatio", Key(key)), item, f"ratio {item} is less than 1")
    for small, large, field, shown, low_name, high_name in _COMPARED:
        if limit.get("type") == "Pod" and {small, large} & {"default", "defaultRequest"}:
            continue
        smaller, larger = limit.get(small) or {}, limit.get(large) or {}
        for key, item in smaller.items():
            low, high = quantity(item), quantity(larger.get(key))
            if low is not None and high is not None and high.below(low):
                text = f"{low_name} value {item} is greater than {high_name} value {larger[key]}"
                yield invalid((*path, field, Key(key)), (limit[shown])[key], text)


_COMPUTED: Final = (f"{kind}{name}" for kind in ("", "limits.", "requests.") for name in ("cpu", "memory"))
_OF_PODS: Final = frozenset({"pods", *_COMPUTED})
_SCOPES: Final[Mapping[str, frozenset[str]]] = {
    "BestEffort": frozenset({"pods"}),
    **dict.fromkeys(("NotBestEffort", "Terminating", "NotTerminating", "PriorityClass"), _OF_PODS),
    "CrossNamespacePodAffinity": _OF_PODS,
}
"""Scope of a quota -> the resources of which it can count those in the scope. There are other scopes."""

_OPPOSITES: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def _scopes(spec: Object, path: Path) -> Refusals:
    """The scopes of a quota. Its scopeSelector is left to the API server."""
    scopes, here = spec.get("scopes") or [], (*path, "scopes")
    hard = [key for key in spec.get("hard") or {} if key in _QUOTAS or key.startswith(_HUGE_PAGES)]
    known = [_SCOPES[scope] for scope in set(scopes) if scope in _SCOPES]
    # Each is told once: the text shows all scopes.
    if any(scope not in _SCOPES and scope != "VolumeAttributesClass" for scope in scopes):
        yield invalid(here, scopes, "unsupported scope")
    if any(key not in counted for counted in known for key in hard):
        yield invalid(here, scopes, "unsupported scope applied to resource")
    for pair in _OPPOSITES:
        if set(pair) <= set(scopes):
            yield invalid(here, scopes, "conflicting scopes")


_HUGE_PAGES: Final = ("hugepages-", "requests.hugepages-")
_QUOTAS: Final = STANDARD - {"storage"}


def resource_quota(value: Object) -> Refusals:
    """A ResourceQuota."""
    yield from _scopes(at(value, "spec") or {}, ("spec",))
    for key, item in (at(value, "spec", "hard") or {}).items():
        here = ("spec", "hard", Key(key))
        yield from each(here, key, qualified_name(key))
        if "/" not in key and not key.startswith(_HUGE_PAGES):
            if not qualified_name(key) and key not in STANDARD:
                yield invalid(here, key, "must be a standard resource type or fully qualified")
            if key not in _QUOTAS:
                yield invalid(here, key, "must be a standard resource for quota")
        yield from negative_quantity(item, here)
        yield from whole_amount(key, item, here)


# ----------------------------------------------------------------------------------------------------------- budgets


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
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTED:
        yield not_supported((*path, "unhealthyPodEvictionPolicy"), policy, _EVICTED)


_EVICTED: Final = ("AlwaysAllow", "IfHealthyBudget")


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
    policy, known = value.get("preemptionPolicy"), ("PreemptLowerPriority", "Never")
    if policy is not None:
        yield from one_of(policy, ("preemptionPolicy",), known)


def runtime_class(value: Object) -> Refusals:
    """A RuntimeClass."""
    handler = value.get("handler") or ""
    if not handler:
        yield required(("handler",))
    else:
        yield from each(("handler",), handler, dns_label(handler))
    fixed = at(value, "overhead", "podFixed") or {}
    for error in resources({"limits": fixed}, ("overhead",)):
        path = ("overhead", "podFixed", *error.path[2:]) if error.path[1:2] == ("limits",) else error.path
        yield FieldError(path, error.kind, error.body, named(error.path))
    scheduling = at(value, "scheduling")
    selector = at(scheduling, "nodeSelector") or {}
    yield from metadata.label_refusals(selector, ("scheduling", "nodeSelector"))
    yield from tolerations(listed(scheduling, "tolerations"), ("scheduling", "tolerations"))


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
    elif not isinstance(value["data"], Mapping):
        yield required(("data",), "data must be a valid JSON object")
    yield from nonnegative(value.get("revision"), ("revision",))

"""Faults that an object may keep on an update. The API server checks all that it checks of a new object again, with
named exceptions: here they stand as data. tests/apiserver/validation/test_against_kubernetes.py asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from webhook.apiserver.fielderrors import INVALID, FieldError
from webhook.apiserver.validation.fields import Object, Refusals, at
from webhook.paths import Path

_OF_KIND: Final[Mapping[str, tuple[Path, ...]]] = {
    "ControllerRevision": (("data",),),
    "CronJob": (("metadata", "name"), ("spec", "timeZone")),
    "HorizontalPodAutoscaler": (("spec", "scaleTargetRef", "apiVersion"),),
    "Ingress": (("spec", "tls", "secretName"),),
    "NetworkPolicy": (("spec", "ingress", "from", "ipBlock"), ("spec", "egress", "to", "ipBlock")),
    "Pod": (("spec", "nodeName"), ("spec", "ephemeralContainers")),
    "PriorityClass": (("metadata", "name"), ("value",), ("preemptionPolicy",)),
    "Service": (("spec", "loadBalancerSourceRanges"),),
    "StatefulSet": (("spec", "serviceName"), ("spec", "volumeClaimTemplates"), ("spec", "updateStrategy")),
}
"""Kind -> the fields, without indices, whose faults may stay. A field's parts belong to it."""

_OF_PODS: Final = (
    ("projected", "path"),
    ("serviceAccountToken", "path"),
    ("tolerations", "operator"),
    ("securityContext",),
    ("resizePolicy",),
    ("sysctls", "name"),
)
"""The last names of fields of any Pod spec whose faults may stay."""

_VALUES: Final = ("nodeSelectorTerms", "matchExpressions", "values")
_KEYS: Final = ("topologySpreadConstraints", "matchLabelKeys")
_SCHEDULE: Final = ("spec", "schedule")
_SELECTORS: Final = frozenset({"topologySpreadConstraints", "podAffinity", "podAntiAffinity"})
"""Where Pods select others by labels. Where the old Pod had a fault there, selectors may have others."""

_POD: Final = ("spec", "template", "spec")
_CLAIMS: Final = ("spec", "volumeClaimTemplates")
_STRATEGIES: Final = ("RollingUpdate", "OnDelete")
_STRATEGY: Final = ("spec", "updateStrategy")
_NOT_AGAIN: Final = (("spec", "serviceName"), _STRATEGY)
"""Fields of a StatefulSet whose faults say nothing of its Pods; those of the parts of its strategy do."""
_BUDGETED: Final = ("spec", "selector", "matchExpressions", "values")
_PATHS: Final = ("spec", "rules", "http")


def remaining(check: Callable[[Object], Refusals], value: Object, old: Object, most: int) -> Refusals:
    """What a check refuses of an object, without what may stay, as the object that it replaces had it too.

    most: how many refusals of the old object are looked at.
    """
    had: list[Path] | None = None  # looked for where there is a fault that may stay
    for error in check(value):
        part = _excused_by(str(value.get("kind")), error, value)
        if part is not None:
            if had is None:
                had = [*map(_field, islice(check(old), most)), *_unchecked(old)]
            if any(_excuses(field, part) for field in had):
                continue
        yield error


def _unchecked(old: Object) -> Iterator[Path]:
    """Faults that are not refused here, or not there."""
    strategy = at(old, *_STRATEGY) or {}
    if old.get("kind") == "StatefulSet" and strategy.get("type") not in _STRATEGIES:
        if strategy.get("type") != "Recreate":  # which may stay, behind a feature gate
            yield (*_STRATEGY, "type")
        elif strategy.get("rollingUpdate") is not None:
            yield (*_STRATEGY, "rollingUpdate")
    if any(not at(claim, "metadata", "name") for claim in at(old, "spec", "volumeClaimTemplates") or []):
        yield ("spec", "template", "spec", "volumes", "name")  # claims without a name make volumes without one


def _excused_by(kind: str, error: FieldError, value: Object) -> Path | None:
    """The field of the old object of which any fault excuses an error of the new one; None if none does."""
    field = _field(error)
    if kind == "StatefulSet" and field[:3] == _POD:
        return ("spec",)  # where any part of the spec was wrong, the Pod's is not checked
    if kind == "PodDisruptionBudget" and field == _BUDGETED:
        return ("spec", "selector")
    if kind == "Ingress" and field[:3] == _PATHS:  # of all hosts of a domain
        host = at(value, "spec", "rules")[int(error.path[2])].get("host")
        return _PATHS if str(host or "").startswith("*") else None
    if field == _SCHEDULE and kind == "CronJob":  # a time zone may stay
        return field if "cannot use TZ" in error.body else None
    if field[-3:] == _VALUES:
        return field if error.kind == INVALID else None
    if field[-2:] == _KEYS:
        return field
    if (place := next((place for place, step in enumerate(field) if step in _SELECTORS), None)) is not None:
        return field[: place + 1] if {"labelSelector", "namespaceSelector"} & {*field[place:]} else None
    known = next((each for each in _OF_KIND.get(kind, ()) if field[: len(each)] == each), None)
    return known or (field if any(field[-len(each) :] == each for each in _OF_PODS) else None)


def _excuses(field: Path, part: Path) -> bool:
    """Whether a fault of the old object in a field excuses what faults in this part excuse."""
    if part == ("spec",) and (field in _NOT_AGAIN or field[:2] == _CLAIMS):
        return False
    return field[: len(part)] == part


def _field(error: FieldError) -> Path:
    """The field of an error, in whichever element of a list."""
    return tuple(step for step in error.path if isinstance(step, str))

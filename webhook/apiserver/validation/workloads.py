"""Workloads: pkg/apis/apps and pkg/apis/batch, validation."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from webhook.apiserver.fielderrors import each, forbidden, invalid, not_supported, required
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation import jobpolicies, pods, schedules
from webhook.apiserver.validation.claimspecs import claim_spec
from webhook.apiserver.validation.fields import (
    Object,
    Refusals,
    amount,
    at,
    at_most_all,
    int_or_percent,
    is_empty,
    is_sound,
    label_selector,
    listed,
    none_negative,
    nonnegative,
    optionally_named,
    selects,
)
from webhook.apiserver.validation.names import dns_label
from webhook.paths import Path

_SPEC: Path = ("spec",)
_TEMPLATE: Path = ("spec", "template")
_MISMATCH: Final = "`selector` does not match template `labels`"


def deployment(value: Object) -> Refusals:
    """A Deployment."""
    spec = at(value, "spec") or {}
    yield from nonnegative(spec.get("replicas"), ("spec", "replicas"))
    yield from _selected(spec, "deployment")
    yield from _strategy(at(spec, "strategy") or {}, ("spec", "strategy"))
    yield from none_negative(spec, _SPEC, ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"))
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid(("spec", "progressDeadlineSeconds"), deadline, "must be greater than minReadySeconds")


def replica_set(value: Object) -> Refusals:
    """A ReplicaSet."""
    spec = at(value, "spec") or {}
    yield from none_negative(spec, _SPEC, ("replicas", "minReadySeconds"))
    yield from _selected(spec, "deployment")


def stateful_set(value: Object) -> Refusals:
    """A StatefulSet. Its claims are volumes of its Pods."""
    spec = at(value, "spec") or {}
    policy = spec.get("podManagementPolicy") or ""
    if not policy:
        yield required(("spec", "podManagementPolicy"))
    elif policy not in ("OrderedReady", "Parallel"):
        yield invalid(("spec", "podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _stateful_strategy(at(spec, "updateStrategy") or {}, ("spec", "updateStrategy"))
    yield from none_negative(spec, _SPEC, ("replicas", "minReadySeconds"))
    yield from none_negative(spec.get("ordinals"), (*_SPEC, "ordinals"), ("start",))
    for name, kept in (spec.get("persistentVolumeClaimRetentionPolicy") or {}).items():
        if kept not in _RETENTIONS:
            yield not_supported((*_SPEC, "persistentVolumeClaimRetentionPolicy", name), kept, _RETENTIONS)
    yield from optionally_named(spec.get("serviceName"), ("spec", "serviceName"), dns_label)
    claims = listed(spec, "volumeClaimTemplates")
    for place, claim in enumerate(claims):
        yield from claim_spec(at(claim, "spec") or {}, ("spec", "volumeClaimTemplates", place, "spec"))
    yield from _selected(spec, "statefulset", claims)
    yield from _always(spec, "StatefulSet")


_RETENTIONS: Final = ("Retain", "Delete")


def _stateful_strategy(strategy: Object, path: Path) -> Refusals:
    kind, rolling, here = strategy.get("type"), strategy.get("rollingUpdate"), (*path, "rollingUpdate")
    shown = None if rolling is None else _fields(rolling, {"partition": 0, "maxUnavailable": None})
    match kind:
        case "RollingUpdate":
            if rolling is not None:
                yield from none_negative(rolling, here, ("partition",))
                yield from _unavailable(rolling.get("maxUnavailable"), (*here, "maxUnavailable"))
        case "OnDelete":
            if rolling is not None:
                yield invalid(here, shown, "only allowed for updateStrategy 'RollingUpdate'")
        case _:
            words = "must be 'RollingUpdate' or 'OnDelete'"
            yield invalid(path, Struct({"Type": kind or "", "RollingUpdate": shown}), words)


def _unavailable(value: Any, path: Path) -> Refusals:
    if value is None:
        return
    yield from int_or_percent(value, path)
    if amount(value) == 0:
        yield invalid(path, value, "cannot be 0")
    yield from at_most_all(value, path)


def daemon_set(value: Object) -> Refusals:
    """A DaemonSet."""
    spec = at(value, "spec") or {}
    selector = spec.get("selector")
    yield from label_selector(selector, ("spec", "selector"))
    yield from _unmatched(spec)
    if is_empty(selector):
        yield invalid(("spec", "selector"), selector, "empty selector is invalid for daemonset")
    yield from pods.template(at(spec, "template") or {}, _TEMPLATE)
    yield from _always(spec, "DaemonSet")
    yield from none_negative(spec, _SPEC, ("minReadySeconds", "revisionHistoryLimit"))
    strategy, path = at(spec, "updateStrategy") or {}, ("spec", "updateStrategy")
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "RollingUpdate":
        if rolling is None:
            yield required((*path, "rollingUpdate"))
        else:
            yield from _rolling_daemons(rolling, (*path, "rollingUpdate"))
    elif kind != "OnDelete":
        yield not_supported(path, _shown(strategy), ("RollingUpdate", "OnDelete"))


def replication_controller(value: Object) -> Refusals:
    """A ReplicationController, whose selector is a map of labels."""
    spec = at(value, "spec") or {}
    yield from none_negative(spec, _SPEC, ("minReadySeconds", "replicas"))
    selector = spec.get("selector") or {}
    if not selector:
        yield required(("spec", "selector"))
    template = spec.get("template")
    if template is None:
        yield required(_TEMPLATE)
        return
    labels = at(template, "metadata", "labels") or {}
    if selector and any(labels.get(key) != item for key, item in selector.items()):
        yield invalid((*_TEMPLATE, "metadata", "labels"), at(template, "metadata", "labels"), _MISMATCH)
    yield from pods.template(template, _TEMPLATE)
    yield from _always(spec, "ReplicationController")


def _selected(spec: Object, name: str, claims: list[Any] | None = None) -> Refusals:
    """The selector, and the template that it has to match."""
    selector, path = spec.get("selector"), ("spec", "selector")
    if selector is None:
        yield required(path)
    else:
        yield from label_selector(selector, path)
        if is_empty(selector):
            yield invalid(path, selector, f"empty selector is invalid for {name}")
    if not is_sound(selector):
        words = "" if name == "statefulset" else "invalid label selector"
        yield invalid(path, selector, words)
        return
    if not is_empty(selector):
        yield from _unmatched(spec)
    template = at(spec, "template") or {}
    if claims is None:
        yield from pods.template(template, _TEMPLATE)
        yield from _always(spec, "ReplicaSet")
    else:
        yield from pods.template(_of_stateful_set(template, claims), _TEMPLATE)


def _of_stateful_set(template: Object, claims: list[Any]) -> Object:
    """The template with the claims as volumes; hostname and subdomain are set by the controller."""
    # Two claims of one name make one volume.
    names = dict.fromkeys(at(claim, "metadata", "name") or "" for claim in claims)
    spec = {name: item for name, item in (at(template, "spec") or {}).items() if name not in ("hostname", "subdomain")}
    own = listed(spec, "volumes")
    # Claims come last here, so that the places of the others are those of the manifest.
    made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names if name]
    kept = [{"name": each_.get("name")} | each_ for each_ in own if each_.get("name") not in names]
    return {**template, "spec": {**spec, "volumes": [*kept, *made]}}


def _unmatched(spec: Object) -> Refusals:
    labels = at(spec, "template", "metadata", "labels")
    selector = spec.get("selector")
    if is_sound(selector) and not selects(selector, labels or {}):
        yield invalid((*_TEMPLATE, "metadata", "labels"), labels or None, _MISMATCH)


def _always(spec: Object, name: str) -> Refusals:
    pod = at(spec, "template", "spec") or {}
    path = (*_TEMPLATE, "spec")
    policy = pod.get("restartPolicy") or ""
    if policy != "Always":
        yield not_supported((*path, "restartPolicy"), policy, ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        yield forbidden((*path, "activeDeadlineSeconds"), f"activeDeadlineSeconds in {name} is not Supported")


def _strategy(strategy: Object, path: Path) -> Refusals:
    rolling, here = strategy.get("rollingUpdate"), (*path, "rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                yield forbidden(here, "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            if rolling is None:
                yield required(here, "this should be defaulted and never be nil")
                return
            unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
            yield from int_or_percent(unavailable, (*here, "maxUnavailable"))
            yield from int_or_percent(surge, (*here, "maxSurge"))
            if amount(unavailable) == 0 and amount(surge) == 0:
                yield invalid((*here, "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0")
            yield from at_most_all(unavailable, (*here, "maxUnavailable"))
        case _:
            yield not_supported(path, _shown(strategy), ("Recreate", "RollingUpdate"))


def _shown(strategy: Object) -> Struct:
    """The API server shows its internal form."""
    rolling = strategy.get("rollingUpdate")
    if rolling is not None:
        rolling = _fields(rolling, {"maxUnavailable": 0, "maxSurge": 0})
    return Struct({"Type": strategy.get("type") or "", "RollingUpdate": rolling})


def _fields(value: Object, absent: Object) -> Struct:
    """Fields as Go names them, with what absent ones have."""
    return Struct({name[0].upper() + name[1:]: value.get(name) or none for name, none in absent.items()})


def _rolling_daemons(rolling: Object, path: Path) -> Refusals:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from int_or_percent(value, (*path, name))
        yield from at_most_all(value, (*path, name))
    if amount(unavailable) and amount(surge):
        yield invalid((*path, "maxSurge"), surge, "may not be set when maxUnavailable is non-zero")
    elif not amount(unavailable) and not amount(surge):
        yield required((*path, "maxUnavailable"), "cannot be 0 when maxSurge is 0")


# ------------------------------------------------------------------------------------------------------------- Jobs

_COUNTS: Final = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def job(value: Object) -> Refusals:
    """A Job. What the strategy has set (labels and selector) is not known to be there."""
    spec = at(value, "spec") or {}
    yield from _job_spec(spec, _SPEC)
    yield from label_selector(spec.get("selector"), ("spec", "selector"))


def _job_spec(spec: Object, path: Path) -> Refusals:
    yield from none_negative(spec, path, _COUNTS)
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield not_supported((*path, "completionMode"), mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and spec.get("completions") is None:
        yield required((*path, "completions"), "when completion mode is Indexed")
    if mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                yield invalid((*path, name), spec[name], "requires indexed completion mode")
    yield from jobpolicies.policies(spec, path)
    here = (*path, "template")
    yield from pods.template(at(spec, "template") or {}, here)
    policy, there = at(spec, "template", "spec", "restartPolicy") or "", (*here, "spec", "restartPolicy")
    if policy in ("Always", ""):
        yield required(there, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(there, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(there, policy, 'only "Never" is supported when podFailurePolicy is specified')


def cron_job(value: Object) -> Refusals:
    """A CronJob."""
    name = at(value, "metadata", "name") or ""
    if len(name.encode()) > 52:
        yield invalid(("metadata", "name"), name, "must be no more than 52 characters")
    spec = at(value, "spec") or {}
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required(("spec", "schedule"))
    else:
        yield from each(("spec", "schedule"), schedule, schedules.faults(schedule))
    counts = ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    yield from none_negative(spec, _SPEC, counts)
    policy = spec.get("concurrencyPolicy")
    if not policy:
        yield required(("spec", "concurrencyPolicy"))
    elif policy not in ("Allow", "Forbid", "Replace"):
        yield not_supported(("spec", "concurrencyPolicy"), policy, ("Allow", "Forbid", "Replace"))
    yield from _time_zone(spec.get("timeZone"))
    job_spec = at(spec, "jobTemplate", "spec") or {}
    yield from _job_spec(job_spec, ("spec", "jobTemplate", "spec"))


_ZONE = re.compile(r"[A-Za-z\.\-_0-9+]{1,14}")


def _time_zone(zone: Any) -> Refusals:
    path = ("spec", "timeZone")
    if zone is None:
        return
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    parts = zone.split("/")
    if any(part in (".", "..") or part.startswith("-") or _ZONE.fullmatch(part) is None for part in parts):
        yield invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        words = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, zone, words)
    elif not _may_exist(zone):
        yield invalid(path, zone, f"unknown time zone {zone}")


@lru_cache(maxsize=64)
def _may_exist(zone: str) -> bool:
    """Whether the API server may know the time zone: the databases of two machines are not of one version."""
    from zoneinfo import available_timezones

    known = available_timezones()
    area, slash, _ = zone.partition("/")
    return not known or zone in known or bool(slash and any(each_.startswith(f"{area}/") for each_ in known))

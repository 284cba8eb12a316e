"""Defaults of Deployments, DaemonSets, StatefulSets and ReplicaSets (apps/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function, Until


def deployment(value: dict[str, Any]) -> None:
    spec = struct(value, "spec")
    strategy = struct(spec, "strategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        _rolling_deployment(struct(strategy, "rollingUpdate"))
    _deployment_spec(spec)


_rolling_deployment: Final = constants(maxUnavailable="25%", maxSurge="25%")
_deployment_spec: Final = constants(replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)


def daemon_set(value: dict[str, Any]) -> None:
    spec = struct(value, "spec")
    strategy = struct(spec, "updateStrategy")
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        _rolling_daemon_set(struct(strategy, "rollingUpdate"))
    spec.setdefault("revisionHistoryLimit", 10)


_rolling_daemon_set: Final = constants(maxUnavailable=1, maxSurge=0)


def stateful_set(value: dict[str, Any]) -> None:
    _stateful_set(value)
    spec = value["spec"]
    if spec["updateStrategy"]["type"] == "RollingUpdate" and (rolling := spec["updateStrategy"].get("rollingUpdate")):
        rolling.setdefault("maxUnavailable", 1)
    _retention(struct(spec, "persistentVolumeClaimRetentionPolicy"))


def stateful_set_until_1_36(value: dict[str, Any]) -> None:
    """Before the gate MaxUnavailableStatefulSet was on."""
    _stateful_set(value)
    _retention(struct(value["spec"], "persistentVolumeClaimRetentionPolicy"))


def _stateful_set(value: dict[str, Any]) -> None:
    """What all versions do."""
    spec = struct(value, "spec")
    strategy = struct(spec, "updateStrategy")
    if "type" not in strategy:
        strategy["type"] = "RollingUpdate"
        struct(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and (rolling := strategy.get("rollingUpdate")) is not None:
        rolling.setdefault("partition", 0)
    _stateful_set_spec(spec)


_retention: Final = constants(whenDeleted="Retain", whenScaled="Retain")
_stateful_set_spec: Final = constants(podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)


def replica_set(value: dict[str, Any]) -> None:
    struct(value, "spec").setdefault("replicas", 1)


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.DaemonSet": daemon_set,
    "v1.Deployment": deployment,
    "v1.ReplicaSet": replica_set,
    "v1.StatefulSet": stateful_set,
}

UNTIL: Final[Until] = {"v1.StatefulSet": (((1, 26), _stateful_set), ((1, 36), stateful_set_until_1_36))}

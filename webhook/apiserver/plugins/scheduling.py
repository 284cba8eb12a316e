"""Plugins about where Pods run: Priority, DefaultTolerationSeconds, RuntimeClass, PodTopologyLabels, and the taint of
new Nodes (TaintNodesByCondition)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.apiserver.gotext import quote
from webhook.apiserver.plugins.lookups import Run, metadata_of

_NOT_READY: Final = "node.kubernetes.io/not-ready"
_UNREACHABLE: Final = "node.kubernetes.io/unreachable"
_TOLERATION_SECONDS: Final = 300
_SYSTEM_PRIORITIES: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
_TOPOLOGY: Final = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


def priority_class(pod: dict[str, Any], run: Run) -> None:
    """The number of the class, and its preemption policy."""
    spec = pod["spec"]
    name = spec.get("priorityClassName")
    found = _default_priority(run) if not name else _class_priority(name, run)
    if found is None:
        return
    name, priority, policy = found
    if name:
        spec["priorityClassName"] = name
    if spec.get("priority") not in (None, priority):
        run.forbid(
            ("spec", "priority"),
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; priority admission "
            f"controller computed {priority} from the given PriorityClass name",
        )
        return
    spec["priority"] = priority
    if policy and spec.get("preemptionPolicy") not in (None, policy):
        run.forbid(
            ("spec", "preemptionPolicy"),
            f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
            f"priority admission controller computed {policy} from the given PriorityClass name",
        )
    elif policy:
        spec["preemptionPolicy"] = policy


_Priority = tuple[str, int, str | None]
"""The name of a class, its number, and its preemption policy."""


def _default_priority(run: Run) -> _Priority:
    classes = [each for each in run.at_hand.list("scheduling.k8s.io/v1", "PriorityClass") if each.get("globalDefault")]
    if not classes:
        return "", 0, "PreemptLowerPriority"
    return _of_class(min(classes, key=lambda each: each.get("value", 0)))


def _class_priority(name: str, run: Run) -> _Priority | None:
    found = run.at_hand.get("scheduling.k8s.io/v1", "PriorityClass", name)
    if found is not None:
        return _of_class(found)
    if name in _SYSTEM_PRIORITIES:
        return name, _SYSTEM_PRIORITIES[name], "PreemptLowerPriority"
    run.notes.append(
        f"PriorityClass {quote(name)} is not among the inputs: spec.priority and spec.preemptionPolicy are not set, "
        "and a cluster without it refuses the Pod"
    )
    return None


def _of_class(found: Mapping[str, Any]) -> _Priority:
    return found["metadata"]["name"], found.get("value", 0), found.get("preemptionPolicy")


def keep_priority(pod: dict[str, Any], old: Mapping[str, Any]) -> None:
    before = old.get("spec") or {}
    for field in ("priority", "preemptionPolicy"):
        if before.get(field) is not None:
            pod["spec"].setdefault(field, before[field])


def tolerate(pod: dict[str, Any], _run: Run) -> None:
    """Nodes that are not ready or not reachable are tolerated for five minutes."""
    spec = pod["spec"]
    given = spec.get("tolerations", [])
    forever = [each.get("key", "") for each in given if each.get("effect", "") in ("", "NoExecute")]
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATION_SECONDS}
        for key in (_NOT_READY, _UNREACHABLE)
        if key not in forever and "" not in forever
    ]
    if added:
        spec["tolerations"] = [*given, *added]


def runtime_class(pod: dict[str, Any], run: Run) -> None:
    """The overhead, the node selector and the tolerations of the class."""
    spec = pod["spec"]
    name = spec.get("runtimeClassName")
    found = run.at_hand.get("node.k8s.io/v1", "RuntimeClass", name) if name is not None else None
    if name is not None and found is None:
        run.notes.append(
            f"RuntimeClass {quote(name)} is not among the inputs: what it sets is not known, and a cluster without it "
            "refuses the Pod"
        )
        return
    overhead = ((found or {}).get("overhead") or {}).get("podFixed", {})
    if found is not None and "overhead" in found:
        if spec.get("overhead") and spec["overhead"] != overhead:
            run.forbid(
                ("spec", "overhead"), "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            )
            return
        if overhead:
            spec["overhead"] = dict(overhead)
    elif spec.get("overhead"):
        run.forbid(
            ("spec", "overhead"), "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        )
        return
    scheduling = (found or {}).get("scheduling")
    if scheduling is not None:
        _schedule(spec, scheduling, run)


def _schedule(spec: dict[str, Any], scheduling: Mapping[str, Any], run: Run) -> None:
    selector: dict[str, str] = spec.get("nodeSelector", {})
    for key, wanted in scheduling.get("nodeSelector", {}).items():
        if selector.get(key, wanted) != wanted:
            run.forbid(
                ("spec", "nodeSelector", key),
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}",
            )
            return
        selector = {**selector, key: wanted}
    if selector:
        spec["nodeSelector"] = selector
    merged = _merged([*spec.get("tolerations", ()), *scheduling.get("tolerations", ())])
    if merged:
        spec["tolerations"] = merged


def _merged(tolerations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tolerations without those that another covers; of equal ones the first."""
    kept: list[dict[str, Any]] = []
    for index, each in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != each)
        if not any(_covers(other, each) for other in (*kept, *later)):
            kept.append(dict(each))
    return kept


def _covers(wide: Mapping[str, Any], narrow: Mapping[str, Any]) -> bool:
    """Whether one toleration tolerates all that another does."""
    if wide == narrow:
        return True
    operator = wide.get("operator", "Equal")
    if narrow.get("key", "") != wide.get("key", "") and (wide.get("key") or operator != "Exists"):
        return False
    if wide.get("effect", "") not in ("", narrow.get("effect", "")):
        return False
    if wide.get("effect") == "NoExecute" and "tolerationSeconds" in wide:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    if operator == "Equal":
        return narrow.get("operator") == "Equal" and narrow.get("value") == wide.get("value")
    return bool(operator == "Exists")


def topology_labels(pod: dict[str, Any], run: Run) -> None:
    """A Pod that says its node gets the node's zone and region."""
    name = pod["spec"].get("nodeName")
    node = run.at_hand.get("v1", "Node", name) if name else None
    labels = metadata_of(node, "labels") if node else {}
    found = {key: labels[key] for key in _TOPOLOGY if key in labels}
    if found:
        metadata = pod.setdefault("metadata", {})
        metadata["labels"] = {**metadata.get("labels", {}), **found}


def taint_node(node: dict[str, Any], _run: Run) -> None:
    spec = node.setdefault("spec", {})
    taints = spec.get("taints", [])
    if not any((each.get("key"), each.get("effect")) == (_NOT_READY, "NoSchedule") for each in taints):
        spec["taints"] = [*taints, {"key": _NOT_READY, "effect": "NoSchedule"}]

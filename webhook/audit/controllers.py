"""Finds the workload of an object: its topmost controller. Findings on the object are reported with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.offline.requests import Identity
from webhook.schema import Resource

_DEEPEST: Final = 8  # controllers above one another; a circle ends there
_WORKLOADS: Final = frozenset({"apps", "batch"})


class Workloads:
    """Knows the controllers of the objects that were listed and that may have controlled objects themselves.

    It keeps a reference for each of these that has a controller: not for Pods, and for no object without one.
    """

    def __init__(self) -> None:
        self._above: dict[str, Mapping[str, Any]] = {}  # uid -> the controller's reference

    def add(self, value: Mapping[str, Any], resource: Resource) -> None:
        """Note the controller of an object, before the objects that it controls are looked up."""
        if resource.group not in _WORKLOADS and "." not in resource.group:
            return
        reference = controller(value)
        uid = value["metadata"].get("uid")
        if reference is not None and isinstance(uid, str):
            self._above[uid] = {name: reference.get(name) for name in ("apiVersion", "kind", "name", "uid")}

    def above(self, value: Mapping[str, Any]) -> Identity | None:
        """The highest controller above an object that is known; None if it has none.

        A Node that controls a mirror Pod is not a workload: such a Pod comes from a file on the Node.
        """
        reference = controller(value)
        if reference is None or (reference.get("apiVersion"), reference.get("kind")) == ("v1", "Node"):
            return None
        for _ in range(_DEEPEST):
            further = self._above.get(str(reference.get("uid")))
            if further is None:
                break
            reference = further
        namespace = (value["metadata"] or {}).get("namespace") or ""
        api_version, kind = (str(reference.get(name) or "") for name in ("apiVersion", "kind"))
        return Identity(api_version, kind, namespace, str(reference["name"]))


def controller(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the controller of an object; None if it has none."""
    references = (value.get("metadata") or {}).get("ownerReferences")
    for each in references if isinstance(references, list) else ():
        if isinstance(each, dict) and each.get("controller") is True and isinstance(each.get("name"), str):
            return each
    return None


def is_history(value: Mapping[str, Any], resource: Resource) -> bool:
    """Whether an object is a former state of its workload: a ReplicaSet of a Deployment, without replicas."""
    if (resource.group, resource.plural) != ("apps", "replicasets") or controller(value) is None:
        return False
    spec, status = value.get("spec") or {}, value.get("status") or {}
    return spec.get("replicas") == 0 and not status.get("replicas")

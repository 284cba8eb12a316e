"""Runs the plugins over an object, in Kubernetes' order.

Of what plugins look up, an object that is not among the manifests is taken to be as a new cluster has it: a
ServiceAccount exists and says nothing; no class is a default. What is refused here needs no cluster: the rest of what
plugins refuse (quotas, limits, Pod Security) is left to the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.apiserver.gotext import quote
from webhook.apiserver.plugins.accounts import service_account
from webhook.apiserver.plugins.classes import ingress_class, protect, storage_class
from webhook.apiserver.plugins.limits import limit_ranger, within_limits_claim, within_limits_pod
from webhook.apiserver.plugins.lookups import AtHand, Run, metadata_of
from webhook.apiserver.plugins.scheduling import (
    keep_priority,
    priority_class,
    runtime_class,
    taint_node,
    tolerate,
    topology_labels,
)
from webhook.apiserver.problems import FieldProblem
from webhook.cluster.view import ClusterView
from webhook.versions import NEWEST, OLDEST, Version

Operation = Literal["CREATE", "UPDATE"]

_POD_SECURITY: Final = "pod-security.kubernetes.io/enforce"


class Plugged(Struct, frozen=True):
    """The result of the plugins. `notes`: what they could not know, one sentence each."""

    problems: tuple[FieldProblem, ...] = ()
    notes: tuple[str, ...] = ()


_NOTHING: Final = Plugged()
_RESOURCES: Final = {"Pod": "pods", "PersistentVolumeClaim": "persistentvolumeclaims"}
"""The resources of the kinds of which something may be forbidden, as texts name them."""


class Plugins:
    """The plugins of a Kubernetes version, over the objects that they look up.

    `cluster` answers for the manifests of one run.
    """

    def __init__(self, cluster: ClusterView, target: Version = NEWEST) -> None:
        self._at_hand = AtHand(cluster, target)
        self._target = target

    def admit(
        self,
        value: dict[str, Any],
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        operation: Operation = "CREATE",
        old: Mapping[str, Any] | None = None,
    ) -> Plugged:
        """Change a decoded and defaulted object as the plugins do.

        `namespace`: of the request. `old`: on UPDATE, the object before it.
        """
        if (operation, api_version, kind) == ("UPDATE", "v1", "Pod"):
            keep_priority(value, old or {})
            plugins: tuple[Plugin, ...] = (tolerate,)
        else:
            plugins = _MUTATING.get((api_version.rpartition("/")[0], kind), ()) if operation == "CREATE" else ()
        return self._run(plugins, value, kind, namespace) if plugins else _NOTHING

    def validate(self, value: dict[str, Any], api_version: str, kind: str, namespace: str = "") -> Plugged:
        """What the plugins refuse of an object that is created, after mutation. The object is not changed."""
        plugins = _VALIDATING.get((api_version.rpartition("/")[0], kind), ())
        return self._run(plugins, value, kind, namespace) if plugins else _NOTHING

    def _run(self, plugins: Iterable[Plugin], value: dict[str, Any], kind: str, namespace: str) -> Plugged:
        metadata = value.get("metadata") or {}
        name = metadata.get("name") or metadata.get("generateName") or "Unknown"
        run = Run(self._at_hand, _RESOURCES.get(kind, ""), name, namespace)
        for plugin in plugins:
            if self._target >= _SINCE.get(plugin, OLDEST):
                plugin(value, run)
        return Plugged(tuple(run.problems), tuple(run.notes)) if run.problems or run.notes else _NOTHING


def pod_security(_pod: dict[str, Any], run: Run) -> None:
    namespace = run.at_hand.get("v1", "Namespace", run.namespace)
    level = metadata_of(namespace, "labels").get(_POD_SECURITY) if namespace else None
    if level and level != "privileged":
        run.notes.append(
            f"Namespace {run.namespace} enforces the Pod Security Standard {quote(level)}, "
            "which only policies check here"
        )


Plugin = Callable[[dict[str, Any], Run], None]

_MUTATING: Final[dict[tuple[str, str], tuple[Plugin, ...]]] = {
    ("", "Pod"): (
        limit_ranger,
        service_account,
        pod_security,
        priority_class,
        tolerate,
        runtime_class,
        topology_labels,
    ),
    ("", "Node"): (taint_node,),
    ("", "PersistentVolume"): (protect,),
    ("", "PersistentVolumeClaim"): (storage_class, protect),
    ("networking.k8s.io", "Ingress"): (ingress_class,),
    ("storage.k8s.io", "VolumeAttributesClass"): (protect,),
}
"""The plugins of each kind that they change, in order."""

_SINCE: Final[dict[Plugin, Version]] = {topology_labels: (1, 35)}
"""The first version in which a plugin is on by default, if earlier ones have it off or do not have it."""

_VALIDATING: Final[dict[tuple[str, str], tuple[Plugin, ...]]] = {
    ("", "Pod"): (within_limits_pod,),
    ("", "PersistentVolumeClaim"): (within_limits_claim,),
}
"""The plugins that refuse what mutation has left."""

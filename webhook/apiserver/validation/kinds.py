"""The refusals of built-in kinds: names and metadata of each, and the fields of the most common ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from webhook.apiserver.fielderrors import FieldError, invalid
from webhook.apiserver.gated import POD_TEMPLATES
from webhook.apiserver.validation import (
    access,
    autoscaling,
    changes,
    configuration,
    earlier,
    eventobjects,
    metadata,
    network,
    pods,
    storage,
    tolerated,
    workloads,
)
from webhook.apiserver.validation.fields import Object, Refusals, at
from webhook.apiserver.validation.names import (
    Check,
    dns_label,
    dns_subdomain,
    path_segment,
    path_segment_prefix,
)
from webhook.paths import Path
from webhook.versions import NEWEST, Version

MAX_REFUSALS: Final = 1000
"""The most refusals of one object; further ones are found once these are corrected."""

Created = Callable[[Object], Refusals]
Changed = Callable[[Object, Object], Refusals]


class _Kind(Struct, frozen=True):
    """name: the check of the object's name. created: further checks of the object. changed: checks of what must not
    change. fixed: the paths of fields that must not change. core: finalizers without a domain must be well-known.
    last: metadata is validated only if nothing else is refused. new: checks of new objects alone. before: checks of new
    objects that come before all others, which are left out if one of these refuses the object.
    """

    name: Check = path_segment
    created: Created | None = None
    changed: Changed | None = None
    fixed: tuple[Path, ...] = ()
    core: bool = True
    last: bool = False
    new: Created | None = None
    before: Created | None = None


def refusals(
    value: Object,
    *,
    namespaced: bool,
    old: Object | None = None,
    named: bool = True,
    target: Version = NEWEST,
) -> list[FieldError]:
    """Why the API server refuses an object of a built-in kind, as far as it is known here.

    value: decoded, defaulted and prepared. old: the object that an update replaces. named: false where a name is still
    to be generated. target: the Kubernetes version of the API server.
    """
    found = _refusals(value, namespaced, old, named)
    if target != NEWEST:
        found = _of_version(found, value, old, target)
    return list(islice(found, MAX_REFUSALS))


def _of_version(found: Refusals, value: Object, old: Object | None, target: Version) -> Refusals:
    """What an earlier version refuses. What it refuses besides of an object itself is asked of new ones only."""
    kind = str(value.get("kind"))
    for error in found:
        if earlier.has(error, kind, target, old):
            yield error
    if old is None:
        at_pods = POD_TEMPLATES.get((_group(value), kind))
        path = None if at_pods is None else (*at_pods, "spec")
        spec = None if path is None else at(value, *path)
        yield from earlier.more(value, kind, None if spec is None or path is None else (spec, path), target)
    else:
        yield from earlier.changed(value, old, kind, target)


def _refusals(value: Object, namespaced: bool, old: Object | None, named: bool) -> Refusals:
    kind = _KINDS.get((_group(value), str(value.get("kind"))), _OTHER)
    meta = at(value, "metadata") or {}
    if old is not None:
        yield from metadata.of_updated(meta, at(old, "metadata") or {})
        yield from _finalizers(meta, kind)
        yield from _changed(value, old, kind)
        return
    if kind.before is not None:
        found = list(islice(kind.before(value), MAX_REFUSALS))
        if found:
            yield from found
            return
    own = kind.created(value) if kind.created is not None else iter(())
    if kind.last:
        found = list(islice(own, MAX_REFUSALS))
        if found:
            yield from found
            return
    prefix = path_segment_prefix if kind.name is path_segment else None
    yield from metadata.of_created(meta, kind.name, namespaced=namespaced, prefix=prefix, named=named)
    yield from _finalizers(meta, kind)
    yield from own
    if kind.new is not None:
        yield from kind.new(value)


def _changed(value: Object, old: Object, kind: _Kind) -> Refusals:
    if kind.created is not None:
        yield from tolerated.remaining(kind.created, value, old, MAX_REFUSALS)
    for path in kind.fixed:
        changed = at(value, *map(str, path))
        if not changes.same(changed, at(old, *map(str, path))):
            yield invalid(path, changed, metadata.IMMUTABLE)
    if kind.changed is not None:
        yield from kind.changed(value, old)


def _group(value: Object) -> str:
    group, slash, _ = str(value.get("apiVersion") or "").rpartition("/")
    return group if slash else ""


_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def _finalizers(meta: Mapping[str, Any], kind: _Kind) -> Iterator[FieldError]:
    if not kind.core:
        return
    for place, finalizer in enumerate(meta.get("finalizers") or []):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            words = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(("metadata", "finalizers", place), finalizer, words)


def _pod_template(value: Object) -> Refusals:
    yield from pods.template(at(value, "template") or {}, ("template",))


_OTHER: Final = _Kind(core=False)
_SELECTOR: Final[Path] = ("spec", "selector")


def _plain(name: Check = dns_subdomain, created: Created | None = None) -> _Kind:
    return _Kind(name, created)


_KINDS: Final[Mapping[tuple[str, str], _Kind]] = {
    ("", "ConfigMap"): _Kind(dns_subdomain, configuration.config_map, changes.data),
    ("", "Endpoints"): _plain(),
    ("", "Event"): _Kind(created=eventobjects.event, core=False, last=True),
    ("events.k8s.io", "Event"): _Kind(dns_subdomain, eventobjects.new_event, core=False),
    ("", "LimitRange"): _plain(created=configuration.limit_range),
    ("", "Namespace"): _plain(dns_label),
    ("", "Node"): _plain(),
    ("", "PersistentVolume"): _plain(created=storage.volume),
    ("", "PersistentVolumeClaim"): _Kind(dns_subdomain, storage.claim, changes.claim),
    ("", "Pod"): _Kind(dns_subdomain, pods.pod, changes.pod),
    ("", "PodTemplate"): _plain(created=_pod_template),
    ("", "ReplicationController"): _Kind(dns_subdomain, workloads.replication_controller, core=False),
    ("", "ResourceQuota"): _plain(created=configuration.resource_quota),
    ("", "Secret"): _Kind(dns_subdomain, configuration.secret, changes.secret),
    ("", "Service"): _Kind(dns_label, network.service, new=network.new_service, before=network.allocated),
    ("", "ServiceAccount"): _plain(),
    ("apps", "ControllerRevision"): _plain(created=configuration.controller_revision),
    ("apps", "DaemonSet"): _Kind(dns_subdomain, workloads.daemon_set, fixed=(_SELECTOR,)),
    ("apps", "Deployment"): _Kind(dns_subdomain, workloads.deployment, fixed=(_SELECTOR,)),
    ("apps", "ReplicaSet"): _Kind(dns_subdomain, workloads.replica_set, fixed=(_SELECTOR,)),
    ("apps", "StatefulSet"): _Kind(
        dns_label,
        workloads.stateful_set,
        changes.stateful_set,
        (_SELECTOR, ("spec", "serviceName"), ("spec", "podManagementPolicy")),
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): _plain(created=autoscaling.autoscaler),
    ("batch", "CronJob"): _plain(created=workloads.cron_job),
    ("batch", "Job"): _Kind(dns_subdomain, workloads.job, changes.job, (_SELECTOR, ("spec", "completionMode"))),
    ("coordination.k8s.io", "Lease"): _Kind(dns_subdomain, configuration.lease, core=False),
    ("networking.k8s.io", "Ingress"): _plain(created=network.ingress),
    ("networking.k8s.io", "IngressClass"): _Kind(dns_subdomain, network.ingress_class, fixed=(("spec", "controller"),)),
    ("networking.k8s.io", "NetworkPolicy"): _plain(created=network.network_policy),
    ("node.k8s.io", "RuntimeClass"): _Kind(
        dns_subdomain, configuration.runtime_class, changes.runtime_class, core=False
    ),
    ("policy", "PodDisruptionBudget"): _Kind(created=configuration.disruption_budget, core=False, last=True),
    ("rbac.authorization.k8s.io", "ClusterRole"): _Kind(created=access.cluster_role),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _Kind(
        created=access.cluster_role_binding, changed=changes.role_binding
    ),
    ("rbac.authorization.k8s.io", "Role"): _Kind(created=access.role),
    ("rbac.authorization.k8s.io", "RoleBinding"): _Kind(created=access.role_binding, changed=changes.role_binding),
    ("scheduling.k8s.io", "PriorityClass"): _Kind(dns_subdomain, configuration.priority_class, changes.priority_class),
    ("storage.k8s.io", "StorageClass"): _Kind(dns_subdomain, storage.storage_class, changes.storage_class),
    **{
        (group, name): _plain()
        for group, name in (
            ("discovery.k8s.io", "EndpointSlice"),
            ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
            ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
            ("networking.k8s.io", "ServiceCIDR"),
            ("resource.k8s.io", "DeviceClass"),
            ("resource.k8s.io", "ResourceClaim"),
            ("resource.k8s.io", "ResourceClaimTemplate"),
            ("resource.k8s.io", "ResourceSlice"),
            ("storage.k8s.io", "CSINode"),
            ("storage.k8s.io", "CSIStorageCapacity"),
            ("storage.k8s.io", "VolumeAttachment"),
            ("storage.k8s.io", "VolumeAttributesClass"),
            ("storagemigration.k8s.io", "StorageVersionMigration"),
        )
    },
}

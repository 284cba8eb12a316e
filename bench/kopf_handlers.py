"""The four shipped policies as kopf admission handlers, with the same params, read once.

They give the same verdicts as the policies, with shorter messages. All are coroutines, because kopf runs a plain
function in a thread, which costs more. A handler selects its resources with a function, so that each rule is one
webhook with one path, not one for each resource. A subresource needs its own handler, and so its own webhook.

The mutating handler checks the labels in its code. kopf could leave that to the API server (`labels=`), as Gatewright's
webhook configuration does; but then the API server would send neither of them any of the recorded mutating reviews.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import kopf
import yaml

POLICIES = Path(__file__).parents[1] / "policies"
WRITES: Final[list[Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]]] = ["CREATE", "UPDATE"]
WORKLOADS = {
    ("", "podtemplates"),
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
}
SCALED = {("", "replicationcontrollers"), ("apps", "deployments"), ("apps", "replicasets"), ("apps", "statefulsets")}
STANDARD_FINALIZERS = {"orphan", "foregroundDeletion", "kubernetes", "customresourcecleanup.apiextensions.k8s.io"}
DOMAIN = re.compile(r"(?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[^/]+")
PORT_NAMES = {"grpc", "grpc-web", "http", "http2", "https", "mongo", "mysql", "redis", "tcp", "tls", "udp"}

Object = Mapping[str, Any]


def params(policy: str) -> dict[str, Any]:
    """The `data` of the policy's shipped ConfigMap, with each value parsed as YAML."""
    config_map = yaml.safe_load((POLICIES / policy / "params.yaml").read_text())
    return {key: yaml.safe_load(text) for key, text in config_map["data"].items()}


BOUNDS = params("replica-bounds")
FINALIZERS = params("finalizer-enforcement")
PROTOCOLS = params("protocol-whitelist")
APPLICATIONS = {name.lower() for name in PROTOCOLS["applicationProtocols"]}


def makes_pods(resource: kopf.Resource) -> bool:
    place = (resource.group, resource.plural)
    return place == ("", "pods") or place in WORKLOADS


def mounts(resource: kopf.Resource) -> bool:
    return makes_pods(resource) or (resource.group, resource.plural) == ("", "persistentvolumes")


def opens_ports(resource: kopf.Resource) -> bool:
    return makes_pods(resource) or (resource.group, resource.plural) == ("", "services")


def scales(resource: kopf.Resource) -> bool:
    return (resource.group, resource.plural) in SCALED


def is_replicated(resource: kopf.Resource) -> bool:
    return scales(resource) or (resource.group, resource.plural) == ("autoscaling", "horizontalpodautoscalers")


def is_guarded(resource: kopf.Resource) -> bool:
    """Whether the finalizer policy applies. Its binding excludes nodes and leases; kopf itself excludes events."""
    return (resource.group, resource.plural) not in {("", "nodes"), ("coordination.k8s.io", "leases")}


def deny(problems: Iterator[str] | list[str]) -> None:
    if found := list(problems):
        raise kopf.AdmissionError("; ".join(found), code=403)


def at(value: Any, *path: str) -> Any:
    for key in path:
        value = (value or {}).get(key)
    return value


def pods_of(obj: Object | None) -> tuple[Any, dict[str, Any]]:
    """What new Pods are created from (a Pod's spec, or a workload's Pod template), and the spec of these Pods."""
    if obj is None:
        return None, {}
    match obj["kind"]:
        case "Pod":
            return obj.get("spec"), obj.get("spec") or {}
        case "PodTemplate":
            template = obj.get("template")
        case "CronJob":
            template = at(obj, "spec", "jobTemplate", "spec", "template")
        case _:
            template = at(obj, "spec", "template")
    return template, at(template, "spec") or {}


@kopf.on.validate(mounts, operations=WRITES)  # type: ignore[arg-type]
async def no_host_path(body: kopf.Body, old: kopf.Body | None, namespace: str | None, **_: Any) -> None:
    if namespace == "kube-system":
        return
    if body["kind"] == "PersistentVolume":
        path = at(body, "spec", "hostPath")
        if path is not None and path != at(old, "spec", "hostPath"):
            raise kopf.AdmissionError("spec.hostPath opens the files of the node", code=403)
        return
    made, spec = pods_of(body)
    names = [volume.get("name") for volume in spec.get("volumes") or [] if volume.get("hostPath") is not None]
    if names and (old is None or made != pods_of(old)[0]):
        raise kopf.AdmissionError(f"hostPath volumes open the files of the node: {', '.join(names)}", code=403)


def is_allowed(count: int) -> bool:
    return BOUNDS["min"] <= count <= BOUNDS["max"] or (count == 0 and BOUNDS["allowZero"])


@kopf.on.validate(is_replicated, operations=WRITES)
@kopf.on.validate(scales, id="replica_bounds_scale", subresource="scale", operations=WRITES)  # type: ignore[arg-type]
async def replica_bounds(body: kopf.Body, old: kopf.Body | None, **_: Any) -> None:
    if body["kind"] == "HorizontalPodAutoscaler":
        deny(autoscaler_problems(body.get("spec") or {}, old))
        return
    given = at(body, "spec", "replicas")
    if old is not None and given == at(old, "spec", "replicas"):
        return
    if body["kind"] == "ReplicaSet" and any(
        owner["kind"] == "Deployment" and owner["apiVersion"].startswith("apps/") and owner.get("controller")
        for owner in body["metadata"].get("ownerReferences") or []
    ):
        return
    count = given if given is not None else 0 if body["kind"] == "Scale" else 1
    if not is_allowed(count):
        raise kopf.AdmissionError(f"spec.replicas is {count}; set it {BOUNDS['min']} to {BOUNDS['max']}", code=403)


def autoscaler_problems(spec: dict[str, Any], old: kopf.Body | None) -> Iterator[str]:
    lowest, highest = spec.get("minReplicas"), spec.get("maxReplicas")
    if old is not None and (lowest, highest) == (at(old, "spec", "minReplicas"), at(old, "spec", "maxReplicas")):
        return
    if not is_allowed(1 if lowest is None else lowest):
        yield f"spec.minReplicas is {lowest}"
    if highest is None or not BOUNDS["min"] <= highest <= BOUNDS["max"]:
        yield f"spec.maxReplicas is {highest}"


def finalizers_of(obj: Object | None) -> list[str]:
    return at(obj, "metadata", "finalizers") or []


def is_selected(rule: dict[str, Any], obj: Object) -> bool:
    labels = at(obj, "metadata", "labels") or {}
    return all(labels.get(key) == value for key, value in rule["labelSelector"]["matchLabels"].items())


def rules_for(resource: kopf.Resource) -> Iterator[dict[str, Any]]:
    name = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    for rule in FINALIZERS["rules"]:
        if "*" in rule["resources"] or name in rule["resources"]:
            yield rule


@kopf.on.mutate(is_guarded, operations=["CREATE"])
async def finalizer_enforcement(body: kopf.Body, patch: kopf.Patch, resource: kopf.Resource, **_: Any) -> None:
    present = finalizers_of(body)
    added = [rule["finalizer"] for rule in rules_for(resource) if is_selected(rule, body)]
    if missing := [finalizer for finalizer in dict.fromkeys(added) if finalizer not in present]:
        patch.metadata["finalizers"] = [*present, *missing]


@kopf.on.validate(is_guarded, operations=WRITES)
@kopf.on.validate(is_guarded, id="finalizers_stay_sub", subresource="*", operations=WRITES)  # type: ignore[arg-type]
async def finalizers_stay(
    body: kopf.Body,
    old: kopf.Body | None,
    resource: kopf.Resource,
    subresource: str | None,
    userinfo: Mapping[str, Any],
    **_: Any,
) -> None:
    present, before = finalizers_of(body), finalizers_of(old)
    known = {*STANDARD_FINALIZERS, *FINALIZERS["undomained"], *before}
    problems = [f"{name!r} has no domain" for name in present if name not in known and not DOMAIN.fullmatch(name)]
    for rule in rules_for(resource):
        finalizer = rule["finalizer"]
        if old is None:
            if not subresource and is_selected(rule, body) and finalizer not in present:
                problems.append(f"{finalizer} is missing")
        elif finalizer not in before:
            selected = is_selected(rule, body) and not is_selected(rule, old)
            if selected and finalizer not in present and not at(old, "metadata", "deletionTimestamp"):
                problems.append(f"{finalizer} is missing")
        elif is_selected(rule, old) or is_selected(rule, body):
            if at(old, "metadata", "deletionTimestamp") and userinfo.get("username") in rule["controllers"]:
                continue
            if finalizer not in present or not is_selected(rule, body):
                problems.append(f"{finalizer} must stay")
    deny(problems)


def is_pod(resource: kopf.Resource) -> bool:
    return (resource.group, resource.plural) == ("", "pods")


@kopf.on.validate(opens_ports, operations=WRITES)
@kopf.on.validate(is_pod, id="protocol_whitelist_ephemeral", subresource="ephemeralcontainers", operations=WRITES)  # type: ignore[arg-type]
async def protocol_whitelist(body: kopf.Body, old: kopf.Body | None, namespace: str | None, **_: Any) -> None:
    if namespace in PROTOCOLS["exemptNamespaces"]:
        return
    if body["kind"] == "Service":
        ports = at(body, "spec", "ports") or []
        if old is None or ports != (at(old, "spec", "ports") or []):
            deny(service_problems(ports))
        return
    made, spec = pods_of(body)
    was_made, old_spec = pods_of(old)
    if old is None or made != was_made:
        deny(container_problems(spec, old_spec if body["kind"] == "Pod" else {}))


def service_problems(ports: list[dict[str, Any]]) -> Iterator[str]:
    for port in ports:
        if (port.get("protocol") or "TCP") not in PROTOCOLS["portProtocols"]:
            yield f"port {port.get('port')} is {port['protocol']}"
        if declared := port.get("appProtocol"):
            if declared.lower() not in APPLICATIONS:
                yield f"port {port.get('port')} speaks {declared}"
            continue
        prefix = protocol_of(port.get("name") or "")
        if prefix is None and not PROTOCOLS["allowUndeclared"]:
            yield f"port {port.get('port')} declares no application protocol"
        elif prefix is not None and prefix not in APPLICATIONS:
            yield f"port {port.get('port')} speaks {prefix}"


def protocol_of(name: str) -> str | None:
    parts = name.lower().split("-")
    prefixes = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in PORT_NAMES or prefix in APPLICATIONS), None)


def container_problems(spec: dict[str, Any], old_spec: dict[str, Any]) -> Iterator[str]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        before = old_spec.get(field) or []
        for container in spec.get(field) or []:
            if container in before:
                continue
            for port in container.get("ports") or []:
                if (port.get("protocol") or "TCP") not in PROTOCOLS["portProtocols"]:
                    yield f"port {port.get('containerPort')} of {container.get('name')} is {port['protocol']}"

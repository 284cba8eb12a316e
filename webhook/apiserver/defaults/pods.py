"""Defaults of Pods and Pod templates: containers, probes, volumes (core/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, nothing, struct
from webhook.apiserver.defaults.defaulting import Function
from webhook.apiserver.defaults.images import pull_policy


def pod(value: dict[str, Any]) -> None:
    """Of Pods only, not of Pod templates: requests from limits, ports of the host network."""
    spec = struct(value, "spec")
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for field in ("containers", "initContainers"):
        for each in spec.get(field, ()):
            _requests_from_limits(each)
    if "enableServiceLinks" not in spec:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        for field in ("containers", "initContainers"):
            for each in spec.get(field, ()):
                for port in each.get("ports", ()):
                    if "hostPort" not in port and "containerPort" in port:
                        port["hostPort"] = port["containerPort"]


def _requests_from_limits(of: dict[str, Any]) -> None:
    resources = of.get("resources") or {}
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **resources.get("requests", {})}


def pod_spec(value: dict[str, Any]) -> None:
    account = value.get("serviceAccountName") or value.get("serviceAccount")
    if account:
        value["serviceAccountName"] = value["serviceAccount"] = account
    if "securityContext" not in value:
        value["securityContext"] = {}
    _pod_spec(value)


_pod_spec: Final = constants(
    dnsPolicy="ClusterFirst",
    restartPolicy="Always",
    terminationGracePeriodSeconds=30,
    schedulerName="default-scheduler",
)


def pod_status(value: dict[str, Any]) -> None:
    """podIP and podIPs say the same; where they differ, podIP is right."""
    address, addresses = value.get("podIP"), value.get("podIPs")
    if not address and addresses:
        if first := addresses[0].get("ip"):
            value["podIP"] = first
    elif address and (not addresses or addresses[0].get("ip") != address):
        value["podIPs"] = [{"ip": address}]


def container(value: dict[str, Any]) -> None:
    if "imagePullPolicy" not in value:
        value["imagePullPolicy"] = pull_policy(value.get("image", ""))
    _container(value)


_container: Final = constants(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")


def volume(value: dict[str, Any]) -> None:
    """A volume of no kind is an emptyDir."""
    if not any(field != "name" for field in value):
        value["emptyDir"] = {}
    image = value.get("image")
    if image is not None and "pullPolicy" not in image:
        image["pullPolicy"] = pull_policy(image.get("reference", ""))


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.ConfigMapVolumeSource": constants(defaultMode=0o644),
    "v1.Container": container,
    "v1.DownwardAPIVolumeSource": constants(defaultMode=0o644),
    "v1.EphemeralContainer": container,
    "v1.HTTPGetAction": constants(path="/", scheme="HTTP"),
    "v1.HostPathVolumeSource": constants(type=""),
    "v1.ObjectFieldSelector": constants(apiVersion="v1"),
    "v1.Pod": pod,
    "v1.PodLogOptions": nothing,  # its default is behind the gate PodLogsQuerySplitStreams
    "v1.PodSpec": pod_spec,
    "v1.PodStatus": pod_status,
    "v1.Probe": constants(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3),
    "v1.ProjectedVolumeSource": constants(defaultMode=0o644),
    "v1.SecretVolumeSource": constants(defaultMode=0o644),
    "v1.ServiceAccountTokenProjection": constants(expirationSeconds=3600),
    "v1.Volume": volume,
}

"""Defaults of Pods and Pod templates: containers, probes, volumes (core/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, nothing, same_addresses, struct
from webhook.apiserver.defaults.defaulting import Function, Until
from webhook.apiserver.defaults.images import pull_policy
from webhook.apiserver.podresources import with_default_pod_resources


def pod(value: dict[str, Any]) -> None:
    """Of Pods only, not of Pod templates: requests from limits, ports of the host network."""
    pod_until_1_33(value)
    spec = value["spec"]
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        spec["terminationGracePeriodSeconds"] = 1


def pod_until_1_36(value: dict[str, Any]) -> None:
    """Since 1.34 with the resources of the whole Pod; later ones set these when the Pod is created."""
    pod_until_1_33(value)
    value["spec"] = with_default_pod_resources(value["spec"])


def pod_until_1_33(value: dict[str, Any]) -> None:
    spec = struct(value, "spec")
    for field in ("containers", "initContainers"):
        for each in spec.get(field, ()):
            _requests_from_limits(each)
    if "enableServiceLinks" not in spec:
        spec["enableServiceLinks"] = True
    if spec.get("hostNetwork"):
        _host_ports(spec)


def _host_ports(spec: dict[str, Any]) -> None:
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


def pod_spec_until_1_27(value: dict[str, Any]) -> None:
    """Pod templates had ports of the host network, too."""
    pod_spec(value)
    if value.get("hostNetwork"):
        _host_ports(value)


_pod_spec: Final = constants(
    dnsPolicy="ClusterFirst",
    restartPolicy="Always",
    terminationGracePeriodSeconds=30,
    schedulerName="default-scheduler",
)


def container(value: dict[str, Any]) -> None:
    if "imagePullPolicy" not in value:
        value["imagePullPolicy"] = pull_policy(value.get("image", ""))
    _container(value)


_container: Final = constants(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")


def volume_until_1_34(value: dict[str, Any]) -> None:
    """A volume of no kind is an emptyDir."""
    if not any(field != "name" for field in value):
        value["emptyDir"] = {}


def volume(value: dict[str, Any]) -> None:
    volume_until_1_34(value)
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
    "v1.PodStatus": same_addresses,
    "v1.Probe": constants(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3),
    "v1.ProjectedVolumeSource": constants(defaultMode=0o644),
    "v1.SecretVolumeSource": constants(defaultMode=0o644),
    "v1.ServiceAccountTokenProjection": constants(expirationSeconds=3600),
    "v1.Volume": volume,
}

UNTIL: Final[Until] = {
    "v1.Pod": (((1, 33), pod_until_1_33), ((1, 36), pod_until_1_36)),
    "v1.PodSpec": (((1, 27), pod_spec_until_1_27),),
    "v1.Volume": (((1, 34), volume_until_1_34),),
}

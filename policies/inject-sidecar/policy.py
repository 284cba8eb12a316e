"""Pods that ask for it get a sidecar: a container and its volumes from the params, started before the others.

The sidecar is an init container with `restartPolicy: Always`, which Kubernetes starts first, keeps running and ends
last. A Job ends although it still runs.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from gatewright import Request, mutate

ANNOTATIONS = {
    "kubernetes.io/description": "Pods with the label gatewright.dev/inject-sidecar get the sidecar of a ConfigMap.",
    "gatewright.dev/title": "Inject a sidecar",
    "gatewright.dev/category": "mutation",
    "gatewright.dev/severity": "low",
    "gatewright.dev/rationale": "A log shipper or proxy that every team copies into its manifests is old in most of "
    "them. One that is added at admission is the same everywhere, and is replaced by the next roll-out.",
    "gatewright.dev/remediation": "Nothing is refused. A Pod that shall not have the sidecar leaves out the label.",
}

LABEL = "gatewright.dev/inject-sidecar"

JSON = dict[str, Any]


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """The `data` of the ConfigMap: a container, and the volumes that it mounts."""

    container: JSON
    volumes: tuple[JSON, ...] = ()

    def __post_init__(self) -> None:
        for field, each in [("container", self.container), *(("volumes", volume) for volume in self.volumes)]:
            if not isinstance(each.get("name"), str):
                raise ValueError(f"{field}: expected a name")  # noqa: TRY004 - msgspec reports ValueErrors by field


@mutate(resources=["v1/pods"], operations=["CREATE"], param_kind="v1/ConfigMap", annotations=ANNOTATIONS)
def inject_sidecar(request: Request, params: Params) -> None:
    """Add the sidecar and its volumes, unless the Pod has containers and volumes of these names."""
    metadata, spec = request.object["metadata"], request.object["spec"]
    # A static Pod is what its file says: the API server refuses a change of it.
    if (metadata.get("labels") or {}).get(LABEL) != "true" or "kubernetes.io/config.mirror" in (
        metadata.get("annotations") or {}
    ):
        return
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    if params.container["name"] in {each.get("name") for each in containers}:
        return
    sidecar = {**params.container, "restartPolicy": "Always"}
    spec["initContainers"] = [sidecar, *(spec.get("initContainers") or [])]
    volumes = spec.get("volumes") or []
    names = {each.get("name") for each in volumes}
    if missing := [dict(volume) for volume in params.volumes if volume["name"] not in names]:
        spec["volumes"] = [*volumes, *missing]

"""Generated objects that meet the defaults: values that conditions ask for, and depth where defaults are set."""

from __future__ import annotations

from typing import Any

from tests.apiserver.generated import Objects, kinds
from webhook.apiserver.defaults.defaulting import row_of
from webhook.apiserver.gotypes import Field, GoType, fields_of, struct_of
from webhook.versions import NEWEST, Version

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGES = (
    *("nginx", "nginx:latest", "nginx:1.27", "nginx:", "", "nginx:Latest", "Nginx", "library/nginx", "a/b/c/d:latest"),
    *("localhost/x", "localhost:5000/x", "localhost:5000/x:latest", "registry.example/x:1", "registry.example:5000/x"),
    *(f"nginx@{DIGEST}", f"nginx:latest@{DIGEST}", f"nginx:1@{DIGEST}", "nginx@sha256:0123", f"nginx@{DIGEST.upper()}"),
    *("nginx@md5:" + "0" * 32, "nginx@sha512:" + "a" * 128, "nginx@sha384:" + "a" * 96, "nginx@sha256:" + "A" * 64),
    *("0123456789abcdef" * 4, "0123456789abcdef" * 4 + ":1", "x" * 255, "x" * 248, "x" * 247, "r.io/" + "x" * 255),
    *(
        "nginx:" + "t" * 128,
        "nginx:" + "t" * 129,
        "nginx:-x",
        "nginx:_x",
        "a__b",
        "a___b",
        "a--b",
        "a..b",
        "a_.b",
        "-a",
    ),
    *("[::1]:5000/x", "[::1]/x:latest", "http://x/y", "X/y", "x/Y", "index.docker.io/x", "docker.io/x:latest", "a b"),
    *(
        "a__b.c/foo",
        "a__b.c/foo:latest",
        "ex-.io/x",
        "a.b:80a/x",
        "x/",
        "/x",
        "x//y",
        "x:1:2",
        "x@y",
        "ü/x",
        "İ/x:latest",
    ),
    *("x\n", "x:latest\n", "nginx:latest ", "\u0661/x", "x:\uff11", "localhost:\u0663/x"),
)
READ_ALIKE = (1, 33)
"""The first version that reads all names of images as the newest."""
PLAIN_IMAGES = tuple(each for each in IMAGES if len(each) < 200 and "[" not in each and each != "X/y")
RESOURCES = ("cpu", "memory", "hugepages-2Mi", "ephemeral-storage", "example.com/gpu")
VALUES: dict[str, tuple[Any, ...]] = {
    "image": IMAGES,
    "reference": IMAGES,
    "terminationGracePeriodSeconds": (-1, 0, 1, 30, -(2**63)),
    "hostNetwork": (True, True, False),
    "targetPort": (0, "", 80, "http", "0"),
    "generateName": ("", "web-"),
    "podIP": ("", "10.0.0.1", "10.0.0.2"),
    "ip": ("", "10.0.0.1", "10.0.0.2"),
    "nominalConcurrencyShares": (0, 1, 30),
    "storage": (True, False),
    "deviceClassName": ("", "gpu.example"),
    "timeAdded": ("2024-01-02T03:04:05Z",),
}
"""Values of fields of a name, wherever it stands."""

ENUMERATIONS: dict[str, tuple[str, ...]] = {
    "LimitRangeItem.type": ("Container", "Container", "Pod", "PersistentVolumeClaim", ""),
    "Subject.kind": ("User", "Group", "ServiceAccount", "Other", ""),
    "DaemonSetUpdateStrategy.type": ("RollingUpdate", "OnDelete", ""),
    "StatefulSetUpdateStrategy.type": ("RollingUpdate", "OnDelete", ""),
    "DeploymentStrategy.type": ("RollingUpdate", "Recreate", ""),
    "ExactDeviceRequest.allocationMode": ("ExactCount", "All", ""),
    "DeviceSubRequest.allocationMode": ("ExactCount", "All", ""),
    "DeviceRequest.allocationMode": ("ExactCount", "All", ""),
    "ServiceSpec.sessionAffinity": ("None", "ClientIP", "Other", ""),
    "ServiceSpec.type": ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "Other", ""),
}
"""Values of fields that conditions ask for, by the name of their type."""


_AUTOSCALER = "autoscaling.alpha.kubernetes.io/"
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_PROFILES = (
    "unconfined",
    "runtime/default",
    "localhost/",
    "localhost/a",
    "localhost/ a",
    "localhost/" + "x" * 4096,
    "",
)
ANNOTATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "Pod": {f"{_APPARMOR}{name}": _PROFILES for name in ("a", "web", "", "http")}
    | {"pod.beta.kubernetes.io/init-containers": ("[]",), "pod.alpha.kubernetes.io/init-container-statuses": ("",)},
    "Deployment": {
        "deprecated.deployment.rollback.to": ("", "0", "+007", "-3", "x", "9223372036854775808", "1_0", " 1")
    },
    "DaemonSet": {"deprecated.daemonset.template.generation": ("", "0", "5", "-0", "1.5", "ü", '"', "0" * 5000 + "1")},
    "HorizontalPodAutoscaler": {
        f"{_AUTOSCALER}{name}": ("", "{", "null", "1", "[]", "{}")
        for name in ("metrics", "current-metrics", "conditions")
    }
    | {
        f"{_AUTOSCALER}behavior": ("", "x", "null", "1", "{}"),
        f"{_AUTOSCALER}scale-up-tolerance": ("1",),
        f"{_AUTOSCALER}scale-down-tolerance": ("",),
    },
}
"""Annotations of kinds that conversion reads, or that a Pod loses when it is created."""


class Realistic(Objects):
    """Generates valid objects. Fields that lead to defaults are there more often, however deep they are."""

    def __init__(self, seed: str, target: Version = NEWEST) -> None:
        super().__init__(seed, 0, target)

    def of(self, api_version: str, kind: str) -> dict[str, Any]:
        struct = struct_of(api_version, kind, self.target)
        assert struct is not None
        made = self.struct(struct, self.random.choice((0.05, 0.2, 0.5, 0.8)), 0)
        for name, values in ANNOTATIONS.get(kind, {}).items():
            if self.random.random() < 0.3:
                metadata = made["metadata"] = made.get("metadata") or {}
                annotations = metadata["annotations"] = metadata.get("annotations") or {}
                annotations[name] = self.random.choice(values)
        return {**made, "apiVersion": api_version, "kind": kind}

    def struct(self, struct: str, density: float, depth: int) -> dict[str, Any]:
        name = struct.rpartition(".")[2]
        row = row_of(struct, self.target)
        if row is None:
            return super().struct(struct, density, depth)
        made = {}
        deep = density / (1 + depth * depth / 40)
        for field in fields_of(struct, self.target):
            asked_for = f"{name}.{field.name}" in ENUMERATIONS or field.name in VALUES
            share = max(deep, 0.5) if asked_for or field.name in row.get("into", ()) else deep
            if self.random.random() < share:
                made[field.name] = self.field(name, field, density, depth + 1)
        return made

    def field(self, name: str, field: Field, density: float, depth: int) -> Any:
        known = ENUMERATIONS.get(f"{name}.{field.name}") or VALUES.get(field.name)
        if known is IMAGES and self.target < READ_ALIKE:
            known = PLAIN_IMAGES
        fits = field.type.form in ("string", "bool", "int32", "int64", "intstr", "time")
        if known and fits and self.random.random() < 0.95:
            return self.random.choice(known)
        return self.value(field.type, density, depth, field)

    def scalar(self, form: str, depth: int) -> Any:
        made = super().scalar(form, depth)
        return [{}] if form == "schemaorarray" and made == [] else made  # Go writes null for []

    def value(self, go: GoType, density: float, depth: int, field: Field | None = None) -> Any:
        if go.form == "map" and go.of is not None and go.of.form == "quantity":
            size = self.random.choice((0, 1, 2, 3))
            keys = self.random.sample(RESOURCES, size)
            return {key: super(Realistic, self).value(go.of, density, depth + 1) for key in keys}
        return super().value(go, density, depth, field)


def realistic(seed: str, amount: int, target: Version = NEWEST) -> list[dict[str, Any]]:
    """So many objects, kind by kind."""
    made = Realistic(seed, target)
    named = list(kinds(target))
    return [made.of(*named[index % len(named)]) for index in range(amount)]

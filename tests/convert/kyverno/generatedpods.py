"""Generated rules of validate.podSecurity, and Pods that break one control of the standard each."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from tests.convert.kyverno.generated import Batch
from tests.convert.kyverno.ours import Asked

LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
VERSIONS: Final = ("v1.19", "v1.21", "v1.22", "v1.24", "v1.26", "v1.28", "v1.30", "v1.31", "v1.32", "latest")
_GOOD: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD: Final = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTEXTS: Final[list[dict[str, Any]]] = [
    {"windowsOptions": {"hostProcess": True}},
    {"seLinuxOptions": {"type": "spc_t"}},
    {"seLinuxOptions": {"type": "container_engine_t"}},
    {"seLinuxOptions": {"type": "container_t", "user": "u"}},
    {"seLinuxOptions": {"role": "r"}},
    {"appArmorProfile": {"type": "Unconfined"}},
    {"seccompProfile": {"type": "Unconfined"}},
    {"seccompProfile": {"type": "Localhost", "localhostProfile": "a"}},
    {"seccompProfile": None},
    {"runAsNonRoot": False},
    {"runAsNonRoot": None},
    {"runAsUser": 0},
    {"runAsUser": 1},
]
"""Changes of a security context that a Pod and a container can have."""
OF_CONTAINERS: Final[list[dict[str, Any]]] = [
    {"privileged": True},
    {"allowPrivilegeEscalation": True},
    {"allowPrivilegeEscalation": None},
    {"procMount": "Unmasked"},
    {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
    {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
    {"capabilities": {"drop": ["ALL"], "add": ["CHOWN", "NET_RAW"]}},
    {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN", "NET_RAW"]}},
    {"capabilities": {"drop": ["NET_RAW", "CHOWN"], "add": ["SYS_ADMIN"]}},
    {"capabilities": {"drop": ["NET_RAW"]}},
    {"capabilities": None},
]
_PROBE: Final = {"httpGet": {"port": 1, "host": "other"}}
FIELDS: Final[list[dict[str, Any]]] = [
    {"ports": [{"containerPort": 1, "hostPort": 80}]},
    {"ports": [{"containerPort": 1, "hostPort": 80}, {"containerPort": 2, "hostPort": 81}]},
    {"livenessProbe": _PROBE},
    {"lifecycle": {"preStop": {"tcpSocket": {"port": 1, "host": "other"}}}},
]
"""Changes of a container."""
OF_PODS: Final[list[dict[str, Any]]] = [
    {"hostNetwork": True},
    {"hostPID": True},
    {"hostIPC": True, "hostPID": True},
    {"volumes": [{"name": "v", "hostPath": {"path": "/etc/a"}}]},
    {"volumes": [{"name": "v", "hostPath": {"path": "/etc/a"}}, {"name": "w", "hostPath": {"path": "/"}}]},
    {"volumes": [{"name": "v", "nfs": {"server": "a", "path": "/"}}]},
    {"volumes": [{"name": "v", "image": {"reference": "a"}}]},
    {"volumes": [{"name": "v", "emptyDir": {}}]},
    {"os": {"name": "windows"}},
    {"hostUsers": False},
]
SYSCTLS: Final = (
    "kernel.msgmax", "kernel.shm_rmid_forced", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_rmem", "net.ipv4.tcp_notsent_lowat",
)  # fmt: skip
ANNOTATIONS: Final = ("unconfined", "runtime/default", "localhost/a")


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The map with the fields of another; those that are null are taken away."""
    made = {**base, **change}
    return {key: value for key, value in made.items() if value is not None}


def pod() -> dict[str, Any]:
    """The spec of a Pod that every level allows."""
    return {
        "securityContext": copy.deepcopy(_POD),
        "containers": [{"name": "a", "image": "nginx", "securityContext": copy.deepcopy(_GOOD)}],
    }


def _in_list(name: str, context: dict[str, Any], fields: dict[str, Any], image: str) -> dict[str, Any]:
    made = pod()
    one = {"name": "b", "image": image, "securityContext": _merged(_GOOD, context), **fields}
    made[name] = [*made.get(name, []), one]
    return made


def specs() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Specs of Pods with their annotations, each with one or two settings that a control is about."""
    yield pod(), {}
    for context in CONTEXTS:
        yield {**pod(), "securityContext": _merged(_POD, context)}, {}
    for name in LISTS:
        for context in (*CONTEXTS, *OF_CONTAINERS):
            yield _in_list(name, context, {}, "busybox:1"), {}
        for fields in FIELDS:
            yield _in_list(name, {}, fields, "busybox:1"), {}
    for image in ("nginx", "docker.io/nginx:1"):
        yield _in_list("containers", {"privileged": True}, {}, image), {}
        yield _in_list("containers", {"runAsNonRoot": False}, {}, image), {}
    for fields in OF_PODS:
        yield {**pod(), **fields}, {}
    for name in SYSCTLS:
        yield {**pod(), "securityContext": {**_POD, "sysctls": [{"name": name, "value": "1"}]}}, {}
    listed = [{"name": name, "value": "1"} for name in ("kernel.msgmax", "kernel.sem")]
    yield {**pod(), "securityContext": {**_POD, "sysctls": listed}}, {}
    for value in ANNOTATIONS:
        yield pod(), {"container.apparmor.security.beta.kubernetes.io/a": value}
    # what containers inherit, or say against the Pod
    for said in (False, None):
        for own in (True, False, None):
            made = _in_list("containers", {"runAsNonRoot": own}, {}, "busybox:1")
            made["securityContext"] = _merged(_POD, {"runAsNonRoot": said})
            yield made, {}
    for kind in ("Unconfined", None):
        for inner in ("RuntimeDefault", "Unconfined", None):
            profile = {"type": inner} if inner else None
            made = _in_list("containers", {"seccompProfile": profile}, {}, "busybox:1")
            made["securityContext"] = _merged(_POD, {"seccompProfile": {"type": kind} if kind else None})
            yield made, {}

    windows = {"os": {"name": "windows"}}
    yield {**windows, "securityContext": {"runAsNonRoot": True}, "containers": [{"name": "a", "image": "b"}]}, {}
    yield {**windows, "containers": [{"name": "a", "image": "b"}]}, {}
    yield {"containers": [{"name": "a", "image": "b"}]}, {}
    for context in ({"procMount": "Unmasked"}, {"runAsNonRoot": False}, {"runAsUser": 0}):
        yield {**_in_list("containers", context, {}, "busybox:1"), "hostUsers": False}, {}
    # the Pod and a container break the same control
    for context in CONTEXTS:
        made = _in_list("containers", context, {}, "busybox:1")
        yield {**made, "securityContext": _merged(_POD, context)}, {}
    # containers of two images
    for context in (*CONTEXTS, *OF_CONTAINERS):
        made = _in_list("containers", context, {}, "busybox:1")
        made["containers"][0]["securityContext"] = _merged(_GOOD, context)
        yield made, {}


def requests(kinds: tuple[str, ...] = ("Pod",)) -> list[Asked]:
    found = []
    for number, (spec, noted) in enumerate(specs()):
        for kind in kinds:
            metadata = {"name": f"o{number}", "namespace": "default"}
            template = {"metadata": {"labels": {"a": "b"}, "annotations": noted}, "spec": spec}
            if kind == "Pod":
                value = {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "annotations": noted}}
                value["spec"] = spec
            else:
                value = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata}
                value["spec"] = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
            found.append(Asked(value))
    return found


def policy(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    match = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    written = [
        {"name": f"r{index}", "match": match, "validate": {"podSecurity": each}} for index, each in enumerate(rules)
    ]
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name},
        "spec": {"validationFailureAction": "Enforce", "background": False, "rules": written},
    }


def levels() -> Iterator[Batch]:
    rules = [{"level": level, "version": version} for level in ("baseline", "restricted") for version in VERSIONS]
    rules += [{"level": "privileged"}, {"level": "privileged", "version": "v1.25"}, {"level": "baseline"}]
    yield Batch("levels", policy("levels", rules), requests())


CONTROLS: Final[dict[str, list[tuple[str, list[str]]]]] = {
    "HostProcess": [
        ("spec.securityContext.windowsOptions.hostProcess", ["true"]),
        ("*.securityContext.windowsOptions.hostProcess", ["true"]),
    ],
    "Host Namespaces": [("spec.hostNetwork", ["true"]), ("spec.hostPID", ["true"]), ("spec.hostIPC", ["false"])],
    "Privileged Containers": [("*.securityContext.privileged", ["true"])],
    "Capabilities": [
        ("*.securityContext.capabilities.add", ["SYS_ADMIN"]),
        ("*.securityContext.capabilities.add", ["CHOWN", "NET_RAW"]),
        ("*.securityContext.capabilities.add", ["SYS_*"]),
        ("*.securityContext.capabilities.drop", ["NET_RAW"]),
        ("*.securityContext.capabilities.drop", ["ALL"]),
    ],
    "HostPath Volumes": [
        ("spec.volumes[*].hostPath", ["/etc/a"]),
        ("spec.volumes[*].hostPath", ["/etc/*", "/"]),
        ("spec.volumes[*].hostPath", ["/"]),
    ],
    "Host Ports": [
        ("*.ports[*].hostPort", ["80"]),
        ("*.ports[*].hostPort", ["?1"]),
        ("*.ports[*].hostPort", ["80", "81"]),
    ],
    "Host Probes / Lifecycle Hooks": [
        ("*.livenessProbe.httpGet.host", ["other"]),
        ("*.lifecycle.preStop.tcpSocket.host", ["other"]),
    ],
    "AppArmor": [
        ("spec.securityContext.appArmorProfile.type", ["Unconfined"]),
        ("*.securityContext.appArmorProfile.type", ["Unconfined"]),
        ('metadata.annotations["container.apparmor.security.beta.kubernetes.io/*"]', ["unconfined"]),
    ],
    "SELinux": [
        ("spec.securityContext.seLinuxOptions.type", ["spc_t"]),
        ("spec.securityContext.seLinuxOptions.user", ["u"]),
        ("*.securityContext.seLinuxOptions.type", ["spc_t"]),
        ("*.securityContext.seLinuxOptions.role", ["r"]),
        ("*.securityContext.seLinuxOptions.type", ["spc*"]),
    ],
    "/proc Mount Type": [("*.securityContext.procMount", ["Unmasked"])],
    "Seccomp": [
        ("spec.securityContext.seccompProfile.type", ["Unconfined"]),
        ("*.securityContext.seccompProfile.type", ["Unconfined"]),
        ("*.securityContext.seccompProfile.type", ["?*"]),
    ],
    "Sysctls": [
        ("spec.securityContext.sysctls[*].name", ["kernel.msgmax"]),
        ("spec.securityContext.sysctls[*].name", ["kernel.s*"]),
    ],
    "Volume Types": [
        ("spec.volumes[*].hostPath", ["/etc/a"]),
        ("spec.volumes[*].hostPath", ["hostPath"]),
        ("spec.volumes[*].nfs", ["nfs"]),
        ("spec.volumes[*]", ["nfs"]),
    ],
    "Privilege Escalation": [
        ("*.securityContext.allowPrivilegeEscalation", ["true"]),
        ("*.securityContext.allowPrivilegeEscalation", ["false"]),
    ],
    "Running as Non-root": [
        ("spec.securityContext.runAsNonRoot", ["false"]),
        ("*.securityContext.runAsNonRoot", ["false"]),
    ],
    "Running as Non-root user": [
        ("spec.securityContext.runAsUser", ["0"]),
        ("*.securityContext.runAsUser", ["0"]),
    ],
}
"""A control -> restricted fields with values. `*.` is an item of a list of containers."""


def _exclude(control: str) -> Iterator[list[dict[str, Any]]]:
    """Values of `exclude` that are about a control."""
    name = {"controlName": control}
    every = {**name, "images": ["*"]}
    fields = CONTROLS[control]
    for_pods = any(field.startswith(("spec.", "metadata.")) for field, _ in fields)
    for_containers = any(field.startswith("*.") for field, _ in fields)
    if for_pods:
        yield [name]
    if for_containers:
        yield [every]
        yield [{**name, "images": ["busybox*"]}]
        yield [{**name, "images": ["nginx", "busybox:2"]}]
    if for_pods and for_containers:
        yield [name, every]
        yield [name, {**name, "images": ["busybox*"]}]
    for field, values in fields:
        if not field.startswith("*."):
            yield [{**name, "restrictedField": field, "values": values}]
            continue
        for listed in LISTS if values == fields[-1][1] else LISTS[:1]:
            of = {"restrictedField": field.replace("*", f"spec.{listed}[*]", 1), "values": values}
            yield [{**every, **of}]
            if listed == "containers":
                yield [{**name, "images": ["busybox:1"], **of}]
    own = [{**name, "restrictedField": f, "values": v} for f, v in fields if not f.startswith("*.")]
    inner = [
        {**every, "restrictedField": f.replace("*", f"spec.{listed}[*]", 1), "values": v}
        for f, v in fields
        if f.startswith("*.")
        for listed in LISTS
    ]
    if own and inner:
        yield [*own, *inner]
        yield [name, *inner]
        yield [*own, every]
    elif len(own) > 1 or len(inner) > 1:
        yield [*own, *inner]


def excludes() -> Iterator[Batch]:
    """Everything that an entry can exclude of each control."""
    for number, control in enumerate(CONTROLS):
        rules = [{"level": "restricted", "version": "latest", "exclude": each} for each in _exclude(control)]
        yield Batch(control, policy(f"exclude{number}", rules), requests())


def stricter(exclude: list[dict[str, Any]], asked: dict[str, Any]) -> str:
    """Why a rule may be stricter here for a Pod; "" if it may not."""
    controls = {each["controlName"] for each in exclude}
    if "AppArmor" in controls and asked["metadata"].get("annotations"):
        return "Kubernetes makes a field of the container of the annotation"
    context = asked["spec"].get("securityContext") or {}
    if "Seccomp" in controls and not context.get("seccompProfile"):
        return "Kyverno excuses a container that nothing excludes"
    if "Running as Non-root" in controls and not context.get("runAsNonRoot"):
        return "Kyverno excuses a container that nothing excludes"
    return ""

"""Pods with allowed and denied values in every field that a control of the Pod Security Standards restricts.

Each field is set seldom, so that many Pods violate a single control. What the API server refuses before it asks any
policy is not made: Linux' settings in a Pod for Windows, volumes with two sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

JSONObject = dict[str, Any]

LISTS = ("containers", "initContainers", "ephemeralContainers")
PREFIX = "pod-security.kubernetes.io/"
MODES = ("enforce", "audit", "warn")
LEVELS = ("privileged", "baseline", "restricted", "unknown")
VERSIONS = ("latest", *(f"v1.{minor}" for minor in range(25, 39)))
ODD_VERSIONS = ("v1.99", "v1.99999", "v1.99999999999999999999", "v1.030", "v1.30.1", "1.30", "v2.0", "")

_SYSCTLS = (
    "kernel.msgmax",
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_mem",
)
_CAPABILITIES = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "NET_RAW", "SYS_ADMIN", "ALL", "CAP_CHOWN", "chown"),
)
_VOLUMES: Sequence[JSONObject] = (
    {"configMap": {"name": "a"}},
    {"csi": {"driver": "a"}},
    {"downwardAPI": {}},
    {"emptyDir": {}},
    {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
    {"image": {"reference": "a"}},
    {"persistentVolumeClaim": {"claimName": "a"}},
    {"projected": {}},
    {"secret": {"secretName": "a"}},
    {"awsElasticBlockStore": {"volumeID": "a"}},
    {"azureDisk": {"diskName": "a", "diskURI": "a"}},
    {"azureFile": {"secretName": "a", "shareName": "a"}},
    {"cephfs": {"monitors": ["a"]}},
    {"cinder": {"volumeID": "a"}},
    {"fc": {"lun": 1}},
    {"flexVolume": {"driver": "a"}},
    {"flocker": {"datasetName": "a"}},
    {"gcePersistentDisk": {"pdName": "a"}},
    {"gitRepo": {"repository": "a"}},
    {"glusterfs": {"endpoints": "a", "path": "a"}},
    {"hostPath": {"path": "/"}},
    {"iscsi": {"targetPortal": "a", "iqn": "a", "lun": 1}},
    {"nfs": {"server": "a", "path": "/"}},
    {"photonPersistentDisk": {"pdID": "a"}},
    {"portworxVolume": {"volumeID": "a"}},
    {"quobyte": {"registry": "a", "volume": "a"}},
    {"rbd": {"monitors": ["a"], "image": "a"}},
    {"scaleIO": {"gateway": "a", "system": "a", "secretRef": {"name": "a"}}},
    {"storageos": {"volumeName": "a"}},
    {"vsphereVolume": {"volumePath": "a"}},
)
_WORKLOADS = (
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
    ("v1", "ReplicationController", "replicationcontrollers"),
    ("v1", "PodTemplate", "podtemplates"),
)


class Pods:
    """Generated objects, by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pod(self) -> JSONObject:
        """A Pod. Half of them begin with what `restricted` asks for, so that a single setting decides."""
        random = self._random
        hardened, windows = random.random() < 0.7, random.random() < 0.1
        spec: JSONObject = {}
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if not windows and self._seldom():
                spec[field] = random.choice((True, False))
        if not windows and random.random() < 0.3:
            spec["hostUsers"] = random.choice((True, False, False))
        if windows or self._seldom():
            spec["os"] = {"name": "windows" if windows else "linux"}
        if random.random() < 0.3:
            count = random.randint(1, 2)
            spec["volumes"] = [{"name": f"v{index}", **random.choice(_VOLUMES)} for index in range(count)]
        context = self._context(windows, of_pod=True)
        if hardened:
            context.setdefault("runAsNonRoot", True)
            if not windows:
                context.setdefault("seccompProfile", {"type": "RuntimeDefault"})
        if context or random.random() < 0.5:
            spec["securityContext"] = context
        for field in LISTS:
            count = random.randint(1, 2) if field == "containers" else random.choice((0, 0, 0, 1))
            if count:
                spec[field] = [self._container(f"{field[0]}{index}", windows, hardened) for index in range(count)]
        metadata: JSONObject = {"name": "asked", "namespace": "shop"}
        if random.random() < 0.1:
            key = random.choice(("container.apparmor.security.beta.kubernetes.io/c0", "example.com/c0"))
            values = ("runtime/default", "localhost/a", "localhost", "unconfined", "")
            metadata["annotations"] = {key: random.choice(values)}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def workload(self) -> tuple[JSONObject, str]:
        """A workload with a generated template, and its resource."""
        api_version, kind, resource = self._random.choice(_WORKLOADS)
        pod = self.pod()
        metadata = {key: value for key, value in pod["metadata"].items() if key == "annotations"}
        template = {"metadata": metadata, "spec": pod["spec"]}
        made: JSONObject = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "asked", "namespace": "shop"}}
        if kind == "PodTemplate":
            made["template"] = template
        elif kind == "CronJob":
            made["spec"] = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}
        elif kind == "ReplicationController" and self._seldom():
            made["spec"] = {"replicas": 1}
        else:
            made["spec"] = {"template": template}
        return made, f"{api_version}/{resource}"

    def labels(self) -> dict[str, str]:
        """The labels of a Namespace."""
        random, made = self._random, {}
        for mode in MODES:
            if random.random() < 0.6:
                made[PREFIX + mode] = random.choice(LEVELS)
            if random.random() < 0.6:
                odd = random.random() < 0.1
                made[f"{PREFIX}{mode}-version"] = random.choice(ODD_VERSIONS if odd else VERSIONS)
        return made

    def changed(self, pod: JSONObject) -> JSONObject:
        """The Pod after an update that the API server lets pass."""
        random = self._random
        made = {**pod, "metadata": {**pod["metadata"], "labels": {"a": "b"}}, "spec": dict(pod["spec"])}
        field = random.choice((*LISTS, "nothing"))
        if made["spec"].get(field):
            first, *others = made["spec"][field]
            made["spec"][field] = [{**first, "image": "another"}, *others]
        if random.random() < 0.2:
            there = made["spec"].get("ephemeralContainers", [])
            made["spec"]["ephemeralContainers"] = [
                *there,
                self._container("new", made["spec"].get("os") == {"name": "windows"}, True),
            ]
        return made

    def _seldom(self) -> bool:
        return self._random.random() < 0.05

    def _context(self, windows: bool, *, of_pod: bool = False) -> JSONObject:
        """What the security context of a Pod or a container says beside the hardening."""
        random, made = self._random, {}
        choices: list[tuple[str, Any]] = [("runAsNonRoot", (True, False))]
        if windows:
            choices.append(("windowsOptions", ({}, {"hostProcess": True}, {"hostProcess": False})))
        else:
            profiles = [{"type": name} for name in ("RuntimeDefault", "Localhost", "Unconfined", "")]
            types = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t")
            choices += [
                ("runAsUser", (0, 1, 1000)),
                ("seccompProfile", profiles),
                ("appArmorProfile", profiles),
                (
                    "seLinuxOptions",
                    ({"user": "a"}, {"role": "a"}, {"level": "s0"}, *({"type": each} for each in types)),
                ),
                ("windowsOptions", ({}, {"hostProcess": True}, {"hostProcess": False})),
            ]
            if of_pod:
                names = random.sample(_SYSCTLS, random.randint(1, 2))
                choices.append(("sysctls", ([{"name": name, "value": "1"} for name in names],)))
            else:
                choices += [
                    ("privileged", (True, False)),
                    ("allowPrivilegeEscalation", (True, False)),
                    ("procMount", ("Default", "Unmasked", "")),
                ]
        for field, values in choices:
            if random.random() < 0.08:
                made[field] = random.choice(values)
        return made

    def _container(self, name: str, windows: bool, hardened: bool) -> JSONObject:
        random = self._random
        made: JSONObject = {"name": name, "image": "app"}
        context = self._context(windows)
        if not windows:
            capabilities: JSONObject = {"drop": ["ALL"]} if hardened and not self._seldom() else {}
            if random.random() < 0.1:
                capabilities["add"] = random.sample(_CAPABILITIES, random.randint(1, 2))
            if self._seldom():
                capabilities["drop"] = random.choice((["CHOWN", "ALL"], ["all"], ["NET_RAW"]))
            if capabilities:
                context["capabilities"] = capabilities
            if hardened and not self._seldom():
                context.setdefault("allowPrivilegeEscalation", False)
        if context or random.random() < 0.3:
            made["securityContext"] = context
        if random.random() < 0.1:
            made["ports"] = [{"containerPort": 80}, {"containerPort": 81, "hostPort": random.choice((0, 81))}]
        for path in (("livenessProbe",), ("readinessProbe",), ("startupProbe",), *_LIFECYCLE):
            if random.random() < 0.03:
                value: JSONObject = {random.choice(("httpGet", "tcpSocket")): {"port": 80, **self._host()}}
                for key in reversed(path):
                    value = {key: value}
                made.update(value)
        return made

    def _host(self) -> JSONObject:
        return self._random.choice(({}, {"host": ""}, {"host": "10.0.0.1"}))


_LIFECYCLE = (("lifecycle", "postStart"), ("lifecycle", "preStop"))

"""The controls of the Pod Security Standards as Kyverno names them, and what `exclude` takes out of them.

Sources: the documentation of Kyverno, "Pod Security" and "Pod Security Exemptions"; the restricted fields are those of
the Pod Security Standards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.model import Unsupported, mapping, texts
from webhook.lazypatterns import lazily
from webhook.nearest import nearest
from webhook.paths import Path

LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_CONTAINER_FIELD: Final = lazily(r"spec\.(?P<list>initContainers|containers|ephemeralContainers)\[\*\]\.(?P<field>.+)")
_MOST: Final = 200  # entries of an exclude
_ANNOTATIONS: Final = 'metadata.annotations["container.apparmor.security.beta.kubernetes.io/*"]'

Kind = Literal["text", "bool", "int"]
_BOOLEANS: Final = {"true": True, "false": False}


class Control(Struct, frozen=True):
    """A control. variables: of the library's policies, with what violates it.

    of_pod, of_containers: its restricted fields, those of containers from `spec.containers[*].` on. kind: of their
    values. unread: fields of either whose values are compared with nothing here.
    """

    variables: tuple[str, ...]
    of_pod: tuple[str, ...] = ()
    of_containers: tuple[str, ...] = ()
    kind: Kind = "text"
    unread: tuple[str, ...] = ()

    @property
    def for_pods(self) -> bool:
        """Whether a field of the Pod itself is restricted, so that an entry without images means something."""
        return bool(self.of_pod)

    @property
    def for_containers(self) -> bool:
        return bool(self.of_containers)


_REQUIRED: Final = ("securityContext.runAsNonRoot", "securityContext.seccompProfile.type")
"""Fields of containers that must be there where the Pod has none: an exclusion of any values excuses that they miss."""


def _context(field: str) -> tuple[str, ...]:
    return (f"securityContext.{field}",)


_HANDLERS: Final = (
    "livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop",
)  # fmt: skip
_PROBED: Final = tuple(f"{each}.{action}.host" for each in _HANDLERS for action in ("httpGet", "tcpSocket"))
_SELINUX: Final = ("seLinuxOptions.type", "seLinuxOptions.user", "seLinuxOptions.role")
_VOLUMES: Final = (
    "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd", "flexVolume", "cinder",
    "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk", "portworxVolume", "scaleIO",
    "storageos", "photonPersistentDisk",
)  # fmt: skip
VOLUMES: Final = {f"spec.volumes[*].{each}": each for each in ("hostPath", *_VOLUMES)}
"""The restricted fields of Volume Types -> the type. All volumes of the type are excluded, whatever the values are."""

CONTROLS: Final = {
    "HostProcess": Control(
        ("hostProcess",),
        ("spec.securityContext.windowsOptions.hostProcess",),
        _context("windowsOptions.hostProcess"),
        "bool",
    ),
    "Host Namespaces": Control(("hostNamespaces",), ("spec.hostNetwork", "spec.hostPID", "spec.hostIPC"), kind="bool"),
    "Privileged Containers": Control(("privileged",), (), _context("privileged"), "bool"),
    "Capabilities": Control(
        ("capabilities", "undropped", "added"),
        (),
        (*_context("capabilities.add"), *_context("capabilities.drop")),
    ),
    "HostPath Volumes": Control(("hostPaths",), ("spec.volumes[*].hostPath",)),
    "Host Ports": Control(("hostPorts",), (), ("ports[*].hostPort",), "int"),
    "Host Probes / Lifecycle Hooks": Control(("probedHosts",), (), _PROBED, unread=_PROBED),
    "AppArmor": Control(
        ("appArmor", "appArmorAnnotations"),
        ("spec.securityContext.appArmorProfile.type", _ANNOTATIONS),
        _context("appArmorProfile.type"),
        unread=(_ANNOTATIONS,),
    ),
    "SELinux": Control(
        ("seLinux",),
        tuple(f"spec.securityContext.{each}" for each in _SELINUX),
        tuple(f"securityContext.{each}" for each in _SELINUX),
    ),
    "/proc Mount Type": Control(("procMounts",), (), _context("procMount")),
    "Seccomp": Control(
        ("seccomp",), ("spec.securityContext.seccompProfile.type",), _context("seccompProfile.type")
    ),
    "Sysctls": Control(("sysctls",), ("spec.securityContext.sysctls[*].name",)),
    "Volume Types": Control(
        ("volumes",), ("spec.volumes[*]", *VOLUMES), unread=("spec.volumes[*]",)
    ),
    "Privilege Escalation": Control(("escalating",), (), _context("allowPrivilegeEscalation"), "bool"),
    "Running as Non-root": Control(
        ("root",), ("spec.securityContext.runAsNonRoot",), _context("runAsNonRoot"), "bool"
    ),
    "Running as Non-root user": Control(
        ("rootUser",), ("spec.securityContext.runAsUser",), _context("runAsUser"), "int"
    ),
}  # fmt: skip
"""The name of a control -> the control."""

ALWAYS: Final = {"probedHosts": 34}
"""Variables of controls that the library asks of younger versions alone -> the minor version. Kyverno asks a control of
every version, and the version says what the control allows."""

_BASIC: Final = (
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip
ALLOWED: Final = {"capabilities": _BASIC, "added": ("NET_BIND_SERVICE",)}
"""Variables of controls -> the capabilities that these allow to be added."""

WINDOWS: Final = 25
"""The minor version from which Pods for Windows are excused from controls that are about Linux."""


class Exclusion(Struct, frozen=True):
    """An entry of `exclude`.

    images: wildcards of references; none if it is about the Pod's own fields. containers: the one of LISTS that the
    restricted field is of; "" for all. field: the restricted one, of a container from `spec.containers[*].` on; ""
    for all of the control. values: those that are allowed, with wildcards in texts; None: the field is missing.
    when: a condition in CEL.
    """

    control: str
    images: tuple[str, ...] = ()
    containers: str = ""
    field: str = ""
    values: tuple[str | bool | int | None, ...] = ()
    when: str = "true"


def exclusions(given: Sequence[Any], at: Path, differs: Callable[[Path, str], None]) -> list[Exclusion]:
    """The entries of `exclude`, or of `podSecurity` in an exception. Raises Unsupported for what Kyverno refuses too.

    differs: called with what stays as strict as it was, and its place.
    """
    if len(given) > _MOST:
        raise Unsupported(f"more than {_MOST} entries of exclude", at)
    found = [_exclusion(each, (*at, index), differs) for index, each in enumerate(given)]
    kept = [each for each in found if each is not None]
    for name in ("Running as Non-root", "Seccomp"):
        own = [each for each in kept if each.control == name]
        if any(not each.images and not each.field for each in own) and not any(each.images for each in own):
            text = f"{name} is excluded for the Pod's own field: its containers are judged, until an entry names images"
            differs(at, text)
    return kept


def _exclusion(given: Any, at: Path, differs: Callable[[Path, str], None]) -> Exclusion | None:
    entry = mapping(given, "an entry of exclude", at)
    if unknown := sorted(entry.keys() - {"controlName", "images", "restrictedField", "values"}):
        raise Unsupported(f"exclude.{str(unknown[0])[:60]}", (*at, unknown[0]))
    name = entry.get("controlName")
    control = CONTROLS.get(name) if isinstance(name, str) else None
    if not isinstance(name, str) or control is None:
        meant = nearest(str(name), CONTROLS)
        advice = f"did you mean {meant!r}?" if meant else f"expected one of {', '.join(CONTROLS)}"
        raise Unsupported(f"the control {str(name)[:60]!r}; {advice}", (*at, "controlName"))
    images = tuple(texts(entry.get("images"), "images", (*at, "images")))
    if images and not control.for_containers:
        raise Unsupported(f"images of the control {name}, which has no fields of containers", (*at, "images"))
    if not images and not control.for_pods:
        raise Unsupported(f"the control {name} without images: all its fields are those of containers", at)
    field, values = entry.get("restrictedField") or "", texts(entry.get("values"), "values", (*at, "values"))
    if bool(field) != bool(values):
        raise Unsupported("a restrictedField without values, or values without one", at)
    if not field:
        return Exclusion(name, images)
    return _narrowed(name, control, images, str(field), values, at, differs)


def _narrowed(
    name: str,
    control: Control,
    images: tuple[str, ...],
    field: str,
    values: Sequence[str],
    at: Path,
    differs: Callable[[Path, str], None],
) -> Exclusion | None:
    """The entry for some values of one field. None if it excludes nothing here, which is named."""
    place = (*at, "restrictedField")
    inner = _CONTAINER_FIELD.fullmatch(field)
    own = inner["field"] if inner else field
    if own not in (control.of_containers if inner else control.of_pod):
        raise Unsupported(f"the restricted field {field[:120]!r}: the control {name} has none of that name", place)
    if bool(inner) != bool(images):
        what = "without images" if inner else "with images"
        raise Unsupported(f"the restricted field {field} {what}", place)
    if own in control.unread:
        differs(place, f"{name} stays whole for {field}: Kyverno (1.19) excludes nothing of it")
        return None
    read = _values(values, control.kind)
    if not read:
        differs((*at, "values"), f"values of {field} that are no {control.kind} exclude nothing")
    if inner and (own in _REQUIRED or "*" in values):
        read.append(None)
    return Exclusion(name, images, inner["list"] if inner else "", own, tuple(read)) if read else None


def _values(values: Sequence[str], kind: Kind) -> list[str | bool | int | None]:
    """The values that are meant: wildcards stay in texts alone, and in numbers."""
    if kind == "bool":
        return [each for text, each in _BOOLEANS.items() if any(celtext.matches(one, text) for one in values)]
    if kind == "int":
        return [each for each in values if celtext.is_wild(each) or (each.isascii() and each.isdigit())]
    return list(values)

"""What an update must not change, where that is more than single fields (the functions Validate…Update).

The API server appends a comparison in Go's syntax to some of these texts; here they end before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.apiserver.fielderrors import INVALID, FieldError, forbidden, invalid
from webhook.apiserver.goshown import Struct
from webhook.apiserver.validation.fields import Object, Refusals, at, listed
from webhook.apiserver.validation.metadata import IMMUTABLE
from webhook.paths import Path

_POD: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CHANGEABLE: Final = ("activeDeadlineSeconds", "tolerations", "schedulingGates")
_WHILE_GATED: Final = ("nodeSelector", "affinity")


def pod(value: Object, old: Object) -> Refusals:
    """A Pod keeps all but its images, and what may be shortened or added. Its grace period is left to the server."""
    spec, before = at(value, "spec") or {}, at(old, "spec") or {}
    for name in ("containers", "initContainers"):
        if len(listed(spec, name)) != len(listed(before, name)):
            yield forbidden(("spec", name), "pod updates may not add or remove containers")
            return
    new, last = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    here = ("spec", "activeDeadlineSeconds")
    if new is None and last is not None:
        yield invalid(here, None, "must not update from a positive integer to nil value")
    elif new is not None and last is not None and last < new:
        yield invalid(here, new, "must be less than or equal to previous value")
        return
    yield from _tolerations(listed(spec, "tolerations"), listed(before, "tolerations"))
    left_out = {*_CHANGEABLE, "terminationGracePeriodSeconds", *(_WHILE_GATED if before.get("schedulingGates") else ())}
    if not same(_without_images(spec, left_out), _without_images(before, left_out)):
        yield forbidden(("spec",), _POD)


def _tolerations(tolerations: list[Any], old: list[Any]) -> Refusals:
    kept = [_without(toleration, {"tolerationSeconds"}) for toleration in tolerations]
    if any(_without(toleration, {"tolerationSeconds"}) not in kept for toleration in old):
        words = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden(("spec", "tolerations"), words)


def _without_images(spec: Object, left_out: set[str]) -> Object:
    kept = dict(_without(spec, left_out))
    for name in ("containers", "initContainers"):
        kept[name] = [_without(container, {"image"}) for container in listed(spec, name)]
    return kept


def _without(value: Object, names: set[str]) -> Object:
    return {name: item for name, item in value.items() if name not in names}


_CLAIM: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_BETA: Final = "volume.beta.kubernetes.io/storage-class"


def claim(value: Object, old: Object) -> Refusals:
    """A claim keeps its spec. Whether it is bound is not known here: the size and the attributes may change."""
    spec, before = at(value, "spec") or {}, at(old, "spec") or {}
    left_out = {"volumeAttributesClassName"}
    if not before.get("volumeName"):
        left_out.add("volumeName")
    if before.get("storageClassName") is None or _BETA in (at(old, "metadata", "annotations") or {}):
        left_out.add("storageClassName")
    if not same(_without_size(spec, left_out), _without_size(before, left_out)):
        yield forbidden(("spec",), _CLAIM)
    if spec.get("volumeMode") != before.get("volumeMode"):
        error = invalid(("spec", "volumeMode"), spec.get("volumeMode"), IMMUTABLE)
        yield FieldError(error.path, error.kind, error.body, "volumeMode")


def _without_size(spec: Object, left_out: set[str]) -> Object:
    resources = dict(spec.get("resources") or {})
    resources["requests"] = _without(resources.get("requests") or {}, {"storage"})
    return {**_without(spec, left_out), "resources": resources}


def job(value: Object, old: Object) -> Refusals:
    """A Job keeps the template of its Pods, except while it is suspended."""
    if at(old, "spec", "suspend") is True:
        return
    if not same(at(value, "spec", "template"), at(old, "spec", "template")):
        yield _immutable(("spec", "template"))


def stateful_set(value: Object, old: Object) -> Refusals:
    """A StatefulSet keeps its claims."""
    if not same(at(value, "spec", "volumeClaimTemplates"), at(old, "spec", "volumeClaimTemplates")):
        yield _immutable(("spec", "volumeClaimTemplates"))


def _immutable(path: Path) -> FieldError:
    """Without the value, which the API server shows in its internal form, however long it is."""
    return FieldError(path, INVALID, f"{INVALID}: {IMMUTABLE}")


def role_binding(value: Object, old: Object) -> Refusals:
    """A binding keeps its role."""
    reference, before = at(value, "roleRef") or {}, at(old, "roleRef") or {}
    if not same(reference, before):
        names = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
        shown = Struct({shown: reference.get(name) or "" for shown, name in names.items()})
        yield invalid(("roleRef",), shown, IMMUTABLE)


def storage_class(value: Object, old: Object) -> Refusals:
    """A StorageClass keeps all that says how volumes are made."""
    yield from _kept(value, old, ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"))


def runtime_class(value: Object, old: Object) -> Refusals:
    """A RuntimeClass keeps its handler."""
    yield from _kept(value, old, ("handler",))


def priority_class(value: Object, old: Object) -> Refusals:
    """A PriorityClass keeps its value."""
    if (value.get("value") or 0) != (old.get("value") or 0):
        yield forbidden(("value",), "may not be changed in an update.")
    policy = value.get("preemptionPolicy")
    if policy != old.get("preemptionPolicy"):
        yield invalid(("preemptionPolicy",), policy, IMMUTABLE)


def _kept(value: Object, old: Object, names: tuple[str, ...]) -> Refusals:
    """Fields of the object itself, for which the API server shows null."""
    yield from (invalid((name,), None, IMMUTABLE) for name in names if not same(value.get(name), old.get(name)))


def data(value: Object, old: Object) -> Refusals:
    """What of an immutable ConfigMap or Secret must not change."""
    if not old.get("immutable"):
        return
    words = "field is immutable when `immutable` is set"
    if not value.get("immutable"):
        yield forbidden(("immutable",), words)
    for name in ("data", "binaryData"):
        if (value.get(name) or {}) != (old.get(name) or {}):
            yield forbidden((name,), words)


def secret(value: Object, old: Object) -> Refusals:
    """A Secret keeps its type."""
    if value.get("type") != old.get("type"):
        yield invalid(("type",), value.get("type") or "", IMMUTABLE)
    yield from data(value, old)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal for the API server: an absent list or map is an empty one."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        if not isinstance(one or {}, Mapping) or not isinstance(other or {}, Mapping):
            return False
        left, right = one or {}, other or {}
        return all(same(left.get(name), right.get(name)) for name in {*left, *right})
    if isinstance(one, list) or isinstance(other, list):
        left, right = one or [], other or []
        return len(left) == len(right) and all(map(same, left, right))
    return bool(one == other)

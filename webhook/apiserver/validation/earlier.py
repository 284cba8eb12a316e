"""What earlier Kubernetes versions refuse otherwise than the newest, of what is checked here.

Rules that they do not have yet, and rules that have been loosened since. Texts are those of the newest version where
both refuse. `python -m tests.apiserver.validation.asked` asks Kubernetes' own strategies of each version.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from webhook.apiserver.fielderrors import INVALID, UNSUPPORTED, FieldError, each, forbidden, invalid, not_supported
from webhook.apiserver.validation.changes import same
from webhook.apiserver.validation.fields import Object, Refusals, at, listed
from webhook.apiserver.validation.metadata import IMMUTABLE
from webhook.apiserver.validation.names import dns_1035_label, dns_subdomain, environment_name
from webhook.paths import Path
from webhook.versions import Version


class _Since(NamedTuple):
    """A rule that versions before `version` do not have. kind: of the object; "" for all. last: the last names of the
    fields. words: what its text has."""

    version: Version
    kind: str
    last: Path
    words: str = ""


_SINCE: Final = (
    _Since((1, 27), "Pod", ("spec", "nodeName"), "until all schedulingGates"),
    _Since((1, 29), "CronJob", ("spec", "schedule"), "cannot use TZ"),
    _Since((1, 29), "", ("sysctls", "name"), "may not be specified when"),
    _Since((1, 30), "", ("projected", "path"), INVALID),
    _Since((1, 31), "ControllerRevision", ("data",), "valid JSON object"),
    _Since((1, 32), "", ("nodeSelectorTerms", "matchExpressions", "values"), "a valid label must be"),
    _Since((1, 33), "StatefulSet", ("spec", "serviceName")),
    _Since((1, 34), "HorizontalPodAutoscaler", ("spec", "scaleTargetRef", "apiVersion"), "must specify API group"),
    _Since((1, 35), "", ("initContainers", "restartPolicy"), UNSUPPORTED),
    _Since((1, 37), "Pod", ("spec", "terminationGracePeriodSeconds")),
)
_SPREAD: Final[Version] = (1, 27)
"""The first version that looks at the selectors of topologySpreadConstraints."""
_STATEFUL: Final[Version] = (1, 34)
"""The first version that looks at the Pods and claims of a StatefulSet."""
_BY_FIELD: Final[Version] = (1, 37)
"""The first version that names the field of a StatefulSet that must not change."""
_HISTORY: Final[Version] = (1, 33)
"""The first version in which the history of a StatefulSet may change its length."""
_SIDECARS: Final[Version] = (1, 28)
"""The first version in which containers may say when they are restarted: init containers, behind a gate in 1.28."""
_RESTARTED: Final[Version] = (1, 34)
"""The first version that takes it of other containers, or drops it."""
_RECREATED: Final[Version] = (1, 37)
"""The first version that knows the strategy Recreate of StatefulSets, behind a feature gate."""
_RELAXED_SERVICES: Final[Version] = (1, 36)
"""The first version in which the name of a Service may begin with a digit."""
_ALWAYS: Final = frozenset({"restartPolicy", "activeDeadlineSeconds"})
"""What it looked at before."""


def has(error: FieldError, kind: str, target: Version, old: Object | None = None) -> bool:
    """Whether a version has the rule by which the newest refuses an object of a kind. old: the one that it replaces."""
    field = tuple(step for step in error.path if isinstance(step, str))
    if kind == "StatefulSet" and target < _BY_FIELD and field[:1] == ("spec",) and IMMUTABLE in error.body:
        return False  # `changed` has other words for it
    if kind == "StatefulSet" and not _looks_at(field, target, old):
        return False
    if kind == "Service" and target < _RELAXED_SERVICES and field == ("metadata", "name") and error.kind == INVALID:
        return False  # `more` has other words for it
    if target < _SPREAD and "topologySpreadConstraints" in field and "labelSelector" in field:
        return False
    return not any(
        target < rule.version
        and rule.kind in ("", kind)
        and field[-len(rule.last) :] == rule.last
        and rule.words in error.body
        for rule in _SINCE
    )


def _looks_at(field: Path, target: Version, old: Object | None) -> bool:
    """Whether a version looks at a field of a StatefulSet."""
    if field[:3] != ("spec", "template", "spec"):
        return target >= _STATEFUL or field[:2] != ("spec", "volumeClaimTemplates")
    if target < _STATEFUL:
        return bool(_ALWAYS & {*field[3:4]})
    # Not at the Pods where the old strategy was wrong, as this one was.
    return target >= _RECREATED or at(old, "spec", "updateStrategy", "type") != "Recreate"


_FIXED: Final = ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy")
_MAY_CHANGE: Final = ("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit")


def changed(value: Object, old: Object, kind: str, target: Version) -> Refusals:
    """What a version refuses of a change of an object, in other words than the newest or besides."""
    if kind == "StatefulSet" and target < _BY_FIELD:
        spec, before = at(value, "spec") or {}, at(old, "spec") or {}
        since = target >= _HISTORY
        fixed = _FIXED if since else (*_FIXED, "revisionHistoryLimit")
        if not all(same(spec.get(name), before.get(name)) for name in fixed):
            names = ", ".join(f"'{name}'" for name in (_MAY_CHANGE if since else _MAY_CHANGE[:-1]))
            rest = "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
            yield forbidden(("spec",), f"updates to statefulset spec for fields other than {names}, {rest}")


def more(value: Object, kind: str, pods: tuple[Object, Path] | None, target: Version) -> Refusals:
    """What a version refuses of an object of a kind, and the newest does not.

    pods: the spec of its Pods, and the path of that.
    """
    if target < _RELAXED_SERVICES and kind == "Service":
        name = at(value, "metadata", "name") or ""
        yield from each(("metadata", "name"), name, dns_1035_label(name) if name else ())
    if target < (1, 37) and kind == "HorizontalPodAutoscaler" and at(value, "spec", "minReplicas") == 0:
        yield invalid(("spec", "minReplicas"), 0, "must be greater than or equal to 1")
    if target < (1, 27):
        yield from _modes(value, kind)
    if pods is None or (kind == "StatefulSet" and target < _STATEFUL):
        return
    spec, path = pods
    if _SIDECARS <= target < _RESTARTED:
        yield from _restarted(spec, path)
    if target < (1, 33):
        for place, domain in enumerate(at(spec, "dnsConfig", "searches") or []):
            text = domain.removesuffix(".")
            if "_" in text:
                yield from each((*path, "dnsConfig", "searches", place), text, dns_subdomain(text))
    if target < (1, 32):
        yield from _variables(spec, path)


def _restarted(spec: Object, path: Path) -> Refusals:
    """Containers do not say when they are restarted, but for init containers that always are."""
    for place, container in enumerate(listed(spec, "containers")):
        if container.get("restartPolicy") is not None:
            yield forbidden((*path, "containers", place, "restartPolicy"), "may not be set for non-init containers")
    for place, container in enumerate(listed(spec, "initContainers")):
        policy = container.get("restartPolicy")
        if policy is not None and policy != "Always":
            yield not_supported((*path, "initContainers", place, "restartPolicy"), policy, ("Always",))


_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce")


def _modes(value: Object, kind: str) -> Refusals:
    """Modes of access: ReadWriteOncePod is behind a feature gate that is off."""
    if kind in ("PersistentVolume", "PersistentVolumeClaim") and "ReadWriteOncePod" in (
        at(value, "spec", "accessModes") or []
    ):
        yield not_supported(("spec", "accessModes"), "ReadWriteOncePod", _MODES)


_STRICT_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*+", re.ASCII)
_STRICT: Final = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not"
    " start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is"
    " '[-._a-zA-Z][-._a-zA-Z0-9]*')"
)


def _variables(spec: Object, path: Path) -> Refusals:
    """Names of variables, and prefixes, that only later versions take."""
    for kind in ("containers", "initContainers"):
        for place, container in enumerate(listed(spec, kind)):
            for field, key in (("env", "name"), ("envFrom", "prefix")):
                for number, item in enumerate(listed(container, field)):
                    name = item.get(key) or ""
                    if name and not _STRICT_NAME.fullmatch(name) and not environment_name(name):
                        yield invalid((*path, kind, place, field, number, key), name, _STRICT)

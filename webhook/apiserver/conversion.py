"""What the API server's conversion changes: each object is converted to its internal version, and back for admission.

Internal versions have the fields of the newest versions, so that most of an object stays. The rest is here: stringData
of a Secret becomes data, annotations that hold fields of other versions are read and written again, and pointers that
are values in the internal version become zero.

Values are decoded and defaulted. They are changed in place.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from webhook.apiserver.defaults.absent import same_addresses
from webhook.apiserver.gotext import INT64, quote
from webhook.apiserver.problems import FieldProblem
from webhook.versions import NEWEST, Version

_ROLLBACK: Final = "deprecated.deployment.rollback.to"
TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
"""The annotation of a DaemonSet that holds a field of older versions."""
_METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
_CURRENT_METRICS: Final = "autoscaling.alpha.kubernetes.io/current-metrics"
_CONDITIONS: Final = "autoscaling.alpha.kubernetes.io/conditions"
_TOLERANCES: Final = (
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
)
_INIT_CONTAINERS: Final = tuple(
    f"pod.{version}.kubernetes.io/init-{of}"
    for version in ("alpha", "beta")
    for of in ("containers", "container-statuses")
)
STATUS_ANNOTATIONS: Final = frozenset((_CURRENT_METRICS, _CONDITIONS))
"""The annotations of an autoscaler that hold what newer versions have in its status."""
_CPU_UTILIZATION: Final = 80

_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)

Conversion = Callable[[dict[str, Any]], FieldProblem | None]


def convert(value: dict[str, Any], api_version: str, kind: str, target: Version = NEWEST) -> FieldProblem | None:
    """Change a decoded and defaulted object of a kind. What is wrong with it, if it cannot be converted."""
    for last, earlier in _UNTIL.get((api_version, kind), ()):
        if target <= last:
            return earlier(value)
    conversion = _CONVERSIONS.get((api_version, kind))
    return conversion(value) if conversion is not None else None


def pod_until_1_36(value: dict[str, Any]) -> None:
    """What later versions do as defaults, or when the Pod is created."""
    pod_until_1_26(value)
    spec = value.get("spec", {})
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1


def pod_until_1_26(value: dict[str, Any]) -> None:
    _drop_annotations(value, _INIT_CONTAINERS)
    if status := value.get("status"):
        same_addresses(status)


def secret(value: dict[str, Any]) -> None:
    texts = value.pop("stringData", None)
    if texts:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        value["data"] = {**value.get("data", {}), **encoded}


def node(value: dict[str, Any]) -> None:
    """podCIDR is the first of podCIDRs; where they differ, podCIDR is right."""
    spec = value.get("spec", {})
    first, ranges = spec.get("podCIDR"), spec.get("podCIDRs")
    if first and (not ranges or ranges[0] != first):
        spec["podCIDRs"] = [first]
    elif not first and ranges and ranges[0]:
        spec["podCIDR"] = ranges[0]


def deployment(value: dict[str, Any]) -> FieldProblem | None:
    rolling = value.get("spec", {}).get("strategy", {}).get("rollingUpdate")
    _set_zero(rolling, "maxUnavailable", "maxSurge")
    text = _annotations(value).get(_ROLLBACK, "")
    if not text:
        _drop_annotations(value, (_ROLLBACK,))
        return None
    number = _parsed(text)
    if number is None:
        return FieldProblem(
            ("metadata", "annotations", _ROLLBACK),
            f"failed to parse annotation[{_ROLLBACK}]={text} as int64: {_parse_error(text)}",
        )
    value["metadata"]["annotations"][_ROLLBACK] = str(number)
    return None


def daemon_set(value: dict[str, Any]) -> FieldProblem | None:
    rolling = value.get("spec", {}).get("updateStrategy", {}).get("rollingUpdate")
    _set_zero(rolling, "maxUnavailable", "maxSurge")
    text = _annotations(value).get(TEMPLATE_GENERATION)
    number = 0 if text is None else _parsed(text)
    if number is None:
        return FieldProblem(("metadata", "annotations", TEMPLATE_GENERATION), _parse_error(text or ""))
    value.setdefault("metadata", {}).setdefault("annotations", {})[TEMPLATE_GENERATION] = str(number)
    return None


def stateful_set(value: dict[str, Any]) -> None:
    spec = value.get("spec", {})
    _set_zero(spec.get("updateStrategy", {}).get("rollingUpdate"), "partition")
    for template in spec.get("volumeClaimTemplates", ()):
        template["apiVersion"], template["kind"] = "v1", "PersistentVolumeClaim"


def autoscaler_v1(value: dict[str, Any]) -> None:
    """Fields of newer versions are in annotations. The texts of those that can be read are kept as they are."""
    _drop_annotations(value, _TOLERANCES)
    autoscaler_v1_until_1_32(value)


def autoscaler_v1_until_1_32(value: dict[str, Any]) -> None:
    """Before there were tolerances."""
    metrics = _annotation(value, _METRICS, list)
    _annotation(value, _BEHAVIOR, dict)
    _annotation(value, _CONDITIONS, list)
    spec = value.setdefault("spec", {})
    if not metrics and "targetCPUUtilizationPercentage" not in spec:
        spec["targetCPUUtilizationPercentage"] = _CPU_UTILIZATION
    _current_metrics(value)


def _current_metrics(value: dict[str, Any]) -> None:
    """The annotation knows more than the status: if it can be read, the status says what it says."""
    status = value.get("status", {})
    given = _CURRENT_METRICS in _annotations(value)
    current = _annotation(value, _CURRENT_METRICS, list)
    if given and current is not None:
        status.pop("currentCPUUtilizationPercentage", None)
        for each in current:
            source = each.get("resource") if isinstance(each, dict) and each.get("type") == "Resource" else None
            used = source.get("currentAverageUtilization") if isinstance(source, dict) else None
            if isinstance(source, dict) and source.get("name") == "cpu" and isinstance(used, int):
                value.setdefault("status", {})["currentCPUUtilizationPercentage"] = used
    elif (used := status.get("currentCPUUtilizationPercentage")) is not None:
        source = {"name": "cpu", "currentAverageUtilization": used, "currentAverageValue": "0"}
        text = json.dumps([{"type": "Resource", "resource": source}], separators=(",", ":"))
        value.setdefault("metadata", {}).setdefault("annotations", {})[_CURRENT_METRICS] = text


def autoscaler_v2(value: dict[str, Any]) -> None:
    _drop_annotations(value, _TOLERANCES)
    autoscaler_v2_until_1_32(value)


def autoscaler_v2_until_1_32(value: dict[str, Any]) -> None:
    _drop_annotations(value, (_METRICS, _BEHAVIOR, _CURRENT_METRICS, _CONDITIONS))


def definition(value: dict[str, Any]) -> None:
    """A conversion webhook that says nothing is none."""
    conversion = value.get("spec", {}).get("conversion", {})
    webhook = conversion.get("webhook")
    if webhook is not None and "clientConfig" not in webhook and webhook.get("conversionReviewVersions") is None:
        del conversion["webhook"]


def slice_v1beta1(value: dict[str, Any]) -> None:
    for device in value.get("spec", {}).get("devices", ()):
        device.setdefault("basic", {})


def unchanged(_value: dict[str, Any]) -> None:
    """Of versions whose internal version has the same fields."""


_CONVERSIONS: Final[dict[tuple[str, str], Conversion | Callable[[dict[str, Any]], None]]] = {
    ("v1", "Node"): node,
    ("v1", "Secret"): secret,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): definition,
    ("apps/v1", "DaemonSet"): daemon_set,
    ("apps/v1", "Deployment"): deployment,
    ("apps/v1", "StatefulSet"): stateful_set,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): autoscaler_v2,
    ("resource.k8s.io/v1beta1", "ResourceSlice"): slice_v1beta1,
}

_UNTIL: Final[dict[tuple[str, str], tuple[tuple[Version, Conversion | Callable[[dict[str, Any]], None]], ...]]] = {
    ("autoscaling/v1", "HorizontalPodAutoscaler"): (((1, 32), autoscaler_v1_until_1_32),),
    ("autoscaling/v2", "HorizontalPodAutoscaler"): (((1, 32), autoscaler_v2_until_1_32),),
    ("resource.k8s.io/v1alpha3", "ResourceSlice"): (((1, 32), unchanged), ((1, 33), slice_v1beta1)),
    ("resource.k8s.io/v1beta1", "ResourceSlice"): (((1, 32), unchanged),),
    ("v1", "Pod"): (((1, 26), pod_until_1_26), ((1, 36), pod_until_1_36)),
}
"""The conversions of earlier versions, oldest first, each with the last version that has it."""


def _set_zero(value: dict[str, Any] | None, *fields: str) -> None:
    """Set fields that are pointers to numbers here and numbers in the internal version."""
    if value is not None:
        for field in fields:
            value.setdefault(field, 0)


def _annotations(value: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = value.get("metadata", {}).get("annotations", {})
    return found


def _drop_annotations(value: dict[str, Any], names: Iterable[str]) -> None:
    annotations = _annotations(value)
    for name in names:
        annotations.pop(name, None)
    if not annotations and "annotations" in value.get("metadata", {}):
        del value["metadata"]["annotations"]


def _annotation(value: dict[str, Any], name: str, form: type) -> Any:
    """The JSON value of an annotation, if it is of a form or null; None if not. What is empty is dropped."""
    text = _annotations(value).get(name)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = ...
    found = form() if found is None else found
    if isinstance(found, form) and found:
        return found
    _drop_annotations(value, (name,))
    return found if isinstance(found, form) else None


def _parsed(text: str) -> int | None:
    """A decimal number of 64 bits, as strconv.ParseInt reads it."""
    digits = text.lstrip("+-0")
    if not _INTEGER.fullmatch(text) or len(digits) > 19:
        return None
    number = int(digits or "0") * (-1 if text[0] == "-" else 1)
    return number if INT64[0] <= number <= INT64[1] else None


def _parse_error(text: str) -> str:
    why = "value out of range" if _INTEGER.fullmatch(text) else "invalid syntax"
    return f"strconv.ParseInt: parsing {quote(text)}: {why}"

"""Defaults of HorizontalPodAutoscalers (autoscaling/v1 and v2)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import struct
from webhook.apiserver.defaults.defaulting import Function

_UTILIZATION: Final = 80
_PERIOD: Final = 15


def autoscaler_v1(value: dict[str, Any]) -> None:
    struct(value, "spec").setdefault("minReplicas", 1)


def autoscaler_v2(value: dict[str, Any]) -> None:
    """A metric, if there is none; of a behaviour, all rules of both directions."""
    spec = struct(value, "spec")
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        up = struct(behavior, "scaleUp")
        up.setdefault("stabilizationWindowSeconds", 0)
        _rules(up, {"type": "Pods", "value": 4, "periodSeconds": _PERIOD}, _all_pods())
        _rules(struct(behavior, "scaleDown"), _all_pods())


def _all_pods() -> dict[str, Any]:
    return {"type": "Percent", "value": 100, "periodSeconds": _PERIOD}


def _rules(rules: dict[str, Any], *policies: dict[str, Any]) -> None:
    """An empty list of policies is one that is given: Go tells it from none here."""
    rules.setdefault("selectPolicy", "Max")
    given = rules.setdefault("policies", list(policies))
    if not given:
        del rules["policies"]  # it is not written


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.HorizontalPodAutoscaler": autoscaler_v1,
    "v2.HorizontalPodAutoscaler": autoscaler_v2,
}

"""Defaults of FlowSchemas and PriorityLevelConfigurations (flowcontrol.apiserver.k8s.io)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants
from webhook.apiserver.defaults.defaulting import Function, Until


def level_v1beta3(value: dict[str, Any]) -> None:
    """Shares of zero are kept where an annotation says so."""
    limited = (value.get("spec") or {}).get("limited")
    annotations = (value.get("metadata") or {}).get("annotations") or {}
    if limited is not None and _KEEPS_ZERO not in annotations:
        limited.setdefault("nominalConcurrencyShares", 30)


_KEEPS_ZERO: Final = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"
_exempt: Final = constants(nominalConcurrencyShares=0, lendablePercent=0)
_flow_schema: Final = constants(matchingPrecedence=1000)
_limited: Final = constants(nominalConcurrencyShares=30, lendablePercent=0)
_queuing: Final = constants(handSize=8, queues=64, queueLengthLimit=50)

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.ExemptPriorityLevelConfiguration": _exempt,
    "v1.FlowSchemaSpec": _flow_schema,
    "v1.LimitedPriorityLevelConfiguration": _limited,
    "v1.QueuingConfiguration": _queuing,
}

UNTIL: Final[Until] = {
    "v1beta2.ExemptPriorityLevelConfiguration": (((1, 28), _exempt),),
    "v1beta2.FlowSchemaSpec": (((1, 28), _flow_schema),),
    "v1beta2.LimitedPriorityLevelConfiguration": (
        ((1, 28), constants(assuredConcurrencyShares=30, lendablePercent=0)),
    ),
    "v1beta2.QueuingConfiguration": (((1, 28), _queuing),),
    "v1beta3.ExemptPriorityLevelConfiguration": (((1, 31), _exempt),),
    "v1beta3.FlowSchemaSpec": (((1, 31), _flow_schema),),
    "v1beta3.LimitedPriorityLevelConfiguration": (((1, 28), _limited), ((1, 31), constants(lendablePercent=0))),
    "v1beta3.PriorityLevelConfiguration": (((1, 31), level_v1beta3),),
    "v1beta3.QueuingConfiguration": (((1, 31), _queuing),),
}

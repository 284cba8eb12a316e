"""Defaults of FlowSchemas and PriorityLevelConfigurations (flowcontrol.apiserver.k8s.io/v1)."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.defaults.absent import constants
from webhook.apiserver.defaults.defaulting import Function

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.ExemptPriorityLevelConfiguration": constants(nominalConcurrencyShares=0, lendablePercent=0),
    "v1.FlowSchemaSpec": constants(matchingPrecedence=1000),
    "v1.LimitedPriorityLevelConfiguration": constants(nominalConcurrencyShares=30, lendablePercent=0),
    "v1.QueuingConfiguration": constants(handSize=8, queues=64, queueLengthLimit=50),
}

"""Defaults of PriorityClasses and groups of Pods (scheduling.k8s.io)."""

from __future__ import annotations

from typing import Final

from webhook.apiserver.defaults.absent import constants, nothing
from webhook.apiserver.defaults.defaulting import Function

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.PriorityClass": constants(preemptionPolicy="PreemptLowerPriority"),
    # Their preemptionPolicy is behind the gate PodGroupPreemptionPolicy.
    "v1alpha3.CompositePodGroup": nothing,
    "v1alpha3.PodGroup": nothing,
    "v1beta1.PodGroup": nothing,
}

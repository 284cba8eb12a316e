"""The labels by which the Pods of a workload are known: those that stay the same in all of its Pods.

The Pods have names that a controller makes up, so whoever has to name them, such as an exception, selects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from webhook.offline.podtemplates import template_of
from webhook.paths import lookup

_JOB_NAME: Final = "batch.kubernetes.io/job-name"

PASSING: Final = frozenset(
    {
        "app.kubernetes.io/version",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        _JOB_NAME,
        "controller-revision-hash",
        "controller-uid",
        "helm.sh/chart",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels that differ from one Pod of a workload to another, or from one release to the next."""

_SELECTS: Final = ("spec", "selector", "matchLabels")


def of_workload(workload: Any) -> dict[str, str]:
    """Those that a workload selects its Pods by, else those that its template gives them; none if it is no workload."""
    if not {"apiVersion", "kind"} <= _texts(workload).keys():
        return {}
    job = (workload.get("apiVersion"), workload.get("kind")) == ("batch/v1", "Job")
    if job and (name := _texts(workload.get("metadata")).get("name")):
        return {_JOB_NAME: name}
    if selected := _lasting(lookup(workload, _SELECTS)):  # of a ReplicaSet, these have the hash of its template
        return selected
    template = template_of(workload)
    return _lasting(lookup(template, ("metadata", "labels"))) if template is not None else {}


def of_pod(pod: Mapping[str, Any], workload: str) -> dict[str, str]:
    """Those of a Pod that last as long as its workload. workload: its name."""
    labels = lookup(pod, ("metadata", "labels"))
    named = {_JOB_NAME: workload} if _texts(labels).get(_JOB_NAME) == workload else {}
    return named or _lasting(labels)


def _lasting(labels: Any) -> dict[str, str]:
    return {key: value for key, value in _texts(labels).items() if key not in PASSING}


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str) and isinstance(each, str)}

"""Defaults of Jobs and CronJobs (batch/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function, Until

_INT32_MAX: Final = 2**31 - 1


def job(value: dict[str, Any]) -> None:
    spec = _job(value)
    _replacement(spec)
    spec.setdefault("manualSelector", False)


def _replacement(spec: dict[str, Any]) -> None:
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if "podFailurePolicy" not in spec else "Failed")


def job_until_1_33(value: dict[str, Any]) -> None:
    job(value)
    _conditions(value["spec"])


def job_until_1_28(value: dict[str, Any]) -> None:
    """Without podReplacementPolicy, whose gate is off, and without manualSelector."""
    _conditions(_job(value))


def _conditions(spec: dict[str, Any]) -> None:
    """A condition of a rule about failures is true. Until 1.33 of Jobs only, not of what CronJobs make."""
    for rule in (spec.get("podFailurePolicy") or {}).get("rules", ()):
        for pattern in rule.get("onPodConditions", ()):
            pattern.setdefault("status", "True")


def _job(value: dict[str, Any]) -> dict[str, Any]:
    """What all versions do. The Job's spec."""
    spec = struct(value, "spec")
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _INT32_MAX)
    _job_spec(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    metadata = value.get("metadata")
    if labels and not (metadata and metadata.get("labels")):
        # The same labels, not others of equal content: the strategy of Jobs adds to both, as in Go.
        struct(value, "metadata")["labels"] = labels
    return spec


_job_spec: Final = constants(completionMode="NonIndexed", suspend=False)


def cron_job(value: dict[str, Any]) -> None:
    _cron_job_spec(struct(value, "spec"))


_cron_job_spec: Final = constants(
    concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
)

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.CronJob": cron_job,
    "v1.Job": job,
    "v1.PodFailurePolicyOnPodConditionsPattern": constants(status="True"),
}

UNTIL: Final[Until] = {"v1.Job": (((1, 28), job_until_1_28), ((1, 33), job_until_1_33))}

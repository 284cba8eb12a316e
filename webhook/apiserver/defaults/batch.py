"""Defaults of Jobs and CronJobs (batch/v1)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function

_INT32_MAX: Final = 2**31 - 1


def job(value: dict[str, Any]) -> None:
    spec = struct(value, "spec")
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _INT32_MAX)
    spec.setdefault("podReplacementPolicy", "TerminatingOrFailed" if "podFailurePolicy" not in spec else "Failed")
    _job_spec(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    metadata = value.get("metadata")
    if labels and not (metadata and metadata.get("labels")):
        # The same labels, not others of equal content: the strategy of Jobs adds to both, as in Go.
        struct(value, "metadata")["labels"] = labels


_job_spec: Final = constants(completionMode="NonIndexed", suspend=False, manualSelector=False)


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

"""Objects that tests of conversion write in short, and what a converted policy must make of them."""

from __future__ import annotations

from typing import Any

from webhook.convert.foreigntests.expected import Expected
from webhook.convert.model import Outcome

VERSIONS = {
    **dict.fromkeys(("Deployment", "DaemonSet", "StatefulSet"), "apps/v1"),
    **dict.fromkeys(("CronJob", "Job"), "batch/v1"),
    "Ingress": "networking.k8s.io/v1",
}
CONTAINERS = [{"name": "a", "image": "b"}]


def whole(given: dict[str, Any], kind: str) -> dict[str, Any]:
    """The object with what the documents leave out. pod: the spec of the Pod that it is, or makes."""
    made = {"kind": kind, "metadata": {}, **{key: value for key, value in given.items() if key not in ("_", "pod")}}
    made["apiVersion"] = VERSIONS.get(made["kind"], "v1")
    made["metadata"] = {"name": "x", **made["metadata"]}
    if "pod" in given:
        pod = {"containers": CONTAINERS, **given["pod"]}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
        spec: dict[str, Any] = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        if made["kind"] == "Pod":
            spec = pod
        elif made["kind"] == "CronJob":
            job = {"template": {**template, "spec": {"restartPolicy": "Never", **pod}}}
            spec = {"schedule": "@daily", "jobTemplate": {"spec": job}}
        made["spec"] = {**made.get("spec", {}), **spec}
    return made


def expected(given: dict[str, Any], wanted: Any, outcome: Outcome, kind: str) -> Expected:
    said = given.get("_", {})
    one = Expected(outcome, outcome.made, str(given), outcome.document, 1, wanted, whole(given, kind))
    one.operation, one.user = said.get("op", ""), said.get("user", {})
    one.namespace_labels, one.params = said.get("nslabels", {}), said.get("params")
    if one.operation in ("UPDATE", "DELETE"):
        one.old = whole(said.get("old", given), kind)
    if one.operation == "DELETE":
        one.object = None
    return one

"""`gatewright serve` that looks things up in the control plane, policies for it, and the reviews that tell."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.controlplane import ControlPlane, tether
from tests.server.running import COMMAND, Running, announced, end, launch, wait_for

Object = dict[str, Any]

RULES = {
    "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]},
    ]
}
FAR = 30.0  # seconds within which something surely happens, on a busy machine
SOON = 2.0  # seconds within which a change in the cluster shows in the verdicts


def policy(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": RULES, **spec},
    }


def binding(name: str, **spec: Any) -> Object:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"], **spec},
    }


def config_map(name: str, namespace: str = "default", **values: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": values,
    }


def review(
    namespace: str = "default", name: str = "asked", user: str = "dora", groups: tuple[str, ...] = ("developers",)
) -> Object:
    """An AdmissionReview of a ConfigMap that is created."""
    value = config_map(name, namespace)
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1b2c",
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "name": name,
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": user, "groups": [*groups, "system:authenticated"]},
            "object": value,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    }


class Live:
    """A server and what it says to reviews."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def asked(self, query: str = "", **about: Any) -> str:
        """The message of the denial; "" if it is allowed."""
        response = self.running.post(f"/validate{query}", json.dumps(review(**about)).encode()).response
        return "" if response["allowed"] else str(response["status"]["message"])

    def becomes(self, part: str, seconds: float = SOON, **about: Any) -> str:
        """The message, once this is a part of it ("": once it is allowed)."""

        def found() -> str:
            message = self.asked(**about)
            return (message or "allowed") if (part in message if part else not message) else ""

        return str(wait_for(found, seconds))

    def metric(self, metric: str, /, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        total, known = 0.0, False
        for line in self.running.get("/metrics").body.decode().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match is None or match[1] != metric:
                continue
            if all(f'{key}="{value}"' in (match[2] or "") for key, value in labels.items()):
                total, known = total + float(match[3]), True
        assert known, f"no {metric} {labels}"
        return total

    def states(self) -> list[str]:
        """The states that the log has told, in order."""
        return [line["state"] for line in self.running.lines if line["event"] == "cluster"]

    @property
    def ready(self) -> str:
        """ "" while it is ready; else what /readyz says."""
        answer = self.running.get("/readyz")
        return "" if answer.status == 200 else answer.body.decode().strip()


@contextlib.contextmanager
def live(
    cluster: ControlPlane, policies: Path, *flags: str, token: str = "", port: int = 0, wait: bool = True
) -> Iterator[Live]:
    """A server that looks things up as whoever has the token (the administrator), through a port (the server's own)."""
    token = token or cluster.tokens["admin"]
    config = cluster.kubeconfig(f"live-{port}-{token[-8:]}", token, port)
    running = launch(
        "--policies",
        str(policies),
        "--cluster",
        "kubeconfig",
        "--kubeconfig",
        str(config),
        *flags,
        command=tether(COMMAND),
        wait=wait,
    )
    try:
        yield Live(running)
    finally:
        end(running)


def ready(server: Live) -> None:
    """Wait until a server that was not waited for serves."""
    announced(server.running, seconds=FAR)

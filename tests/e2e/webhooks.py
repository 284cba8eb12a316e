"""`gatewright serve` beside a control plane, and its registration there: manifests/ as rendered, led to loopback."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.apiserver import Client
from tests.e2e.controlplane import ControlPlane, tether
from tests.e2e.objects import pod, service
from tests.server.authorities import Authority
from tests.server.running import COMMAND, Running, end, launch, wait_for

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
POLICIES = ROOT / "policies"

KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
SEEN = 20.0  # seconds within which the API server knows of a registration
PODS = "/api/v1/namespaces/default/pods?dryRun=All"
SERVICES = "/api/v1/namespaces/default/services?dryRun=All"
KEPT: dict[str, Any] = {"labels": {"gatewright.dev/keep-finalizer": "true"}}
HTTPS = {"name": "web", "port": 443, "appProtocol": "https"}

Object = dict[str, Any]


class Gatewright:
    """The server on one port, with a certificate of its own authority; it can be started again with other policies."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority("gatewright")
        self._certificate, self._key = folder / "gatewright.crt", folder / "gatewright.key"
        for path, content in zip((self._certificate, self._key), self._authority.pair(), strict=True):
            path.write_bytes(content)
        self._running: Running | None = None
        self._policies: Path | None = None
        self._looks_up: tuple[str, ...] = ()
        self.port = 0

    @property
    def ca_bundle(self) -> str:
        return base64.b64encode(self._authority.pem).decode()

    @property
    def served_with(self) -> tuple[str, ...]:
        """The flags for its certificate."""
        return ("--tls-cert", str(self._certificate), "--tls-key", str(self._key))

    @property
    def running(self) -> Running:
        assert self._running is not None
        return self._running

    def look_up_in(self, cluster: ControlPlane, *flags: str, token: str = "") -> None:
        """From its next start on, Namespaces and params are the cluster's, read as the administrator, or as who has the
        token. flags: further ones."""
        config = cluster.kubeconfig("gatewright", token or cluster.tokens["admin"])
        self._looks_up = ("--cluster", "kubeconfig", "--kubeconfig", str(config), *flags)

    def start(self, policies: Path, *more: str, **variables: Any) -> None:
        """Serve the policies; what was served before is ended. more, variables: further flags, and its environment."""
        self.kill()
        self._policies = policies
        flags = ("--policies", str(policies), *self.served_with, "--port", str(self.port), *self._looks_up, *more)
        self._running = launch(*flags, command=tether(COMMAND), **variables)
        self._running.ca = self._authority.pem
        self.port = self._running.port

    def restart(self) -> None:
        assert self._policies is not None
        self.start(self._policies)

    def stop(self) -> None:
        """As the kubelet stops it."""
        assert self.running.stop() == 0

    def kill(self) -> None:
        if self._running is not None:
            end(self._running)

    def registrations(self, rendered: Iterable[Object]) -> list[Object]:
        """The webhook configurations among rendered manifests, with our authority, led to loopback: there is no
        Service, for nothing runs that would route it.
        """
        found = [copy.deepcopy(each) for each in rendered if each["kind"] in KINDS]
        for configuration in found:
            for webhook in configuration["webhooks"]:
                path = webhook["clientConfig"]["service"]["path"]
                url = f"https://127.0.0.1:{self.port}{path}"
                webhook["clientConfig"] = {"url": url, "caBundle": self.ca_bundle}
        return found


def rendered(cluster: ControlPlane, folder: str) -> list[Object]:
    """The objects of a folder of manifests/, such as overlays/enforcing."""
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(MANIFESTS / folder)).stdout))


def until_seen(client: Client, method: str, path: str, body: Any, status: int, seconds: float = SEEN) -> None:
    """Send a request until its answer has the status: the API server takes a moment to see what was applied."""
    until = time.monotonic() + seconds
    while (reply := client.request(method, path, body)).status != status:
        assert time.monotonic() < until, f"{status} expected, still {reply.status}: {reply.message}"
        time.sleep(0.05)


def register(cluster: ControlPlane, gatewright: Gatewright, overlay: str) -> None:
    """Apply the overlay's webhook configurations, and nothing else of ours, and wait until the server asks."""
    cluster.kubectl("delete", ",".join(KINDS), "gatewright", "--ignore-not-found")
    until_seen(cluster.client(), "POST", PODS, pod("probe", host_path=True), 201)
    cluster.apply(*gatewright.registrations(rendered(cluster, overlay)))
    client = cluster.client()
    if overlay.endswith("warn-only"):
        wait_for(lambda: client.post(PODS, pod("probe", host_path=True)).warnings, SEEN)
        return
    until_seen(client, "POST", PODS, pod("probe", host_path=True), 403)
    # What is created next must find the mutating webhook, which the server learns of by another watch.
    probe = service("probe", HTTPS, **KEPT)
    wait_for(lambda: client.post(SERVICES, probe).body["metadata"].get("finalizers"), SEEN)

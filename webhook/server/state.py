"""The state that both ports share: the loaded policies, the cluster, and whether the server is ready."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from webhook.cluster.live import LiveView
from webhook.cluster.view import ClusterView
from webhook.policy.policyset import PolicySet
from webhook.server.isolation import Isolation


class State(Struct):
    """Written by webhook.server.process and webhook.server.gathering, read by the applications of the ports."""

    policies: PolicySet
    cluster: ClusterView
    live: LiveView | None = None  # `cluster`, if this process looks objects up in a live cluster
    isolation: Isolation | None = (
        None  # how Python policies are run; None where none is, as in the plain port's process
    )
    standings: dict[str, dict[str, Any]] = field(default_factory=dict)  # what other processes say of their isolation
    development_ca: bytes | None = None  # PEM; None if the operator provided the certificate
    listening: bool = False
    waits_for: str | None = None  # another reason why the server is not ready, such as missing workers
    notice: str | None = None  # what the operator should know, though the server is ready
    stopping: bool = False

    def not_ready(self) -> str | None:
        """The reason why the server is not ready for reviews; None if it is ready."""
        if self.stopping:
            return "shutting down"
        if self.live is not None and (waiting := self.live.waits_for()) is not None:
            return waiting
        if not self.listening:
            return "starting"
        return self.waits_for

    def python_policies(self) -> dict[str, dict[str, Any]]:
        """Where each Python policy runs, its cut-offs, and until when it is set aside; see Isolation.listing."""
        return self.standings if self.isolation is None else self.isolation.listing()

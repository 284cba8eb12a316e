"""What the two ports share: the policies in force, and whether this server is ready."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.cluster.live import LiveView
from webhook.cluster.view import ClusterView
from webhook.policy.policyset import PolicySet


@dataclass(slots=True)
class State:
    """Changed only by the code that serves; a new policy tree replaces `policies` as a whole."""

    policies: PolicySet
    cluster: ClusterView
    live: LiveView | None = None  # `cluster`, where this process looks things up in a live one
    development_ca: bytes | None = None  # PEM, where the certificate was made at start
    listening: bool = False
    waits_for: str | None = None  # what else must be there first
    stopping: bool = False

    def not_ready(self) -> str | None:
        """Why no review should be sent here; None if any may."""
        if self.stopping:
            return "shutting down"
        if self.live is not None and (waiting := self.live.waits_for()) is not None:
            return waiting
        if not self.listening:
            return "starting"
        return self.waits_for

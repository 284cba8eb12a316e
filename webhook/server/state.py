"""The state that both ports share: the policies in force, and whether the server is ready."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from webhook.cluster.live import LiveView
from webhook.cluster.view import ClusterView
from webhook.documents.reader import Problem
from webhook.policy.policyset import PolicySet
from webhook.server.python.isolation import Isolation
from webhook.server.telemetry.seen import Outbox, Seen


class InForce(Struct, frozen=True):
    """What a review uses from its start to its end: a policy set, and the view in which its policies look objects up.

    A change of the policy tree replaces it as a whole. `live`: `cluster`, if it is the view of a live cluster.
    """

    policies: PolicySet
    cluster: ClusterView
    live: LiveView | None = None


class Refused(Struct, frozen=True):
    """A changed policy tree that could not be put in force. `at`: seconds since the epoch."""

    revision: str
    at: float
    problems: tuple[Problem, ...]


class State(Struct):
    """Written by process, gathering and reload of webhook.server, read by the applications of the ports."""

    in_force: InForce
    isolation: Isolation | None = None  # how Python policies run; None in a process that runs none
    standings: dict[str, dict[str, Any]] = field(default_factory=dict)  # what other processes say of their isolation
    development_ca: bytes | None = None  # PEM; None if the operator provided the certificate
    listening: bool = False
    waits_for: str | None = None  # another reason why the server is not ready, such as missing workers
    not_sent: dict[str, str] = field(default_factory=dict)  # policy -> requests that no registered webhook sends to it
    notice: str | None = None  # what the operator should know, though the server is ready
    stopping: bool = False
    refused: Refused | None = None  # what the files hold, if it is not in force
    seen: Seen | Outbox | None = None  # takes the findings of this process's reviews, for the page; None without it
    bundles: tuple[dict[str, Any], ...] = ()  # those in force

    def not_ready(self) -> str | None:
        """The reason why the server is not ready for reviews; None if it is ready."""
        if self.stopping:
            return "shutting down"
        live = self.in_force.live
        if live is not None and (waiting := live.waits_for()) is not None:
            return waiting
        if not self.listening:
            return "starting"
        return self.waits_for

    def python_policies(self) -> dict[str, dict[str, Any]]:
        return self.standings if self.isolation is None else self.isolation.listing()

    def policies_apart(self) -> str:
        """Where the processes are in which policies run apart from this one, as text for people."""
        return "" if self.isolation is None else self.isolation.shown()


def counts(policies: PolicySet) -> dict[str, int]:
    """How many policies are in force, and how many have no binding and never run, for the log."""
    return {"policies": len(policies.bound_names), "unbound": len(policies.names - policies.bound_names)}

"""Puts a policy tree in force in one process: loads it while reviews are answered, and replaces all policies at once.

Loading takes some milliseconds a policy. It runs in a thread, which shares the interpreter with the reviews. Python
hands it from one thread to another every 5 ms by default; while loading, it does so every 0.2 ms, so that a review
waits no longer than that for its turn.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from webhook.cluster.connection import ConfigurationError
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import Problem
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Tree
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.cluster.livecluster import LiveCluster
from webhook.server.state import InForce, State
from webhook.server.telemetry.metrics import Metrics
from webhook.versions import Version

_SWITCH_INTERVAL = 0.0002  # seconds


class NotInstalled(Exception):
    """A tree that could not be put in force. `lasting`: it will not be before the tree changes."""

    def __init__(self, problems: tuple[Problem, ...], *, lasting: bool) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
        self.lasting = lasting


class Candidate(Struct, frozen=True):
    """A tree that is loaded and ready to be put in force."""

    in_force: InForce
    kinds: Kinds


class Installer:
    """Loads trees, and puts them in force, in this process. One tree at a time.

    `cluster`: None if the process looks objects up in the policy tree only. `seconds`: the time for one tree.
    """

    def __init__(
        self, state: State, metrics: Metrics, version: Version, seconds: float, cluster: LiveCluster | None = None
    ) -> None:
        self._state = state
        self._metrics = metrics
        self._version = version
        self._seconds = seconds
        self._cluster = cluster
        self._loading: asyncio.Future[tuple[PolicySet, Kinds]] | None = None

    async def prepare(self, tree: Tree) -> Candidate:
        """Load a tree, and list in the cluster what its policies look up. Raises NotInstalled."""
        if self._loading is not None and not self._loading.done():
            text = "an earlier revision of the tree is still being loaded; if that does not end, restart the server"
            raise _not_now(tree, text)
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, tree))
        try:
            async with asyncio.timeout(self._seconds):
                policies, kinds = await asyncio.shield(self._loading)
        except PolicyTreeError as error:
            raise NotInstalled(tuple(error.problems), lasting=True) from None
        except TimeoutError:
            raise _not_now(tree, f"loading the tree did not end within {self._seconds:g} s") from None
        live = self._state.in_force.live
        if self._cluster is None or live is None:
            policies = policies.without_cluster()
            return Candidate(InForce(policies, ManifestsView(policies.objects, kinds)), kinds)
        try:
            view = await self._cluster.successor(live, policies, self._seconds)
        except ConfigurationError as error:
            raise _not_now(tree, str(error)) from None
        return Candidate(InForce(policies, view, view), kinds)

    def commit(self, candidate: Candidate) -> None:
        """Put a candidate in force for reviews whose evaluation begins from now on."""
        before = self._state.in_force
        self._state.in_force = candidate.in_force
        if self._state.isolation is not None:
            self._state.isolation.use(candidate.in_force.policies)
        if before.live is not None and candidate.in_force.live is not None:
            candidate.in_force.live.succeed(before.live)
        self._metrics.policies(candidate.in_force.policies, candidate.kinds)

    def abandon(self, candidate: Candidate) -> None:
        """Drop a candidate that is not put in force."""
        if candidate.in_force.live is not None:
            candidate.in_force.live.abandon()

    async def install(self, tree: Tree) -> PolicySet:
        """Load a tree and put it in force. Raises NotInstalled."""
        candidate = await self.prepare(tree)
        self.commit(candidate)
        return candidate.in_force.policies

    def _load(self, tree: Tree) -> tuple[PolicySet, Kinds]:
        with _yielding():
            policies = load_tree(tree, self._version)
            policies.prepare()
            return policies, Kinds.builtin().with_crds(policies.objects)


def _not_now(tree: Tree, text: str) -> NotInstalled:
    return NotInstalled((Problem(tree.names[0], None, None, text),), lasting=False)


@contextmanager
def _yielding() -> Iterator[None]:
    """A block in which threads wait for each other for _SWITCH_INTERVAL at most."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)

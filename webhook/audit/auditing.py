"""Evaluates the policies on each object of a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from webhook.admission.redaction import SecretsSeen
from webhook.audit.controllers import Workloads, is_history
from webhook.audit.listings import Listing, annotation, listings
from webhook.audit.planning import Planner
from webhook.audit.reading import NotListed
from webhook.audit.shards import WHOLE, Shard
from webhook.audit.sources import named
from webhook.cluster.lookups import NAMESPACES, Target
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Problem
from webhook.offline.customworkloads import NO_MORE, CustomWorkloads
from webhook.offline.verdicts import Verdict, decided, verdict_of
from webhook.policy.needed import lookups_of
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.audit.sources import Source
    from webhook.offline.requests import Identity
    from webhook.policy.policyset import PolicySet
    from webhook.policy.request import User

    View = ManifestsView


class Judged(Struct, frozen=True):
    """The verdict on one object. `workload`: the highest controller above it; None if it has none."""

    verdict: Verdict
    workload: Identity | None


class Asked(Struct, frozen=True):
    """How objects are judged. `user`: who creates them in the requests. `access`: the authorizer's declared answers.

    `custom`: the custom workloads that are known. `shard`: the part of the objects that is judged. `explain`: whether
    findings have explanations.
    """

    user: User
    access: Sequence[AccessRule] = ()
    custom: CustomWorkloads = NO_MORE
    shard: Shard = WHOLE
    explain: bool = False


class Audit:
    """The audit of one source.

    Once `verdicts` has ended, `problems` says what could not be read, `objects` how many objects were judged,
    `kinds` of which kinds (configmaps, deployments.apps), and `history` how many ReplicaSets were left out as they only
    remember a former template. `namespaces`: the Namespaces of the source, once the first verdict is there. `judged`:
    namespace ("" for none) -> how many objects were judged in it, without those that a controller owns.
    """

    def __init__(self, source: Source, policies: PolicySet, asked: Asked) -> None:
        self.source = source
        self.objects = self.history = 0
        self.kinds: set[str] = set()
        self.judged: Counter[str] = Counter()
        self.notes: list[str] = []
        self.namespaces: list[dict[str, Any]] = []
        self._policies = policies.where(lambda policy: bool(policy.bindings))
        self._asked = asked

    @property
    def problems(self) -> list[Problem]:
        return self.source.problems

    def verdicts(self) -> Iterator[Judged]:
        """The verdict on each object that has findings or excepted findings, as soon as the object is read."""
        served = self.source.served()
        if served is None:
            return
        resources = [each.resource for each in served]
        kinds = Kinds.builtin(self._policies.target).with_resources(resources).with_crds(self._policies.objects)
        policies, found = self._looked_up(kinds)
        self.namespaces = [value for value in found if value["kind"] == "Namespace"]
        # The objects of the tree are what would be applied with it; the labels of Namespaces are those of the cluster.
        applied = [value for value in policies.objects if value.get("kind") != "Namespace"]
        view = ManifestsView([*found, *applied], kinds, assume_namespaces=True, access_rules=self._asked.access)
        planner = Planner(self._asked.user, self.source.name, view, self._asked.custom, policies.target)
        wanted = listings(served, policies)
        self._note(policies, wanted)
        yield from self._swept(wanted, planner, view)

    def _swept(self, wanted: Sequence[Listing], planner: Planner, view: View) -> Iterator[Judged]:
        workloads, watched = Workloads(), SecretsSeen(view)
        for index, listing in enumerate(wanted):
            if listing.judged:
                self.kinds.add(named(listing.resource))
            try:
                for page in self.source.pages(listing.resource):
                    for value in page:
                        judged = self._judged(value, listing, planner, workloads, watched)
                        if judged is not None:
                            yield judged
            except NotListed as error:
                self._failed(named(listing.resource), error)
                rest = [named(each.resource) for each in wanted[index + 1 :] if each.judged]
                if error.unreachable and rest:
                    self._problem(f"the cluster is gone, and what follows was not read: {', '.join(rest)}")
                if error.unreachable:
                    return

    def _judged(
        self, value: dict[str, Any], listing: Listing, planner: Planner, workloads: Workloads, watched: SecretsSeen
    ) -> Judged | None:
        workload = workloads.above(value)
        workloads.add(value, listing.resource)
        if not listing.judged or not self._asked.shard.has(value["metadata"].get("namespace", "")):
            return None
        if is_history(value, listing.resource):
            self.history += 1
            return None
        self.objects += 1
        if workload is None:
            self.judged[value["metadata"].get("namespace", "")] += 1
        created = planner.created(value, listing.served, pods=listing.first and workload is None)
        explain = self._asked.explain
        decisions = decided(created, listing.created, watched, explain=explain)
        if listing.updated.policies:
            written = [planner.updated(value, listing.served)]
            decisions = chain(decisions, decided(written, listing.updated, watched, explain=explain))
        verdict = verdict_of(created[0], decisions)
        return Judged(verdict, workload) if verdict.findings or verdict.excepted else None

    def _looked_up(self, kinds: Kinds) -> tuple[PolicySet, list[dict[str, Any]]]:
        """The objects that policies look up, and the policies whose lookups could be read; the others are problems."""
        found: list[dict[str, Any]] = []
        unread: dict[Target, NotListed] = {}
        for target in sorted({*lookups_of(self._policies).targets, NAMESPACES}):
            try:
                found += self.source.looked_up(target, kinds)
            except NotListed as error:
                unread[target] = error
        if not unread:
            return self._policies, found
        without: set[tuple[str, str]] = set()
        for target, why in unread.items():
            lost = [
                policy
                for policy in self._policies.policies
                if any(
                    target.covers(each)
                    for each in lookups_of(self._policies.where(lambda it, of=policy: it is of)).targets  # type: ignore[misc]
                )
            ]
            without |= {(policy.kind, policy.name) for policy in lost}
            names = ", ".join(sorted({policy.name for policy in lost}))
            left = f"; policies that look them up judge nothing: {names}" if lost else ""
            self._problem(f"{target} cannot be listed: {why}{left}")
        return self._policies.where(lambda policy: (policy.kind, policy.name) not in without), found

    def _note(self, policies: PolicySet, wanted: Sequence[Listing]) -> None:
        never = sorted(policy.name for policy in policies.policies if annotation(policy) == "never")
        if never:
            self.notes.append(f"not audited, as they say themselves: {', '.join(never)}")
        if not any(each.judged for each in wanted) and not self.problems:
            self.notes.append(f"{self.source.name} serves no kind that a policy is about")

    def _failed(self, what: str, error: NotListed) -> None:
        self._problem(f"{what} cannot be listed: {error}")

    def _problem(self, text: str) -> None:
        problem = Problem(self.source.name, None, None, text)
        if problem not in self.source.problems:
            self.source.problems.append(problem)

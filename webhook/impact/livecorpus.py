"""The corpus of a live cluster: its objects, a page at a time. Nothing is written, and nothing is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from webhook.audit.planning import stored
from webhook.audit.reading import NotListed
from webhook.audit.sources import named
from webhook.cluster.lookups import NAMESPACES, Target
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Problem
from webhook.impact.corpus import Batch, Opened, Pair
from webhook.policy.needed import lookups_of
from webhook.policy.policyset import Policy, is_exempt
from webhook.policy.request import CREATE, GroupVersionResource, User
from webhook.schema import Kinds, Resource

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.audit.sources import Source
    from webhook.policy.matching import Match
    from webhook.policy.policyset import PolicySet

_STORED: Final = ("object",)  # where the object stands in what is taken for its document


class Live:
    """The objects of a cluster, of the kinds that the wanted policies match.

    The Pods of a workload are objects of their own here, and come of no template.

    wanted: whether the objects of a policy are listed. operation: CREATE, as if each were made anew, or UPDATE, as if
    each were written as it is.
    """

    def __init__(
        self,
        source: Source,
        wanted: Callable[[Policy[Any]], bool],
        *,
        user: User,
        operation: str = CREATE,
        access: Sequence[AccessRule] = (),
    ) -> None:
        self.name = source.name
        self.problems = source.problems
        self.notes: list[str] = []
        self.namespaces: list[dict[str, Any]] = []
        self.placed = self.numbered = False
        self._source = source
        self._wanted = wanted
        self._user = user
        self._operation = operation
        self._access = access

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """See Corpus. The objects of the trees stand for those of the cluster, as if the trees were applied to it."""
        found_served = self._source.served()
        if found_served is None:
            return Opened(old, new, iter(()))
        served = [each.resource for each in found_served]
        asked = [each for each in served if not is_exempt(GroupVersionResource(each.group, each.version, each.plural))]
        matches = [policy.match for policies in (old, new) for policy in policies.policies if self._wanted(policy)]
        listed: dict[tuple[str, str], Resource] = {}  # in one version each
        for resource in asked:
            if any(_is_matched(resource, match) for match in matches):
                listed.setdefault((resource.group, resource.plural), resource)
        kinds = Kinds.builtin(new.target).with_resources(served)
        found = self._looked_up({*lookups_of(old).targets, *lookups_of(new).targets, NAMESPACES}, kinds)
        self.namespaces = [value for value in found if value["kind"] == "Namespace"]
        was, view = (
            ManifestsView(
                [*found, *policies.objects],
                kinds.with_crds(policies.objects),
                assume_namespaces=True,
                access_rules=self._access,
            )
            for policies in (old, new)
        )
        if not listed and not self.problems:
            self.notes.append(f"{self.name} serves no kind that a policy which differs is about")
        return Opened(old, new, self._batches(list(listed.values()), was, view))

    def _batches(self, listed: Sequence[Resource], was: ManifestsView, view: ManifestsView) -> Iterator[Batch]:
        for resource in listed:
            try:
                for values in self._source.pages(resource):
                    pairs = []
                    for value in values:
                        planned = stored(value, resource, self._user, self._operation, self.name, _STORED)
                        pairs.append(Pair(planned.document, [planned], [planned]))
                    yield Batch(pairs, was, view)
            except NotListed as error:
                self._failed(resource, error)

    def _looked_up(self, targets: set[Target], kinds: Kinds) -> list[dict[str, Any]]:
        """The objects that policies look up."""
        found: list[dict[str, Any]] = []
        for target in sorted(targets):
            try:
                found += self._source.looked_up(target, kinds)
            except NotListed as error:
                resource = kinds.for_kind(target.api_version, target.kind)
                self._failed(resource or kinds.guess(target.api_version, target.kind), error)
        return found

    def _failed(self, resource: Resource, error: NotListed) -> None:
        problem = Problem(self.name, None, None, f"{named(resource)} cannot be listed: {error}")
        if problem not in self.problems:
            self.problems.append(problem)


def _is_matched(resource: Resource, match: Match) -> bool:
    """Whether a rule names the resource in this version, whatever the operation."""
    return any(
        ("*" in rule.groups or resource.group in rule.groups)
        and ("*" in rule.versions or resource.version in rule.versions)
        and any(name in ("*", resource.plural) and subresource in ("", "*") for name, subresource in rule.resources)
        for rule in match.rules
    )

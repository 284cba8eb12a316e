"""The corpus of recorded reviews (docs/recording.md): requests as a cluster sent them, and what policies looked up.

Each review is judged for itself, by the policies that its path names: a mutating webhook sees an object before all
mutations, and a validating one after them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from webhook.admission.decision import MUTATING
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Document, Problem, Text
from webhook.impact.corpus import Batch, Opened, Pair
from webhook.offline.requests import Identity, PlannedRequest
from webhook.recordings.reading import Recorded, recorded
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet

MAX_PROBLEMS: Final = 20
"""Lines of a recording that are named of those that cannot be read; the rest is counted."""

Phase = Literal["validate", "mutate"]
Only = Literal["Fail", "Ignore"] | None


class Contents(Struct, frozen=True):
    """What a recording holds. `reviews`: how many of each phase and failurePolicy. `namespaces`: those looked up, as
    they were last. `problems`: what cannot be read."""

    path: Path
    reviews: Mapping[tuple[Phase, Only], int]
    namespaces: list[dict[str, Any]]
    problems: list[Problem]

    def corpora(self) -> list[Recordings]:
        """A corpus for each phase and failurePolicy that there are reviews of."""
        phases: tuple[Phase, ...] = ("mutate", "validate")
        policies: tuple[Only, ...] = (None, "Fail", "Ignore")
        return [
            Recordings(self.path, phase, only, self.namespaces)
            for phase, only in product(phases, policies)
            if self.reviews.get((phase, only))
        ]


def contents(path: Path) -> Contents:
    """What is in a recording, a folder or a file. Raises NoRecording."""
    reviews: Counter[tuple[Phase, Only]] = Counter()
    namespaces: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    unread = 0
    for each in recorded(path):
        if isinstance(each, Problem):
            unread += 1
            if unread <= MAX_PROBLEMS:
                problems.append(each)
            continue
        reviews[each.phase, each.failure_policy] += 1
        for (what, name, *_), answer in each.answers.items():
            value = getattr(answer, "value", None)
            if what == "namespace" and isinstance(value, dict):
                namespaces[name] = value
    if unread > len(problems):
        problems.append(Problem(str(path), None, None, f"{unread - len(problems):,} more lines cannot be read"))
    return Contents(path, reviews, list(namespaces.values()), problems)


class Recordings:
    """The reviews of one phase that asked all policies (only: None), or those with one failurePolicy.

    Objects of the policy trees, such as params, stand for those that were recorded. A review for which a policy looks
    up what was not recorded cannot be judged: its view raises Unanswered.
    """

    def __init__(self, path: Path, phase: Phase, only: Only, namespaces: list[dict[str, Any]]) -> None:
        self.placed = False
        self.numbered = True
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.namespaces = namespaces
        self._path = path
        self._phase = phase
        self._only = only

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """See Corpus."""
        return Opened(self._asked(old), self._asked(new), self._batches(old, new))

    def _asked(self, policies: PolicySet) -> PolicySet:
        if self._only is not None:
            policies = policies.only(self._only)
        mutates = self._phase == "mutate"
        return policies.where(lambda policy: (policy.kind == MUTATING) == mutates)

    def _batches(self, old: PolicySet, new: PolicySet) -> Iterator[Batch]:
        trees = []
        for policies in (old, new):
            kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
            trees.append((kinds, ManifestsView(policies.objects, kinds)))
        for each in recorded(self._path):
            if isinstance(each, Problem) or (each.phase, each.failure_policy) != (self._phase, self._only):
                continue
            planned = _planned(each)
            was, view = (each.view(kinds, tree, tree_first=True) for kinds, tree in trees)
            yield Batch([Pair(planned.document, [planned], [planned])], was, view)


def _planned(recorded: Recorded) -> PlannedRequest:
    """The request of a review. Its document is the review, on the line that it has in the file."""
    request = recorded.request
    field = "object" if request.object is not None else "oldObject"
    value = request.object if request.object is not None else request.old_object or {}
    metadata = value.get("metadata") or {}
    name = request.name or metadata.get("name") or metadata.get("generateName") or ""
    is_namespace = request.resource[:3] == ("", "v1", "namespaces")
    identity = Identity(
        request.kind.api_version, request.kind.kind, "" if is_namespace else request.namespace, str(name)
    )
    held = {"request": {"object": request.object, "oldObject": request.old_object}}
    text = Text(recorded.body.decode("utf-8", "surrogatepass"), recorded.line, True, [0])
    return PlannedRequest(request, Document(held, recorded.file, recorded.file, text), identity, ("request", field))

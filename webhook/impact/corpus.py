"""The input that both trees judge: requests, and the cluster as policies see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.plugins.lookups import LOOKED_UP
from webhook.cluster.lookups import NAMESPACES_KIND, Target
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import Document, objects
from webhook.offline.lookedup import looked_up
from webhook.offline.requests import Options, Plan, PlannedRequest, Planner, by_document
from webhook.offline.unknownnamespaces import that_matter
from webhook.policy.needed import lookups_of

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.cluster.view import ClusterView
    from webhook.documents.document import Problem
    from webhook.policy.policyset import PolicySet

BATCH: Final = 256
"""Documents whose requests are in memory at once."""

_DEFINITION: Final = "CustomResourceDefinition"


class Pair(Struct, frozen=True):
    """The requests of one document under the old and under the new tree; the same list if the trees make no difference.

    The document's own comes first, then those for the Pods that its controller creates.
    """

    document: Document
    old: Sequence[PlannedRequest]
    new: Sequence[PlannedRequest]


class Batch(Struct, frozen=True):
    """Some documents, and what policies of either tree may look up."""

    pairs: Sequence[Pair]
    old: ClusterView
    new: ClusterView


class Opened(Struct, frozen=True):
    """A corpus that is ready to be judged. `old`, `new`: the policies, knowing the custom kinds of the corpus."""

    old: PolicySet
    new: PolicySet
    batches: Iterator[Batch]


class Corpus(Protocol):
    """Requests with a view of the cluster. `problems`, `notes`: complete once all batches are read.

    `placed`: whether documents are of files, so that the places of values say something; `numbered`: whether at least
    the line of a document does. `namespaces`: the Namespaces that are known once it is opened.
    """

    placed: bool
    numbered: bool
    problems: list[Problem]
    notes: list[str]
    namespaces: list[dict[str, Any]]

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """The corpus as both trees see it. apart: they may see different requests, not only different params."""


class Manifests:
    """The corpus of manifests, which are also the cluster that policies look at.

    documents: packed (Document.pack) or not. A part of them at a time is unpacked and planned, so that memory does not
    grow with the requests.
    """

    def __init__(self, documents: Sequence[Document], options: Options, access: Sequence[AccessRule] = ()) -> None:
        self.placed = self.numbered = True
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.namespaces: list[dict[str, Any]] = []
        self.assumed: set[str] = set()
        """Namespaces that are not among the documents, and whose labels verdicts depend on."""
        self._documents = documents
        self._options = options
        self._access = tuple(access)

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """See Corpus."""
        targets = [*lookups_of(old).targets, *lookups_of(new).targets]
        kinds = {NAMESPACES_KIND, *LOOKED_UP, *(target[:2] for target in targets)}
        needed = [each.unpacked() for each in self._documents if each.type is not None and _needs(each.type, kinds)]
        at_hand, _ = objects(needed, typed=self._options.as_written)
        looked_up = [each for each in at_hand if _is_looked_up(each, targets)]
        self.namespaces = [value for each in at_hand if (value := each.value)["kind"] == "Namespace"]
        new_side = _Side(self._options, new, at_hand, looked_up)
        old_side = _Side(self._options, old, at_hand, looked_up) if apart else new_side
        self.notes += dict.fromkeys([*new_side.plan.notes, *old_side.plan.notes])
        view = new_side.view(new, self._access)
        was = old_side.view(old, self._access)
        opened = Opened(old_side.plan.defaulting(old), new_side.plan.defaulting(new), iter(()))
        return replace(opened, batches=self._batches(old_side, new_side, was, view, opened))

    def _batches(
        self, old: _Side, new: _Side, was: ManifestsView, view: ManifestsView, opened: Opened
    ) -> Iterator[Batch]:
        for at in range(0, len(self._documents), BATCH):
            documents = self._documents[at : at + BATCH]
            manifests, problems = objects((each.unpacked() for each in documents), typed=self._options.as_written)
            ours = self._requests(new, manifests)
            theirs = ours if old is new else self._requests(old, manifests)
            pairs = []
            for document in manifests:
                mine, its = ours.get(id(document), []), theirs.get(id(document), [])
                if mine or its:
                    pairs.append(Pair(document, its, mine))
            self.problems += problems
            yield Batch(pairs, was, view)
            for pair in pairs:
                self.assumed |= that_matter(was.assumed, (each.request for each in pair.old), opened.old)
                self.assumed |= that_matter(view.assumed, (each.request for each in pair.new), opened.new)
            for document in documents:
                document.forget_positions()

    def _requests(self, side: _Side, manifests: Sequence[Document]) -> Mapping[int, list[PlannedRequest]]:
        """The requests by id() of their document."""
        plan = side.planner.planned(manifests)
        self.problems += [each for each in plan.problems if each not in self.problems]
        self.notes += [each for each in plan.notes if each not in self.notes]
        return {id(group[0].document): group for group in by_document(plan.requests)}


class _Side:
    """The manifests as one tree sees them.

    at_hand: the documents that others depend on; looked_up: those of them that policies look up.
    """

    def __init__(
        self, options: Options, policies: PolicySet, at_hand: Sequence[Document], looked_up: Sequence[Document]
    ) -> None:
        self.planner = Planner(options, [*policies.objects, *(each.value for each in at_hand)])
        self.plan: Plan = self.planner.planned(looked_up)

    def view(self, policies: PolicySet, access: Sequence[AccessRule]) -> ManifestsView:
        """The cluster with the objects of these policies too."""
        found = looked_up(policies.objects, self.plan.objects)
        return ManifestsView(found, self.planner.kinds, assume_namespaces=True, access_rules=access)


def _needs(type_: tuple[str, str], kinds: set[tuple[str, str]]) -> bool:
    return type_ in kinds or type_[1] == _DEFINITION


def _is_looked_up(document: Document, targets: Sequence[Target]) -> bool:
    """Whether policies may look up an object, in whatever namespace."""
    value: Any = document.value
    kind, name = (value["apiVersion"], value["kind"]), (value.get("metadata") or {}).get("name")
    return kind == NAMESPACES_KIND or any(kind == target[:2] and target.name in ("", name) for target in targets)

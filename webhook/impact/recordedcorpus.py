"""The corpus of recorded reviews: each is judged by those policies that the server would ask about it.

The reviews of one path of the URL are one corpus, as the path says which policies are asked: those that mutate or those
that validate, and of these all, or the ones with one failurePolicy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from webhook.admission.decision import MUTATING
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Document, Problem, Text
from webhook.impact.corpus import Batch, Opened, Pair
from webhook.offline.requests import Identity, PlannedRequest
from webhook.recordings.reading import NO_REVIEWS, Recorded, paths_of, recorded
from webhook.schema import Kinds

if TYPE_CHECKING:
    from webhook.policy.policyset import Policy, PolicySet

_STORED: Final = ("object",)  # where the object stands in what is taken for its document


def of_recordings(folder: Path) -> list[Recordings]:
    """The corpora of a recording. Raises NoRecording."""
    said: set[Problem] = set()
    paths = paths_of(folder)
    if not paths:
        unread = Recordings(folder, "/validate", said)
        if not any(isinstance(each, Problem) for each in recorded(folder)):  # which will be said, and is enough
            unread.problems.append(Problem(str(folder), None, None, NO_REVIEWS))
        return [unread]
    return [Recordings(folder, path, said) for path in paths]


class Recordings:
    """The recorded reviews of one path of the URL.

    What policies look up is what was recorded with the review; the objects of a tree stand for recorded ones, as if the
    tree were applied. What neither has is NotRecorded. said: problems that another corpus of the recording has named.
    """

    def __init__(self, folder: Path, path: str, said: set[Problem]) -> None:
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.namespaces: list[dict[str, Any]] = []
        self.placed = False  # the line of a recording is the whole review
        self.numbered = True
        self._folder = folder
        self._path = path
        self._said = said

    def opened(self, old: PolicySet, new: PolicySet, *, apart: bool) -> Opened:
        """See Corpus."""
        return Opened(self._asked(old), self._asked(new), self._batches(_Tree(old), _Tree(new)))

    def _asked(self, policies: PolicySet) -> PolicySet:
        _, phase, *only = self._path.split("/")

        def keep(policy: Policy[Any]) -> bool:
            right = (policy.kind == MUTATING) == (phase == "mutate")
            return right and (not only or policy.failure_policy.lower() == only[0])

        return policies.where(keep)

    def _batches(self, old: _Tree, new: _Tree) -> Iterator[Batch]:
        unread = 0
        for each in recorded(self._folder, self._path):
            if isinstance(each, Problem):
                if each not in self._said:
                    self._said.add(each)
                    self.problems.append(each)
                continue
            if each.unread is not None:
                unread += 1
                continue
            planned = [_planned(each)]
            yield Batch([Pair(planned[0].document, planned, planned)], old.view(each), new.view(each))
        if unread:
            these = "1 review is" if unread == 1 else f"{unread:,} reviews are"
            self.notes.append(
                f"{these} left out, as the server could not read the objects: every policy that may match fails on them"
            )


class _Tree:
    """The objects of a policy tree, as policies find them."""

    def __init__(self, policies: PolicySet) -> None:
        self._kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
        self._objects = ManifestsView(policies.objects, self._kinds)

    def view(self, each: Recorded) -> Any:
        return each.view(self._kinds, self._objects, tree_first=True)


def _planned(each: Recorded) -> PlannedRequest:
    """The request of a review, as it was sent. Its document is the object, on the line of the review."""
    request = each.request
    value: Any = request.object if request.object is not None else request.old_object
    held = {"object": value}
    document = Document(held, each.file, each.file, Text(orjson.dumps(held).decode(), each.line, True, [0]))
    group, version, kind = request.kind
    metadata = (value or {}).get("metadata") or {}
    name = request.name or metadata.get("name") or metadata.get("generateName") or ""
    identity = Identity(f"{group}/{version}" if group else version, kind, request.namespace, str(name))
    return PlannedRequest(request, document, identity, prefix=_STORED)

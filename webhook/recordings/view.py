"""The ClusterView of a recorded review: it gives the answers that were recorded with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.snapshot import key_of
from webhook.cluster.view import Answer, ClusterView, NotCached, Unanswered, UnknownKind
from webhook.schema import Kinds

Key = tuple[Any, ...]
"""A lookup: its kind (`namespace`, `get`, `list`, `access`) and its arguments."""


class NotRecorded(Unanswered):
    """A policy looks up what the recording has no answer to. lookup: what, for people.

    As an Unanswered it reaches the caller, whatever a policy catches.
    """

    def __init__(self, lookup: str) -> None:
        super().__init__(lookup)
        self.lookup = lookup


class RecordedView:
    """Answers what was looked up when the review was recorded; `tree` answers the rest, if it has the object.

    answers: by lookup. tree: the objects of the policy tree. tree_first: these go before recorded ones, so that changed
    params have an effect. A lookup that neither can answer raises NotRecorded: that an object is not among those at
    hand does not mean that the cluster had none.
    """

    __slots__ = ("_answers", "_tree", "_tree_first", "kinds")

    def __init__(
        self,
        answers: Mapping[Key, Answer | AccessDecision | LookupError | None],
        kinds: Kinds,
        tree: ClusterView | None = None,
        *,
        tree_first: bool = False,
    ) -> None:
        self._answers = answers
        self._tree = tree
        self._tree_first = tree_first
        self.kinds = kinds

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        return self._answer(("namespace", name), f"Namespace {name}")

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        where = f"{namespace}/{name}" if namespace else name
        return self._answer(("get", api_version, kind, name, namespace), f"{kind} {where} of {api_version}")

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        where = f" in {namespace}" if namespace else ""
        return self._answer(("list", api_version, kind, namespace), f"all {kind} of {api_version}{where}")

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        found = self._answers.get(("access", access))
        if isinstance(found, AccessDecision):
            return found
        if isinstance(found, LookupError):
            raise AccessUnknown(str(found))
        raise NotRecorded(f"an access check: {access}")

    def _answer(self, key: Key, shown: str) -> Answer:
        found = self._answers.get(key)
        own = self._of_tree(key)
        if own and self._tree_first:
            return Answer(_merged(found, own) if key[0] == "list" else own, 0.0)
        if isinstance(found, Answer):
            return found
        if isinstance(found, UnknownKind):
            raise UnknownKind(found.api_version, found.kind)
        if isinstance(found, LookupError):
            raise NotCached(str(found))
        if own and key[0] != "list":  # some objects are not all
            return Answer(own, 0.0)
        raise NotRecorded(shown)

    def _of_tree(self, key: Key) -> Any:
        what, *arguments = key
        if self._tree is None:
            return None
        try:
            return getattr(self._tree, what)(*arguments).value
        except LookupError:
            return None


def _merged(found: Any, own: list[Any]) -> list[Any]:
    """The recorded objects and those of the tree, which replace recorded ones of the same name, sorted as listed."""
    listed = found.value if isinstance(found, Answer) else []
    objects = {key_of(each): each for each in [*listed, *own]}
    return [objects[key] for key in sorted(objects)]

"""The ClusterView of a recorded review: it gives the answers that were recorded with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.view import Answer, ClusterView, NotCached, UnknownKind
from webhook.schema import Kinds

Key = tuple[Any, ...]
"""A lookup: its kind (`namespace`, `get`, `list`, `access`) and its arguments."""


class NotRecorded(BaseException):
    """A policy looks up what the recording has no answer to.

    It is a BaseException because it must reach the caller: policies absorb errors.
    """

    def __init__(self, lookup: str) -> None:
        super().__init__(lookup)
        self.lookup = lookup


class RecordedView:
    """Answers what was looked up when the review was recorded; `otherwise` answers the rest, if it has the object.

    answers: by lookup. A lookup that neither can answer raises NotRecorded: that an object is not among those at hand
    does not mean that the cluster had none.
    """

    __slots__ = ("_answers", "_otherwise", "kinds")

    def __init__(
        self,
        answers: Mapping[Key, Answer | AccessDecision | LookupError | None],
        kinds: Kinds,
        otherwise: ClusterView | None = None,
    ) -> None:
        self._answers = answers
        self._otherwise = otherwise
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
        if isinstance(found, Answer):
            return found
        if isinstance(found, UnknownKind):
            raise UnknownKind(found.api_version, found.kind)
        if isinstance(found, LookupError):
            raise NotCached(str(found))
        if self._otherwise is not None:
            other = self._elsewhere(key)
            if other is not None and other.value:
                return other
        raise NotRecorded(shown)

    def _elsewhere(self, key: Key) -> Answer | None:
        what, *arguments = key
        if self._otherwise is None or what == "list":  # some objects are not all
            return None
        try:
            return Answer(getattr(self._otherwise, what)(*arguments).value, 0.0)
        except LookupError:
            return None

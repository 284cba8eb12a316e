"""ClusterView: the protocol by which policies look up a cluster. Every answer carries its age."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from webhook.access import Access, AccessDecision
from webhook.schema import Kinds

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server sets on every Namespace; its value is the Namespace's name."""


class Answer(NamedTuple):
    """The result of a lookup. `age`: seconds since the view last knew that it was current (0.0 for manifests)."""

    value: Any
    age: float


class UnknownKind(LookupError):
    """The cluster does not serve the kind. (A served kind without objects is no error.)"""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f"unknown kind: {kind} of {api_version}")
        self.api_version = api_version
        self.kind = kind


class NotCached(LookupError):
    """A cache miss: the objects have not been listed yet, or are not among those that the view caches."""


class Unanswered(BaseException):
    """The answer needs a wait. The evaluation stops, the caller answers `question`, and evaluates again.

    It is a BaseException because it must reach that caller: CEL's `||` absorbs errors, and Python policies may catch
    Exception.
    """

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class Coming(Protocol):
    """A result that comes without asking the cluster: of a policy that runs in another process."""

    async def come(self) -> Any:
        """Wait for it."""


ClusterQuestion = Access | str
"""An access check, or the name of a request's Namespace that is not cached yet."""

Question = ClusterQuestion | Coming
"""What the cluster is asked, or what is only to be awaited."""


class ClusterView(Protocol):
    """A read-only view of a cluster's objects, as plain JSON values. Callers must not change them."""

    @property
    def kinds(self) -> Kinds:
        """The kinds that the cluster serves."""

    def namespace(self, name: str) -> Answer:
        """The Namespace of a request, by name; None if there is none. Raises NotCached."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """The object of that name; None if there is none. `namespace` is ignored for cluster-scoped kinds.

        Raises UnknownKind, NotCached.
        """

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """The objects of a kind in one namespace or (None) in all, sorted by namespace and name.

        Raises UnknownKind, NotCached.
        """

    def authorize(self, access: Access) -> AccessDecision:
        """Whether a user may do something, as a SubjectAccessReview decides. Raises AccessUnknown if that fails."""

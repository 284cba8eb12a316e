"""What a policy may look up in the cluster: the protocol, whoever answers. Every answer says how old it is."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from webhook.access import Access, AccessDecision
from webhook.schema import Kinds

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that the API server puts on every Namespace: its own name."""


class Answer(NamedTuple):
    """What was found, and how many seconds ago the view last knew it to be so (0.0 for manifests)."""

    value: Any
    age: float


class UnknownKind(LookupError):
    """The kind is not served here, which is something else than having no objects of it."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f"the kind {kind} of {api_version} is not known here")
        self.api_version = api_version
        self.kind = kind


class NotAtHand(LookupError):
    """The view cannot tell: what was asked for is not at hand yet, or is none of what it keeps at hand."""


class Unanswered(BaseException):
    """Only whoever can wait finds out: the evaluation is given up, `question` is answered, and it is run again.

    No Exception, for nothing on the way may take it for an answer: expressions absorb errors, Python policies catch
    them.
    """

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


Question = Access | str
"""What a user may do; or the name of a Namespace that a request is in, and that is not known yet."""


class ClusterView(Protocol):
    """Objects of a cluster, as plain JSON values that nobody may change."""

    @property
    def kinds(self) -> Kinds:
        """The kinds that are served."""

    def namespace(self, name: str) -> Answer:
        """The Namespace that a request is in, by name; None if it is not known. Raises NotAtHand."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """The object of that name; None if there is none. Cluster-scoped kinds have no namespace.

        Raises UnknownKind, NotAtHand.
        """

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """The objects of a kind, in one namespace or (None) in all, sorted by namespace and name.

        Raises UnknownKind, NotAtHand.
        """

    def authorize(self, access: Access) -> AccessDecision:
        """Whether a user may do something, as a SubjectAccessReview tells. Raises AccessUnknown if nobody here can."""

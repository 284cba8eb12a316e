"""What a Python policy sees of the cluster: the kinds that it declares to read, and no others.

A cluster is not asked during a review: what policies read is kept at hand, and has to be known before. A dry run, which
has everything at hand, holds policies to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.cluster.lookups import ACCESS_KIND, NAMESPACES_KIND

if TYPE_CHECKING:
    from webhook.access import Access, AccessDecision
    from webhook.cluster.view import Answer, ClusterView
    from webhook.schema import Kinds

Reads = frozenset[tuple[str, str]]
"""(apiVersion, kind) of what is declared."""

NOTHING: Final[Reads] = frozenset()


class UndeclaredLookup(LookupError):
    """A policy looks up what it does not declare; the text says what to add."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(
            f"{kind} of {api_version} is looked up and not declared: "
            f"add reads=['{api_version}/{kind}'] to the decorator"
        )


class DeclaredView:
    """The ClusterView of one policy. Every lookup of an undeclared kind raises UndeclaredLookup."""

    __slots__ = ("_cluster", "_reads")

    def __init__(self, cluster: ClusterView, reads: Reads) -> None:
        self._cluster = cluster
        self._reads = reads

    @property
    def kinds(self) -> Kinds:
        return self._cluster.kinds

    def namespace(self, name: str) -> Answer:
        """The Namespace of that name, as `get` gives it."""
        return self.get(*NAMESPACES_KIND, name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        self._check(api_version, kind)
        return self._cluster.get(api_version, kind, name, namespace)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        self._check(api_version, kind)
        return self._cluster.list(api_version, kind, namespace)

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        self._check(*ACCESS_KIND)
        return self._cluster.authorize(access)

    def _check(self, api_version: str, kind: str) -> None:
        if (api_version, kind) not in self._reads:
            raise UndeclaredLookup(api_version, kind)

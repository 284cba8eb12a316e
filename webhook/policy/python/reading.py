"""`Cluster`: lookups of a Python policy, restricted to the kinds that it declares.

A review does not wait for the cluster: objects come from a cache, so the server must know before which kinds to cache.
`gatewright check` needs no cache, but enforces the declarations too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, Protocol, TypeVar

from webhook.access import Access, AccessDecision
from webhook.cluster.lookups import ACCESS_KIND, NAMESPACES_KIND
from webhook.policy.readonly import view

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy.request import JSONObject, User

Reads = frozenset[tuple[str, str]]
"""The (apiVersion, kind) of each declared kind."""

NOTHING: Final[Reads] = frozenset()

Value_co = TypeVar("Value_co", covariant=True)


class UndeclaredLookup(LookupError):
    """A policy looks up a kind that it does not declare. The text says what to add."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(
            f"{kind} of {api_version} is looked up but not declared: "
            f"add reads=['{api_version}/{kind}'] to the decorator"
        )


class Found(NamedTuple, Generic[Value_co]):
    """The result of a lookup. It is true if an object was found.

    `value`: the object (None if there is none) or the list of objects; read-only. `age`: seconds since the cluster was
    last known to be in this state; 0.0 in `gatewright check`, `test` and `explain`.
    """

    value: Value_co
    age: float

    def __bool__(self) -> bool:
        return bool(self.value)


class Cluster(Protocol):
    """`request.cluster`: lookups of objects of the kinds in the decorator's `reads=`.

    Every method raises LookupError if the kind is not declared there, if the cluster does not serve it, or if it has
    not been listed yet.
    """

    def namespace(self, name: str) -> Found[JSONObject | None]:
        """The Namespace with this name. Needs `v1/Namespace` in `reads=`."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Found[JSONObject | None]:
        """The object with this name: get("apps/v1", "Deployment", "web", "shop").

        Leave `namespace` out for cluster-scoped kinds.
        """

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Found[Sequence[JSONObject]]:
        """The objects of a kind in one namespace, or in all (None), sorted by namespace and name."""

    def authorize(
        self,
        access: Access | str,
        /,
        *,
        group: str = "",
        resource: str = "",
        subresource: str = "",
        namespace: str = "",
        name: str = "",
        path: str = "",
        field_selector: str = "",
        label_selector: str = "",
        user: User | None = None,
    ) -> AccessDecision:
        """Whether the cluster's authorizer allows a user to do something. The result is true if it does.

        The first argument is the verb. Then give either `resource` (the plural, with its API `group`; without
        `namespace` or `name`: all of them) or `path` (`/metrics`). `user` defaults to the user who sent the request.
        For a user of whom only the name and groups are known, pass an `Access` instead of the verb. Needs
        `authorization.k8s.io/v1/SubjectAccessReview` in `reads=`.

        Raises LookupError if there is no answer, and TypeError unless exactly one of resource and path is given.
        """


class DeclaredView:
    """The Cluster of one policy. Every lookup of an undeclared kind raises UndeclaredLookup.

    `as_views`: lookups return read-only views of the ClusterView's objects; otherwise these objects themselves.
    """

    __slots__ = ("_as_views", "_cluster", "_reads", "_user")

    def __init__(self, cluster: ClusterView, reads: Reads, user: User, as_views: bool = True) -> None:
        self._as_views = as_views
        self._cluster = cluster
        self._reads = reads
        self._user = user

    def namespace(self, name: str) -> Found[JSONObject | None]:
        """See Cluster."""
        return self.get(*NAMESPACES_KIND, name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Found[JSONObject | None]:
        """See Cluster."""
        self._check(api_version, kind)
        answer = self._cluster.get(api_version, kind, name, namespace)
        return Found(view(answer.value) if self._as_views else answer.value, answer.age)

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Found[Sequence[JSONObject]]:
        """See Cluster."""
        self._check(api_version, kind)
        answer = self._cluster.list(api_version, kind, namespace)
        return Found(view(answer.value) if self._as_views else answer.value, answer.age)

    def authorize(self, access: Access | str, /, *, user: User | None = None, **about: str) -> AccessDecision:
        """See Cluster."""
        self._check(*ACCESS_KIND)
        if isinstance(access, str):
            access = _access(user or self._user, access, about)
        elif not isinstance(access, Access):
            raise TypeError(
                f"authorize: the first argument is the verb, such as 'get', or an Access, not {type(access).__name__}"
            )
        elif user is not None or about:
            raise TypeError("authorize: an Access must be the only argument")
        return self._cluster.authorize(access)

    def _check(self, api_version: str, kind: str) -> None:
        if (api_version, kind) not in self._reads:
            raise UndeclaredLookup(api_version, kind)


_ABOUT: Final = frozenset(Access._fields) - {"user", "verb", "uid", "groups", "extra"}


def _access(user: User, verb: str, about: dict[str, Any]) -> Access:
    unknown = sorted(about.keys() - _ABOUT)
    if unknown:
        raise TypeError(f"authorize: unknown argument {unknown[0]!r}; expected {', '.join(sorted(_ABOUT))} or user")
    if bool(about.get("resource")) == bool(about.get("path")):
        raise TypeError("authorize: give what it is about, either resource='pods' or path='/metrics'")
    extra = tuple((key, tuple(values)) for key, values in sorted(user.extra.items()))
    return Access(user=user.username, verb=verb, uid=user.uid, groups=user.groups, extra=extra, **about)

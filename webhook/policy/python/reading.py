"""What a Python policy sees of the cluster: `Cluster`, of the kinds that it declares to read, and no others.

A cluster is not asked during a review: what policies read is kept at hand, and has to be known before. A dry run, which
has everything at hand, holds policies to the same.
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
"""(apiVersion, kind) of what is declared."""

NOTHING: Final[Reads] = frozenset()

Value_co = TypeVar("Value_co", covariant=True)


class UndeclaredLookup(LookupError):
    """A policy looks up what it does not declare; the text says what to add."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(
            f"{kind} of {api_version} is looked up and not declared: "
            f"add reads=['{api_version}/{kind}'] to the decorator"
        )


class Found(NamedTuple, Generic[Value_co]):
    """The answer to a lookup: true where there is something.

    `value`: the object, None if there is none; or the list of objects. They cannot be changed. `age`: how many seconds
    ago the cluster was last known to be so; 0.0 in a dry run.
    """

    value: Value_co
    age: float

    def __bool__(self) -> bool:
        return bool(self.value)


class Cluster(Protocol):
    """What a policy may look up, `request.cluster`: objects of the kinds that its decorator names in `reads=`.

    Every method raises a LookupError: for a kind that is not named there, one that the cluster does not serve, and
    what is not known yet.
    """

    def namespace(self, name: str) -> Found[JSONObject | None]:
        """The Namespace of that name. Declared as `v1/Namespace`."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Found[JSONObject | None]:
        """The object of that name: get("apps/v1", "Deployment", "web", "shop").

        Cluster-scoped kinds have no namespace.
        """

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Found[Sequence[JSONObject]]:
        """The objects of a kind, in one namespace or (None) in all, sorted by namespace and name."""

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
        """Whether a user may do something, as the cluster's authorizer says. The answer is true if it is allowed.

        The first argument is the verb; then what it is about: a `resource` (the plural, with its API `group`; without
        `namespace` or `name` all of them), or a `path` (`/metrics`). `user` is the one who sent the request, unless
        given. Anybody else, of whom only a name and groups are known, is asked about with an `Access` in place of the
        verb. Declared as `authorization.k8s.io/v1/SubjectAccessReview`.

        Raises LookupError if there is no answer, TypeError if it is about neither a resource nor a path, or both.
        """


class DeclaredView:
    """The Cluster of one policy. Every lookup of an undeclared kind raises UndeclaredLookup.

    `as_views`: what is found cannot be changed; it is the ClusterView's own.
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
            raise TypeError("authorize: an Access says everything; leave the other arguments out")
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

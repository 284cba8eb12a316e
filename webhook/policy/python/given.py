"""`Request`: the read-only request that a Python policy receives.

Each evaluation gets its own Request, so that a policy that changes it by some trick does not affect others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

from webhook.policy.named import GroupVersionKind, GroupVersionResource, JSONObject
from webhook.policy.python.reading import Cluster, DeclaredView
from webhook.policy.readonly import ReadOnlyError, view

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy import request as requests
    from webhook.policy.python.reading import Reads
    from webhook.policy.request import User

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

_set = object.__setattr__


class Request:
    """One admission request. It is read-only.

    `object` and `old_object` are JSON values: dict, list, str, int, float, bool, None. Writing to them raises
    ReadOnlyError, except for the `object` of a `@mutate` function: it is a copy, which the function edits in place.

    Gatewright creates the Request of a policy. A unit test creates one from keywords with the names of the attributes;
    its `object` and `old_object` are then the test's own, and can be changed.
    """

    __slots__ = ("_cluster", "_sent", "_user", "object", "old_object")

    _sent: requests.Request
    # (view, declared kinds, whether lookups return read-only views); in a unit test the Cluster that it passed.
    _cluster: tuple[ClusterView | None, Reads, bool] | Cluster | None
    _user: User  # created on first access

    # Any: whether an object can be None depends on the policy's operations, which its type cannot express.
    object: JSONObject | Any
    """The new object. None on DELETE; on CONNECT the options object, such as a PodExecOptions."""
    old_object: JSONObject | Any
    """The stored object. None on CREATE and CONNECT."""

    def __init__(
        self,
        *,
        operation: Operation,
        resource: GroupVersionResource,
        kind: GroupVersionKind,
        subresource: str = "",
        name: str = "",
        namespace: str = "",
        object: JSONObject | None = None,
        old_object: JSONObject | None = None,
        options: JSONObject | None = None,
        user: User | None = None,
        uid: str = "",
        dry_run: bool = False,
        request_resource: GroupVersionResource | None = None,
        request_kind: GroupVersionKind | None = None,
        request_subresource: str | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        from webhook.policy import request as requests  # only unit tests come here, and it imports msgspec

        _set(
            self,
            "_sent",
            requests.Request(
                operation=operation,
                resource=resource,
                kind=kind,
                subresource=subresource,
                name=name,
                namespace=namespace,
                options=options,
                user=user or requests.User(),
                uid=uid,
                dry_run=dry_run,
                request_resource=request_resource or resource,
                request_kind=request_kind or kind,
                request_subresource=subresource if request_subresource is None else request_subresource,
            ),
        )
        _set(self, "object", object)
        _set(self, "old_object", old_object)
        _set(self, "_cluster", cluster)

    @property
    def operation(self) -> Operation:
        """CREATE, UPDATE, DELETE or CONNECT."""
        return self._sent.operation  # type: ignore[return-value]  # a cast would be a call

    @property
    def resource(self) -> GroupVersionResource:
        """The API resource of `object`: (group, version, resource); the core group is ""."""
        return self._sent.resource

    @property
    def kind(self) -> GroupVersionKind:
        """The type of the object: (group, version, kind); the core group is ""."""
        return self._sent.kind

    @property
    def subresource(self) -> str:
        """The subresource, such as "scale"; "" for the resource itself."""
        return self._sent.subresource

    @property
    def name(self) -> str:
        """The object's name; "" if the API server has not generated it yet."""
        return self._sent.name

    @property
    def namespace(self) -> str:
        """The object's namespace, or "" if it is cluster-scoped. Of a Namespace, its own name."""
        return self._sent.namespace

    @property
    def user(self) -> User:
        """The user who sent the request."""
        try:
            return self._user
        except AttributeError:
            sent = self._sent.user
            user = type(sent)(sent.username, sent.uid, sent.groups, view(sent.extra))
            _set(self, "_user", user)
            return user

    @property
    def options(self) -> JSONObject | None:
        """The CreateOptions, UpdateOptions or DeleteOptions of the request; None if it has none."""
        return cast("JSONObject | None", view(self._sent.options))

    @property
    def dry_run(self) -> bool:
        """Whether the request is a dry run: nothing will be stored."""
        return self._sent.dry_run

    @property
    def uid(self) -> str:
        """The review's UID, for correlation with the audit log; "" in `gatewright check`, `test` and `explain`."""
        return self._sent.uid

    @property
    def request_resource(self) -> GroupVersionResource:
        """The resource of the original request. It has another version if the API server converted the object."""
        return self._sent.request_resource

    @property
    def request_kind(self) -> GroupVersionKind:
        """The kind of the original request."""
        return self._sent.request_kind

    @property
    def request_subresource(self) -> str:
        """The subresource of the original request."""
        return self._sent.request_subresource

    @property
    def cluster(self) -> Cluster:
        """The cluster, for lookups of the kinds in the decorator's `reads=`.

        Raises LookupError if there is no cluster. A unit test passes one: Request(…, cluster=…).
        """
        cluster = self._cluster
        if isinstance(cluster, tuple):
            known, reads, as_views = cluster
            if known is not None:
                return DeclaredView(known, reads, self._sent.user, as_views)
        elif cluster is not None:
            return cluster
        raise LookupError("the request has no cluster; in a unit test, pass one: Request(…, cluster=…)")

    if not TYPE_CHECKING:  # otherwise type checkers would allow setting any attribute

        def __setattr__(self, name: str, value: Any) -> NoReturn:
            raise ReadOnlyError(f"request.{name} cannot be set; a @mutate function edits request.object in place")

        def __delattr__(self, name: str) -> NoReturn:
            raise ReadOnlyError(f"request.{name} cannot be deleted; a @mutate function edits request.object in place")

    def __repr__(self) -> str:
        sent = self._sent
        about = "/".join(filter(None, (*sent.resource, sent.subresource)))
        return f"<Request: {sent.operation} {about} {sent.namespace}/{sent.name}>"


def given_views(sent: requests.Request, cluster: ClusterView | None, reads: Reads) -> Request:
    """The Request of one evaluation, with read-only views of the objects."""
    return _given(sent, (cluster, reads, True), view(sent.object), view(sent.old_object))


def given_plain(sent: requests.Request, cluster: ClusterView | None, reads: Reads) -> Request:
    """The Request of one evaluation with the objects themselves, for a policy that is known not to change them."""
    return _given(sent, (cluster, reads, False), sent.object, sent.old_object)


def _given(sent: requests.Request, cluster: Any, new: JSONObject | None, old: JSONObject | None) -> Request:
    made = _new(Request)
    _put_sent(made, sent)
    _put_cluster(made, cluster)
    _put_object(made, new)
    _put_old_object(made, old)
    return made


# The descriptors of the slots. By `object.__setattr__` this takes three times as long.
_new = Request.__new__
_put_sent, _put_cluster, _put_object, _put_old_object = (
    Request.__dict__[name].__set__ for name in ("_sent", "_cluster", "object", "old_object")
)


def given_copy(sent: requests.Request, cluster: ClusterView | None, reads: Reads, copy: JSONObject) -> Request:
    """The Request of a `@mutate` function. Its `object` is `copy`, which can be changed; the rest is read-only."""
    made = given_views(sent, cluster, reads)
    object.__setattr__(made, "object", copy)
    return made

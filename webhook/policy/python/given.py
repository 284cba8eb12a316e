"""The request as a Python policy is given it: `Request`, of which nothing can be changed.

Each evaluation gets a Request of its own, so that what a policy does to it, by whatever means, ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

from webhook.policy import request as requests
from webhook.policy.python.reading import Cluster, DeclaredView
from webhook.policy.readonly import ReadOnlyError, view
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, User

if TYPE_CHECKING:
    from webhook.cluster.view import ClusterView
    from webhook.policy.python.reading import Reads

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

_set = object.__setattr__


class Request:
    """One admission request, as a policy sees it. Nothing of it can be changed.

    `object` and `old_object` are JSON values: dict, list, str, int, float, bool, None. Writing to them raises
    ReadOnlyError, but for the `object` of a `@mutate` function, which is a copy that the function edits in place.

    A policy is given its Request. A unit test makes one with the same attributes as keywords; its objects are then
    those that the test passes.
    """

    __slots__ = ("_cluster", "_sent", "_user", "object", "old_object")

    _sent: requests.Request
    # What there is, the kinds that may be looked up, and whether as views; in a unit test a Cluster of its own.
    _cluster: tuple[ClusterView | None, Reads, bool] | Cluster | None
    _user: User  # made at the first question

    # Any: whether one can be None is known by the operations that a policy is for, and not by its type.
    object: JSONObject | Any
    """The object as it would be stored. None on DELETE; on CONNECT the options object, such as a PodExecOptions."""
    old_object: JSONObject | Any
    """The object as it is stored. None on CREATE and CONNECT."""

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
                user=user or User(),
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
        return cast("Operation", self._sent.operation)

    @property
    def resource(self) -> GroupVersionResource:
        """The API resource that the policy is given: (group, version, resource); the core group is ""."""
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
        """The object's name; "" where the API server is yet to generate it."""
        return self._sent.name

    @property
    def namespace(self) -> str:
        """The object's namespace, of a Namespace its own name; "" where it is cluster-scoped."""
        return self._sent.namespace

    @property
    def user(self) -> User:
        """Who asks."""
        try:
            return self._user
        except AttributeError:
            sent = self._sent.user
            user = User(sent.username, sent.uid, sent.groups, view(sent.extra))
            _set(self, "_user", user)
            return user

    @property
    def options(self) -> JSONObject | None:
        """The CreateOptions, UpdateOptions or DeleteOptions of the request; None where there are none."""
        return cast("JSONObject | None", view(self._sent.options))

    @property
    def dry_run(self) -> bool:
        """Whether nothing will be stored, whatever the answer."""
        return self._sent.dry_run

    @property
    def uid(self) -> str:
        """The review's identity, for correlation with the audit log; "" in a dry run of Gatewright."""
        return self._sent.uid

    @property
    def request_resource(self) -> GroupVersionResource:
        """The resource as the client named it: another version where the API server converted the object."""
        return self._sent.request_resource

    @property
    def request_kind(self) -> GroupVersionKind:
        """The type as the client named it."""
        return self._sent.request_kind

    @property
    def request_subresource(self) -> str:
        """The subresource as the client named it."""
        return self._sent.request_subresource

    @property
    def cluster(self) -> Cluster:
        """What can be looked up: the kinds that the decorator names in `reads=`.

        Raises LookupError where there is no cluster: a unit test passes one, Request(…, cluster=…).
        """
        cluster = self._cluster
        if isinstance(cluster, tuple):
            known, reads, as_views = cluster
            if known is not None:
                return DeclaredView(known, reads, self._sent.user, as_views)
        elif cluster is not None:
            return cluster
        raise LookupError("there is no cluster here: a unit test passes one, Request(…, cluster=…)")

    if not TYPE_CHECKING:  # or a type checker would let any attribute be set

        def __setattr__(self, name: str, value: Any) -> NoReturn:
            raise ReadOnlyError(f"request.{name} cannot be set; a @mutate function edits request.object in place")

        def __delattr__(self, name: str) -> NoReturn:
            raise ReadOnlyError(f"request.{name} cannot be deleted; a @mutate function edits request.object in place")

    def __repr__(self) -> str:
        sent = self._sent
        about = "/".join(filter(None, (*sent.resource, sent.subresource)))
        return f"<Request: {sent.operation} {about} {sent.namespace}/{sent.name}>"


class _Open:
    """A Request that is being made: assigning is a fifth of what it costs through `object.__setattr__`."""

    __slots__ = Request.__slots__

    if TYPE_CHECKING:
        _sent: requests.Request
        _cluster: tuple[ClusterView | None, Reads, bool]
        object: JSONObject | None
        old_object: JSONObject | None


def given_views(sent: requests.Request, cluster: ClusterView | None, reads: Reads) -> Request:
    """The Request of one evaluation, of which nothing can be changed."""
    made = _Open()
    made._sent = sent
    made._cluster = (cluster, reads, True)
    made.object = view(sent.object)
    made.old_object = view(sent.old_object)
    made.__class__ = Request  # type: ignore[assignment]
    return cast("Request", made)


def given_plain(sent: requests.Request, cluster: ClusterView | None, reads: Reads) -> Request:
    """The Request of one evaluation of a policy that is known to read only, with the objects themselves."""
    made = _Open()
    made._sent = sent
    made._cluster = (cluster, reads, False)
    made.object = sent.object
    made.old_object = sent.old_object
    made.__class__ = Request  # type: ignore[assignment]
    return cast("Request", made)


def given_copy(sent: requests.Request, cluster: ClusterView | None, reads: Reads, copy: JSONObject) -> Request:
    """The Request of a `@mutate` function, which edits this copy of the object; nothing else can be changed."""
    made = given_views(sent, cluster, reads)
    object.__setattr__(made, "object", copy)
    return made

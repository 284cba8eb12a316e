"""One admission request: what is asked of the API server, by whom, and of which object.

`Request` is what policies see. Its objects are the plain JSON values of the AdmissionReview (or of a manifest), which
policies must not change: every policy of a request reads the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from webhook.access import Access, AccessDecision
    from webhook.cel.cost.metering import Deadline
    from webhook.cluster.view import ClusterView

JSONObject = dict[str, Any]

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"
OPERATIONS = (CREATE, UPDATE, DELETE, CONNECT)


class GroupVersionResource(NamedTuple):
    """An API resource; the core group is the empty string: ("", "v1", "pods")."""

    group: str
    version: str
    resource: str


class GroupVersionKind(NamedTuple):
    """The type of an object; the core group is the empty string: ("", "v1", "Pod")."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """As manifests write it: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _kind(value: GroupVersionKind) -> JSONObject:
    return {"group": value[0], "version": value[1], "kind": value[2]}


def _resource(value: GroupVersionResource) -> JSONObject:
    return {"group": value[0], "version": value[1], "resource": value[2]}


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. Empty fields are what the API server left out."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Request:
    """One admission request.

    `object` is None on DELETE, `old_object` on CREATE; on CONNECT `object` is the options object (PodExecOptions, …).
    `subresource`, `name` and `namespace` are "" where there is none: a main resource, a name that the server has yet to
    generate, a cluster-scoped object. The request for a Namespace has its own name as `namespace`.
    `resource` and `kind` are what the policy is given; `request_resource` and `request_kind` what the client sent; the
    two differ only where the server converted the object between versions.
    """

    operation: str
    resource: GroupVersionResource
    kind: GroupVersionKind
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    object: JSONObject | None = field(default=None, repr=False)
    old_object: JSONObject | None = field(default=None, repr=False)
    options: JSONObject | None = field(default=None, repr=False)
    user: User = field(default_factory=User)
    uid: str = ""
    dry_run: bool = False
    request_resource: GroupVersionResource = None  # type: ignore[assignment]  # as `resource` unless given
    request_kind: GroupVersionKind = None  # type: ignore[assignment]  # as `kind` unless given
    request_subresource: str = None  # type: ignore[assignment]  # as `subresource` unless given
    # What a Python policy may look up; the engine sets it. Never from the wire.
    cluster: ClusterView | None = field(default=None, repr=False, compare=False)
    # What the authorizer has answered, for this review: made at the first question.
    answers: dict[Access, AccessDecision] | None = field(default=None, repr=False, compare=False)
    # When its evaluation has to be done; whoever waits for the answer sets it. Never from the wire.
    deadline: Deadline | None = field(default=None, repr=False, compare=False)
    _cel: JSONObject | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.request_resource is None:
            self.request_resource = self.resource  # type: ignore[unreachable]
        if self.request_kind is None:
            self.request_kind = self.kind  # type: ignore[unreachable]
        if self.request_subresource is None:
            self.request_subresource = self.subresource  # type: ignore[unreachable]

    def with_object(self, value: JSONObject | None) -> Request:
        """The same request for another object: what follows a mutation."""
        return replace(self, object=value)

    def cel(self) -> JSONObject:
        """The CEL variable `request`: the fields of AdmissionRequest but uid, object and oldObject.

        Empty optional fields are absent, as the API server leaves them out; computed once a request.
        """
        if self._cel is None:
            self._cel = self._as_cel()
        return self._cel

    def cel_in_conditions(self) -> JSONObject:
        """The CEL variable `request` of matchConditions: of a converted object too, `resource` is the one that was sent
        (k8s.io/apiserver, plugin/webhook/matchconditions)."""
        value = self.cel()
        return value if self.request_resource == self.resource else {**value, "resource": value["requestResource"]}

    def _as_cel(self) -> JSONObject:
        kind, resource = _kind(self.kind), _resource(self.resource)
        sent_as_is = self.request_kind == self.kind and self.request_resource == self.resource
        value: JSONObject = {
            "kind": kind,
            "resource": resource,
            "requestKind": kind if sent_as_is else _kind(self.request_kind),
            "requestResource": resource if sent_as_is else _resource(self.request_resource),
            "operation": self.operation,
            "dryRun": self.dry_run,
            "options": self.options,
        }
        for key, text in (
            ("subResource", self.subresource),
            ("requestSubResource", self.request_subresource),
            ("name", self.name),
            ("namespace", self.namespace),
        ):
            if text:
                value[key] = text
        user: JSONObject = {}
        if self.user.username:
            user["username"] = self.user.username
        if self.user.uid:
            user["uid"] = self.user.uid
        if self.user.groups:
            user["groups"] = list(self.user.groups)
        if self.user.extra:
            user["extra"] = self.user.extra
        value["userInfo"] = user
        return value

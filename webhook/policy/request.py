"""One admission request: the operation, the user, and the object.

Policies receive a `Request`. It is immutable. Its objects are the plain JSON values of the AdmissionReview or of a
manifest. Policies must not modify them, as all policies of a request share them. webhook.policy.reviewing has what the
engine needs beside the request.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from webhook.frozen import Guarded
from webhook.policy.named import GroupVersionKind, GroupVersionResource, JSONObject

__all__ = ["GroupVersionKind", "GroupVersionResource", "JSONObject", "Request", "User"]

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"
OPERATIONS = (CREATE, UPDATE, DELETE, CONNECT)


class User(Struct, frozen=True):
    """The user of a request. Fields that the API server omitted are empty."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


class Request(Guarded, frozen=True, kw_only=True):
    """One admission request.

    `object` is None on DELETE, `old_object` on CREATE; on CONNECT `object` is the options object (PodExecOptions, …).
    `subresource`: "" for the main resource. `name`: "" if the API server has yet to generate it. `namespace`: "" for a
    cluster-scoped object; the request for a Namespace has the Namespace's own name.
    `resource` and `kind` are those of the object that policies receive, `request_resource` and `request_kind` those
    that the client sent. They differ only if the API server converted the object to another version.
    """

    unshown = frozenset({"object", "old_object", "options"})  # they may be Secrets

    operation: str
    resource: GroupVersionResource
    kind: GroupVersionKind
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    object: JSONObject | None = None
    old_object: JSONObject | None = None
    options: JSONObject | None = None
    user: User = field(default_factory=User)
    uid: str = ""
    dry_run: bool = False
    request_resource: GroupVersionResource = None  # type: ignore[assignment]  # as `resource` unless given
    request_kind: GroupVersionKind = None  # type: ignore[assignment]  # as `kind` unless given
    request_subresource: str = None  # type: ignore[assignment]  # as `subresource` unless given

    def __post_init__(self) -> None:
        assign = force_setattr
        if self.request_resource is None:
            assign(self, "request_resource", self.resource)  # type: ignore[unreachable]
        if self.request_kind is None:
            assign(self, "request_kind", self.kind)  # type: ignore[unreachable]
        if self.request_subresource is None:
            assign(self, "request_subresource", self.subresource)  # type: ignore[unreachable]

    def with_object(self, value: JSONObject | None) -> Request:
        """The same request with another object, after a mutation."""
        return replace(self, object=value)

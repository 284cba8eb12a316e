"""One admission request: the operation, the user, and the object.

Policies receive a `Request`. It is immutable. Its objects are the plain JSON values of the AdmissionReview or of a
manifest. Policies must not modify them, as all policies of a request share them. webhook.policy.reviewing has what the
engine needs beside the request.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from webhook.frozen import maker

JSONObject = dict[str, Any]

CREATE = "CREATE"
UPDATE = "UPDATE"
DELETE = "DELETE"
CONNECT = "CONNECT"
OPERATIONS = (CREATE, UPDATE, DELETE, CONNECT)


class GroupVersionResource(NamedTuple):
    """An API resource. The core group is the empty string: ("", "v1", "pods")."""

    group: str
    version: str
    resource: str


class GroupVersionKind(NamedTuple):
    """The type of an object. The core group is the empty string: ("", "v1", "Pod")."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """The apiVersion of manifests: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class User:
    """The user of a request. Fields that the API server omitted are empty."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One admission request.

    `object` is None on DELETE, `old_object` on CREATE; on CONNECT `object` is the options object (PodExecOptions, …).
    `subresource`: "" for the main resource. `name`: "" if the API server has yet to generate it. `namespace`: "" for a
    cluster-scoped object; the request for a Namespace has the Namespace's own name.
    `resource` and `kind` are those of the object that policies receive, `request_resource` and `request_kind` those
    that the client sent. They differ only if the API server converted the object to another version.
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

    def __post_init__(self) -> None:
        assign = object.__setattr__
        if self.request_resource is None:
            assign(self, "request_resource", self.resource)  # type: ignore[unreachable]
        if self.request_kind is None:
            assign(self, "request_kind", self.kind)  # type: ignore[unreachable]
        if self.request_subresource is None:
            assign(self, "request_subresource", self.subresource)  # type: ignore[unreachable]

    def with_object(self, value: JSONObject | None) -> Request:
        """The same request with another object, after a mutation."""
        values = [*_values(self)]
        values[_OBJECT] = value
        return made(*values)  # dataclasses.replace in a tenth of the time


made = maker(Request)
"""A fast constructor of Request, for the path of a request."""


_NAMES: Final = [each.name for each in fields(Request)]
_OBJECT: Final = _NAMES.index("object")
_values = attrgetter(*_NAMES)

"""Plans the requests for stored objects: each is created now, or updated without a change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec.structs import replace

from webhook.apiserver import completion
from webhook.apiserver.admitted import ApiServer
from webhook.apiserver.completion import Creation
from webhook.apiserver.decoding import Decoded
from webhook.apiserver.gotypes import struct_of
from webhook.documents.document import Document, Text
from webhook.offline.customworkloads import NO_MORE, CustomWorkloads
from webhook.offline.requests import Identity, PlannedRequest, options_of, pods_after
from webhook.paths import ROOT, Path
from webhook.policy.request import CREATE, UPDATE, GroupVersionKind, GroupVersionResource, Request, User
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.problems import FieldProblem
    from webhook.audit.sources import Served
    from webhook.cluster.view import ClusterView
    from webhook.schema import Resource

_SET_BY_THE_SERVER: Final = ("resourceVersion", "generation")  # besides what completion.sent takes away


def stored(
    value: dict[str, Any], resource: Resource, user: User, operation: str, name: str, held: Path
) -> PlannedRequest:
    """The request for an object as it is stored: CREATE without what the API server set of it, or UPDATE with the same
    object on both sides.

    name: what reports call where it is stored. held: the place of the object in what stands for its document, which is
    JSON in one line.
    """
    metadata = value.get("metadata") or {}
    namespace = metadata.get("namespace") or ""
    old = value if operation == UPDATE else None
    sent = value
    if old is None:
        sent = completion.sent(value, namespaced=resource.namespaced, namespace=namespace)
        sent["metadata"] = {name: each for name, each in sent["metadata"].items() if name not in _SET_BY_THE_SERVER}
    is_namespace = (resource.group, resource.kind) == ("", "Namespace")
    request = Request(
        operation=operation,
        resource=GroupVersionResource(resource.group, resource.version, resource.plural),
        kind=GroupVersionKind(resource.group, resource.version, resource.kind),
        name=metadata.get("name") or "",
        namespace=(metadata.get("name") or "") if is_namespace else namespace,
        object=sent,
        old_object=old,
        options=options_of(operation),
        user=user,
    )
    around: Any = value
    for step in reversed(held):
        around = {step: around}
    document = Document(around, name, name, Text(orjson.dumps(around).decode(), 1, True, [0]))
    identity = Identity(resource.api_version, resource.kind, namespace, metadata.get("name") or "")
    return PlannedRequest(request, document, identity, prefix=held, resource=resource)


class Planner:
    """Plans the requests for the objects of one cluster.

    user: who creates them. name: of the cluster. view: what the API server's plugins look up for the Pods of workloads.
    """

    def __init__(
        self, user: User, name: str, view: ClusterView, custom: CustomWorkloads = NO_MORE, target: Version = NEWEST
    ) -> None:
        self._user = user
        self._name = name
        self._custom = custom
        self._target = target
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._creation = Creation(now, user.username, user.uid, user.groups, user.extra, target)
        self._server = _Admitting(view, target)

    def created(self, value: dict[str, Any], served: Served, *, pods: bool) -> list[PlannedRequest]:
        """The request that would create the object; pods: and those that would create the Pods of its template."""
        if served.status and "status" in value and struct_of(value["apiVersion"], value["kind"], self._target) is None:
            value = {field: each for field, each in value.items() if field != "status"}
        planned = self._planned(value, served, CREATE)
        return [planned, *(pods_after(planned, planned.request.object or {}) if pods else ())]

    def updated(self, value: dict[str, Any], served: Served) -> PlannedRequest:
        """The request that updates the object without a change."""
        return self._planned(value, served, UPDATE)

    def _planned(self, value: dict[str, Any], served: Served, operation: str) -> PlannedRequest:
        planned = stored(value, served.resource, self._user, operation, self._name, ROOT)
        return replace(planned, creation=self._creation, server=self._server, custom=self._custom)


class _Admitting(ApiServer):
    """An API server that refuses nothing itself: a stored object was accepted, and policies are to be asked about it
    even if it could not be created in this way again, such as a Pod with ephemeral containers."""

    def __init__(self, view: ClusterView, target: Version) -> None:
        super().__init__((), lambda: view, target)

    def created(
        self,
        value: dict[str, Any],
        resource: Resource,
        creation: Creation,
        *,
        changed: bool = False,
        validated: bool = True,
    ) -> Decoded:
        """See ApiServer."""
        return super().created(value, resource, creation, changed=changed, validated=False)

    def refused(self, value: dict[str, Any], resource: Resource) -> tuple[FieldProblem, ...]:
        """See ApiServer."""
        return ()

    def updated(self, value: dict[str, Any], old: dict[str, Any], resource: Resource) -> tuple[FieldProblem, ...]:
        """See ApiServer."""
        return ()

"""One request under review: the request, and what the engine and the evaluators need beside it.

A `Review` is made by the engine, lives as long as the evaluation of one request, and is never handed to the author of a
policy: authors get a `Request`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from webhook.cel.cost.metering import Deadline
from webhook.policy.matching import RequestNamespace
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, Request

if TYPE_CHECKING:
    from webhook.access import Access, AccessDecision
    from webhook.cluster.view import ClusterView

Recording = Literal["failures", "everything"]
"""Which evaluations of CEL policies bring their trace along: see webhook.policy.trace."""


class Review:
    """A request under review.

    cluster: what may be looked up; None where there is no cluster. namespace: the request's Namespace, looked up at its
    first use. deadline: when all evaluations have to be done; None offline. recording: None where nobody asks why.
    answers: what the authorizer answered, from its first question on.
    """

    __slots__ = (
        "_cel",
        "_find_namespace",
        "_in_conditions",
        "answers",
        "cluster",
        "deadline",
        "namespace",
        "recording",
        "request",
    )

    def __init__(
        self,
        request: Request,
        cluster: ClusterView | None,
        find_namespace: Callable[[str], Any],
        deadline: Deadline | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.request = request
        self.cluster = cluster
        self.namespace = RequestNamespace(request, find_namespace)
        self._find_namespace = find_namespace
        self.deadline = deadline
        self.recording: Recording | None = recording
        self.answers: dict[Access, AccessDecision] | None = None
        self._cel: JSONObject | None = None
        self._in_conditions: JSONObject | None = None

    def with_object(self, value: JSONObject | None) -> Review:
        """The same review for another object, which a mutation made. The Namespace stays the one that was looked up."""
        other = Review(
            self.request.with_object(value), self.cluster, self._find_namespace, self.deadline, self.recording
        )
        other.namespace = self.namespace
        other.answers = self.answers
        other._cel, other._in_conditions = self._cel, self._in_conditions  # which say nothing of the object
        return other

    def renewed(self) -> Review:
        """The same review, where the Namespace is looked up anew: its labels may be those of the request's object."""
        other = self.with_object(self.request.object)
        other.namespace = RequestNamespace(self.request, self._find_namespace)
        return other

    def cel(self) -> JSONObject:
        """The CEL variable `request`: the fields of AdmissionRequest but uid, object and oldObject.

        Empty optional fields are absent, as the API server leaves them out; computed once a review.
        """
        if self._cel is None:
            self._cel = _cel(self.request)
        return self._cel

    def cel_in_conditions(self) -> JSONObject:
        """The CEL variable `request` of matchConditions: of a converted object too, `resource` is the one that was sent
        (k8s.io/apiserver, plugin/webhook/matchconditions)."""
        if self._in_conditions is None:
            value, request = self.cel(), self.request
            converted = request.request_resource != request.resource
            self._in_conditions = {**value, "resource": value["requestResource"]} if converted else value
        return self._in_conditions


def _cel(request: Request) -> JSONObject:
    kind, resource = _kind(request.kind), _resource(request.resource)
    sent_as_is = request.request_kind == request.kind and request.request_resource == request.resource
    value: JSONObject = {
        "kind": kind,
        "resource": resource,
        "requestKind": kind if sent_as_is else _kind(request.request_kind),
        "requestResource": resource if sent_as_is else _resource(request.request_resource),
        "operation": request.operation,
        "dryRun": request.dry_run,
        "options": request.options,
    }
    for key, text in (
        ("subResource", request.subresource),
        ("requestSubResource", request.request_subresource),
        ("name", request.name),
        ("namespace", request.namespace),
    ):
        if text:
            value[key] = text
    user: JSONObject = {}
    if request.user.username:
        user["username"] = request.user.username
    if request.user.uid:
        user["uid"] = request.user.uid
    if request.user.groups:
        user["groups"] = list(request.user.groups)
    if request.user.extra:
        user["extra"] = request.user.extra
    value["userInfo"] = user
    return value


def _kind(value: GroupVersionKind) -> JSONObject:
    return {"group": value[0], "version": value[1], "kind": value[2]}


def _resource(value: GroupVersionResource) -> JSONObject:
    return {"group": value[0], "version": value[1], "resource": value[2]}

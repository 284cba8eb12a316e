"""One request under review: the request, and what the engine and the evaluators need beside it.

The engine makes a `Review` for each request. It lives as long as the evaluation. Policy code in Python receives the
`Request`, never the Review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

from webhook.cel.cost.metering import Deadline
from webhook.policy.matching import RequestNamespace
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, Request

if TYPE_CHECKING:
    from webhook.access import Access, AccessDecision
    from webhook.cel import Program
    from webhook.cluster.view import ClusterView
    from webhook.paths import Path
    from webhook.policy.evaluation import Evaluation, MutationResult
    from webhook.policy.trace import Recorder


class Recorders(Protocol):
    """Makes the recorders of evaluations, for a caller that needs more of them than their traces, as coverage does."""

    def recorder(self, sources: Iterable[tuple[Path, Program]], /) -> Recorder:
        """The recorder of one evaluation of a policy with these expressions."""


Recording = Literal["failures", "everything"] | Recorders
"""Which evaluations of CEL policies have a trace: see webhook.admission.record."""


class Runs(Protocol):
    """How the server runs policies in Python: under a deadline, in this process or in another one.

    Both raise Unanswered if the result comes later.
    """

    def evaluation(self, validator: Any, review: Review, params: Any) -> Evaluation:
        """The result of a PythonValidator."""

    def edited(self, mutator: Any, review: Review, params: Any) -> MutationResult | JSONObject:
        """The result of a PythonMutator; see its edited_here."""

    def over(self) -> None:
        """The policy's function has ended, in this process: what follows is not stopped any more."""


class Mutated(Struct):
    """What the CEL mutations of a request have done so far: their number, and the elements that they made and visited.

    size: of the object that is mutated, in elements; 0 before it is measured. bounded: the object of which only a bound
    was found, instead of its size; `bound` is this bound.
    """

    count: int = 0
    elements: int = 0
    size: int = 0
    bound: int = 0
    bounded: JSONObject | None = None


class Review:
    """A request under review.

    cluster: for lookups; None without a cluster. namespace: the request's Namespace, looked up on first use. deadline:
    the time by which all evaluations must end; None offline. recording: None to record no traces. answers: the
    authorizer's answers so far; None before the first check. mutated: None before the first mutation in CEL. runs: how
    the server runs Python policies; None offline. shared: values that policies have in common, see
    webhook.policy.cel.sharing; of one object, so that a review of a mutated one begins without. typed: the object that
    decoding and defaulting by the tables here made last, which may be the one under review; None if there is none.
    """

    __slots__ = (
        "_cel",
        "_find_namespace",
        "_in_conditions",
        "answers",
        "cluster",
        "deadline",
        "mutated",
        "namespace",
        "recording",
        "request",
        "runs",
        "shared",
        "typed",
    )

    def __init__(
        self,
        request: Request,
        cluster: ClusterView | None,
        find_namespace: Callable[[str], Any],
        deadline: Deadline | None = None,
        recording: Recording | None = None,
        runs: Runs | None = None,
    ) -> None:
        self.request = request
        self.cluster = cluster
        self.namespace = RequestNamespace(request, find_namespace)
        self._find_namespace = find_namespace
        self.deadline = deadline
        self.recording: Recording | None = recording
        self.runs = runs
        self.answers: dict[Access, AccessDecision] | None = None
        self._cel: JSONObject | None = None
        self._in_conditions: JSONObject | None = None
        self.mutated: Mutated | None = None
        self.shared: dict[bytes, Any] = {}
        self.typed: JSONObject | None = None

    def with_object(self, value: JSONObject | None) -> Review:
        """The same review with a mutated object. The Namespace is not looked up again."""
        other = Review(
            self.request.with_object(value),
            self.cluster,
            self._find_namespace,
            self.deadline,
            self.recording,
            self.runs,
        )
        other.namespace = self.namespace
        other.answers, other.mutated, other.typed = self.answers, self.mutated, self.typed
        other._cel, other._in_conditions = self._cel, self._in_conditions  # neither depends on the object
        return other

    def with_request(self, request: Request) -> Review:
        """The same review of another request on the same object. Nothing is looked up again but the Namespace."""
        other = Review(request, self.cluster, self._find_namespace, self.deadline, self.recording, self.runs)
        other.answers, other.mutated = self.answers, self.mutated
        return other

    def renewed(self) -> Review:
        """The same review, with a new lookup of the Namespace: for a Namespace, its labels are those of the object."""
        other = self.with_object(self.request.object)
        other.namespace = RequestNamespace(self.request, self._find_namespace)
        return other

    def cel(self) -> JSONObject:
        """The CEL variable `request`: the fields of AdmissionRequest without uid, object and oldObject.

        Empty optional fields are absent, as in the API server. The value is computed once a review.
        """
        if self._cel is None:
            self._cel = _cel(self.request)
        return self._cel

    def cel_in_conditions(self) -> JSONObject:
        """The CEL variable `request` of matchConditions. For a converted object, `resource` is the resource that the
        client sent (k8s.io/apiserver, plugin/webhook/matchconditions)."""
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

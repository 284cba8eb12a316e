"""One request under review: the request, and what the engine and the evaluators need beside it.

The engine makes a `Review` for each request. It lives as long as the evaluation. Policy code in Python receives the
`Request`, never the Review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct, field

from webhook.cel.cost.metering import Deadline
from webhook.policy.matching import RequestNamespace
from webhook.policy.request import GroupVersionKind, GroupVersionResource, JSONObject, Request

if TYPE_CHECKING:
    from webhook.access import Access, AccessDecision
    from webhook.cel import Program
    from webhook.cel.code.fusing import Quick
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


class Review(Struct, eq=False):
    """A request under review.

    cluster: for lookups; None without a cluster. find_namespace: returns a Namespace by name. namespace: the request's
    Namespace, looked up on first use. deadline: the time by which all evaluations must end; None offline. recording:
    None to record no traces. answers: the authorizer's answers so far; None before the first check. mutated: None
    before the first mutation in CEL. runs: how the server runs Python policies; None offline. shared: values that
    policies have in common, see webhook.policy.cel.sharing; of one object, so that a review of a mutated one begins
    without. whole: what an evaluation begins with, and its cost so far, by the variables that have such values. quick:
    what the functions of policies are evaluated on, see webhook.cel.code.fusing; of one object too. typed: the object
    that decoding and defaulting by the tables here made last, which may be the one under review; None if there is none.
    """

    request: Request
    cluster: ClusterView | None
    find_namespace: Callable[[str], Any]
    deadline: Deadline | None = None
    recording: Recording | None = None
    runs: Runs | None = None
    answers: dict[Access, AccessDecision] | None = None
    mutated: Mutated | None = None
    shared: dict[bytes, Any] = field(default_factory=dict)
    whole: dict[tuple[tuple[str, bytes], ...], tuple[JSONObject, int]] = field(default_factory=dict)
    quick: Quick | None = None
    for_cel: JSONObject | None = None  # see `cel`
    in_conditions: JSONObject | None = None
    typed: JSONObject | None = None
    namespace: RequestNamespace = None  # type: ignore[assignment]  # set below

    __repr__ = object.__repr__  # a struct's own would show the cluster

    def __post_init__(self) -> None:
        self.namespace = RequestNamespace(self.request, self.find_namespace)

    def with_object(self, value: JSONObject | None) -> Review:
        """The same review with a mutated object. The Namespace is not looked up again."""
        other = Review(
            self.request.with_object(value),
            self.cluster,
            self.find_namespace,
            self.deadline,
            self.recording,
            self.runs,
        )
        other.namespace = self.namespace
        other.answers, other.mutated, other.typed = self.answers, self.mutated, self.typed
        other.for_cel, other.in_conditions = self.for_cel, self.in_conditions  # neither depends on the object
        return other

    def with_request(self, request: Request) -> Review:
        """The same review of another request on the same object. Nothing is looked up again but the Namespace."""
        other = Review(request, self.cluster, self.find_namespace, self.deadline, self.recording, self.runs)
        other.answers, other.mutated = self.answers, self.mutated
        return other

    def renewed(self) -> Review:
        """The same review, with a new lookup of the Namespace: for a Namespace, its labels are those of the object."""
        other = self.with_object(self.request.object)
        other.namespace = RequestNamespace(self.request, self.find_namespace)
        return other

    def cel(self) -> JSONObject:
        """The CEL variable `request`: the fields of AdmissionRequest without uid, object and oldObject.

        Empty optional fields are absent, as in the API server. The value is computed once a review.
        """
        if self.for_cel is None:
            self.for_cel = _cel(self.request)
        return self.for_cel

    def cel_in_conditions(self) -> JSONObject:
        """The CEL variable `request` of matchConditions. For a converted object, `resource` is the resource that the
        client sent (k8s.io/apiserver, plugin/webhook/matchconditions)."""
        if self.in_conditions is None:
            value, request = self.cel(), self.request
            converted = request.request_resource != request.resource
            self.in_conditions = {**value, "resource": value["requestResource"]} if converted else value
        return self.in_conditions


def _cel(request: Request) -> JSONObject:
    value: JSONObject = {
        **_types(request.kind, request.resource, request.request_kind, request.request_resource),
        "operation": request.operation,
        "dryRun": request.dry_run,
        "options": request.options,
    }
    if text := request.subresource:
        value["subResource"] = text
    if text := request.request_subresource:
        value["requestSubResource"] = text
    if text := request.name:
        value["name"] = text
    if text := request.namespace:
        value["namespace"] = text
    sender = request.user
    user: JSONObject = {}
    if sender.username:
        user["username"] = sender.username
    if sender.uid:
        user["uid"] = sender.uid
    if sender.groups:
        user["groups"] = list(sender.groups)
    if sender.extra:
        user["extra"] = sender.extra
    value["userInfo"] = user
    return value


@lru_cache(maxsize=1024)  # a cluster has some hundred types
def _types(
    kind: GroupVersionKind, resource: GroupVersionResource, sent_kind: GroupVersionKind, sent: GroupVersionResource
) -> JSONObject:
    """The first fields of `request`, which are the same for all requests of one type. No policy can change them."""
    return {
        "kind": _kind(kind),
        "resource": _resource(resource),
        "requestKind": _kind(sent_kind),
        "requestResource": _resource(sent),
    }


def _kind(value: GroupVersionKind) -> JSONObject:
    return {"group": value[0], "version": value[1], "kind": value[2]}


def _resource(value: GroupVersionResource) -> JSONObject:
    return {"group": value[0], "version": value[1], "resource": value[2]}

"""The application of the HTTPS port: takes the bytes of an AdmissionReview, returns the bytes of the response.

This is the hot path. Policies are evaluated synchronously, in the event loop: evaluation is pure computation under a
budget, so a thread would add latency and save no CPU time. When a policy needs an answer that only the API server has
(an access check, or a Namespace that is not cached yet), or runs in a process of its own, its evaluation stops. The
server awaits the answer, serves other reviews meanwhile, and then evaluates the review again with the answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import orjson
from msgspec import Struct

from webhook.admission import engine, replying, review, unread
from webhook.admission.confidential import Confidential, concerns_secret
from webhook.admission.decision import Decision, Excepted, Finding, Mutation
from webhook.admission.redaction import SecretsSeen
from webhook.cel.cost.metering import Deadline
from webhook.cel.tree.errors import EvaluationError
from webhook.cel.value.times import NANO, parse_duration
from webhook.cluster.view import ClusterView, Question, Unanswered
from webhook.policy.evaluation import Failure
from webhook.policy.request import Request
from webhook.policy.reviewing import Runs
from webhook.server.cluster.events import Events
from webhook.server.memory import SMALL, fits
from webhook.server.port import tls
from webhook.server.port.exchange import Answer, Client, Head, Later
from webhook.server.python.lanes import Ended, Job
from webhook.server.reviews.sight import Sight, Watch
from webhook.server.reviews.turns import Turns
from webhook.server.settings import flag
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import MAX_TEXT, Log, cut, failure
from webhook.server.telemetry.metrics import Metrics
from webhook.server.telemetry.reviewlines import resource_text
from webhook.server.telemetry.seen import owner_of

if TYPE_CHECKING:
    from webhook.server.telemetry.recording import Lookups, Recorder

_DEFAULT_TIME = 8.0  # seconds for a review without a timeout in its query
_MAX_TIMEOUT = 30 * NANO  # the most that a webhook configuration may set; a hostile client may send more
_CLUSTER_SHARE = 0.875  # of the time for a review: what requests to the API server may take


class Endpoint(Struct, frozen=True):
    """What a path evaluates: the phase, and the policies with this failurePolicy."""

    phase: Literal["validate", "mutate"]
    failure_policy: Literal["Fail", "Ignore"] | None  # None: all policies


ENDPOINTS = {
    "/validate": Endpoint("validate", None),
    "/validate/fail": Endpoint("validate", "Fail"),
    "/validate/ignore": Endpoint("validate", "Ignore"),
    "/mutate": Endpoint("mutate", None),
    "/mutate/fail": Endpoint("mutate", "Fail"),
    "/mutate/ignore": Endpoint("mutate", "Ignore"),
}
_PATHS = ", ".join(ENDPOINTS)


class Reviews:
    """The application of the HTTPS port.

    A review may take `memory` bytes; one that would need more is refused. With `names`, only clients may ask whose
    certificate has one of them. Without `turns`, each is evaluated when it comes. sight: what watches reviews, if
    anything does. events: records denials, if they are to be recorded. recorder: records reviews, if they are to be.
    owner_label: the key that names owners, for the findings of the page.
    """

    def __init__(
        self,
        state: State,
        metrics: Metrics,
        log: Log,
        memory: int = 192 << 20,
        names: tuple[str, ...] = (),
        turns: Turns | None = None,
        sight: Sight | None = None,
        events: Events | None = None,
        recorder: Recorder | None = None,
        owner_label: str = "",
    ) -> None:
        self._state = state
        self._metrics = metrics
        self._log = log
        self._memory = memory
        self._names = frozenset(names)
        self._sight = sight
        self._events = events
        self._recorder = recorder
        self._owner_label = owner_label
        self._turns = turns or Turns(0.0, log)
        self.awaiting = 0
        """Reviews that wait for the API server, or for a policy that runs apart."""

    @property
    def unsolicited(self) -> Answer | None:
        """A refusal that has the API server send its review again, at once, on another connection."""
        return _GONE

    def admit(self, certificate: Any) -> str | None:
        """Why the client may not ask: with `names`, its certificate has none of them; else None."""
        if not self._names:
            return None
        found = tls.names_of(certificate)
        if not self._names.isdisjoint(found):
            return None
        shown = ", ".join(repr(cut(name)) for name in found[:3]) or "none"
        return f"the client's certificate has the names {shown}, of which {flag('client_name')} allows none"

    def refuse(self, head: Head, client: Client) -> Answer | None:
        """The error response to a request whose path (404), method (405) or content type (415) is wrong; else None."""
        if head.path not in ENDPOINTS:
            return self._refusal(404, f"no such path: {cut(head.path)!r}; send reviews to {_PATHS}", head, client)
        if head.method != "POST":
            message = f"send reviews with POST, not {head.method}"
            return self._refusal(405, message, head, client, (b"allow", b"POST"))
        content_type = head.content_type
        if content_type != b"application/json" and not is_json(content_type):
            got = repr(cut(content_type.decode("latin-1"))) if content_type else "none"
            return self._refusal(415, f"content-type: expected application/json, got {got}", head, client)
        for name, value in head.headers:
            if name == b"content-encoding" and value.lower() != b"identity":
                got = repr(cut(value.decode("latin-1")))
                return self._refusal(415, f"content-encoding: expected none, got {got}", head, client)
        return None

    def answer(self, head: Head, body: bytes, client: Client) -> Answer | Later | Awaitable[Answer]:
        """The response to a review; one that comes later if other reviews are before it, or if a policy needs an answer
        from the API server first."""
        started = perf_counter()
        turns = self._turns
        if started >= turns.until and not turns.free(started, client):
            seconds = time_for_review(head.query) or _DEFAULT_TIME
            return turns.take(client, seconds, started, partial(self._evaluated, head, body, client))
        turns.at_once += 1
        return self._evaluated(head, body, client, started)

    def _evaluated(self, head: Head, body: bytes, client: Client, started: float) -> Answer | Awaitable[Answer]:
        """The response to a review that arrived at `started`, or an awaitable of it."""
        in_force = self._state.in_force  # a reload may replace it while the review waits for an answer
        watch = self._sight.begin(head, started, client.address) if self._sight is not None else None
        lookups = self._recorder.begin(in_force.cluster) if self._recorder is not None else None
        cluster: ClusterView = lookups or in_force.cluster
        try:
            return self._answered(head, body, client, started, in_force, cluster, self._state.isolation, watch, lookups)
        except Unanswered as unanswered:
            return self._counted_awaited(head, body, client, started, in_force, unanswered.question, watch, lookups)

    def too_large(self, head: Head, begin: bytes, client: Client) -> Answer | None:
        """The response to a review that is larger than `--max-body`."""
        started = perf_counter()
        in_force = self._state.in_force
        watch = self._sight.begin(head, started, client.address) if self._sight is not None else None
        lookups = self._recorder.begin(in_force.cluster) if self._recorder is not None else None
        cluster: ClusterView = lookups or in_force.cluster
        why = unread.too_large(f"the server reads ({flag('max_body')})")
        found = self._unread(head, begin, started, in_force, cluster, why, watch, lookups)
        if found is None and watch is not None:
            watch.failed(head.path, 413, "too large")
        return found

    def refused(self, status: int, message: str, head: Head | None, client: Client) -> None:
        """Count a refused request. It is logged only if its head could be read."""
        self._metrics.refused(status)
        if head is not None:
            fields = {"status": status, "message": message, "path": cut(head.path), "client": client.address or None}
            self._log.write("warning", "request refused", fields)

    async def _counted_awaited(self, *review: Any) -> Answer:
        self.awaiting += 1
        try:
            return await self._awaited(*review)
        finally:
            self.awaiting -= 1

    async def _awaited(
        self,
        head: Head,
        body: bytes,
        client: Client,
        started: float,
        in_force: InForce,
        question: Question,
        watch: Watch | None,
        lookups: Lookups | None,
    ) -> Answer:
        """Request answers from the API server until the review can be evaluated, or the time for requests is over.

        The results of policies that run apart are awaited in the same way.
        """
        live, isolation = in_force.live, self._state.isolation
        seconds = (time_for_review(head.query) or _DEFAULT_TIME) * _CLUSTER_SHARE - (perf_counter() - started)
        asked = live.for_review(asyncio.get_running_loop().time() + seconds) if live is not None else None
        view: ClusterView = asked or in_force.cluster
        if lookups is not None:
            lookups.view = view
            view = lookups
        if in_force.policies.reads_secrets:
            view = SecretsSeen(view)  # of all evaluations: the result of a policy that ran apart comes in a later one
        answers: dict[bytes, Ended] = {}
        runs = isolation.answering(answers) if isolation is not None else None
        while True:
            began = perf_counter()
            if isinstance(question, Job):
                ended = await question.come()
                if watch is not None:
                    watch.waited(question, began, ended.reason or ("no result" if ended.message else ""))
                if isinstance(view, SecretsSeen) and isinstance(question.cluster, SecretsSeen):
                    view.also(question.cluster)
                if question.question is None:
                    answers[question.order] = ended
                else:  # the policy runs again once the cluster has answered
                    question = question.question
                    continue
            elif asked is None:  # no other view raises Unanswered
                raise RuntimeError(f"no live cluster to ask about {type(question).__name__}")
            else:
                await asked.find_out(question)
                if watch is not None:
                    watch.waited(question, began)
            try:
                return self._answered(head, body, client, started, in_force, view, runs, watch, lookups)
            except Unanswered as unanswered:
                question = unanswered.question

    def _answered(
        self,
        head: Head,
        body: bytes,
        client: Client,
        started: float,
        in_force: InForce,
        cluster: ClusterView,
        runs: Runs | None,
        watch: Watch | None,
        lookups: Lookups | None,
    ) -> Answer:
        """The response to a review. Raises Unanswered if a policy needs an answer that `cluster` does not have."""
        if len(body) > SMALL and not fits(body, ENDPOINTS[head.path].phase, self._memory):
            most = f"{self._memory >> 20} MiB of memory"
            why = unread.too_large(f"{most} (--max-memory)")
            found = self._unread(head, body, started, in_force, cluster, why, watch, lookups)
            if found is not None:
                return found
            if watch is not None:
                watch.failed(head.path, 413, "too large")
            message = (
                f"the objects of the review would take more than {most};"
                f" expected fewer or larger values, or a larger --max-memory"
            )
            return self._refusal(413, message, head, client)
        try:
            request = review.parse(body)
        except review.BadReview as error:
            if isinstance(error, review.TooDeep):
                why = unread.too_deep()
                found = self._unread(head, body, started, in_force, cluster, why, watch, lookups)
                if found is not None:
                    return found
            if watch is not None:
                watch.failed(head.path, 400, "not a review")
            return self._refusal(400, str(error), head, client)
        endpoint, policies = ENDPOINTS[head.path], in_force.policies
        outcome: Decision | Mutation
        try:
            if endpoint.failure_policy is not None:
                policies = policies.only(endpoint.failure_policy)
            if policies.reads_secrets and type(cluster) is not SecretsSeen:
                cluster = SecretsSeen(cluster)
            if watch is not None:
                watch.again()
            decide: Callable[..., Any] = engine.validate if endpoint.phase == "validate" else engine.mutate
            confidential = Confidential(request, body, cluster)
            outcome = decide(
                request,
                policies,
                cluster,
                deadline=Deadline(started + (time_for_review(head.query) or _DEFAULT_TIME)),
                observer=watch,
                confidential=confidential,
                runs=runs,
            )
            if isinstance(outcome, Mutation):
                text = replying.respond_mutation(request, outcome, policies.revision)
            else:
                text = replying.respond(request, outcome, policies.revision)
        except Exception as error:
            # A bug of ours. The API server applies the failurePolicy of the webhook to a response with status 500.
            path = head.path
            self._metrics.review(path, request, "error", perf_counter() - started)
            if watch is not None:
                watch.failed(path, 500, type(error).__name__, request)
            self._log.put({**_line("error", "review failed", path, request), **failure(error)})
            message = f"internal error ({type(error).__name__}); see the server's log"
            return Answer(500, orjson.dumps({"error": message}))
        seconds = perf_counter() - started
        self._record(head.path, request, outcome, policies.revision, seconds, confidential)
        if watch is not None:
            watch.decided(head.path, request, outcome, policies.revision, seconds)
        if lookups is not None and self._recorder is not None:
            self._recorder.put(head.path, request, body, outcome, text, policies.revision, lookups)
        return Answer(200, text)

    def _unread(
        self,
        head: Head,
        begin: bytes,
        started: float,
        in_force: InForce,
        cluster: ClusterView,
        why: Failure,
        watch: Watch | None,
        lookups: Lookups | None,
    ) -> Answer | None:
        """The response to a review whose objects cannot be read; None if it is no review of an API server. It is
        counted, logged, traced and recorded as any other."""
        text = unread.without_objects(begin)
        request = unread.request_of(text) if text is not None else None
        if request is None or text is None:
            return None
        endpoint, policies = ENDPOINTS[head.path], in_force.policies
        if endpoint.failure_policy is not None:
            policies = policies.only(endpoint.failure_policy)
        if watch is not None:
            watch.again()
        outcome: Decision | Mutation
        if endpoint.phase == "validate":
            outcome = unread.validate(request, policies, cluster, why, watch)
            response = replying.respond(request, outcome, policies.revision, why.message)
        else:
            outcome = unread.mutate(request, policies, cluster, why, watch)
            response = replying.respond_mutation(request, outcome, policies.revision, why.message)
        seconds = perf_counter() - started
        self._record(head.path, request, outcome, policies.revision, seconds, why_unread=why.message)
        if watch is not None:
            watch.decided(head.path, request, outcome, policies.revision, seconds, "unread")
        if lookups is not None and self._recorder is not None:
            self._recorder.put(head.path, request, text, outcome, response, policies.revision, lookups, why)
        return Answer(200, response)

    def _record(
        self,
        path: str,
        request: Request,
        outcome: Decision | Mutation,
        revision: str,
        seconds: float,
        confidential: Confidential | None = None,
        why_unread: str = "",
    ) -> None:
        verdict = "allow" if outcome.allowed else "deny"
        self._metrics.review(path, request, verdict, seconds)
        self._metrics.evaluated(outcome.evaluated)
        counted = None
        if outcome.findings or outcome.excepted or (type(outcome) is Mutation and outcome.changed):
            counted = self._counted(request, outcome, confidential)
            if outcome.findings and self._state.seen is not None:
                owner = owner_of(request, self._owner_label, self._state.in_force.cluster)
                self._state.seen.take(path, request, counted["findings"], owner)
        if self._events is not None and not outcome.allowed:
            self._events.denied(request, outcome.findings, lambda finding: _is_confidential(finding, request))
        log = self._log
        if not log.all:
            notable = bool(why_unread) or (counted is not None and bool(counted["policies"]))
            if not log.wants(request.uid, notable=notable):
                return
        if counted is None and not why_unread and log.allowed(path, request, revision, seconds):
            return
        line = _line("info", "review", path, request)
        line["verdict"] = verdict
        line["revision"] = revision
        if counted is not None:
            line |= counted
        else:
            line["policies"] = ()
        if why_unread:
            line["unread"] = why_unread
        line["duration_ms"] = int(seconds * 1_000_000) / 1000
        self._log.put(line)

    def _counted(
        self, request: Request, outcome: Decision | Mutation, confidential: Confidential | None
    ) -> dict[str, Any]:
        """Count the findings, exceptions and mutations of a review. Returns their fields of its log line."""
        fields: dict[str, Any] = {}
        policies: set[str] = set()
        if outcome.findings:
            credentials = _is_of_credentials(request)
            concerned = confidential is None or confidential.is_concerned
            logged: list[dict[str, Any]] = []
            for finding in outcome.findings:
                policy, result = finding.policy, "error" if finding.error else finding.action.lower()
                policies.add(policy)
                self._metrics.finding(finding, result)
                shown = {"policy": policy, "binding": finding.binding, "result": result}
                if not credentials and not (concerned and _tells_secrets(finding)):
                    shown["message"] = finding.message[:MAX_TEXT]
                logged.append(shown)
            fields["findings"] = logged
        if outcome.excepted:
            fields["exceptions"] = [_excepted(each, request) for each in outcome.excepted]
            for each in outcome.excepted:
                policies.add(each.finding.policy)
                self._metrics.excepted(each.finding.policy, each.exception.name)
        if isinstance(outcome, Mutation) and outcome.changed:
            fields["changed"] = True
            for policy in outcome.policies:
                policies.add(policy)
                self._metrics.mutation(policy)
        fields["policies"] = sorted(policies)
        return fields

    def _refusal(self, status: int, message: str, head: Head, client: Client, *headers: tuple[bytes, bytes]) -> Answer:
        self.refused(status, message, head, client)
        return Answer(status, orjson.dumps({"error": message}), headers=headers)


_GONE = Answer(503, b'{"error":"this connection is closed; try again"}', headers=((b"retry-after", b"0"),))
_TIMEOUT = re.compile(rb"(?:^|&)timeout=([0-9.hms]{1,20})(?:&|$)")


@lru_cache(maxsize=64)  # the API server sends the timeout of the webhook configuration with every review
def time_for_review(query: bytes) -> float:
    """The seconds that evaluating a review may take; 0 if the query has no timeout.

    The API server adds `timeout=5s` (a Go duration) to the query. Four fifths of it are for the evaluation, the rest
    for the network. More than 30 s, the limit of the Kubernetes API, counts as 30 s.
    """
    found = _TIMEOUT.search(query)
    if found is None:
        return 0.0
    try:
        return min(parse_duration(found[1].decode()).ns, _MAX_TIMEOUT) * 0.8 / NANO
    except EvaluationError:
        return 0.0


def is_json(content_type: bytes) -> bool:
    """Whether a content type is JSON, whatever its parameters."""
    return content_type.split(b";", 1)[0].strip().lower() == b"application/json"


def _line(level: str, event: str, path: str, request: Request) -> dict[str, Any]:
    """The first fields of a log line: they identify the request and contain nothing of the object's content."""
    return {
        "time": datetime.now(UTC),
        "level": level,
        "event": event,
        "path": path,
        "uid": request.uid[:MAX_TEXT],
        "user": request.user.username[:MAX_TEXT],
        "operation": request.operation,
        "resource": resource_text(*request.resource),
        "subresource": request.subresource,
        "namespace": request.namespace[:MAX_TEXT],
        "name": request.name[:MAX_TEXT],
    }


def _excepted(excepted: Excepted, request: Request) -> dict[str, Any]:
    finding = excepted.finding
    fields: dict[str, Any] = {
        "exception": excepted.exception.name,
        "policy": finding.policy,
        "binding": finding.binding,
    }
    if not _is_confidential(finding, request):
        fields["message"] = cut(finding.message)
    return fields


def _is_confidential(finding: Finding, request: Request) -> bool:
    """Whether the message may come from credentials."""
    return _is_of_credentials(request) or _tells_secrets(finding)


def _is_of_credentials(request: Request) -> bool:
    """Whether the object is a Secret or a token request (`serviceaccounts/token`)."""
    group, _, resource = request.resource
    return group == "" and (resource == "secrets" or request.subresource == "token")


def _tells_secrets(finding: Finding) -> bool:
    """Whether the policy has read a Secret."""
    evaluated = finding.evaluated
    return evaluated is not None and concerns_secret(evaluated.policy, evaluated.param)

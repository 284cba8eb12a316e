"""What watches a review while the engine decides: it is traced, and its policies are timed.

Both are off unless they are switched on, and cost a review nothing then: it has no observer. For a review that is
watched, the engine reports each evaluation. The time of a policy begins at the end of the one before, so it includes
matching and everything else that the engine does in between.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec import Struct, field

from webhook.access import Access
from webhook.policy.evaluation import PASSED, UNCHANGED, MutationResult
from webhook.server.python.lanes import Job
from webhook.server.telemetry.metrics import SLOW_EXAMPLE, Metrics
from webhook.server.telemetry.traces.spans import MAX_PARTS, MAX_TEXT, LookupSpan, Record, Result

if TYPE_CHECKING:
    from webhook.admission.decision import Decision, Excepted, Mutation
    from webhook.admission.record import Evaluated, Skipped
    from webhook.cluster.view import Question
    from webhook.policy.request import Request
    from webhook.server.port.exchange import Head
    from webhook.server.telemetry.policytimes import PolicyTimes
    from webhook.server.telemetry.traces.sampling import Ids, Sampler

SLOW: Final = 0.001
"""Seconds from which on an evaluation has a span of its own, whatever its result."""


class Watch(Struct, eq=False):
    """Watches one review: an Observer of the engine.

    ids: of its span; None if it is not traced. started: when the review came. Times are of time.perf_counter.
    """

    skips: ClassVar[bool] = False

    sight: Sight
    ids: Ids | None
    started: float
    client: str
    began: float = 0.0  # when the engine did
    evaluations: list[tuple[Evaluated, float]] = field(default_factory=list)  # each with its end
    waits: list[tuple[Question, str, float, float]] | None = None
    exempted: list[tuple[str, str]] | None = None

    __repr__ = object.__repr__  # a struct's own would show the evaluations

    def again(self) -> None:
        """The engine begins (again): only what it reports from now on counts."""
        if self.evaluations:
            self.evaluations = []
        self.exempted = None
        self.began = perf_counter()

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """See webhook.admission.record.Observer."""
        self.evaluations.append((evaluated, perf_counter()))

    def skipped(self, skipped: Skipped, /) -> None:
        """See Observer: not called."""

    def excepted(self, excepted: Excepted, /) -> None:
        """See Observer."""
        if self.exempted is None:
            self.exempted = []
        if len(self.exempted) < MAX_PARTS:
            self.exempted.append((excepted.finding.policy[:MAX_TEXT], excepted.finding.binding[:MAX_TEXT]))

    def waited(self, question: Question, began: float, error: str = "") -> None:
        """The review has waited for an answer, since `began`. error: why it has none."""
        if self.waits is None:
            self.waits = []
        if len(self.waits) < MAX_PARTS:
            self.waits.append((question, error, began, perf_counter()))

    def decided(
        self, path: str, request: Request, outcome: Decision | Mutation, revision: str, seconds: float, error: str = ""
    ) -> None:
        """The review is decided, after so many seconds. error: `unread`, if its objects could not be read."""
        sight, ids = self.sight, self.ids
        if sight.times is not None:
            self._count(sight.times)
        if ids is not None:
            now, metrics = time_ns(), sight.metrics
            if now >= metrics.next_example or seconds >= SLOW_EXAMPLE:
                metrics.exemplar(path, seconds, ids, now)
            verdict = "allow" if outcome.allowed else "deny"
            sight.send(self._record(ids, path, request, seconds, now, 200, error, verdict, outcome.code, revision))

    def failed(self, path: str, status: int, error: str, request: Request | None = None) -> None:
        """The review is answered with an HTTP error. error: its kind, such as the name of an exception."""
        if self.ids is not None:
            seconds = perf_counter() - self.started
            self.sight.send(self._record(self.ids, path, request, seconds, time_ns(), status, error, "", 0, ""))

    def _count(self, times: PolicyTimes) -> None:
        """Count the time of each policy that was evaluated, with the time that its result took in another process."""
        apart: dict[str, float] = {}
        for question, _, began, ended in self.waits or ():
            if isinstance(question, Job):
                name = question.declaration.name
                apart[name] = apart.get(name, 0.0) + ended - began
        before = self.began
        for evaluated, ended in self.evaluations:
            policy = evaluated.policy
            times.add(policy, ended - before + apart.pop(policy.name, 0.0) if apart else ended - before)
            before = ended

    def _record(
        self,
        ids: Ids,
        path: str,
        request: Request | None,
        seconds: float,
        now: int,
        status: int,
        error: str,
        verdict: str,
        code: int,
        revision: str,
    ) -> Record:
        """The ReviewSpan of the review, which ends now."""
        evaluations = self.evaluations
        parts: list[Record] = []
        if evaluations:
            before = self.began
            for evaluated, ended in evaluations:
                result = evaluated.result
                if ended - before >= SLOW or not (result is PASSED or result is UNCHANGED or result.unmet):
                    self._add(parts, evaluated, before, ended)
                before = ended
        return (
            *ids,
            now,
            seconds,
            path,
            self.client,
            status,
            error,
            verdict,
            code,
            revision,
            None
            if request is None
            else (
                request.uid[:MAX_TEXT],
                request.operation,
                *request.resource,
                request.subresource,
                request.namespace[:MAX_TEXT],
                request.name[:MAX_TEXT],
                request.dry_run,
                request.user.username[:MAX_TEXT],
            ),
            [each[0].policy.name for each in evaluations[:MAX_PARTS]],
            parts,
            () if self.waits is None else self._lookups(self.waits),
            self.exempted or (),
        )

    def _add(self, parts: list[Record], evaluated: Evaluated, began: float, ended: float) -> None:
        policy, result = evaluated.policy, _result(evaluated)
        if len(parts) >= MAX_PARTS:
            return
        name, binding, start = policy.name[:MAX_TEXT], evaluated.binding.name[:MAX_TEXT], self.started
        parts.append((name, policy.kind, policy.language, binding, result, began - start, ended - start))

    def _lookups(self, waits: list[tuple[Question, str, float, float]]) -> list[LookupSpan]:
        start = self.started
        return [
            LookupSpan(*_question(question), error, began - start, ended - start)
            for question, error, began, ended in waits
        ]


def _result(evaluated: Evaluated) -> Result:
    result = evaluated.result
    if result.unmet:
        return "skipped"
    if isinstance(result, MutationResult):
        return "error" if result.faults else "unchanged" if result.object is None else "changed"
    failures = result.failures
    if not failures:
        return "error" if result.annotation_errors else "passed"
    if result.annotation_errors or failures[0].error or any(failure.error for failure in failures):
        return "error"
    return ",".join(evaluated.binding.actions).lower()


def _question(question: Question) -> tuple[str, str]:
    """What was asked, and the name of what was asked for. A policy may build an access check from the object, so its
    attributes are not shown."""
    if isinstance(question, Job):
        return "policy", question.declaration.name[:MAX_TEXT]
    if isinstance(question, Access):
        return "access", ""
    return "namespace", str(question)[:MAX_TEXT]


class Sight:
    """Watches the reviews of a process. sampler: which are traced, and `send` takes their spans; None if none are.

    times: takes how long policies take; None if they are not timed.
    """

    __slots__ = ("_plain", "metrics", "sampler", "send", "times")

    def __init__(
        self,
        metrics: Metrics,
        sampler: Sampler | None = None,
        send: Callable[[Record], None] = lambda span: None,
        times: PolicyTimes | None = None,
    ) -> None:
        self.metrics = metrics
        self.sampler = sampler
        self.send = send
        self.times = times
        self._plain: object = None  # the last headers without a trace context: a connection sends the same again

    def begin(self, head: Head, started: float, client: str) -> Watch | None:
        """What watches a review, which came at `started`; None if nothing does."""
        ids = None
        if self.sampler is not None:
            headers = head.headers
            if headers is self._plain:
                ids = self.sampler.begin_trace()
            else:
                ids = self.sampler.begin(headers)
                if not any(name == b"traceparent" for name, _ in headers):
                    self._plain = headers
        if ids is None and self.times is None:
            return None
        return Watch(self, ids, started, client)

"""How the server runs policies in Python: under a deadline, whatever their code does.

A policy that is tame (webhook.policy.python.tame) runs in this process, and a timer stops it after some hundredths of a
second. Any other, and one that was stopped, runs apart (webhook.policy.python.apart): in the process of a lane, which
the kernel ends at the deadline. There are two lanes. What has been cut off, or was slow, shares the second one, so that
others do not wait for it. A lane takes turns between its policies.

A policy that is cut off too often is set aside: for a while it is not run, and its requests get the answer of its
failurePolicy at once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct, field
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from webhook.policy.evaluation import PASSED, Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.policyset import PolicySet
from webhook.policy.python.apart import frames
from webhook.policy.python.declaring import Declaration
from webhook.policy.python.running import PythonMutator, PythonValidator
from webhook.policy.python.stopping import Stopped, Timer
from webhook.policy.python.tame import untamed
from webhook.policy.request import JSONObject
from webhook.policy.reviewing import Review
from webhook.server.python.lanes import Ended, Job, Lane
from webhook.server.python.policyprocesses import Processes
from webhook.server.telemetry.logs import Log, cut
from webhook.visible import visible

CUT_OFFS: Final = 3
"""Cut-offs within WINDOW seconds after which a policy is set aside."""

WINDOW: Final = 300.0
PAUSE: Final = 60.0
"""Seconds for which it is set aside, at first. Each time that it is cut off again after that, twice as long."""

MAX_PAUSE: Final = 900.0
APART: Final = 600.0
"""Seconds for which a tame policy runs apart after the timer stopped it, and a slow one in the second lane."""

_SLOW: Final = 0.1  # seconds; a policy that takes longer goes to the second lane
_MAX_LOGGED = 1000  # characters of a place or line that a runner wrote

REASONS: Final = ("deadline", "ended", "answer")
"""Why a policy was cut off: it took too long, it ended its process, or it sent something other than an answer."""


class Standing(Struct, eq=False):
    """What the server knows of a policy in Python. Times are of time.monotonic()."""

    declaration: Declaration
    untame: str | None  # why it runs apart for good; None if it is tame
    here: bool
    apart_until: float = 0.0  # of a tame one
    slow_until: float = 0.0
    aside_until: float = 0.0
    pause: float = PAUSE
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=CUT_OFFS))  # cut-offs
    stops: int = 0
    cut_offs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    last: str = ""  # the message of the last cut-off


class Isolation:
    """Runs the Python policies of one process; see webhook.policy.reviewing.Runs.

    timeout: seconds that one evaluation may take. everything: run tame policies apart, too.
    """

    def __init__(self, timeout: float, log: Log, *, everything: bool = False) -> None:
        self._timeout = timeout
        self._everything = everything
        self._log = log
        self._timer = Timer()
        self._standings: dict[Declaration, Standing] = {}
        self._lanes: tuple[Lane, Lane] | None = None
        self._processes: Processes | None = None
        self.over = self._timer.end

    def use(self, policies: PolicySet) -> None:
        """Run these policies from now on. The state of a policy is kept, unless its file has changed."""
        before = {_key(each.declaration): each for each in self._standings.values()}
        standings = {}
        for policy in policies.policies:
            if policy.language == "python" and isinstance(policy.evaluator, PythonValidator | PythonMutator):
                declaration = policy.evaluator.declaration
                known = before.get(_key(declaration))
                standing = self._new(declaration)
                if known is not None and known.declaration.source == declaration.source:
                    standing = known
                    standing.declaration = declaration
                standings[declaration] = standing
        self._standings = standings
        for lane in self._lanes or ():
            lane.renew()
        self._warm()

    def start(self) -> None:
        """Begin, in the running loop. Starts processes only if the tree has policies that run apart."""
        self._processes = Processes(self._log)
        self._lanes = (
            Lane(self._processes, self._timeout, self._ended),
            Lane(self._processes, self._timeout, self._ended),
        )
        self._warm()

    def close(self) -> None:
        """End all processes."""
        if self._processes is not None:
            self._processes.close()
        self._timer.close()

    def _warm(self) -> None:
        """Have the first lane import the policies that run apart, before a review needs them."""
        if self._lanes is not None:
            self._lanes[0].load(each.declaration for each in self._standings.values() if each.untame is not None)

    # Runs

    def evaluation(self, validator: PythonValidator, review: Review, params: Any) -> Evaluation:
        return self.evaluated(validator, review, params, {})

    def edited(self, mutator: PythonMutator, review: Review, params: Any) -> MutationResult | JSONObject:
        return self.mutated(mutator, review, params, {})

    def answering(self, answers: dict[bytes, Ended]) -> Answering:
        """The same, for a review whose policies have run apart already, with these results."""
        return Answering(self, answers)

    def evaluated(
        self, validator: PythonValidator, review: Review, params: Any, answers: dict[bytes, Ended]
    ) -> Evaluation:
        standing = self._standing(validator.declaration)
        if standing.here:
            try:
                self._timer.begin()
                return validator.evaluated_here(review, params)
            except Stopped:
                self._timer.end()
                self._move(standing)
        result, message = self._apart(standing, review, params, answers)
        if message is None:
            try:
                failures = frames.evaluation_from(result)
                return Evaluation(failures) if failures else PASSED
            except frames.BadFrame:
                message = self._no_answer(standing)
        if standing.declaration.failure_policy != "Fail":
            return PASSED
        return Evaluation([Failure(message, error=True)])

    def mutated(
        self, mutator: PythonMutator, review: Review, params: Any, answers: dict[bytes, Ended]
    ) -> MutationResult | JSONObject:
        standing = self._standing(mutator.declaration)
        if standing.here:
            try:
                self._timer.begin()
                return mutator.edited_here(review, params)
            except Stopped:
                self._timer.end()
                self._move(standing)
        result, message = self._apart(standing, review, params, answers)
        if message is None:
            try:
                return frames.edited_from(result)
            except frames.BadFrame:
                message = self._no_answer(standing)
        return MutationResult(faults=[MutationFault(message)])

    def _standing(self, declaration: Declaration) -> Standing:
        standing = self._standings.get(declaration)
        if standing is None:  # of a review that began before `use`
            standing = self._standings[declaration] = self._new(declaration)
        return standing

    def _new(self, declaration: Declaration) -> Standing:
        source = declaration.source
        untame = "its source is not known" if source is None else untamed(source.text)
        if untame is None and self._everything:
            untame = "--policy-isolation all"
        return Standing(declaration, untame, untame is None)

    def _apart(
        self, standing: Standing, review: Review, params: Any, answers: dict[bytes, Ended]
    ) -> tuple[Any, str | None]:
        """The result of a policy that runs apart, or the message why there is none. Raises Unanswered if there is none
        yet."""
        now = time.monotonic()
        if standing.aside_until > now:
            return None, self._message(standing, self._aside(standing))
        if standing.apart_until and standing.apart_until <= now:
            standing.apart_until = 0.0
            standing.here = True  # from the next request on
        declaration = standing.declaration
        left = review.deadline.at - time.perf_counter() if review.deadline is not None else 2 * self._timeout
        if left <= 0:
            return None, self._message(standing, "the time for the request is over")
        order = frames.framed(
            {
                "run": _key(declaration),
                "request": frames.request_of(review.request),
                "params": params,
                "cluster": review.cluster is not None,
                "seconds": self._timeout,
            }
        )
        ended = answers.get(order)
        if ended is None:
            if self._lanes is None:
                raise RuntimeError("policies cannot run apart before `start`")
            lane = self._lanes[standing.slow_until > now]
            ended = lane.run(Job(declaration, order, review.cluster, review.request.user, left / 2))
        if ended.message:
            return None, self._message(standing, ended.message)
        return ended.result, None

    def _message(self, standing: Standing, text: str) -> str:
        return f"function '{standing.declaration.function.__name__}' resulted in error: {text}"

    def _aside(self, standing: Standing) -> str:
        until = _clock(standing.aside_until)
        return f"it is not run until {until}, because it was cut off {CUT_OFFS} times: {standing.last}"

    # What becomes of a policy

    def _move(self, standing: Standing) -> None:
        """Run a policy apart that the timer stopped here."""
        standing.here = False
        standing.stops += 1
        standing.apart_until = standing.slow_until = time.monotonic() + APART
        self._log.write("warning", "policy moved", self._about(standing) | {"message": _MOVED})

    def _ended(self, job: Job, ended: Ended) -> None:
        """Handle the end of a run."""
        standing = self._standing(job.declaration)
        if ended.said:
            said = ["(left out: the policy sees a Secret)"] if _of_secret(job) else ended.said
            for line in said:
                self._log.write("info", "policy said", self._about(standing) | {"message": line})
        if ended.seconds > _SLOW or ended.reason:
            standing.slow_until = time.monotonic() + APART
        if ended.reason:
            self._cut_off(standing, ended.reason, ended.message)

    def _no_answer(self, standing: Standing) -> str:
        text = "cut off: it sent something else than a result"
        self._cut_off(standing, "answer", text)
        return self._message(standing, text)

    def _cut_off(self, standing: Standing, reason: str, message: str) -> None:
        now = time.monotonic()
        standing.cut_offs[reason] += 1
        standing.last = message
        standing.recent.append(now)
        fields = self._about(standing) | {"reason": reason, "message": cut(message)}
        recent = [each for each in standing.recent if now - each < WINDOW + standing.pause]
        if len(recent) >= CUT_OFFS:
            again = standing.aside_until > 0 and now - standing.aside_until < WINDOW
            standing.pause = min(2 * standing.pause, MAX_PAUSE) if again else PAUSE
            standing.aside_until = now + standing.pause
            fields["set_aside_until"] = _clock(standing.aside_until)
            for lane in self._lanes or ():
                lane.drop(standing.declaration, Ended(message=self._aside(standing)))
        self._log.write("error", "policy cut off", fields)

    def _about(self, standing: Standing) -> dict[str, Any]:
        declaration = standing.declaration
        return {"policy": declaration.name, "kind": declaration.kind, "file": declaration.file}

    def listing(self) -> dict[str, dict[str, Any]]:
        """Of each Python policy, by kind and name: where it runs and why, its cut-offs, until when it is set aside."""
        now = time.monotonic()
        found = {}
        for each in self._standings.values():
            why = each.untame or "the timer stopped it"
            found["/".join(_key(each.declaration))] = {
                "runs": "in the server" if each.here else "apart",
                "why": None if each.here else why,
                "cutOffs": sum(each.cut_offs.values()),
                "lastCutOff": each.last or None,
                "setAsideUntil": _clock(each.aside_until) if each.aside_until > now else None,
            }
        return found

    def shown(self) -> str:
        """Where the processes are in which policies run apart, as text for people."""
        names = ("the first lane", "the lane of slow policies")
        shown = (f"--- {name}: {lane.shown()}" for name, lane in zip(names, self._lanes or (), strict=False))
        return "".join("".join(f"{visible(line)}\n" for line in each.splitlines()) for each in shown)

    def standings(self) -> Iterable[Standing]:
        return self._standings.values()


class Answering:
    """Runs for a review whose policies have run apart already; see Isolation.answering."""

    __slots__ = ("_answers", "_isolation", "over")

    def __init__(self, isolation: Isolation, answers: dict[bytes, Ended]) -> None:
        self._isolation = isolation
        self._answers = answers
        self.over = isolation.over

    def evaluation(self, validator: PythonValidator, review: Review, params: Any) -> Evaluation:
        return self._isolation.evaluated(validator, review, params, self._answers)

    def edited(self, mutator: PythonMutator, review: Review, params: Any) -> MutationResult | JSONObject:
        return self._isolation.mutated(mutator, review, params, self._answers)


_MOVED: Final = f"a timer stopped it in the server's process; it runs apart for {APART:.0f} s, and this request again"


def _of_secret(job: Job) -> bool:
    """Whether what a policy prints may hold values of a Secret: it gets one, or looks some up. The order is JSON that
    the server has written."""
    if b'"Secret"' in job.order or any(kind == "Secret" for _, kind in job.declaration.reads):
        return True
    request = frames.read(memoryview(job.order)[frames.HEAD :])["request"]
    return bool(request["subresource"] == "token")


def _key(declaration: Declaration) -> tuple[str, str]:
    return declaration.kind, declaration.name


def _clock(monotonic: float) -> str:
    return f"{datetime.fromtimestamp(time.time() + monotonic - time.monotonic(), UTC):%Y-%m-%dT%H:%M:%SZ}"


class IsolationMetrics(Collector):
    """The metrics of the policies, read at each scrape."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    def collect(self) -> Iterator[Metric]:
        now = time.monotonic()
        cut_offs = CounterMetricFamily(
            "gatewright_policy_cut_offs",
            "Evaluations of a Python policy that were cut off, by reason: deadline, ended, answer.",
            labels=("policy", "reason"),
        )
        stops = CounterMetricFamily(
            "gatewright_policy_stops",
            "Evaluations of a Python policy that the timer stopped in the server's process, and that ran again apart.",
            labels=("policy",),
        )
        aside = GaugeMetricFamily(
            "gatewright_policy_set_aside", "1 while a Python policy is not run.", labels=("policy",)
        )
        by_name: dict[str, list[Standing]] = {}
        for standing in self._isolation.standings():
            by_name.setdefault(standing.declaration.name, []).append(standing)
        for name, standings in by_name.items():
            for reason in REASONS:
                cut_offs.add_metric((name, reason), sum(each.cut_offs[reason] for each in standings))
            stops.add_metric((name,), sum(each.stops for each in standings))
            aside.add_metric((name,), max(each.aside_until > now for each in standings))
        yield from (cut_offs, stops, aside)

    def describe(self) -> Iterable[Metric]:
        return []

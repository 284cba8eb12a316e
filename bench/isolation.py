"""The cost of isolation for a review: processor time of the server with it, minus that without it, on recorded reviews.

The reviews are those that a policy of the kind matches. Rounds take turns, so that both sides meet the same noise; the
figure is the median of the rounds' differences.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.figures import keep
from bench.servers import ROOT, recorded
from webhook.admission import engine, review
from webhook.cel.cost.metering import Deadline
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import Unanswered
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.policy.reviewing import Runs
from webhook.server.python.isolation import Answering, Isolation
from webhook.server.python.lanes import Ended, Job
from webhook.server.telemetry.logs import Log

ROUNDS = 21
REVIEWS = 200  # of a round, in turn


def main() -> None:
    asyncio.run(_measure())


async def _measure() -> None:
    policies = load(ROOT / "policies")
    cel = policies.where(lambda policy: policy.language == "cel")
    python = policies.where(lambda policy: policy.language == "python")
    log = Log(os.open(os.devnull, os.O_WRONLY))
    here, apart = Isolation(1.0, log), Isolation(1.0, log, everything=True)
    for isolation in (here, apart):
        isolation.use(policies)
        isolation.start()
    try:
        print("  what isolation adds to a review, in the engine:")
        _print("CEL policies", await _added(cel, here), "nothing")
        tame = await _added(python, here)
        _print("Python policies, tame", tame, "at most 15 µs")
        keep("what isolation adds to a review by Python policies", tame, "µs", at_most=15)
        for request in _matched(python):
            await _settled(python, apart, request)
        _print("Python policies, all apart (server's side)", await _added(python, apart), "no promise")
        print()
    finally:
        here.close()
        apart.close()


def _print(what: str, micros: float, wanted: str) -> None:
    print(f"    {what:46} {micros:6.1f} µs ({wanted})")


def _matched(policies: PolicySet) -> list[Request]:
    requests = [review.parse(file.read_bytes()) for file in recorded("validate")]
    return [request for request in requests if policies.validators_for(request)]


async def _settled(policies: PolicySet, runs: Runs, request: Request) -> None:
    """Decide, and as the server does, decide again if a result comes later."""
    answers: dict[bytes, Ended] = {}
    while True:
        try:
            _decide(policies, request, runs)
        except Unanswered as unanswered:
            job = unanswered.question
            assert isinstance(job, Job)
            assert isinstance(runs, Isolation | Answering)
            answers[job.order] = await job.come()
            assert not answers[job.order].message, answers[job.order].message
            runs = runs.answering(answers) if isinstance(runs, Isolation) else runs
            continue
        return


def _decide(policies: PolicySet, request: Request, runs: Runs | None) -> None:
    view = ManifestsView(policies.objects)
    engine.validate(request, policies, view, deadline=Deadline(time.perf_counter() + 8), runs=runs)


async def _added(policies: PolicySet, isolation: Isolation) -> float:
    """The microseconds of processor time that the isolation adds to a review in the server's process."""
    requests = _matched(policies)
    without = Unlimited()

    async def seconds(runs: Any) -> float:
        begun = time.process_time()
        for index in range(REVIEWS):
            await _settled(policies, runs, requests[index % len(requests)])
        return (time.process_time() - begun) / REVIEWS * 1e6

    await seconds(isolation)
    await seconds(without)
    return statistics.median([await seconds(isolation) - await seconds(without) for _ in range(ROUNDS)])


class Unlimited:
    """Runs policies as before there was isolation: in this process, without a timer."""

    def __init__(self) -> None:
        self.over: Callable[[], None] = _nothing

    def evaluation(self, validator: Any, review: Any, params: Any) -> Any:
        return validator.evaluated_here(review, params)

    def edited(self, mutator: Any, review: Any, params: Any) -> Any:
        return mutator.edited_here(review, params)


def _nothing() -> None:
    pass

"""Verdicts over time: what has been counted between two looks, for an hour finely and for a day coarsely."""

from __future__ import annotations

import asyncio

import pytest

from webhook.server.page import course
from webhook.server.page.course import COARSE, FINE, STEPS, Course


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


def test_each_look_keeps_what_was_counted_since_the_last() -> None:
    counts = {"allow": 5.0}
    kept = Course(lambda: counts, Clock())
    counts |= {"allow": 8.0, "deny": 2.0}
    kept.look()
    counts["allow"] = 3.0  # a worker was killed with what it had counted
    counts["error"] = 1.0
    kept.look()
    steps = kept.shown()["fine"]["steps"]
    assert [step[1:] for step in steps] == [(3, 2, 0), (0, 0, 1)]
    assert kept.shown()["coarse"]["steps"] == [(steps[-1][0], 3, 2, 1)]
    assert kept.shown()["verdicts"] == ("allow", "deny", "error")


def test_steps_are_bounded_and_coarse_ones_are_sums() -> None:
    counts = {"deny": 0.0}
    kept = Course(lambda: counts, Clock())
    for _ in range(STEPS * (COARSE + 2)):
        counts["deny"] += 1
        kept.look()
    shown = kept.shown()
    assert len(shown["fine"]["steps"]) == FINE
    assert len(shown["coarse"]["steps"]) == COARSE
    assert all(step[1:] == (0, STEPS, 0) for step in shown["coarse"]["steps"])
    assert shown["coarse"]["every"] == STEPS * shown["fine"]["every"]


def test_it_looks_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "EVERY", 0.01)
    kept = Course(lambda: {"allow": 1.0})

    async def keep() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(kept.keep(), 0.2)

    asyncio.run(keep())
    assert len(kept.shown()["fine"]["steps"]) > 1

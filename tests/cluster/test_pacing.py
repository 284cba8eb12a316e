"""Requests wait for their turn, and for no longer."""

from __future__ import annotations

from webhook.cluster.pacing import Pace


def test_requests_are_paced() -> None:
    slept: list[float] = []
    now = [100.0]
    pace = Pace(4, sleep=slept.append, clock=lambda: now[0])
    for _ in range(3):
        pace.wait()
    assert slept == [0.25, 0.5]
    now[0] += 10
    pace.wait()
    assert slept == [0.25, 0.5]  # nobody has waited for its turn meanwhile
    any_number = Pace(0, sleep=slept.append, clock=lambda: now[0])
    for _ in range(3):
        any_number.wait()
    assert slept == [0.25, 0.5]

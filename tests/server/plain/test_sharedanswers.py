"""Answers are made one at a time, within a share of the time, and each is of after it was asked for."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from webhook.server.plain.sharedanswers import REST, Shared


class Maker:
    def __init__(self, seconds: float = 0.0) -> None:
        self.made: list[tuple[float, float]] = []  # begin and end
        self.seconds = seconds
        self.error: Exception | None = None

    async def __call__(self) -> bytes:
        begun = perf_counter()
        await asyncio.sleep(self.seconds)
        self.made.append((begun, perf_counter()))
        if self.error is not None:
            raise self.error
        return b"%d" % len(self.made)


def test_those_who_ask_at_the_same_time_share_an_answer() -> None:
    async def run() -> None:
        maker = Maker(0.01)
        shared = Shared(maker)
        assert await asyncio.gather(*(shared() for _ in range(50))) == [b"1"] * 50
        first = asyncio.create_task(shared())
        while len(maker.made) < 2:
            asked = perf_counter()
            answer = await shared()
        assert maker.made[int(answer) - 1][0] >= asked
        assert await first == b"2"

    asyncio.run(run())


def test_every_answer_was_made_after_it_was_asked_for_and_a_tenth_of_the_time_goes_into_them() -> None:
    async def run() -> None:
        maker = Maker(0.002)
        shared = Shared(maker)

        async def asking() -> None:
            for _ in range(6):
                asked = perf_counter()
                answer = await shared()
                assert maker.made[int(answer) - 1][0] >= asked

        await asyncio.gather(*(asking() for _ in range(20)))
        assert len(maker.made) < 20 * 6 / 4
        for (begun, ended), (after, _) in zip(maker.made, maker.made[1:], strict=False):
            assert after - ended >= min(0.5, REST * (ended - begun)) * 0.8

    asyncio.run(run())


def test_a_failure_is_told_to_all_and_the_next_answer_is_made() -> None:
    async def run() -> None:
        maker = Maker()
        maker.error = RuntimeError("out of order")
        shared = Shared(maker)
        found = await asyncio.gather(shared(), shared(), return_exceptions=True)
        assert [str(each) for each in found] == ["out of order"] * 2
        maker.error = None
        assert await shared() == b"2"

    asyncio.run(run())


def test_who_leaves_ends_nobody_elses_answer() -> None:
    async def run() -> None:
        shared = Shared(Maker(0.02))
        leaving, staying = asyncio.create_task(shared()), asyncio.create_task(shared())
        await asyncio.sleep(0.005)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await staying == b"1"

    asyncio.run(run())

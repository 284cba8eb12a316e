"""Malformed and mutated reviews: every one gets an answer that is no 5xx, and none leaves anything behind.

Each case comes from a seed of its own, which a failure names; GATEWRIGHT_TEST_CASES asks for more of them.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.server.direct import HEAD, Direct
from tests.server.mutations import RECORDED, generated, uid_of
from webhook.policy.load.loading import load

PATHS = ("/validate", "/mutate")
CASES = int(os.environ.get("GATEWRIGHT_TEST_CASES", "2000"))
GROWTH = 8 << 20  # bytes that all reviews after the first quarter may leave behind


def _answers(direct: Direct, seed: int) -> int:
    body = generated(seed)
    answer = direct.answer(body, HEAD._replace(path=PATHS[seed % 2]))
    document = orjson.loads(answer.body)
    if answer.status == 200:
        response = document["response"]
        assert response["uid"] == uid_of(body), seed
        assert type(response["allowed"]) is bool, seed
        assert all(type(value) is str for value in response.get("auditAnnotations", {}).values()), seed
        assert ("patch" in response) == ("patchType" in response), seed
    else:
        assert (answer.status, list(document)) == (400, ["error"]), (seed, answer)
    return answer.status


@pytest.fixture
def direct(tmp_path: Path) -> Iterator[Direct]:
    """The review application with the shipped policies, its log in a file."""
    direct = Direct(tmp_path, load(Path(__file__).parent.parent.parent / "policies"))
    yield direct
    assert not [line for line in direct.lines() if line["level"] == "error"]


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    if not Path("/proc/self/statm").exists():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_review_is_answered_by_a_failure_of_the_server(direct: Direct) -> None:
    good = RECORDED[0]

    def answers(seeds: range) -> Counter[int]:
        return Counter(_answers(direct, seed) for seed in seeds)

    warm = CASES // 4  # so many, and everything that is kept for each kind of request is there
    answered = answers(range(warm))
    gc.collect()
    before = _resident()
    answered += answers(range(warm, CASES))
    gc.collect()
    grown = _resident() - before
    print(
        f"\nmalformed and mutated reviews: {CASES}, seeds 0 to {CASES - 1}: {answered[200]} answered, {answered[400]} "
        f"refused; memory grew by {grown / (1 << 20):.1f} MiB over the last {CASES - warm}, bound {GROWTH >> 20} MiB"
    )
    assert sum(answered.values()) == CASES
    assert set(answered) == {200, 400}  # so both ways were gone
    assert min(answered.values()) > CASES / 20
    assert grown < GROWTH
    document = orjson.loads(direct.answer(orjson.dumps(good)).body)
    assert document["response"]["uid"] == good["request"]["uid"]

"""Malformed and mutated reviews: every one gets an answer that is no 5xx, and none leaves anything behind.

Each case comes from a seed of its own, which a failure names; GATEWRIGHT_TEST_CASES asks for more of them.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.server.direct import HEAD, Direct
from tests.server.running import REVIEWS
from webhook.policy.load.loading import load
from webhook.server.reviews import ENDPOINTS

CASES = int(os.environ.get("GATEWRIGHT_TEST_CASES", "2000"))
GROWTH = 8 << 20  # bytes that all reviews after the first quarter may leave behind
RECORDED = [orjson.loads(file.read_bytes()) for file in sorted(REVIEWS.glob("0*.json"))]
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1 << 63, (1 << 64) - 1, 1.5, 1e308, "", "x", "*", "\x00", "\u2028", "ä", "7", "no"),
    *([], {}, [None], {"": None}, {"metadata": None}, [[]], ["x", 1], {"name": 7}, {"labels": []}),
    *("a" * 300, "CREATE", "DELETE", "v1", {"group": "", "version": "v1", "kind": "Pod"}),
]


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _nodes(inner, (*path, key))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _mutated(chance: random.Random) -> bytes:
    """A recorded review with parts of it replaced, removed, moved or nested."""
    review = copy.deepcopy(chance.choice(RECORDED))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        paths = list(_nodes(review))
        if not paths:
            break
        *outer, key = chance.choice(paths)
        holder = _at(review, tuple(outer))
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = copy.deepcopy(chance.choice(JUNK))
            case 3:
                holder[key] = [holder[key]]
            case 4:
                holder[key] = copy.deepcopy(_at(review, chance.choice(paths)))
    if chance.random() < 0.1:
        holder, key = chance.choice(((review, "request"), (review.get("request"), "object")))
        if isinstance(holder, dict) and key in holder:
            for _ in range(chance.choice((50, 200, 260))):
                holder[key] = {"a": holder[key]}
    return json.dumps(review).encode()  # orjson would refuse the deep ones


def _malformed(chance: random.Random) -> bytes:
    """A recorded review's text with bytes of it changed, cut off, doubled."""
    text = bytearray(orjson.dumps(chance.choice(RECORDED)))
    for _ in range(chance.choice((1, 1, 2, 10, 100))):
        at = chance.randrange(len(text)) if text else 0
        match chance.randrange(5):
            case 0:
                text[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del text[at : at + chance.randrange(1, 50)]
            case 2:
                text[at:at] = text[at : at + chance.randrange(1, 200)]
            case 3:
                text[at:at] = chance.choice(
                    (b"NaN", b"\xff", b"\\ud800", b"[" * 2000, b'{"a":' * 300, b"1e999", b"\x00")
                )
            case 4:
                del text[at:]
    return bytes(text)


def _answers(direct: Direct, seed: int) -> int:
    chance = random.Random(seed)
    body = _mutated(chance) if seed % 3 else _malformed(chance)
    answer = direct.answer(body, HEAD._replace(path=chance.choice(list(ENDPOINTS))))
    document = orjson.loads(answer.body)
    if answer.status == 200:
        response = document["response"]
        assert response["uid"] == orjson.loads(body)["request"]["uid"], seed
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

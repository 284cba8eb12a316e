"""Malformed and mutated reviews: every one gets an answer that is no 5xx, and none leaves anything behind.

Each case comes from a seed of its own, which a failure names; GATEWRIGHT_TEST_CASES asks for more of them.
"""

from __future__ import annotations

import asyncio
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

from tests.server.running import REVIEWS
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import load
from webhook.schema import Kinds
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.reviews import ENDPOINTS, Reviews
from webhook.server.state import State

CASES = int(os.environ.get("GATEWRIGHT_TEST_CASES", "6000"))
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


def _scope(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": path, "headers": [(b"content-type", b"application/json")]}


async def _answers(reviews: Reviews, seed: int) -> int:
    chance = random.Random(seed)
    body = _mutated(chance) if seed % 3 else _malformed(chance)
    sent: list[dict[str, Any]] = []
    pieces = [body] if chance.random() < 0.8 else [body[:100], body[100:], b""]
    messages = [{"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]} for piece in pieces]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await reviews(_scope(chance.choice(list(ENDPOINTS))), receive, send)
    start, content = sent
    status: int = start["status"]
    answer = orjson.loads(content["body"])
    if status == 200:
        response = answer["response"]
        assert response["uid"] == orjson.loads(body)["request"]["uid"], seed
        assert type(response["allowed"]) is bool, seed
        assert all(type(value) is str for value in response.get("auditAnnotations", {}).values()), seed
        assert ("patch" in response) == ("patchType" in response), seed
    else:
        assert (status, list(answer)) == (400, ["error"]), (seed, status, answer)
    return status


def _reviewed(reviews: Reviews, body: bytes) -> Any:
    answered = reviews.answer(_scope("/validate"), body)
    assert answered is not None
    status, answer, _ = answered
    assert status == 200
    return orjson.loads(answer)


@pytest.fixture
def reviews(tmp_path: Path) -> Iterator[Reviews]:
    """The review application with the shipped policies, its log in a file."""
    policies = load(Path(__file__).parent.parent.parent / "policies")
    descriptor = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    log = Log(descriptor)
    state = State(policies, ManifestsView(policies.objects))
    yield Reviews(state, Metrics(Kinds.builtin(), log), log, max_body=8 << 20, max_buffered=64 << 20)
    os.close(descriptor)
    for line in (tmp_path / "log").read_bytes().splitlines():
        assert orjson.loads(line)["level"] != "error"


def _resident() -> int:
    """Bytes of memory that this process holds; 0 where the system does not tell."""
    if not Path("/proc/self/statm").exists():
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_no_review_is_answered_by_a_failure_of_the_server(reviews: Reviews) -> None:
    good = RECORDED[0]

    async def answers(seeds: range) -> Counter[int]:
        return Counter([await _answers(reviews, seed) for seed in seeds])

    warm = CASES // 4  # so many, and everything that is kept for each kind of request is there
    answered = asyncio.run(answers(range(warm)))
    gc.collect()
    before = _resident()
    answered += asyncio.run(answers(range(warm, CASES)))
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
    document = _reviewed(reviews, orjson.dumps(good))
    assert document["response"]["uid"] == good["request"]["uid"]

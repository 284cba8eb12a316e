"""Reviews as no API server sends them: recorded ones, mutated as JSON or broken as text."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import orjson

from tests.server.running import REVIEWS

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


def mutated(chance: random.Random) -> bytes:
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


def malformed(chance: random.Random) -> bytes:
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


def generated(seed: int) -> bytes:
    """The review of a seed: two of three are mutated, one is malformed."""
    chance = random.Random(seed)
    return mutated(chance) if seed % 3 else malformed(chance)


def uid_of(body: bytes) -> str:
    """The uid of a review. One that is nested too deeply for the parser has it where an API server writes it: first."""
    try:
        uid = orjson.loads(body)["request"]["uid"]
    except orjson.JSONDecodeError:
        found = re.search(rb'"uid":("[^"\\]*")', body)
        assert found is not None, body[:200]
        uid = orjson.loads(found[1])
    assert type(uid) is str
    return uid

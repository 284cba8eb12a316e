"""What a review's objects take is known from its text; the process stays under the memory limit of its manifest."""

from __future__ import annotations

import gc
import random
import tracemalloc
from typing import Any

import orjson
import pytest

from tests.server.running import REVIEWS
from webhook.server.memory import fits, objects

COUNT = 20_000
SHAPES = {
    "empty objects": "[" + ",".join(["{}"] * COUNT) + "]",
    "empty lists": "[" + ",".join(["[]"] * COUNT) + "]",
    "lists of one": "[" + ",".join(["[0]"] * COUNT) + "]",
    "lists of five": "[" + ",".join(["[0,0,0,0,0]"] * COUNT) + "]",
    "one key": "[" + ",".join(['{"":0}'] * COUNT) + "]",
    "six keys": "[" + ",".join(['{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0}'] * COUNT) + "]",
    "eleven keys": "[" + ",".join(["{" + ",".join(f'"{key}":0' for key in "abcdefghijk") + "}"] * COUNT) + "]",
    "deep objects": "[" + ",".join(['{"":' * 200 + "0" + "}" * 200] * (COUNT // 100)) + "]",
    "deep lists": "[" + ",".join(["[" * 200 + "0" + "]" * 200] * (COUNT // 100)) + "]",
    "numbers": "[" + ",".join(["300"] * COUNT) + "]",
    "large numbers": "[" + ",".join(["3000000000"] * COUNT) + "]",
    "floats": "[" + ",".join(["1e0"] * COUNT) + "]",
    "short texts": "[" + ",".join(['"ab"'] * COUNT) + "]",
    "texts of one letter": "[" + ",".join(['"é"'] * COUNT) + "]",
    "other letters": "[" + ",".join(['"éa"'] * COUNT) + "]",
    "emojis": "[" + ",".join(['"😀a"'] * COUNT) + "]",
    "escapes": "[" + ",".join(['"\\u1234\\u1234"'] * COUNT) + "]",
    "many keys": "{" + ",".join(f'"{number:x}":0' for number in range(COUNT)) + "}",
    "keys just after a growth": "{" + ",".join(f'"{number:x}":0' for number in range(21_846)) + "}",
    "one long text": '"' + "a" * 10 * COUNT + '"',
    "one long text with an emoji": '"😀' + "a" * 10 * COUNT + '"',
    "one long text with an escaped emoji": '"\\ud83d\\ude00' + "a" * 10 * COUNT + '"',
}


def _taken(body: bytes) -> int:
    """Bytes that the objects of the text take."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = orjson.loads(body)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    del kept
    return taken


@pytest.mark.parametrize("shape", SHAPES)
def test_objects_take_no_more_than_was_counted(shape: str) -> None:
    body = SHAPES[shape].encode()
    assert _taken(body) <= objects(body)


def _drawn(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 5)
    if kind >= 5:
        many = chance.choice((0, 1, 2, 5, 6, 11, 40))
        if kind == 5:
            return [_drawn(chance, depth - 1) for _ in range(many)]
        return {chance.choice("aé😀") * chance.randrange(6) + str(n): _drawn(chance, depth - 1) for n in range(many)}
    text = chance.choice("aé中😀\n") * chance.choice((0, 1, 2, 50))
    return (0, 7_000, 1.5, text, None)[kind]


def test_nor_do_drawn_ones() -> None:
    for seed in range(300):
        body = orjson.dumps([_drawn(random.Random(seed), 4) for _ in range(20)])
        assert _taken(body) <= objects(body), seed


def test_of_reviews_it_counts_less_than_four_times_what_they_take() -> None:
    for file in sorted(REVIEWS.glob("0*.json")):
        body = orjson.dumps([orjson.loads(file.read_bytes())] * 20)
        assert objects(body) < 4 * _taken(body), file.name


def test_brackets_within_texts_are_no_objects() -> None:
    document = orjson.dumps(orjson.dumps([{}] * 100_000).decode())
    assert objects(document) > 5_000_000
    assert fits(document, "validate", 2_000_000)
    assert not fits(orjson.dumps([{}] * 100_000), "validate", 2_000_000)
    assert not fits(document, "validate", len(document))
    many = orjson.dumps(["{" for _ in range(60_000)])  # too many texts to look into
    assert not fits(many, "validate", 60_000 * 200)


def test_a_mutation_may_be_smaller() -> None:
    body = SHAPES["one key"].encode()
    most = 2 * objects(body)
    assert fits(body, "validate", most)
    assert not fits(body, "mutate", most)

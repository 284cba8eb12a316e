"""A review keeps to the timeout that the API server gives it in the query."""

from __future__ import annotations

import json
import time

import pytest

from tests.cel.costly import in_tens
from tests.policy.trees import binding, loaded, messages, policy, request
from tests.server.running import recorded
from webhook.admission import engine
from webhook.cel.cost.metering import Deadline
from webhook.cluster.manifestsview import ManifestsView
from webhook.schema.kinds import Kinds
from webhook.server.logs import Log
from webhook.server.metrics import Metrics
from webhook.server.reviews import Reviews, answer_within
from webhook.server.state import State

SLOW = in_tens(7, "1 / 0 == 1 || true")  # stopped after 0.1 s by its own limit
LATE = "operation cancelled: the time for the request is over"


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        (b"timeout=5s", 4.0),
        (b"timeout=500ms", 0.4),
        (b"timeout=30s", 24.0),
        (b"timeout=1m0s", 24.0),  # a registration may say 30 s at most
        (b"timeout=1000h", 24.0),
        (b"timeout=0s", 0.0),
        (b"timeout=-1s", 0.0),
        (b"timeout=1e9h", 0.0),
        (b"a=b&timeout=10s&c=d", 8.0),
        (b"", 0.0),
        (b"timeout=", 0.0),
        (b"timeout=5", 0.0),
        (b"timeout=s", 0.0),
        (b"notimeout=5s", 0.0),
        (b"timeout=99999999999999999h", 0.0),
        (b"timeout=" + b"9" * 5000 + b"s", 0.0),
    ],
)
def test_the_time_is_four_fifths_of_the_timeout(query: bytes, seconds: float) -> None:
    assert answer_within(query) == pytest.approx(seconds)


def test_past_the_deadline_what_takes_long_is_an_error_and_the_rest_is_still_decided() -> None:
    slow = [policy(f"slow{number}", validations=[{"expression": SLOW}] * 5) for number in range(8)]
    quick = policy("z", validations=[{"expression": "false", "message": "told all the same"}])
    tree = loaded(
        *slow, quick, *(binding(each["metadata"]["name"], name=each["metadata"]["name"]) for each in [*slow, quick])
    )
    asked = request()
    asked.deadline = Deadline(time.perf_counter() + 0.3)
    began = time.perf_counter()
    decision = engine.validate(asked, tree, ManifestsView([], assume_namespaces=True))
    seconds = time.perf_counter() - began
    found = messages(decision)
    assert len(found) == 41
    assert sum(text.endswith(LATE) for text in found) >= 20
    assert found[-1] == "told all the same"
    assert seconds < 2  # 4 without a deadline


def test_the_review_port_takes_it_from_the_query() -> None:
    tree = loaded(policy(validations=[{"expression": SLOW}] * 30), binding())
    state = State(tree, ManifestsView([], assume_namespaces=True))
    log = Log(-1)
    reviews = Reviews(state, Metrics(Kinds.builtin(), log), log, max_body=2**20, max_buffered=2**20)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/validate",
        "query_string": b"timeout=1s",
        "headers": [(b"content-type", b"application/json")],
    }
    began = time.perf_counter()
    answer = reviews.answer(scope, recorded("020"))
    assert answer is not None
    status, body, _ = answer
    assert time.perf_counter() - began < 2.5
    response = json.loads(body)["response"]
    assert status == 200
    assert not response["allowed"]
    assert any(cause["message"].endswith(LATE) for cause in response["status"]["details"]["causes"])

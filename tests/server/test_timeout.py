"""A review keeps to the timeout that the API server gives it in the query."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cel.costly import in_tens
from tests.policy.trees import binding, loaded, messages, policy, request
from tests.server.running import Running, recorded, wait_for
from webhook.admission import engine
from webhook.cel.cost.metering import Deadline
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.policyset import PolicySet
from webhook.server.reviews.answering import time_for_review

# Takes some 50 ms on an idle core: more than a review of 10 ms has, and far less than one has that waits for seconds.
LONG = in_tens(3, " && ".join(f"isURL('http://{host}/' + string(v0))" for host in "abcdef"))
LATE = "operation cancelled: the time for the request is over"
SHARE = "operation cancelled: evaluation took more than half of the time that the request had left"


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
    assert time_for_review(query) == pytest.approx(seconds)


def decided(tree: PolicySet, deadline: Deadline | None) -> list[str]:
    return messages(engine.validate(request(), tree, ManifestsView([], assume_namespaces=True), deadline=deadline))


def test_past_the_deadline_what_takes_long_is_an_error_and_the_rest_is_still_decided() -> None:
    slow = [policy(f"slow{number}", validations=[{"expression": LONG}]) for number in range(9)]
    quick = policy("z", validations=[{"expression": "false", "message": "told all the same"}])
    tree = loaded(
        *slow, quick, *(binding(each["metadata"]["name"], name=each["metadata"]["name"]) for each in [*slow, quick])
    )
    *late, last = decided(tree, Deadline(time.perf_counter()))
    assert [text.rpartition("resulted in error: ")[2] for text in late] == [LATE] * 9
    assert last == "told all the same"
    one = loaded(slow[0], quick, *(binding(name, name=name) for name in ("slow0", "z")))
    assert decided(one, None) == ["told all the same"]


@pytest.fixture(scope="module")
def long_policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Policies that take long, but cost less than they may, with each failurePolicy; and one that denies at once."""
    folder = tmp_path_factory.mktemp("long")
    fail = policy("fail", validations=[{"expression": LONG}])
    ignore = policy("ignore", failurePolicy="Ignore", validations=[{"expression": LONG}])
    objects = [fail, binding("fail", name="fail"), ignore, binding("ignore", name="ignore")]
    (folder / "policies.yaml").write_text("\n---\n".join(map(json.dumps, objects)))
    return folder


def test_a_server_keeps_to_the_timeout_of_the_query(start: Callable[..., Running], long_policies: Path) -> None:
    server = start("--policies", str(long_policies))
    body = recorded("020")
    # Where the machine is busy, its 8 ms are over before its turn: refused with 503, and not evaluated.
    response = wait_for(
        lambda: (got := server.post("/validate/fail?timeout=10ms", body)).status == 200 and got.response
    )
    assert not response["allowed"]
    assert response["status"]["message"].endswith((SHARE, LATE))
    assert "policy 'fail' with binding 'fail' denied request: expression" in response["status"]["message"].lower()
    ignoring = wait_for(
        lambda: (got := server.post("/validate/ignore?timeout=10ms", body)).status == 200 and got.response
    )
    assert ignoring["allowed"]
    # It had only not the time: within the timeout that an API server gives, the same policy lets the object pass.
    assert server.post("/validate/fail?timeout=30s", body).response["allowed"]
    assert server.post("/validate/fail", body).response["allowed"]

"""What server and runners say to each other; the server believes nothing of what a runner says."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.policy.trees import pod, request
from webhook.policy.evaluation import PASSED, Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.python.apart import frames
from webhook.policy.python.apart.frames import BadFrame
from webhook.policy.request import User


@pytest.mark.parametrize("value", [None, {"a": [1, "ä", 1.5, True]}, "\ud800"])
def test_any_value_of_json_is_framed_and_read(value: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.framed(value) * 2)
        assert [frames.received(theirs), frames.received(theirs)] == [value, value]
        ours.close()
        with pytest.raises(EOFError):
            frames.received(theirs)


def test_integers_beyond_64_bits_are_sent() -> None:
    assert frames.framed(10**30)[frames.HEAD :] == str(10**30).encode()


def test_what_is_no_json_is_refused() -> None:
    for text in (b"x", b"[" * 100_000, b"\xff"):
        with pytest.raises(BadFrame):
            frames.read(text)


def test_a_request_arrives_as_it_was() -> None:
    user = User("jane", "1", ("a", "b"), {"x": ["y"]})
    asked = request(pod(), "UPDATE", old_object=pod("old"), options={"a": 1}, user=user, uid="u", dry_run=True)
    assert frames.request_from(frames.read(frames.framed(frames.request_of(asked))[frames.HEAD :])) == asked


def test_an_evaluation_arrives_as_it_was() -> None:
    failures = [Failure("a", "Forbidden", path=("spec", "x", 0), index=0), Failure("b", error=True, index=1)]
    sent = frames.read(frames.framed(frames.evaluation_of(Evaluation(failures)))[frames.HEAD :])
    assert frames.evaluation_from(sent) == failures
    assert frames.evaluation_from(frames.evaluation_of(PASSED)) == []
    (cut,) = frames.evaluation_from(frames.evaluation_of(Evaluation([Failure("x" * 100_000)])))
    assert len(cut.message) == frames.MAX_MESSAGE


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [1],
        [["a", "Invalid", False]],
        [["a", "Own", False, None]],
        [[1, "Invalid", False, None]],
        [["a", "Invalid", 0, None]],
        [["a", "Invalid", False, [True]]],
        [["a", "Invalid", False, [{}]]],
        [["a", "Invalid", False, "spec"]],
    ],
)
def test_what_is_no_evaluation_is_refused(value: Any) -> None:
    with pytest.raises(BadFrame):
        frames.evaluation_from(value)


def test_a_mutation_arrives_as_it_was() -> None:
    assert frames.edited_from(frames.edited_of({"a": 1})) == {"a": 1}
    failed = MutationResult(faults=[MutationFault("x")])
    assert frames.edited_from(frames.edited_of(failed)) == failed
    wrong: Any
    for wrong in (None, [], {}, {"object": 1}, {"faults": [1]}, {"faults": "x"}):
        with pytest.raises(BadFrame):
            frames.edited_from(wrong)

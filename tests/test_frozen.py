from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from webhook.frozen import Guarded


class Point(Guarded, frozen=True):
    unshown = frozenset({"secret"})
    uncompared: ClassVar[frozenset[str]] = frozenset({"trace"})

    x: int
    secret: Any = None
    trace: Any = None


def test_text_leaves_out_what_is_not_shown() -> None:
    assert repr(Point(1, "hunter2", [3])) == "Point(x=1, trace=[3])"
    assert "hunter2" not in f"{Point(1, 'hunter2')} {[Point(1, 'hunter2')]}"


def test_comparison_and_hash_leave_out_what_is_not_compared() -> None:
    assert Point(1, trace=[1]) == Point(1, trace=[2])
    assert hash(Point(1, trace=[1])) == hash(Point(1, trace=[2]))
    assert Point(1, "a") != Point(1, "b")
    assert Point(1) != 1
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_fields_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
    assert replace(Point(1, "a", "b"), x=5).secret == "a"


def test_copies_and_pickles_are_equal() -> None:
    made = Point(1, ["a"], "b")
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made

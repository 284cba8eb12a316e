from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from webhook.frozen import maker


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)
    norm: int = field(default=-1)

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", abs(self.x) + abs(self.y))


make_point = maker(Point)


def test_what_is_made_is_an_instance_like_any_other() -> None:
    made = make_point(x=1, y=-2)
    assert type(made) is Point
    assert made == Point(x=1, y=-2)
    assert repr(made) == repr(Point(x=1, y=-2))
    assert made.norm == 3
    with pytest.raises(FrozenInstanceError):
        made.x = 2  # type: ignore[misc]
    assert replace(made, x=5).norm == 7
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_defaults_are_those_of_the_class_and_not_shared() -> None:
    one, other = make_point(1), make_point(1)
    assert (one.y, one.names) == (0, [])
    assert one.names is not other.names


def test_a_missing_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required"):
        make_point()


def test_a_class_that_it_is_not_for_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Derived(Point):
        z: int = 0

    @dataclass(frozen=True)
    class WithoutSlots:
        x: int

    for refused in (Derived, WithoutSlots):
        with pytest.raises(TypeError, match="must be a dataclass with slots"):
            maker(refused)

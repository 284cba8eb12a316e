"""The floors of what tests run of the code."""

from __future__ import annotations

from tests.floor import shortfalls


def test_a_file_and_all_files_have_their_floors() -> None:
    assert shortfalls(95.0, {"a.py": 85.0, "b.py": 100.0}, {}) == []
    assert shortfalls(94.9, {"a.py": 84.9, "b.py": 100.0}, {}) == [
        "all files: 94.9 %, expected 95 %",
        "a.py: 84.9 %, expected 85 %",
    ]


def test_a_lower_floor_holds_and_goes_once_it_is_not_needed() -> None:
    lower = {"a.py": (60.0, "runs in a cluster only")}
    assert shortfalls(99.0, {"a.py": 60.0, "b.py": 90.0}, lower) == []
    assert shortfalls(99.0, {"a.py": 59.9, "b.py": 90.0}, lower) == ["a.py: 59.9 %, expected 60 %"]
    gone = ["a.py: reaches 85 % or is gone; remove it from LOWER in tests/floor.py"]
    assert shortfalls(99.0, {"a.py": 85.0, "b.py": 90.0}, lower) == gone
    assert shortfalls(99.0, {"b.py": 90.0}, lower) == gone

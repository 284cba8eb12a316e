"""What somebody may have meant."""

from __future__ import annotations

import pytest

from webhook.nearest import LONGEST_NAME, nearest


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("objet", ["object", "oldObject"], "object"),
        ("OBJECT", ["object", "oldObject"], "object"),
        ("startwith", ["startsWith", "endsWith"], "startsWith"),
        ("xyz", ["object", "oldObject"], None),
        ("x", [], None),
        ("a" * (LONGEST_NAME + 1), ["a" * LONGEST_NAME], None),
    ],
)
def test_the_name_most_like_it(name: str, known: list[str], expected: str | None) -> None:
    assert nearest(name, known) == expected


def test_how_alike_they_must_be() -> None:
    assert nearest("ValidatingAdmissionPolicyReport", ["ValidatingAdmissionPolicy"]) == "ValidatingAdmissionPolicy"
    assert nearest("ValidatingAdmissionPolicyReport", ["ValidatingAdmissionPolicy"], 0.95) is None


def test_names_made_to_take_long_are_not_compared() -> None:
    assert nearest("x1", [f"x{number}" for number in range(10_000)]) is None

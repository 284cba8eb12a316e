"""Sides that no test can show are explained, and count for nothing."""

from __future__ import annotations

from pathlib import Path

from tests.coverage.measured import coverage, written
from webhook.coverage.model import Coverage, Figure

SPEC = """
validations:
- expression: has(object.data) && object.data.a == '1'
- expression: "has(object.immutable) ? object.immutable == true : true"
"""


def explained(tmp_path: Path, *explanations: str) -> Coverage:
    root = written(tmp_path / "policies", SPEC, ["data: {a: '1'}"])
    file = root / "tests.yaml"
    given = "".join(f"- {{{each}, reason: r}}\n" for each in explanations)
    file.write_text(file.read_text().replace("cases:\n", f"uncovered:\n{given}cases:\n" if given else "cases:\n"))
    return coverage(root)


def test_an_explained_side_counts_for_nothing(tmp_path: Path) -> None:
    """By hand: the first expression has three decisions that are only true, two terms; the second one has a
    condition that is only false, and a branch that is never evaluated."""
    plain = explained(tmp_path)
    assert (plain.figure, plain.terms, plain.explained) == (Figure(4, 10), Figure(0, 2), 0)
    found = explained(
        tmp_path,
        "spans: [has(object.data)], never: 'false'",
        "spans: ['has(object.immutable)'], never: 'true'",
        "spans: [object.immutable == true], never: evaluated",
    )
    assert (found.figure, found.terms, found.explained, found.stale) == (Figure(4, 6), Figure(0, 1), 4, ())
    (covered,) = found.policies
    assert [gap.message.partition("`")[2] for gap in covered.gaps()] == [
        "has(object.data) && object.data.a == '1'` is never false",
        "object.data.a == '1'` is never false",
    ]


def test_spans_are_compared_without_their_line_breaks(tmp_path: Path) -> None:
    whole = "spans: [\"has(object.data)  &&\\n object.data.a == '1'\"], never: 'false'"
    found = explained(tmp_path, whole)
    assert (found.figure, found.explained) == (Figure(4, 9), 1)


def test_what_is_shown_or_does_not_exist_is_stale(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        "spans: [has(object.data)], never: 'true'",
        "spans: [has(object.data)], never: evaluated",
        "spans: [object.gone], never: absent",
    )
    assert found.figure == Figure(4, 10)
    assert found.stale == (
        "p: `has(object.data)` never true",
        "p: `has(object.data)` never evaluated",
        "p: `object.gone` never absent",
    )

"""Patterns as Go's regexp reads them."""

from __future__ import annotations

import re

import pytest

from tests.cel.evaluating import evaluate
from webhook.cel import EvaluationError
from webhook.cel.library.patterns import compiled


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^\p{greek}$", "Ω", True),
        (r"^\p{GREEK}$", "Ω", True),
        (r"^\p{Lowercase_Letter}$", "a", True),
        (r"^\p{ uppercase-letter }$", "a", False),
        (r"^\p{^Letter}$", "1", True),
        (r"^\P{^Letter}$", "1", False),
        (r"^[\p{Letter}\d]+$", "a1", True),
        (r"^\p{LC}$", "ǅ", True),
        (r"^\P{Cased_Letter}$", "中", True),
        (r"^[\P{lc}]$", "中", True),
        (r"^[^\p{lc}]$", "中", True),
        (r"^\p{Cn}$", "\u0378", True),
        (r"^[\p{Unassigned}]$", "a", False),
        (r"^\p{Assigned}$", "a", True),
        (r"^[\p{assigned}]$", "\u0378", False),
        (r"^\p{C}$", "\u0378", True),
        (r"^[\p{Other}]$", "\x00", True),
        (r"^\P{Other}$", "a", True),
        (r"^\p{ascii}+$", "a\x7f", True),
        (r"^\P{ASCII}$", "é", True),
        (r"^[\P{LC}]+$", "中\U000e0001\U0010ffff\U000ffffd\ud7fc\U00050000", True),
        (r"[\P{LC}]", "aZ\U0001d400\U0001e943", False),
        (r"^\p{Any}$", "\u0378", True),
        (r"^\pL\PN$", "ab", True),
        (r"\Q\p{lc}\E", "\\p{lc}", True),
        (r"\\p{1}", "\\p", True),
    ],
)
def test_a_unicode_class_has_gos_names(pattern: str, text: str, found: bool) -> None:
    assert (compiled(pattern).search(text) is not None) is found
    assert evaluate("x.matches(y)", x=text, y=pattern) is found


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        (r"\p{Nope}", r"\p{Nope}"),
        (r"[a\P{^no pe}]", r"\P{^no pe}"),
        (r"\p{Old_Italic}", r"\p{Old_Italic}"),  # Go looks for it without the underscore, and finds nothing
        (r"\p{}", r"\p{}"),
        (r"\p{é}", r"\p{é}"),
        (r"\pX", r"\pX"),
    ],
)
def test_a_class_that_go_does_not_know_is_refused(pattern: str, named: str) -> None:
    with pytest.raises(EvaluationError, match=re.escape(f"invalid character class range: `{named}`")):
        compiled(pattern)


def test_many_classes_of_everything_else_are_too_large() -> None:
    compiled(rf"[{chr(92)}P{{LC}}a]{{1}}")
    with pytest.raises(EvaluationError, match="expression too large"):
        compiled(r"[\P{LC}]" * 300)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"\C", r"invalid escape sequence: `\C`"),
        ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
        ("a{10001}", "invalid repeat count: `{10001}`"),
        ("(a", "missing closing ): `(a`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
    ],
)
def test_an_error_has_gos_text(pattern: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compiled(pattern)
    assert str(caught.value) == f"error parsing regexp: {message}"

"""Patterns as Go's regexp reads them."""

from __future__ import annotations

import contextlib
import re
import time

import pytest

from tests.cel.evaluating import evaluate
from tests.timing import within
from webhook.cel import EvaluationError
from webhook.cel.library import re2
from webhook.cel.library.re2 import CACHE, KEPT_MEMORY, MAX_LENGTH, PatternCache, compiled, memory_of, with_groups


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


# ---------------------------------------------------------------------------------------------------- time and memory


@pytest.mark.parametrize("pattern", ["(a)(b)", "(?P<one>a)(?P<two>b)", "(?<one>a)(b)", r"[(]\Q(?P<\E(?P<one>(a))(b)"])
def test_no_group_is_captured(pattern: str) -> None:
    """For each group RE2 keeps two pointers for each instruction: gigabytes for some thousand groups."""
    assert compiled(pattern).groups == 0
    assert compiled(pattern).search("((?P<ab") is not None


def test_the_names_of_groups_are_read_nevertheless() -> None:
    for wrong in ("(?P<a-b>x)", "(?<a b>x)", "(?P<>x)"):
        with pytest.raises(EvaluationError, match="error parsing regexp"):
            compiled(wrong)
    assert with_groups("(?P<a>x)(y)").groups == 2


def test_a_pattern_that_takes_long_to_compile_is_refused_before() -> None:
    with pytest.raises(
        EvaluationError, match=f"it has 30001 characters, and Gatewright takes up to {MAX_LENGTH}"
    ) as long:
        compiled("a" * (MAX_LENGTH + 1))
    with pytest.raises(EvaluationError, match="more than 1000 Unicode classes") as classes:
        compiled(r"\pL" * 1_001)
    assert max(len(str(each.value)) for each in (long, classes)) < 300
    with pytest.raises(EvaluationError) as invalid:
        compiled("(" * 20_000)
    assert len(str(invalid.value)) < 1_200


@pytest.mark.parametrize(
    "pattern", ["[" * 20_000 + "\\", r"\p{" * 6_000, "[[:" * 6_000, "{1" * 9_000, r"\Q" * 9_000, "(?P<" * 6_000]
)
def test_no_part_of_a_pattern_is_read_twice(pattern: str) -> None:
    with within(1.0, time.process_time), contextlib.suppress(EvaluationError):
        compiled(pattern)


def test_the_cache_is_bounded_by_what_its_programs_may_take() -> None:
    cache = PatternCache()
    small, large = compiled("^a+$"), compiled(".{1000}")
    assert memory_of(small) < memory_of(large) <= re2.MAX_MEMORY
    for n in range(2_000):
        cache.keep(f"{n}", large if n % 2 else small)
        assert cache.memory <= KEPT_MEMORY
    assert cache.get("1999") is large
    assert cache.get("0") is None
    cache.keep("1999", large)
    assert cache.memory <= KEPT_MEMORY
    assert CACHE.memory <= KEPT_MEMORY


def test_repetition_that_go_takes_is_taken() -> None:
    for pattern in (r"^[\p{L}\p{N}_.-]{1,253}$", r"^\p{L}{1,63}$", r"^.{1,1000}$", r"([a-z0-9]{1,63}\.){1,15}"):
        assert compiled(pattern).search("a.") is not None or "{1,63}$" in pattern

"""Quantities: values, errors, and what the types refuse, also beside what Python has."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.cel.evaluating import has_error, has_value, is_refused
from tests.cel.library.properties import INT_MAX, INT_MIN, value_of
from webhook.cel import EvaluationError
from webhook.cel.library.quantity import parse_quantity

VALUES: list[tuple[str, Any]] = [
    ("quantity('1.5Gi').isGreaterThan(quantity('1Gi'))", True),
    ("quantity('0.1n') == quantity('1n')", True),
    ("quantity('-0.1n') == quantity('-1n')", True),
    ("quantity('1e20') == quantity('1e21')", False),
    ("quantity('1E').asInteger()", 10**18),
    ("quantity('1Ki').asInteger()", 1024),
    ("quantity('1000m').isInteger()", False),
    ("quantity('123456789012345678').asInteger()", 123456789012345678),
    ("quantity('1234567890123456789').isInteger()", False),  # which the server holds as a decimal
    ("quantity('12Ti').isInteger() && !quantity('123Ti').isInteger()", True),
    ("quantity('16Ei') == quantity('9223372036854775807')", True),
    ("quantity('0.3').asApproximateFloat()", 0.30000000000000004),
    ("quantity('9223372036854775807').add(1).isInteger()", False),
    ("quantity('-') == quantity('0') && isQuantity('1.')", True),
    ("quantity('1.5').asApproximateFloat()", 1.5),
    ("quantity('1.5').add(quantity('1.5')).isInteger()", False),
    ("quantity('1').sub(2).asInteger()", -1),
    ("quantity('1') in [quantity('1000m')]", True),
    ("isQuantity('1 Ki') || isQuantity('1K') || isQuantity('')", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("quantity('abc')", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ("quantity('1ki')", "unable to parse quantity's suffix"),
    ("quantity('1.5').asInteger()", "cannot convert value to integer"),
    ("quantity(dyn(1))", "no such overload: quantity(int)"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


REFUSED: list[tuple[str, str]] = [
    ("quantity('1') < quantity('2')", "found no matching overload for '_<_'"),
    ("semver('1.0.0').isLessThan(quantity('1'))", "found no matching overload for 'isLessThan'"),
    ("string(quantity('1'))", "found no matching overload for 'string' applied to '(kubernetes.Quantity)'"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    is_refused(expression, text)


SUFFIXES: dict[str, Fraction] = {
    **{suffix: Fraction(10) ** power for suffix, power in zip("num kMGTPE", range(-9, 21, 3), strict=True)},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
    "e3": Fraction(1000),
    "E-3": Fraction(1, 1000),
}
SUFFIXES[""] = SUFFIXES.pop(" ")


@st.composite
def amounts(draw: st.DrawFn) -> tuple[str, Fraction]:
    """A text and the amount it shows, exactly: of no more than nine places, so that nothing is rounded."""
    whole, places = draw(st.integers(0, 10**15)), draw(st.integers(0, 3))
    suffix = draw(st.sampled_from([suffix for suffix in SUFFIXES if places == 0 or suffix not in ("n", "u")]))
    fraction = draw(st.integers(0, 10**places - 1)) if places else 0
    number = f"{whole}.{fraction:0{places}d}" if places else str(whole)
    sign = draw(st.sampled_from(["", "-", "+"]))
    amount = (Fraction(whole) + Fraction(fraction, 10**places)) * SUFFIXES[suffix]
    # Amounts in powers of two are cut at the largest int64.
    assume(not (suffix.endswith("i") and amount > INT_MAX))
    return f"{sign}{number}{suffix}", -amount if sign == "-" else amount


@given(amounts())
def test_a_quantity_is_the_rational_that_its_text_shows(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    assert value_of("isQuantity(x)", text) is True
    assert parse_quantity(text).value == exact
    assert value_of("sign(quantity(x))", text) == (exact > 0) - (exact < 0)


@given(amounts(), amounts())
def test_quantities_compare_as_rationals_do(one: tuple[str, Fraction], other: tuple[str, Fraction]) -> None:
    (a, left), (b, right) = one, other
    assert value_of("quantity(x).compareTo(quantity(y))", a, b) == (left > right) - (left < right)
    assert value_of("quantity(x) == quantity(y)", a, b) is (left == right)
    assert value_of("quantity(x).isLessThan(quantity(y))", a, b) is (left < right)
    assert value_of("quantity(x).isGreaterThan(quantity(y))", a, b) is (left > right)


@given(amounts(), amounts(), st.integers(INT_MIN + 1, INT_MAX))
def test_sums_and_differences_are_exact(one: tuple[str, Fraction], other: tuple[str, Fraction], number: int) -> None:
    (a, left), (b, right) = one, other
    assert value_of("quantity(x).add(quantity(y))", a, b).value == left + right
    assert value_of("quantity(x).sub(quantity(y))", a, b).value == left - right
    assert value_of("quantity(x).add(y)", a, number).value == left + number
    assert value_of("quantity(x).sub(y)", a, number).value == left - number


@given(amounts())
def test_an_integer_is_the_amount_and_no_amount_with_a_fraction_is_one(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    if value_of("quantity(x).isInteger()", text):
        assert value_of("quantity(x).asInteger()", text) == exact
    else:
        with pytest.raises(EvaluationError, match="cannot convert value to integer"):
            value_of("quantity(x).asInteger()", text)
    if exact.denominator != 1:
        assert value_of("quantity(x).isInteger()", text) is False


@given(amounts())
def test_the_approximate_float_is_near(amount: tuple[str, Fraction]) -> None:
    text, exact = amount
    assert value_of("quantity(x).asApproximateFloat()", text) == pytest.approx(float(exact), rel=1e-14)


@given(st.text(alphabet="0123456789.+-eEnumkMGTPiK ", max_size=12))
def test_whatever_a_text_is_both_functions_say_the_same_of_it(text: str) -> None:
    try:
        value_of("quantity(x)", text)
    except EvaluationError:
        assert value_of("isQuantity(x)", text) is False
    else:
        assert value_of("isQuantity(x)", text) is True

"""Numbers as Go writes them."""

from __future__ import annotations

import math

import pytest

from webhook.cel.value.numbers import shortest_decimal, shortest_general


@pytest.mark.parametrize(
    ("number", "decimal", "general"),
    [
        (0.0, "0", "0"),
        (1.0, "1", "1"),
        (-0.05, "-0.05", "-0.05"),
        (123456.0, "123456", "123456"),
        (1e6, "1000000", "1e+06"),
        (-1234567.5, "-1234567.5", "-1.2345675e+06"),
        (1e-5, "0.00001", "1e-05"),
        (1.5e300, "15" + "0" * 299, "1.5e+300"),
    ],
)
def test_numbers_are_shown_as_short_as_they_read_back(number: float, decimal: str, general: str) -> None:
    assert (shortest_decimal(number), shortest_general(number)) == (decimal, general)
    assert float(decimal) == float(general) == number


def test_what_is_no_number_has_gos_name() -> None:
    assert [shortest_general(each) for each in (math.inf, -math.inf, math.nan)] == ["+Inf", "-Inf", "NaN"]

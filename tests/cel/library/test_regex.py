"""Regular expressions: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_value

VALUES: list[tuple[str, Any]] = [
    ("'abc 123'.find('[a-z]+')", "abc"),
    ("'abc'.find('[0-9]')", ""),
    ("'1 22 333'.findAll('[0-9]+', 2)", ["1", "22"]),
    ("'1 22'.findAll('[0-9]+', 0)", []),
    ("'abc'.matches('^b')", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)

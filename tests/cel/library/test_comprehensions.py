"""Macros of two variables: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_value

VALUES: list[tuple[str, Any]] = [
    ("{'a': 1, 'b': 2}.all(k, v, k != '' && v > 0)", True),
    ("[1, 2].exists_one(i, v, v == 2) && [1, 2].existsOne(i, v, v == 2)", True),
    ("[1, 2, 3].transformList(i, v, i > 0, v * 2)", [4, 6]),
    ("{'a': 1}.transformMapEntry(k, v, {string(v): k})", {"1": "a"}),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)

"""Regular expressions: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_value
from webhook.cel import Activation, Environment, EvaluationError, types

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


GIVEN: list[tuple[str, Any, Any]] = [
    ("'a1b22'.find(x)", "[0-9]+", "1"),
    ("'abc'.find(x)", "[0-9]", ""),
    ("'a1b22'.findAll(x)", "[0-9]+", ["1", "22"]),
    ("'a1b22'.findAll(x, 1)", "[0-9]+", ["1"]),
    ("'a1b22'.findAll(x, 0)", "[0-9]+", []),
    ("'a1b22'.findAll('[0-9]+', x)", 1, ["1"]),
    # With a literal pattern the text may be a type, or in an optional.
    ("dyn(int).matches('^int$')", None, True),
    ("dyn(int).findAll('n')", None, ["n"]),
    ("dyn(optional.of('aa')).find('a')", None, "a"),
]
ERRORS: list[tuple[str, Any, str]] = [
    ("x.find('i')", 1, "no such overload"),
    ("x.findAll('i')", 1, "no such overload"),
    ("dyn(optional.none()).matches('n')", None, "no such overload"),
    ("'a1b22'.findAll('[0-9]+', x)", "a", "no such overload"),
    ("'a'.findAll(x)", 1, "no such overload: findAll(string, int)"),
    ("'a'.find(x)", "(", "error parsing regexp: missing closing ): `(`"),
]


def evaluated(expression: str, x: Any) -> Any:
    return Environment({"x": types.DYN}).compile(expression).evaluate(Activation({"x": x}))


@pytest.mark.parametrize(("expression", "x", "value"), GIVEN)
def test_a_pattern_a_text_or_a_limit_may_be_given(expression: str, x: Any, value: Any) -> None:
    assert evaluated(expression, x) == value


@pytest.mark.parametrize(("expression", "x", "error"), ERRORS)
def test_what_is_given_must_be_of_the_right_type(expression: str, x: Any, error: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluated(expression, x)
    assert str(caught.value) == error

"""The declarations of all libraries: each function is documented, and its examples and errors hold."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import EvaluationError
from webhook.cel.functions import LIBRARIES
from webhook.cel.library import standard
from webhook.cel.library.declaring import Macro, Overload

DECLARED: list[Overload | Macro] = []
for each_library in LIBRARIES:
    DECLARED += (*each_library.overloads, *each_library.macros)
DOCUMENTED = [each for each in DECLARED if not each.name.startswith("@")]  # what a macro calls


@pytest.mark.parametrize("each", [each for each in DOCUMENTED if each.example], ids=lambda each: each.name)
def test_a_documented_example_holds(each: Overload | Macro) -> None:
    assert evaluate(each.example) is True


@pytest.mark.parametrize("each", [each for each in DOCUMENTED if each.error], ids=lambda each: each.name)
def test_a_documented_error_comes(each: Overload | Macro) -> None:
    assert each.error is not None
    expression, text = each.error
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value) == text


def test_every_function_is_documented() -> None:
    assert [each.name for each in DOCUMENTED if not each.doc] == []
    # Conversions to one's own type, and dates, whose example another overload gives, have none.
    plain = {overload.name for library in (standard.LIBRARY,) for overload in library.overloads}
    assert [each.name for each in DOCUMENTED if not each.example and each.name not in plain] == []


def test_a_wrong_argument_is_a_compile_error() -> None:
    with pytest.raises(ValueError, match="found no matching overload for 'quantity' applied to"):
        ENVIRONMENT.compile("quantity(1)")
    with pytest.raises(ValueError, match="found no matching overload for 'indexOf' applied to"):
        ENVIRONMENT.compile("[1].indexOf('a')")


def test_names_of_functions_stay_names_of_fields() -> None:
    assert evaluate("x.flatten + x.sortBy + x.format", x={"flatten": 1, "sortBy": 2, "format": 3}) == 6

"""The function libraries: the examples they document, and what readers of the Kubernetes documentation would try."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import EvaluationError
from webhook.cel.functions import LIBRARIES
from webhook.cel.library import standard
from webhook.cel.library.declaring import Macro, Overload
from webhook.cel.reference import reference

DECLARED: list[Overload | Macro] = []
for each_library in LIBRARIES:
    DECLARED += (*each_library.overloads, *each_library.macros)
DOCUMENTED = [each for each in DECLARED if not each.name.startswith("@")]  # what a macro calls
PAGE = Path(__file__).parents[3] / "docs" / "cel-functions.md"


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


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"


VALUES: list[tuple[str, Any]] = [
    # strings
    ("'abc'.charAt(3)", ""),
    ("'abc'.indexOf('c', 9)", -1),
    ("'abc'.indexOf('', 3)", 3),
    ("'abc'.lastIndexOf('')", 3),
    ("'abc'.replace('', '-')", "-a-b-c-"),
    ("'aaa'.replace('a', 'b', -1)", "bbb"),
    ("'a,b'.split(',', 0)", []),
    ("'abc'.split('', 2)", ["a", "bc"]),
    ("'\\u00a0a\\u180e'.trim()", "a\u180e"),
    (
        "'%s %d %f %.2f %x %X %o %b %%'.format(['a', 1, 1.5, 1.567, 255, 'aZ', 8, 5])",
        "a 1 1.500000 1.57 ff 615A 10 101 %",
    ),
    ("'%f'.format([123456789.5])", "123,456,789.500000"),
    ("'%e'.format([1234.5])", "1.234500\u00d710⁰³"),
    ("'%s'.format([['a', 1.5, null, {'k': b'v'}]])", '["a", 1.500000, null, {"k":b"v"}]'),
    (r"'%s'.format([['a\u200bb', '\u0085\ufeff', '\U0001F600é\n']])", r'["a\u200bb", "\u0085\ufeff", "😀é\n"]'),
    ("strings.quote('a\\n\"')", '"a\\n\\""'),
    # lists
    ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", True),
    ("[1.5, 2.5].sum()", 4.0),
    ("[].map(e, int(e)).sum()", 0),
    ("[duration('1s'), duration('1m')].sum() == duration('61s')", True),
    ("['b', 'a'].min() + ['b', 'a'].max()", "ab"),
    ("['a', 'b'].indexOf('b') + ['a', 'a'].lastIndexOf('a')", 2),
    # regex
    ("'abc 123'.find('[a-z]+')", "abc"),
    ("'abc'.find('[0-9]')", ""),
    ("'1 22 333'.findAll('[0-9]+', 2)", ["1", "22"]),
    ("'1 22'.findAll('[0-9]+', 0)", []),
    ("'abc'.matches('^b')", False),
    # sets
    ("sets.contains([1], [1.0].map(e, dyn(e)))", True),
    ("sets.intersects([], [1])", False),
    # quantities
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
    result = evaluate(expression)
    assert type(result) is type(value)
    assert result == value


ERRORS: list[tuple[str, str]] = [
    ("'abc'.charAt(9)", "index out of range: 9"),
    ("'abc'.substring(2, 1)", "invalid substring range. start: 2, end: 1"),
    ("'abc'.substring(-1)", "index out of range: -1"),
    ("'abc'.lastIndexOf('c', -1)", "index out of range: -1"),
    (
        "'%d'.format([dyn('a')])",
        "error during formatting: decimal clause can only be used on integers, was given string",
    ),
    ("[1].filter(e, e > 1).min()", "min called on empty list"),
    ("dyn(['a']).sum()", "no such overload: sum(list)"),
    ("dyn(5).join()", "no such overload: join(int)"),
    ("quantity('abc')", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ("quantity('1ki')", "unable to parse quantity's suffix"),
    ("quantity('1.5').asInteger()", "cannot convert value to integer"),
    ("quantity(dyn(1))", "no such overload: quantity(int)"),
    ("sets.contains(dyn(1), [1])", "no such overload: sets.contains(int, list)"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(expression)
    assert str(caught.value) == text


def test_a_wrong_argument_is_a_compile_error() -> None:
    with pytest.raises(ValueError, match="found no matching overload for 'quantity' applied to"):
        ENVIRONMENT.compile("quantity(1)")
    with pytest.raises(ValueError, match="found no matching overload for 'indexOf' applied to"):
        ENVIRONMENT.compile("[1].indexOf('a')")

"""What does not compile, and how the errors tell."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, evaluate
from webhook.cel import CompileError, types


def issues(expression: str, **options: object) -> list[str]:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression, **options)  # type: ignore[arg-type]
    return [str(issue) for issue in caught.value.issues]


def test_an_error_has_line_and_column_in_code_points() -> None:
    assert issues("x.a +\n  'é😀' + nope") == ["2:10: undeclared reference to 'nope'"]


def test_every_error_is_told() -> None:
    assert issues("nope + never") == ["1:1: undeclared reference to 'nope'", "1:8: undeclared reference to 'never'"]


def test_a_rendered_error_shows_the_line_with_a_caret() -> None:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile("true &&\n  nope")
    assert caught.value.render() == "2:3: undeclared reference to 'nope'\n  |   nope\n  |   ^"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("1 + 'a'", "1:3: found no matching overload for '_+_' applied to '(int, string)'"),
        ("[1, dyn('a')] == [1]", "1:8: expected type 'int' but found 'dyn'"),
        ("{1: 1, x: 2}", "1:8: expected type 'int' but found 'dyn'"),
        ("x.`a-b`", "1:2: unsupported syntax: '`'"),
        ("duration('1x')", "1:10: invalid duration argument: '1x'; expected a form such as 1h30m"),
        ("x.matches('a(')", "1:11: invalid matches argument: error parsing regexp: missing closing ): `a(`"),
        (
            "'%d'.format(['a'])",
            "1:14: error during formatting: decimal clause can only be used on integers, was given string",
        ),
        ("'%s'.format([1, 2])", "1:13: too many arguments supplied to string.format (expected 1, got 2)"),
        ("int('x') == 1", "1:4: program instantiation failed: type conversion error from 'string' to 'int'"),
        ("", "1:1: expression is empty; expected a CEL expression"),
    ],
)
def test_what_kubernetes_refuses(expression: str, message: str) -> None:
    found = issues(expression)
    assert found == [message] or found[0].endswith(message.partition(": ")[2])


@pytest.mark.parametrize("expression", ["math.greatest(1, 2)", "base64.encode(b'a')", "cel.bind(v, 1, v)"])
def test_extensions_that_kubernetes_does_not_have_are_refused(expression: str) -> None:
    assert "undeclared reference" in issues(expression)[0]


def test_the_type_of_the_result_is_exact() -> None:
    assert issues("x", expect=(types.BOOL,)) == ["1:1: must evaluate to bool but got dyn"]
    assert ENVIRONMENT.compile("x == 1", expect=(types.BOOL,)).type == types.BOOL


def test_backquotes_in_texts_and_comments_are_no_fields() -> None:
    assert evaluate("'`a`' == \"`a`\" // `c`") is True


def test_too_deep_and_too_long_expressions_are_refused() -> None:
    assert "nested too deeply" in issues("(" * 500 + "1" + ")" * 500)[0]
    assert "nested too deeply" in issues("+".join(["1"] * 20_000))[0]
    assert "longer than 100000" in issues("'" + "a" * 100_000 + "'")[0]
    assert issues("x == '\ud800'") == ["1:7: not valid Unicode: a lone surrogate"]


@pytest.mark.parametrize("depth", [5, 12, 20, 30])
def test_macros_nest_as_deep_as_the_parser_reads(depth: int) -> None:
    """CPython allows 20 nested blocks in a function: what goes deeper is outlined."""
    expression = "x == 1"
    for level in range(depth):
        expression = f"[{level}].all(v{level}, v{level} == {level} && {expression})"
    try:
        ENVIRONMENT.compile(expression)
    except CompileError as error:
        assert "nested too deeply" in str(error)  # by the parser's own limit
        assert depth > 12
        return
    assert evaluate(expression, x=1) is True
    assert evaluate(expression, x=2) is False


def test_conditions_nest_deeper_than_python_indents() -> None:
    expression = "x"
    for level in range(28):
        expression = f"[{level}].exists(e, e != {level}) ? false : {expression}"
    assert evaluate(expression, x=True) is True


def test_names_and_texts_of_a_policy_never_become_python() -> None:
    hostile = '"); import os; os.abort() #'
    assert evaluate(f"x['{hostile}'] == '{hostile}'", x={hostile: hostile}) is True
    assert evaluate("x.map(__import__, __import__ + 1)", x=[1]) == [2]
    assert evaluate("x.map(a, a).map(None, None)", x=[1]) == [1]

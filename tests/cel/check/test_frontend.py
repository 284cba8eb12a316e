"""The checker: every issue, with its place, and the bounds of an expression."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import VARIABLES, evaluate, issues
from webhook.cel import CompileError, Environment


def test_every_error_is_told() -> None:
    assert issues("nope + never") == ["1:1: undeclared reference to 'nope'", "1:8: undeclared reference to 'never'"]


def test_an_empty_expression_is_refused() -> None:
    assert issues("") == ["1:1: expression is empty; expected a CEL expression"]
    assert issues(" \n") == ["1:1: expression is empty; expected a CEL expression"]


def test_names_of_fields_may_stand_in_back_quotes() -> None:
    assert evaluate("{'a-b/c.d': 1}.`a-b/c.d` == 1 && has(x.`a-b`) && !has(x.`c`)", x={"a-b": 1}) is True
    with pytest.raises(CompileError, match="unsupported syntax: '`'"):
        Environment(VARIABLES, version=(1, 36)).compile("x.`a-b`")


def test_backquotes_in_texts_and_comments_are_no_fields() -> None:
    assert evaluate("'`a`' == \"`a`\" // `c`") is True


def test_too_deep_and_too_long_expressions_are_refused() -> None:
    assert "nested too deeply" in issues("(" * 500 + "1" + ")" * 500)[0]
    assert "nested too deeply" in issues("+".join(["1"] * 20_000))[0]
    assert "size: 100002, limit 100000" in issues("'" + "a" * 100_000 + "'")[0]
    assert issues("x == '\ud800'") == ["1:7: not valid Unicode: a lone surrogate"]

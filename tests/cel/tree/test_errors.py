"""Errors of an expression: where they stand, and how they are shown."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, issues
from webhook.cel import CompileError


def test_an_error_has_line_and_column_in_code_points() -> None:
    assert issues("x.a +\n  'é😀' + nope") == ["2:10: undeclared reference to 'nope'"]


def test_a_rendered_error_shows_the_line_with_a_caret() -> None:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile("true &&\n  nope")
    assert caught.value.render() == "2:3: undeclared reference to 'nope'\n  |   nope\n  |   ^"

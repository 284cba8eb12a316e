"""What an environment compiles, and what it refuses."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import ENVIRONMENT, issues
from webhook.cel import types


def test_what_the_types_rule_out_is_refused() -> None:
    assert issues("1 + 'a'")[0].startswith("1:3: found no matching overload for '_+_' applied to '(int, string)'")


@pytest.mark.parametrize("expression", ["math.greatest(1, 2)", "base64.encode(b'a')", "cel.bind(v, 1, v)"])
def test_extensions_that_kubernetes_does_not_have_are_refused(expression: str) -> None:
    assert "undeclared reference" in issues(expression)[0]


def test_the_type_of_the_result_is_exact() -> None:
    assert issues("x", expect=(types.BOOL,)) == ["1:1: must evaluate to bool but got dyn"]
    assert ENVIRONMENT.compile("x == 1", expect=(types.BOOL,)).type == types.BOOL

"""The parser: the form of trees, and its limits. test_against_kubernetes.py compares it with cel-go's."""

from __future__ import annotations

import time

import pytest

from tests.timing import within
from webhook.cel.check.lexing import tokens
from webhook.cel.check.nodes import Builder
from webhook.cel.check.parsing import SyntaxFault, TooDeep, parse
from webhook.cel.tree.parsed import CALL, CONST, FOLD, IDENT, Parsed
from webhook.cel.tree.stack import deep_stack


def parsed(source: str) -> Parsed:
    found = tokens(source)
    assert found is not None
    return parse(found, Builder({}, optionals=True, quotes=True))


def shown(node: Parsed) -> str:
    if node.kind == CONST:
        return repr(node.value)
    if node.kind == IDENT:
        return node.name
    assert node.kind == CALL
    parts = [] if node.target is None else [node.target]
    return f"({' '.join([node.name, *map(shown, [*parts, *node.args])])})"


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        ("1 + 2 * 3 - 4", "(_-_ (_+_ 1 (_*_ 2 3)) 4)"),
        ("a || b && c || d", "(_||_ (_||_ a (_&&_ b c)) d)"),
        ("a && b && c && d", "(_&&_ (_&&_ a b) (_&&_ c d))"),
        ("a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"),
        ("a < b == c in d", "(@in (_==_ (_<_ a b) c) d)"),
        ("!!!a", "(!_ a)"),
        ("--a", "a"),
        ("-1 - -1", "(_-_ -1 -1)"),
        ("a.f(b)[c].?d", "(_?._ (_[_] (f a b) c) 'd')"),
        (".f(a)", "(.f a)"),
    ],
)
def test_trees(source: str, tree: str) -> None:
    assert shown(parsed(source)) == tree


@pytest.mark.parametrize(
    "source", ["", "a b", "a ? b ? c : d : e", "f(a,)", "a.?b(c)", "-!a", "{a}", "[a", "a.", "-1u.5"]
)
def test_syntax_errors(source: str) -> None:
    with pytest.raises(SyntaxFault):
        parsed(source)


def test_the_depth_is_bounded_however_long_the_source() -> None:
    nested = [begin * 50_000 for begin in ("(", "[", "f(", "a ? ")]
    for source in (*nested, "a" + "+a" * 40_000, "a" + ".b" * 50_000):
        with deep_stack(source), within(2, time.process_time), pytest.raises((TooDeep, SyntaxFault)):
            parsed(source)


def test_without_macros_nothing_is_expanded() -> None:
    assert parsed("x.all(a, a)").kind == CALL
    assert FOLD != CALL

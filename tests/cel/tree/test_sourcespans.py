"""Where sub-expressions stand in their source: the text of each, parsed alone, is that sub-expression again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.amounts import amount
from tests.cel.conformance import SUITE, cases
from tests.cel.evaluating import unchecked
from tests.cel.generated import Expressions
from webhook.cel import CompileError, Environment, types
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, Node, Select, StructLiteral, children
from webhook.cel.tree.macros import recognise
from webhook.cel.tree.sourcespans import Spans
from webhook.policy.load.loading import load

ENVIRONMENT = Environment({"object": types.DYN, "x": types.DYN, "variables.a": types.DYN})
POLICIES = Path(__file__).parents[3] / "policies"


def spans_of(expression: str) -> list[str]:
    tree = unchecked(expression, ENVIRONMENT).tree
    spans = Spans(expression)
    return [expression[slice(*spans.of(node))] for node in written(tree, spans)]


def written(node: Expr, spans: Spans) -> Iterator[Expr]:
    """The node and those below it that stand in the source, not those that a macro was expanded to."""
    yield node
    if spans.macro(node):
        if isinstance(node, Comprehension):
            yield from written(node.range, spans)
            fold = recognise(node)
            for part in (fold.filter, fold.key, fold.value) if fold.kind != "general" else ():
                yield from written(part, spans) if part is not None else ()
        return
    for child in children(node)[:1] if getattr(node, "function", "") == "_?._" else children(node):
        yield from written(child, spans)


def shape(node: Any) -> Any:
    """A tree without its positions, types, declarations and made-up names."""
    if isinstance(node, Node):
        kept = [name for name in node.__struct_fields__ if name not in ("id", "type", "offset", "declared")]
        return (type(node).__name__, *(shape(getattr(node, name)) for name in kept))
    if isinstance(node, tuple):
        return tuple(map(shape, node))
    if hasattr(node, "key"):
        return (shape(node.key), shape(node.value), node.optional)
    return repr(node)


@pytest.mark.parametrize(
    ("expression", "texts"),
    [
        ("(x.a + x['b']) * 2", ["(x.a + x['b']) * 2", "x.a + x['b']", "x.a", "x", "x['b']", "x", "'b'", "2"]),
        ("x.all(e, e > 1)", ["x.all(e, e > 1)", "x"]),
        ("has( x.a.b )", ["has( x.a.b )"]),
        ("x.?a[?0].orValue(-1)", ["x.?a[?0].orValue(-1)", "x.?a[?0]", "x.?a", "x", "0", "-1"]),
        ("((x)) in ( [ 1 ] )", ["((x)) in ( [ 1 ] )", "x", "[ 1 ]", "1"]),
        ("variables.a+size( 'é)(' )", ["variables.a+size( 'é)(' )", "variables.a", "size( 'é)(' )", "'é)('"]),
        ("x.?a.optMap(v, v + 1)", ["x.?a.optMap(v, v + 1)"]),
        ("x // (\n ? 'a' : b\"b\"", ["x // (\n ? 'a' : b\"b\"", "x", "'a'", 'b"b"']),
        ("{'a': [1u, 0x1F], 'b': .5}.a", ["{'a': [1u, 0x1F], 'b': .5}.a", "{'a': [1u, 0x1F], 'b': .5}", "'a'"]),
    ],
)
def test_each_sub_expression_spans_what_was_written(expression: str, texts: list[str]) -> None:
    assert spans_of(expression)[: len(texts)] == texts


def corpus() -> list[str]:
    made = Expressions(7)
    found = [made.one() for _ in range(amount(2000, 250))]
    found += [program.source for _, _, program in load(POLICIES).expressions()]
    if SUITE.is_dir():
        found += [case.expression for case in cases()]
    return found


def test_the_text_of_each_sub_expression_alone_is_that_sub_expression() -> None:
    compared = 0
    for expression in corpus():
        try:
            tree = unchecked(expression, ENVIRONMENT).tree
        except CompileError:
            continue
        spans = Spans(expression)
        nodes = list(written(tree, spans))
        fields = {id(entry.key) for node in nodes if isinstance(node, StructLiteral) for entry in node.entries}
        for node in nodes:
            if id(node) in fields:
                continue  # a field's name is no expression
            text = expression[slice(*spans.of(node))]
            if isinstance(node, Const | Ident | Select | Call | Comprehension):
                alone = unchecked(text, ENVIRONMENT).tree
                assert shape(alone) == shape(node), f"{text!r} in {expression!r}"
                compared += 1
    assert compared > amount(10_000, 2500)

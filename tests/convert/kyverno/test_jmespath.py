"""JMESPath: what parses as what, and what is refused, with its place."""

from __future__ import annotations

import json

import pytest

from webhook.convert.kyverno.jmespath import DEEPEST, LONGEST, JMESPathError, Node, parse


def shown(node: Node) -> str:
    """The tree in prefix form."""
    parts = [node.type, *([repr(node.value)] if node.value is not None else []), *map(shown, node.children)]
    return f"({' '.join(parts)})" if len(parts) > 1 else parts[0]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", "(field 'a')"),
        ('"a-b".c', "(sub (field 'a-b') (field 'c'))"),
        ("a[0].b", "(sub (index 0 (field 'a')) (field 'b'))"),
        ("a[].b", "(project (flatten (field 'a')) (sub current (field 'b')))"),
        ("a[*].b[].c", "(project (flatten (project (field 'a') (sub current (field 'b')))) (sub current (field 'c')))"),
        ("a[?b == 'x'].c", "(filter (field 'a') (sub current (field 'c')) (compare '==' (field 'b') (literal 'x')))"),
        ("a.*.b", "(values (field 'a') (sub current (field 'b')))"),
        ("a || `[]`", "(or (field 'a') (literal []))"),
        ("a && !b || c", "(or (and (field 'a') (not (field 'b'))) (field 'c'))"),
        (
            "a.[b, c][].d",
            "(project (flatten (sub (field 'a') (list (field 'b') (field 'c')))) (sub current (field 'd')))",
        ),
        ("length(a[]) | @", "(pipe (function 'length' (project (flatten (field 'a')) current)) current)"),
        ("a[1:3]", "(project (slice (1, 3) (field 'a')) current)"),
        ("{x: a, y: b}", "(hash ('x', 'y') (field 'a') (field 'b'))"),
        ("sort_by(a, &b)", "(function 'sort_by' (field 'a') (reference (field 'b')))"),
        (
            "a == `1` && b != 'it\\'s'",
            "(and (compare '==' (field 'a') (literal 1)) (compare '!=' (field 'b') (literal \"it's\")))",
        ),
        ("`bare`", "(literal 'bare')"),
        ("(a || b).c", "(sub (or (field 'a') (field 'b')) (field 'c'))"),
    ],
)
def test_a_tree(text: str, tree: str) -> None:
    assert shown(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected the end at character 1"),
        ("a.", "unexpected the end at character 3, expected a field"),
        ("a b", "unexpected 'b' at character 3"),
        ("a[", "unexpected the end at character 3, expected an index, * or ?"),
        ("a[x]", "unexpected 'x' at character 3, expected an index, * or ?"),
        ("a#b", "unexpected '#' at character 2"),
        ("f(a", "unexpected the end at character 4, expected ')'"),
        ("{a b}", "unexpected 'b' at character 4, expected ':'"),
        ("{'a': b}", "unexpected \"'a'\" at character 2, expected a key"),
        ("a[1:2:3:4]", "unexpected ':' at character 8"),
        ('"a\\q"', "no JSON at character 1"),
        ("a * b", "unexpected '*' at character 3"),
        ("(" * (DEEPEST + 1) + "a", f"nested more than {DEEPEST} levels deep"),
        ("a" * (LONGEST + 1), f"longer than {LONGEST} characters"),
        ("`" + "[" * 4000 + "`", "a literal that is nested too deep, at character 1"),
        ("`" + '{"a":' * 41 + "1" + "}" * 41 + "`", "a literal that is nested too deep, at character 1"),
        ("a == `" + "[" * 41 + "]" * 41 + "`", "a literal that is nested too deep, at character 6"),
    ],
)
def test_an_error_has_its_place(text: str, message: str) -> None:
    with pytest.raises(JMESPathError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_brackets_within_texts_are_no_levels() -> None:
    text = "[" * 100
    assert parse(f'`{{"a": "{text}", "b": "\\\\"}}`').value == {"a": text, "b": "\\"}
    assert parse(f"`{json.dumps([[1]] * 100)}`").value == [[1]] * 100

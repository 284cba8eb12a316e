"""Terms are written so that they are read as the same terms, and long ones on several lines."""

from __future__ import annotations

import pytest

from webhook.convert.simplify.loopnames import named
from webhook.convert.simplify.terms import Unreadable, read
from webhook.convert.simplify.termtexts import flat, shown


@pytest.mark.parametrize(
    "text",
    [
        "a && b || c", "a && (b || c)", "!(a && b)", "!a.b", "(a ? b : c) ? d : e", "a ? b : c ? d : e", "-a + b",
        "a - (b - c)", "a - b - c", "(a + b) * c", "a * (b / c)", "(a == b) == c", "a in b && !(c in d)", "-1 < 2.5",
        "'it\\'s' + \"x\"", "x.?a[?'b/c'].orValue('')", "x['a b'].c[0]", "[a, b, [c]]", "{'a': 1, b: {}}",
        "JSONPatch{op: 'add', value: {'x': dyn(1)}}", "has(a.b) ? a.b : null", "l.map(e, e > 1, e + 1)", "(-1).x",
        "l.transformList(i, e, i > 0, e)", "f(a, g(b))", "true || false", "(a || b).c",
    ],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(text: str) -> None:
    term = read(text)
    assert read(flat(term)) == term
    assert read(shown(term)) == term


@pytest.mark.parametrize("text", ["a &&", "a // b", "{?'a': b}", "[?a]", "1u", "b'x'", "'a' @ b"])
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(Unreadable):
        read(text)


def test_long_terms_have_a_line_for_each_operand() -> None:
    condition = " && ".join(f"object.spec.field{number} == 'value{number}'" for number in range(4))
    text = shown(read(f"object.spec.containers.all(c, {condition} || (has(c.image) && c.image != 'x'))"))
    assert text.split("\n") == [
        "object.spec.containers.all(c,",
        "  object.spec.field0 == 'value0' &&",
        "  object.spec.field1 == 'value1' &&",
        "  object.spec.field2 == 'value2' &&",
        "  object.spec.field3 == 'value3' ||",
        "  has(c.image) && c.image != 'x'",
        ")",
    ]
    assert max(map(len, text.split("\n"))) < 100


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x.containers.all(e1, e1.env.all(e2, e2.a == e1.a))",
         "x.containers.all(container, container.env.all(variable, variable.a == container.a))"),
        ("(x.initContainers + x.containers).all(e1, x.containers.all(e2, e1.a == e2.b))",
         "(x.initContainers + x.containers).all(container, x.containers.all(container2, container.a == container2.b))"),
        ("x.?policies.orValue([]).exists(e1, e1 == y)", "x.?policies.orValue([]).exists(policy, policy == y)"),
        ("x.labels.exists(e1, e1 == 'a')", "x.labels.exists(key, key == 'a')"),
        ("[x].exists(e1, e1 == 1)", "[x].exists(value, value == 1)"),
        ("x.namespaces.exists(e1, e1 == 'a')", "x.namespaces.exists(item, item == 'a')"),
        ("x.ports.transformList(e1, e2, e1)", "x.ports.transformList(index, port, index)"),
    ],
)  # fmt: skip
def test_names_of_loop_variables(before: str, after: str) -> None:
    assert flat(named(read(before))) == after

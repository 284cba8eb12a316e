"""The changes of a CEL expression: every one of them, and none that certainly changes nothing."""

from __future__ import annotations

import pytest

from webhook.cel import Environment, types
from webhook.mutants.expressions import Known, edits

ENVIRONMENT = Environment(
    {
        "object": types.DYN,
        "oldObject": types.DYN,
        "request": types.DYN,
        "n": types.INT,
        "u": types.UINT,
        "d": types.DOUBLE,
        "t": types.STRING,
        "b": types.BOOL,
        "l": types.list_of(types.INT),
    }
)
NOTHING = Known(lambda _: None, lambda _: False)


def mutants(source: str, known: Known = NOTHING, *, message: bool = False) -> list[str]:
    tree = ENVIRONMENT.compile(source).tree
    return [edit.applied(source) for edit in edits(source, tree, known, message=message)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("n == 1", ["n != 1", "n == 0", "n == 2"]),
        ("n < 1", ["n <= 1", "n >= 1", "n < 0", "n < 2"]),
        ("n <= -1", ["n < -1", "n > -1", "n <= -2", "n <= 0"]),
        ("n > n", ["n <= n", "n >= n"]),
        ("u >= 1u", ["u < 1u", "u > 1u", "u >= 0u", "u >= 2u"]),
        ("d != 1.5", ["d == 1.5", "d != 0.5", "d != 2.5"]),
        ("b && b", ["!b && b", "b || b", "b && !b"]),
        ("b || !b", ["!b || !b", "b && !b", "b || b"]),
        ("!b", ["b"]),
        ("true", ["false"]),
        ("b == true", ["!b == true", "b != true", "b == false"]),
        ("t == 'x'", ["t != 'x'", "t == ''"]),
        ("t == ''", ["t != ''", "t == 'mutant'"]),
        ("t in ['x', \"y\"]", ["!(t in ['x', \"y\"])", "t in ['', \"y\"]", "t in ['x', '']"]),
        ("t.startsWith('x')", ["!t.startsWith('x')", "t.endsWith('x')", "t.startsWith('')"]),
        ("t + 'x' == t", ["t + '' == t", "t + 'x' != t"]),
        ("n + 1 != n", ["n - 1 != n", "n + 0 != n", "n + 2 != n", "n + 1 == n"]),
        ("n * n == n / n", ["n / n == n / n", "n * n != n / n", "n * n == n * n"]),
        ("n % n == n", ["n * n == n", "n % n != n"]),
        ("b ? n : 3", ["n", "3", "!b ? n : 3", "b ? n : 2", "b ? n : 4"]),
        ("b ? n : n", ["!b ? n : n"]),
        ("b ? n + n : n", ["(n + n)", "n", "!b ? n + n : n", "b ? n - n : n"]),
        ("has(object.x)", ["!has(object.x)", "true"]),
        ("object.?x.orValue(null)", ["object.x.orValue(null)"]),
        ("object.?x.?y.orValue(null)", ["object.x.?y.orValue(null)"]),
        ("oldObject.x", ["object.x"]),
        ("null", []),
    ],
)
def test_the_changes_of_an_expression(source: str, expected: list[str]) -> None:
    assert sorted(mutants(source)) == sorted(expected)


@pytest.mark.parametrize(
    ("source", "quantified"),
    [
        ("l.all(x, x == n)", ["l.exists(x, x == n)"]),
        ("l.exists(x, x == n)", ["l.all(x, x == n)", "l.exists_one(x, x == n)"]),
        ("l.exists_one(x, x == n)", ["l.exists(x, x == n)"]),
        ("l.map(x, x)", None),
        ("l.filter(x, x == n)", ["l.filter(x, x != n)"]),
    ],
)
def test_quantifiers(source: str, quantified: list[str] | None) -> None:
    found = mutants(source)
    if quantified is None:
        assert all(source not in each and "accu" not in each for each in found)
        return
    assert set(quantified) <= set(found)
    assert len(found) == len(quantified) + (2 if ".filter" not in source else 0)  # == and the negation of the whole
    assert (source.replace("==", "!=") in found) and ((f"!{source}" in found) == (".filter" not in source))


def test_nested_quantifiers_change_one_by_one() -> None:
    assert set(mutants("l.all(x, l.exists(y, x == y))")) == {
        "!l.all(x, l.exists(y, x == y))",
        "l.exists(x, l.exists(y, x == y))",
        "l.all(x, !l.exists(y, x == y))",
        "l.all(x, l.all(y, x == y))",
        "l.all(x, l.exists_one(y, x == y))",
        "l.all(x, l.exists(y, x != y))",
    }


@pytest.mark.parametrize("source", ["[n].all(x, x == n)", "[n].exists(x, x == n)"])
def test_the_quantifier_over_one_element_is_left_alone(source: str) -> None:
    assert not [each for each in mutants(source) if not each.startswith(("!", "[n].all", "[n].exists("))]
    assert sum(each.startswith("[n]") for each in mutants(source)) == 1  # the one with !=


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("object.?kind.orValue('') == 'Pod'", "object.?kind.orValue('mutant') == 'Pod'"),
        ("object.?kind.orValue('') in ['Pod', 'Job']", "object.?kind.orValue('mutant') in ['Pod', 'Job']"),
        ("string(object.?kind.orValue('')) != 'Pod'", "string(object.?kind.orValue('mutant')) != 'Pod'"),
    ],
)
def test_a_default_that_makes_no_difference_is_left_alone(source: str, kept: str) -> None:
    assert kept not in mutants(source)


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("object.?kind.orValue('') == ''", "object.?kind.orValue('mutant') == ''"),
        ("object.?kind.orValue('Pod') == 'Pod'", "object.?kind.orValue('') == 'Pod'"),
        ("object.?kind.orValue('') == t", "object.?kind.orValue('mutant') == t"),
        ("object.?kind.orValue('').size() == 0", "object.?kind.orValue('mutant').size() == 0"),
        ("'x' in object.?kind.orValue('')", "'x' in object.?kind.orValue('mutant')"),
    ],
)
def test_a_default_that_may_make_one_is_changed(source: str, changed: str) -> None:
    assert changed in mutants(source)


def known(source: str, *always: str) -> Known:
    places = {source.index(name) for name in always}
    return Known(lambda at: {"minReplicas": "maxReplicas"}.get(source[at : at + 11]), lambda at: at in places)


def test_a_field_gives_way_to_its_sibling() -> None:
    for source in ("object.minReplicas == n", "object.?minReplicas.orValue(n) == n", "has(object.minReplicas)"):
        assert source.replace("min", "max") in mutants(source, known(source))


def test_what_is_always_there_needs_no_question_mark() -> None:
    source = "object.?spec.?x.orValue(n) == n"
    assert "object.spec.?x.orValue(n) == n" in mutants(source)
    assert "object.spec.?x.orValue(n) == n" not in mutants(source, known(source, "spec"))
    source = "oldObject.?spec.?x.orValue(n) == n"  # there is no old object at creation
    assert "oldObject.spec.?x.orValue(n) == n" in mutants(source, known(source, "spec"))
    source = "object.items.all(v, v.?name.orValue('') == '')"
    assert source.replace("?", "") in mutants(source)
    assert source.replace("?", "") not in mutants(source, known(source, "name"))
    assert source.replace("''", "'mutant'", 1) not in mutants(source, known(source, "name"))


def test_the_wording_of_a_message_is_left_alone() -> None:
    source = "'a' + (t == 'b' ? 'c' : t) + string(object.?x.orValue('d'))"
    assert "'' + (t == 'b' ? 'c' : t) + string(object.?x.orValue('d'))" in mutants(source)
    assert mutants(source, message=True) == [
        "'a' + ('c') + string(object.?x.orValue('d'))",
        "'a' + (t) + string(object.?x.orValue('d'))",
        "'a' + (t != 'b' ? 'c' : t) + string(object.?x.orValue('d'))",
        "'a' + (t == '' ? 'c' : t) + string(object.?x.orValue('d'))",
        "'a' + (t == 'b' ? 'c' : t) + string(object.x.orValue('d'))",
        "'a' + (t == 'b' ? 'c' : t) + string(object.?x.orValue(''))",
    ]


def test_what_stands_between_the_items_of_a_message_is_wording() -> None:
    source = "['a', t].filter(i, i != 'a').join(', ') + t.split('.').join('/')"
    as_condition = mutants(source)
    as_message = mutants(source, message=True)
    assert {source.replace("', '", "''"), source.replace("'/'", "''")} <= set(as_condition)
    assert as_message == [each for each in as_condition if "join(', ')" in each and "join('/')" in each]
    assert source.replace("'.'", "''") in as_message  # a separator that takes a text apart changes what is said


def test_comments_and_strings_are_not_mistaken_for_operators() -> None:
    source = "t == '&& ==' // == || !\n && b"
    assert mutants(source) == [
        "t != '&& ==' // == || !\n && b",
        "t == '' // == || !\n && b",
        "t == '&& ==' // == || !\n || b",
        "t == '&& ==' // == || !\n && !b",
    ]


def test_a_deep_expression_is_no_matter() -> None:
    deep = " && ".join(["b"] * 200)
    assert len(mutants(deep)) == 399

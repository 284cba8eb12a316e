"""Types, names and their errors. test_against_kubernetes.py compares all of it with cel-go's checker."""

from __future__ import annotations

import pytest

from tests.cel.check.checked import ENVIRONMENT, outcome
from webhook.cel import CompileError, environment
from webhook.cel.check import checking
from webhook.cel.check.checking import Checker
from webhook.cel.check.frontend import MAX_ISSUES, Frontend
from webhook.cel.tree.types import INT, STRING, list_of
from webhook.versions import NEWEST


def type_of(expression: str) -> str:
    return str(ENVIRONMENT.compile(expression).type)


@pytest.mark.parametrize(
    ("expression", "declared"),
    [
        ("l.map(e, e > 1 ? 's' : 't')", "list(string)"),
        ("[]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ("{'a': o}[?'a']", "optional_type(optional_type(int))"),
        ("[x, x][0]", "dyn"),
        ("m.transformMap(k, v, string(v))", "map(string, string)"),
        ("o.optMap(v, [v])", "optional_type(list(int))"),
        ("request.userInfo.extra['a']", "list(string)"),
        ("type(1)", "type(int)"),
        ("has(variables.foo)", "bool"),
        ("[1].map(x, .x)", "list(dyn)"),
        ("b ? null : q", "null"),
        ("ll.flatten()", "list(int)"),
    ],
)
def test_types(expression: str, declared: str) -> None:
    assert type_of(expression) == declared


@pytest.mark.parametrize(
    ("expression", "errors"),
    [
        ("nope.foo", [[1, 1, "undeclared reference to 'nope'"]]),
        ("i + s", [[1, 3, "found no matching overload for '_+_' applied to '(int, string)'"]]),
        ("s.contains(1)", [[1, 11, "found no matching overload for 'contains' applied to 'string.(int)'"]]),
        ("s && b", [[1, 1, "expected type 'bool' but found 'string'"]]),
        ("i.foo", [[1, 2, "type 'int' does not support field selection"]]),
        ("request.foo", [[1, 8, "undefined field 'foo'"]]),
        ("q.foo", [[1, 2, "unexpected failed resolution of 'kubernetes.Quantity'"]]),
        ("Nope{a: 1}", [[1, 5, "undeclared reference to 'Nope'"]]),
        ("[?i]", [[1, 3, "expected type 'optional_type(int)' but found 'int'"]]),
    ],
)
def test_errors(expression: str, errors: list[list[object]]) -> None:
    assert outcome(expression) == {"errors": errors}


def test_a_range_that_is_none() -> None:
    [issue] = outcome("i.all(e, e)")["errors"]
    assert issue[2].startswith("expression of type 'int' cannot be range of a comprehension")


def test_as_many_errors_are_told_as_the_api_server_tells() -> None:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT._checker().check(" + ".join(["nope"] * 120))
    assert len(caught.value.issues) == MAX_ISSUES + 1
    assert caught.value.issues[-1].message == "20 more errors were truncated"


@pytest.mark.parametrize(
    "expression",
    ["i + i == i * 2 && s + s == s.lowerAscii() && size(l) > 1", "l.all(e, e == i) && ll.flatten().map(e, [e]) == ll"],
)
def test_a_call_that_is_known_takes_as_many_steps_as_one_that_is_not(expression: str) -> None:
    """So that no limit depends on what was compiled before."""
    declarations = environment._declarations.__wrapped__(NEWEST, False)
    frontend = Frontend({"i": INT, "s": STRING, "l": list_of(INT), "ll": list_of(list_of(INT))}, declarations)

    def checked() -> tuple[int, object]:
        checker = Checker(frontend._names)
        parsed = frontend._parsed(expression)
        checker.check(parsed)
        return checker.substitution.steps, frontend.check(expression)

    first = checked()
    known = dict(declarations.calls)
    assert known
    assert checked() == first
    assert declarations.calls == known


def test_a_wrapper_is_not_taken_for_its_value_in_known_calls() -> None:
    wrapped, plain = "google.protobuf.Int32Value{value: 1} == null", "1 == null"
    for expressions in ((wrapped, plain, wrapped), (plain, wrapped, plain)):
        for expression in expressions:
            assert ("errors" in outcome(expression)) == (expression is plain)


def test_known_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_MOST_CALLS", 3)
    declarations = environment._declarations.__wrapped__(NEWEST, False)
    Frontend({"s": STRING}, declarations).check("s + s == s && s.size() > 1 && s.contains(s) && s < s || 1 + 1 > 1")
    assert 0 < len(declarations.calls) <= 3

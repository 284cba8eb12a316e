"""Types, names and their errors. test_against_kubernetes.py compares all of it with cel-go's checker."""

from __future__ import annotations

import pytest

from tests.cel.check.checked import ENVIRONMENT, outcome
from webhook.cel import CompileError
from webhook.cel.check.frontend import MAX_ISSUES


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

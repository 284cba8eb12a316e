"""Errors about unknown names: at the name, with the nearest one that is known."""

from __future__ import annotations

import time

import pytest

from tests.timing import within
from webhook.cel import CompileError
from webhook.cel.tree.types import INT, list_of
from webhook.nearest import LONGEST_NAME
from webhook.policy.cel.declared import base_environment

ENVIRONMENT = base_environment(with_params=False).extend({"variables.replicas": INT, "variables.names": list_of(INT)})


def issues(expression: str) -> list[str]:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression)
    return [str(issue) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("objet.spec.x", "1:1: undeclared reference to 'objet'; did you mean 'object'?"),
        ("1 == 1 && objct", "1:11: undeclared reference to 'objct'; did you mean 'object'?"),
        ("OldObject == 1", "1:1: undeclared reference to 'OldObject'; did you mean 'oldObject'?"),
        (
            "1 +\n  variables . replcas",
            "2:3: undeclared reference to 'variables.replcas'; did you mean 'variables.replicas'?",
        ),
        ("nothing.like.it", "1:1: undeclared reference to 'nothing'"),
        (".objet.spec", "1:2: undeclared reference to '.objet'; did you mean 'object'?"),
        (
            "'a' + request.nam",  # and no error about '_+_' applied to '(string, !error!)'
            "1:15: undefined field 'nam'; did you mean 'name'?",
        ),
        ("request.userInfo.user == ''", "1:18: undefined field 'user'; did you mean 'username'?"),
        ("request\n  .userInfo\n  .group", "3:4: undefined field 'group'; did you mean 'groups'?"),
        ("has(request.nam)", "1:13: undefined field 'nam'; did you mean 'name'?"),
        ("request.?nam.hasValue()", "1:10: undefined field 'nam'; did you mean 'name'?"),
        (
            "request.kind.xyz == ''",
            "1:14: undefined field 'xyz'; expected one of group, kind, version",
        ),
        ("namespaceObject.metadata.lables == {}", "1:26: undefined field 'lables'; did you mean 'labels'?"),
        (
            "namespaceObject.status.conditions.all(c, c.typ == '')",
            "1:44: undefined field 'typ'; did you mean 'type'?",
        ),
        ("'a'.startWith('b')", "1:5: undeclared reference to 'startWith'; did you mean 'startsWith'?"),
        ("object.x . startWith ('b')", "1:12: undeclared reference to 'startWith'; did you mean 'startsWith'?"),
        ("quantityy('1')", "1:1: undeclared reference to 'quantityy'; did you mean 'quantity'?"),
        ("hass(object.x)", "1:1: undeclared reference to 'hass'; did you mean 'has'?"),
        ("sets.contain([1], [1])", "1:1: undeclared reference to 'sets.contain'; did you mean 'sets.contains'?"),
        ("optional.off(1)", "1:1: undeclared reference to 'optional.off'; did you mean 'optional.of'?"),
        ("object.x.exist(x, x == 'a')", "1:10: undeclared reference to 'exist'; did you mean 'exists'?"),
        ("object.x.al(x, x.y == 'a')", "1:10: undeclared reference to 'al'; did you mean 'all'?"),
        (
            "object.x.transformlist(i, v, v)",
            "1:10: undeclared reference to 'transformlist'; did you mean 'transformList'?",
        ),
        (
            "object.x.all(container, contaner.image == '')",
            "1:25: undeclared reference to 'contaner'; did you mean 'container'?",
        ),
        ("size(object, 1)", "1:5: found no matching overload for 'size' applied to '(dyn, int)'"),
        (
            "startsWith('a', 'b')",
            "1:11: found no matching overload for 'startsWith' applied to '(string, string)'; it is written "
            "VALUE.startsWith(…)",
        ),
        (
            "'1'.quantity()",
            "1:13: found no matching overload for 'quantity' applied to 'string.()'; it is written quantity(…)",
        ),
        ("'é😀' == objet", "1:9: undeclared reference to 'objet'; did you mean 'object'?"),
        ("'objet' == 'x' && objet", "1:19: undeclared reference to 'objet'; did you mean 'object'?"),
    ],
)
def test_names(expression: str, expected: str) -> None:
    assert issues(expression) == [expected]


def test_each_unknown_name_is_told() -> None:
    assert issues("objet == requst && 'a'.startWith('b')") == [
        "1:1: undeclared reference to 'objet'; did you mean 'object'?",
        "1:10: undeclared reference to 'requst'; did you mean 'request'?",
        "1:24: undeclared reference to 'startWith'; did you mean 'startsWith'?",
    ]


def test_a_name_that_is_very_long_is_cut() -> None:
    [found] = issues("a" * 50_000)
    assert found == f"1:1: undeclared reference to '{'a' * LONGEST_NAME}…'"


def test_the_variable_of_a_misspelt_macro_is_no_error_but_another_name_is() -> None:
    assert issues("object.x.al(x, y == x)") == [
        "1:10: undeclared reference to 'al'; did you mean 'all'?",
        "1:16: undeclared reference to 'y'",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        f"request.{' ' * 90_000}nope",
        f"has(request.?{' ' * 50_000}nope)",
        f"x{' ' * 50_000}.{' ' * 40_000}startWith('a')",
        f"[{','.join(f'object.f{number}(x)' for number in range(5000))}].size() == 1",
        f"[{','.join(f'o{number}.x' for number in range(8000))}].size() == 1",
        f"object.x.matches('{{{'[' * 90_000}')",
    ],
)
def test_hostile_expressions_are_answered_soon(expression: str) -> None:
    with within(5, time.process_time):  # what is quadratic takes a minute
        assert issues(expression)

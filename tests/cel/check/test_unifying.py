"""Assignability of types, and type variables."""

from __future__ import annotations

import pytest

from webhook.cel.check.unifying import Substitution, TypesTooLarge, is_struct, most_general
from webhook.cel.tree import types
from webhook.cel.tree.types import Type


def assignable(to: str, value: str) -> bool:
    return Substitution().assignable(types.parse(to), types.parse(value))


def test_assignability() -> None:
    for to, value in (
        ("int", "int"),
        ("int", "dyn"),
        ("list(int)", "list(dyn)"),
        ("list(T)", "list(string)"),
        ("null", "net.IP"),
        ("timestamp", "null"),
        ("optional_type(int)", "null"),
        ("type(int)", "type(string)"),
    ):
        assert assignable(to, value), (to, value)
    for to, value in (
        ("int", "uint"),
        ("list(int)", "list(string)"),
        ("int", "null"),
        ("map(T, T)", "map(int, string)"),
    ):
        assert not assignable(to, value), (to, value)


def test_a_variable_stands_for_the_most_general_of_its_types() -> None:
    substitution, variable = Substitution(), types.parse("T")
    assert substitution.assignable(variable, types.INT)
    assert substitution.resolved(types.list_of(variable)) == types.list_of(types.INT)
    assert substitution.assignable(variable, types.DYN)
    assert substitution.resolved(variable) == types.DYN


def test_a_failed_attempt_binds_nothing() -> None:
    substitution, one, other = Substitution(), types.parse("T"), types.parse("U")
    assert not substitution.all_assignable([one, types.INT], [types.STRING, types.STRING])
    assert substitution.resolved(one) == one
    assert substitution.resolved(other, final=True) == types.DYN


def test_a_variable_is_not_a_part_of_itself() -> None:
    substitution, variable = Substitution(), types.parse("T")
    assert not substitution.assignable(variable, types.list_of(variable))


def test_types_that_double_end() -> None:
    nested = types.INT
    for _ in range(60):
        nested = types.map_of(nested, nested)
    with pytest.raises(TypesTooLarge):
        Substitution().resolved(nested)


def test_the_more_general_type() -> None:
    assert most_general(types.INT, types.DYN) == types.DYN
    assert most_general(types.list_of(types.DYN), types.list_of(types.INT)) == types.list_of(types.DYN)


def test_structs_are_types_without_parameters_that_are_not_opaque() -> None:
    assert is_struct(Type("kubernetes.UserInfo"), frozenset())
    assert not is_struct(Type("net.IP"), frozenset({"net.IP"}))
    assert not is_struct(types.INT, frozenset())
    assert not is_struct(types.parse("optional_type(int)"), frozenset())

"""Comparisons, by the types of what is compared: of values, of types, with lists, of quantities."""

from __future__ import annotations

from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Final

from webhook.convert.kyverno import values
from webhook.convert.simplify import optionalchains as chains
from webhook.convert.simplify.certain import Facts, negated, plain, safe
from webhook.convert.simplify.knowntypes import KIND, SUBRESOURCE, Known, Scope
from webhook.convert.simplify.terms import (
    EMPTY,
    FALSE,
    NULL,
    TRUE,
    Term,
    const,
    is_call,
    is_method,
    is_op,
    method,
    op,
)

_TESTS: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_TYPES: Final = frozenset({"string", "int", "double", "bool", "list", "map"})
_SUBRESOURCE: Final = method("orValue", Term("field?", SUBRESOURCE.args, SUBRESOURCE.name), const(""))


def compared(term: Term, scope: Scope, facts: Facts) -> Term:
    left, right = map(plain, term.args)
    sign = term.name
    if sign == "in":
        return _among(term, left, scope)
    if is_call(right, "type") or left.kind == "const":
        left, right = right, left
    if is_call(left, "type") and right.kind == "name" and right.name in _TYPES:
        found = _of_type(left.args[0], right.name, scope)
        if found is not None:
            return found if sign == "==" else negated(found, scope)
        return op(sign, left, right)
    possible = scope.kinds if left == KIND else scope.subresources if left == _SUBRESOURCE else frozenset()
    if possible and right.kind == "const" and (right.value not in possible or len(possible) == 1):
        return const((right.value in possible) is (sign == "=="))
    first, second = scope.of(left), scope.of(right)
    if left.kind == right.kind == "const" and left.name == right.name:
        return const((left.value == right.value) is (sign == "=="))
    unlike = first is not None and second is not None and not _alike(first, second)
    if unlike and safe(left, scope, facts) and safe(right, scope, facts):
        return const(sign == "!=")
    if is_method(left, "orValue") and left.args[1] == NULL and first is not None:
        chain = left.args[0]
        inner = scope.of(chain)
        if inner is not None and inner.only in EMPTY:
            if right == NULL:
                found = chains.asking(chain)
                return found if sign == "!=" else op("!", found)
            zero = EMPTY[inner.only]
            if right.kind == "const" and right != zero and second is not None and second.only == inner.only:
                return op(sign, method("orValue", chain, zero), right)
    if is_method(left, "orValue") and left.args[1] == right and right in (TRUE, FALSE):
        inner = scope.of(left.args[0])
        if inner is not None and inner.only == "bool":
            return op("!", left) if (right == FALSE) is (sign == "==") else left
    if right in (TRUE, FALSE) and first is not None and first.only == "bool":
        return left if (right == TRUE) is (sign == "==") else negated(left, scope)
    untyped = first is None or second is None
    return (
        op(sign, *term.args) if untyped and any(is_call(each, "dyn") for each in term.args) else op(sign, left, right)
    )


def _alike(first: Known, second: Known) -> bool:
    """Whether two values can be equal: numbers are among themselves."""
    numbers = {"int", "double"}
    return bool(first.types & second.types or (first.types & numbers and second.types & numbers))


def _of_type(subject: Term, wanted: str, scope: Scope) -> Term | None:
    """Whether a value has a type; None if that is not known."""
    known = scope.of(subject)
    if known is None:
        return None
    if known.only == wanted:
        return TRUE
    if wanted not in known.types:
        return FALSE
    if known.types == {wanted, "null"} and is_method(subject, "orValue") and subject.args[1] == NULL:
        inner = scope.of(subject.args[0])
        if inner is not None and inner.only == wanted:
            return chains.asking(subject.args[0])
    return None


def _among(term: Term, left: Term, scope: Scope) -> Term:
    """`x in [null, false, '', [], {}]`, with those that x can be."""
    known = scope.of(left)
    listed = term.args[1]
    if left == _SUBRESOURCE and scope.subresources and listed.kind == "list":
        named = {each.value for each in listed.args}
        if scope.subresources <= named or scope.subresources.isdisjoint(named):
            return const(scope.subresources <= named)
    if listed.kind != "list" or known is None:
        return op("in", left, listed) if known is not None else term
    possible = []
    for each in map(plain, listed.args):
        other = scope.of(each)
        if other is None or _alike(known, other):
            possible.append(each)
    if not possible:
        return FALSE
    if is_method(left, "orValue") and left.args[1] == NULL and NULL in possible:
        inner = scope.of(left.args[0])
        rest = [each for each in possible if each != NULL]
        if inner is not None and inner.only in EMPTY and rest in ([], [EMPTY[inner.only]]):
            if not rest:
                return negated(chains.asking(left.args[0]), scope)
            return compared(op("==", method("orValue", left.args[0], rest[0]), rest[0]), scope, frozenset())
    if len(possible) == 1:
        return compared(op("==", left, possible[0]), scope, frozenset())
    if len(possible) == len(listed.args):
        return op("in", left, listed)
    mixed = len({each.name if each.kind == "const" else each.kind for each in possible}) > 1
    return op("in", left, Term("list", tuple(Term("call", (each,), "dyn") if mixed else each for each in possible)))


def ordered(term: Term, scope: Scope) -> Term:
    """`quantity(string(n)).compareTo(quantity('5')) > 0` is `n > 5` where n is a whole number."""
    left, right = map(plain, term.args)
    if left.kind == right.kind == "const" and type(left.value) is type(right.value) is int:
        return const(_TESTS[term.name](left.value, right.value))
    found = [scope.of(each) for each in (left, right)]
    if all(each is not None and each.only in ("int", "string") for each in found):
        term = op(term.name, left, right)
    if is_method(left, "compareTo") and right == const(0):
        number, limit = (_of_quantity(each) for each in left.args)
        if number is not None and limit is not None and limit.kind == "const":
            known = scope.of(number.args[0]) if is_call(number, "string") else None
            amount = values.amount(limit.value) if type(limit.value) is str else None
            if known is not None and known.only == "int" and amount is not None and _whole(amount):
                return op(term.name, number.args[0], const(int(amount)))
    return term


def by_quantity(sides: list[Term], scope: Scope) -> Term:
    """`q.matches(DURATION) && duration(q) > duration('50m') || quantity(q)… > 0 && !q.matches(DURATION)`: a quantity
    that has the form of a duration is a number of m, of which both say the same."""
    whole = op("||", *sides)
    if not all(is_op(each, "&&") and len(each.args) == 2 for each in sides):
        return whole
    (form, length), (amount, no_form) = (each.args for each in sides)
    if no_form != op("!", form) or not is_method(form, "matches") or not is_method(amount.args[0], "compareTo"):
        return whole
    subject, limit = form.args[0], (_of_quantity(amount.args[0].args[1]) if amount.kind == "op" else None)
    known = scope.of(subject)
    if known is None or not known.quantity or limit is None or not str(limit.value).endswith("m"):
        return whole
    duration = op(amount.name, Term("call", (subject,), "duration"), Term("call", (limit,), "duration"))
    of_subject = amount.args[0].args[0] == Term("call", (subject,), "quantity")
    return amount if length == duration and of_subject and amount.args[1] == const(0) else whole


def _of_quantity(term: Term) -> Term | None:
    return term.args[0] if is_call(term, "quantity") else None


def _whole(amount: Decimal) -> bool:
    return amount == amount.to_integral_value() and abs(amount) < 2**62

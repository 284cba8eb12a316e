"""Rewrites a term into a smaller one that has the same value, or is an error where it is one.

Each rule keeps the meaning for every object that the scope allows. A part of a conjunction is rewritten with what the
parts before it say: where they do not hold, it does not matter.
"""

from __future__ import annotations

from typing import Final

from webhook.convert.simplify import optionalchains as chains
from webhook.convert.simplify.certain import Facts, boolean, consequences, free, negated, plain, safe, strict
from webhook.convert.simplify.comparing import by_quantity, compared, ordered
from webhook.convert.simplify.guards import merged
from webhook.convert.simplify.knowntypes import Scope
from webhook.convert.simplify.terms import (
    EMPTY,
    FALSE,
    NULL,
    TRUE,
    Term,
    bound,
    const,
    is_call,
    is_method,
    is_op,
    method,
    names_bound,
    op,
    read,
    replaced,
    substituted,
    uses,
)
from webhook.convert.simplify.termtexts import flat

_ERROR: Final = read("optional.none().value()")
_SHORT: Final = 60  # characters of a value that may stand where its name stood
_LONG: Final = 150  # of all of them
_TEXTS: Final = frozenset({"startsWith", "endsWith", "contains"})


def simplified(term: Term, scope: Scope, facts: Facts = frozenset()) -> Term:
    """The smaller term."""
    for _ in range(6):
        smaller = _simplified(term, scope, facts)
        if smaller == term:
            break
        term = smaller
    return term


def _simplified(term: Term, scope: Scope, facts: Facts) -> Term:
    if term in facts:
        return TRUE
    if facts and op("!", term) in facts:
        return FALSE
    if term.kind in ("const", "name"):
        return term
    if term.kind in ("field?", "index?"):
        base = _simplified(term.args[0], scope, facts)
        return chains.shortened(Term(term.kind, (_unwrapped(base), *term.args[1:]), term.name), scope, facts)
    if term.kind == "op":
        return _operator(term, scope, facts)
    if bound(term):
        return _macro(term, scope, facts)
    args = tuple(_simplified(each, scope, facts) for each in term.args)
    if is_call(term, "has"):
        args = (Term("field", (_simplified(term.args[0].args[0], scope, facts),), term.args[0].name),)
    term = Term(term.kind, args, term.name, term.value)
    if term.kind == "call":
        return _call(term, scope, facts)
    if term.kind == "method":
        return _method(term, scope, facts)
    if term.kind == "index" and term.args[1] == const(0):
        return _first(term, scope, facts)
    return term


def _first(term: Term, scope: Scope, facts: Facts) -> Term:
    """`[x][0]` is x, and `[x].map(v, f(v))[0]` is f(x)."""
    target = term.args[0]
    if target.kind == "list" and len(target.args) == 1:
        return target.args[0]
    if (
        is_method(target, "map")
        and len(target.args) == 3
        and target.args[0].kind == "list"
        and len(target.args[0].args) == 1
    ):
        found = _let(target.args[0].args[0], target.args[1].name, target.args[2], scope, facts)
        return term if found is None else found
    return term


def _let(value: Term, name: str, body: Term, scope: Scope, facts: Facts) -> Term | None:
    """The body with a value in the place of its name, where the value is short enough and its errors stay."""
    variable, meant = Term("name", (), name), plain(value)
    if body == variable:
        return value
    count, size = uses(body, name), len(flat(meant))
    short = count < 2 or (size <= _SHORT and count * size <= _LONG)
    certain = safe(meant, scope, facts) and short
    if (certain or (count == 1 and strict(body, variable))) and free(meant, body):
        return _simplified(substituted(body, variable, meant), scope, facts)
    return None


def _unwrapped(base: Term) -> Term:
    """`x.?a.orValue({}).?b` is `x.?a.?b`."""
    empty = is_method(base, "orValue") and base.args[1].kind == "map" and not base.args[1].args
    return base.args[0] if empty and chains.is_optional(base.args[0]) else base


# ------------------------------------------------------------------------------------------------------- operators


def _operator(term: Term, scope: Scope, facts: Facts) -> Term:
    if term.name in ("&&", "||"):
        return _chain(term, scope, facts)
    if term.name == "?:":
        return _choice(term, scope, facts)
    args = tuple(_simplified(each, scope, facts) for each in term.args)
    if term.name == "!":
        return negated(args[0], scope)
    term = op(term.name, *args)
    if term.name in ("==", "!=", "in"):
        return compared(term, scope, facts)
    if term.name in ("<", "<=", ">", ">="):
        return ordered(term, scope)
    return _sum(term, scope) if term.name == "+" and len(term.args) == 2 else term


def _sum(term: Term, scope: Scope) -> Term:
    """Texts that stand side by side are one, and an empty list adds nothing."""
    left, right = term.args
    of_text = [scope.of(each) for each in (left, right)]
    if all(each is not None and each.only == "string" for each in of_text):
        left, right = plain(left), plain(right)
    last = left.args[1] if is_op(left, "+") else left
    if last.kind == right.kind == "const" and last.name == right.name == "str":
        joined = const(last.value + right.value)
        return op("+", left.args[0], joined) if is_op(left, "+") else joined
    if right == EMPTY["list"]:
        return left
    return right if left == EMPTY["list"] else op("+", left, right)


def _chain(term: Term, scope: Scope, facts: Facts) -> Term:
    """A conjunction, or a disjunction as what is not one of the opposites."""
    both = term.name == "&&"
    stop, go = (FALSE, TRUE) if both else (TRUE, FALSE)
    kept: list[Term] = []
    known = facts
    for each in term.args:
        smaller = _simplified(each, scope, known)
        for part in smaller.args if is_op(smaller, term.name) else (smaller,):
            if part == stop:
                return stop
            if part == go or part in kept:
                continue
            kept.append(part)
            known = known | consequences(part, scope, known, both)
    if not both:
        kept = [by_quantity(kept, scope)] if len(kept) == 2 else kept
    return op(term.name, *merged(kept, scope, facts, simplified, both=both))


def _choice(term: Term, scope: Scope, facts: Facts) -> Term:
    chooser = _simplified(term.args[0], scope, facts)
    if chooser in (TRUE, FALSE):
        return _simplified(term.args[1 if chooser == TRUE else 2], scope, facts)
    first = _simplified(term.args[1], scope.within(chooser, True), facts | consequences(chooser, scope, facts, True))
    second = _simplified(term.args[2], scope.within(chooser, False), facts | consequences(chooser, scope, facts, False))
    certain = safe(chooser, scope, facts)
    if first == second and certain:
        return first
    if (first, second) in ((TRUE, FALSE), (FALSE, TRUE)):
        return chooser if first == TRUE else negated(chooser, scope)
    if is_call(first, "dyn") or is_call(second, "dyn"):
        sides = [scope.of(each) for each in (first, second)]
        if sides[0] is not None and sides[1] is not None and sides[0].only and sides[0].types == sides[1].types:
            first, second = plain(first), plain(second)
    if certain and second == FALSE and boolean(first, scope):
        return op("&&", chooser, first)
    if certain and first == TRUE and boolean(second, scope):
        return op("||", chooser, second)
    if is_op(chooser, "!"):
        return op("?:", chooser.args[0], second, first)
    path = chains.asked(chooser)
    if path is not None and certain:
        if plain(second) == _ERROR and strict(first, path):
            return plain(first)
        chain = chooser.args[0]
        if plain(first) == path and chooser.kind != "op" and safe(second, scope, facts):
            if is_call(chooser, "has"):
                chain = Term("field?", chain.args, chain.name)
            return method("orValue", chain, second)
    defaulted = _defaulted(chooser, first, second, scope)
    return defaulted if defaulted is not None else op("?:", chooser, first, second)


def _defaulted(chooser: Term, first: Term, second: Term, scope: Scope) -> Term | None:
    """`c.orValue('') != '' ? c.orValue(null) : x` is `c.orValue('')` where x is '', and `c.hasValue() ? c : x` is
    `c.orValue(x)`."""
    first, second = plain(first), plain(second)
    if is_op(chooser, "==") and chooser.args[1].kind != "const":
        return None
    if is_op(chooser, "=="):
        chooser, first, second = op("!=", *chooser.args), second, first
    if is_op(chooser, "!=") and is_method(chooser.args[0], "orValue"):
        chain, zero = chooser.args[0].args
        known = scope.of(chain)
        of_chain = chains.path(chain) == chains.path(first.args[0] if is_method(first, "orValue") else first)
        if of_chain and zero == chooser.args[1] == second and known is not None and EMPTY.get(known.only) == zero:
            return chooser.args[0]
    return None


# ------------------------------------------------------------------------------------------------------ comparisons


# ------------------------------------------------------------------------------------------------- calls and macros


def _call(term: Term, scope: Scope, facts: Facts) -> Term:
    if is_call(term, "has"):
        subject = term.args[0]
        if scope.always(subject.args[0], subject.name) or chains.present(chains.path(subject)) in facts:
            return TRUE
    if len(term.args) != 1:
        return term
    only = term.args[0]
    known = scope.of(only)
    if term.name in ("string", "dyn") and only.kind == "call" and only.name == term.name:
        return only
    if is_call(term, "string") and known is not None and known.only == "string":
        return plain(only)
    if is_call(term, "isQuantity"):
        inner = scope.of(only.args[0]) if is_call(only, "string") else None
        of_number = inner is not None and inner.only == "int"
        if ((known is not None and known.quantity) or of_number) and safe(
            only.args[0] if of_number else only, scope, facts
        ):
            return TRUE
    if is_call(term, "size") and only.kind == "list":
        return const(len(only.args)) if all(safe(each, scope, facts) for each in only.args) else term
    return term


def _method(term: Term, scope: Scope, facts: Facts) -> Term:
    target = term.args[0]
    if term.name == "orValue":
        if is_call(term.args[1], "dyn") and scope.of(target) is not None and term.args[1].args[0] == NULL:
            term = method("orValue", target, NULL)
        if not chains.is_optional(target):
            written_out = target.kind in ("field", "index") and scope.of(target) is not None
            return target if written_out or chains.present(chains.path(target)) in facts else term
        path = chains.path(target)
        if chains.present(path) in facts:
            return path
        return term
    if term.name == "value" and target.kind in ("field", "index") and not chains.is_optional(target):
        return target
    if term.name == "hasValue":
        if target.kind in ("field", "index") and not chains.is_optional(target):
            return TRUE
        path = chains.path(target)
        if chains.present(path) in facts:
            return TRUE
        if target.kind == "field?" and chains.steps(target) == 1 and scope.object(target.args[0]):
            return chains.asking(target)
        return term
    if term.name in _TEXTS and target.kind == "const" and term.args[1].kind == "const":
        one, other = target.value, term.args[1].value
        if type(one) is type(other) is str:
            found = {"startsWith": one.startswith(other), "endsWith": one.endswith(other), "contains": other in one}
            return const(found[term.name])
    if term.name == "exists" and len(term.args) == 2:
        return term
    return term


def _macro(term: Term, scope: Scope, facts: Facts) -> Term:
    target = _simplified(term.args[0], scope, facts)
    names = names_bound(term)
    term = Term("method", (target, *term.args[1:]), term.name)
    inner = scope.inside(term)
    own = frozenset(each for each in facts if not any(uses(each, name) for name in names))
    bodies = term.args[1 + len(names) :]
    if term.name == "transformList":
        bodies = tuple(_of_element(each, target, *names) for each in bodies)
    known = own
    smaller = []
    for at, each in enumerate(bodies):
        smaller.append(_simplified(each, inner, known))
        if at == 0 and len(bodies) == 2:
            known = known | consequences(
                smaller[0], inner, known, True
            )  # the filter holds for what is made of elements
    bodies = tuple(smaller)
    term = Term("method", (target, *term.args[1 : 1 + len(names)], *bodies), term.name)
    if term.name == "exists" and len(names) == 1 and is_method(target, "filter") and len(target.args) == 3:
        listed, own_name, condition = target.args
        within = scope.inside(target)
        one = listed.kind == "list" and len(listed.args) == 1
        if one and safe(condition, within, frozenset()) and not uses(bodies[0], own_name.name):
            same = substituted(condition, own_name, Term("name", (), names[0]))
            both = op("&&", same, bodies[0])
            return _simplified(Term("method", (listed, term.args[1], both), "exists"), scope, facts)
    if term.name == "filter" and bodies == (TRUE,):
        listed_there = scope.of(target)
        return target if listed_there is not None and listed_there.types <= {"list", "null"} else term
    if term.name not in ("all", "exists") or len(names) != 1:
        return term
    (name,), body = names, bodies[0]
    if target.kind == "list" and len(target.args) == 1:
        found = _let(target.args[0], name, body, scope, facts)
        if found is not None:
            return found
    return _membership(term, name, body, scope)


def _of_element(body: Term, target: Term, index: str, element: str) -> Term:
    """The element instead of the list's item at its index."""
    at, found = Term("name", (), index), Term("name", (), element)

    def change(term: Term) -> Term | None:
        if term.kind == "index" and term.args == (target, at):
            return found
        if term.kind == "field?" and term.args[0].kind == "index?" and term.args[0].args == (target, at):
            return Term("field?", (found,), term.name)
        return None

    return replaced(body, change) if free(target, body) else body


def _membership(term: Term, name: str, body: Term, scope: Scope) -> Term:
    """`l.exists(e, e == x)` is `x in l`, and `l.all(e, e != x)` is not."""
    sign = "==" if term.name == "exists" else "!="
    variable = Term("name", (), name)
    known = scope.of(term.args[0])
    if not is_op(body, sign) or known is None or known.only != "list" or term.args[0].kind == "list":
        return term
    left, right = map(plain, body.args)
    other = right if left == variable else left if right == variable else None
    if other is None or other.kind != "const":
        return term
    found = op("in", other, term.args[0])
    return found if term.name == "exists" else op("!", found)

"""What is certain of a term: that it is no error, what follows from it, its opposite."""

from __future__ import annotations

from typing import Final

from webhook.convert.simplify import optionalchains as chains
from webhook.convert.simplify.knowntypes import Scope
from webhook.convert.simplify.terms import (
    FALSE,
    TRUE,
    Term,
    bound,
    is_call,
    is_method,
    is_op,
    method,
    names_bound,
    op,
    parts,
)

Facts = frozenset[Term]
_OPPOSITE: Final = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_SAFE: Final = frozenset(
    {"startsWith", "endsWith", "contains", "size", "lowerAscii", "upperAscii", "orValue", "hasValue"}
)


def consequences(term: Term, scope: Scope, facts: Facts, holds: bool) -> Facts:
    """What is true where a term is true, or false. Only of terms that are no errors: their value is certain then."""
    if is_op(term, "!"):
        return consequences(term.args[0], scope, facts, not holds)
    if is_op(term, "&&" if holds else "||"):
        return frozenset().union(*(consequences(each, scope, facts, holds) for each in term.args))
    if not holds:
        if not safe(term, scope, facts):
            return frozenset()
        return frozenset({op("==", *term.args) if is_op(term, "!=") else op("!", term)})
    if term.kind == "op" and term.name in ("==", "!=") and is_method(term.args[0], "orValue"):
        chain, other = term.args[0].args
        decided = term.args[1].kind == "const" and (other == term.args[1]) is (term.name == "!=")
        if other.kind == "const" and decided and chains.is_optional(chain):
            return frozenset({term, *map(chains.present, chains.prefixes(chains.path(chain)))})
    found = chains.asked(term)
    if found is not None and safe(term, scope, facts):
        return frozenset({term, *map(chains.present, chains.prefixes(found))})
    return frozenset({term}) if safe(term, scope, facts) else frozenset()


def safe(term: Term, scope: Scope, facts: Facts) -> bool:
    """Whether a term is certainly no error."""
    if term.kind in ("const", "name"):
        return True
    if term.kind in ("list", "map"):
        return all(safe(each, scope, facts) for each in term.args)
    if term.kind in ("field", "index", "field?", "index?"):
        if chains.present(chains.path(term)) in facts:
            return True
        if term.args[0] == Term("name", (), "variables"):
            return True
        return chains.orderly(term, scope)
    if is_call(term, "has"):
        subject = term.args[0].args[0]
        return scope.object(subject) and safe(subject, scope, facts)
    if is_op(term, "?:"):
        return chains.orderly(term, scope) or (
            all(safe(each, scope, facts) for each in term.args) and boolean(term.args[0], scope)
        )
    if is_call(term, "type") or is_call(term, "dyn"):
        return safe(term.args[0], scope, facts)
    if term.kind == "method" and term.name in _SAFE:
        target = scope.of(term.args[0])
        if term.name in ("orValue", "hasValue"):
            return all(safe(each, scope, facts) for each in term.args)
        wanted = ("string", "list", "map") if term.name == "size" else ("string",)
        return target is not None and target.only in wanted and all(safe(each, scope, facts) for each in term.args)
    if term.kind == "op" and term.name in ("==", "!="):
        return all(safe(each, scope, facts) for each in term.args)
    if term.kind == "op" and term.name in ("&&", "||", "!"):
        return all(safe(each, scope, facts) and boolean(each, scope) for each in term.args)
    if is_op(term, "+"):
        known = scope.of(term)
        return known is not None and known.only == "string" and all(safe(each, scope, facts) for each in term.args)
    if is_op(term, "in"):
        known = scope.of(term.args[1])
        return (
            known is not None and known.only in ("list", "map") and all(safe(each, scope, facts) for each in term.args)
        )
    if term.kind == "op" and term.name in ("<", "<=", ">", ">="):
        found = [scope.of(each) for each in term.args]
        return all(each is not None and each.only == "int" for each in found) and all(
            safe(each, scope, facts) for each in term.args
        )
    return False


def boolean(term: Term, scope: Scope) -> bool:
    known = scope.of(term)
    return known is not None and known.only == "bool"


def negated(term: Term, scope: Scope) -> Term:
    """The opposite of a term, with as few exclamation marks as it can have."""
    if term in (TRUE, FALSE):
        return FALSE if term == TRUE else TRUE
    if is_op(term, "!"):
        return term.args[0]
    if term.kind == "op" and term.name in ("==", "!="):
        return op(_OPPOSITE[term.name], *term.args)
    if term.kind == "op" and term.name in _OPPOSITE:
        found = [scope.of(each) for each in term.args]
        if all(each is not None and each.only == "int" for each in found):
            return op(_OPPOSITE[term.name], *term.args)
    if term.kind == "op" and term.name in ("&&", "||"):
        opposites = [negated(each, scope) for each in term.args]
        if sum(is_op(each, "!") for each in opposites) <= 1 + sum(is_op(each, "!") for each in term.args) // 2:
            return op("||" if term.name == "&&" else "&&", *opposites)
    if term.kind == "method" and term.name in ("all", "exists") and bound(term) == 1:
        body = negated(term.args[2], scope.inside(term))
        if not is_op(body, "!"):
            return method("exists" if term.name == "all" else "all", *term.args[:2], body)
    return op("!", term)


def strict(term: Term, path: Term) -> bool:
    """Whether a term is an error where a path is not there: it reads it, whatever else is so."""
    if term == path:
        return True
    if (term.kind == "op" and term.name in ("&&", "||", "?:")) or bound(term) or is_call(term, "has"):
        return bool(bound(term)) and strict(term.args[0], path)
    return any(strict(each, path) for each in term.args)


def plain(term: Term) -> Term:
    while is_call(term, "dyn"):
        term = term.args[0]
    return term


def free(value: Term, body: Term) -> bool:
    """Whether no macro of the body takes a name that the value uses."""
    taken = {name for each in parts(body) for name in names_bound(each)}
    return not any(each.kind == "name" and each.name in taken for each in parts(value))

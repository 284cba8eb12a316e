"""Guards of a path: `has(a.b) && has(a.b.c) && a.b.c != ''` is `a.?b.?c.orValue('') != ''`."""

from __future__ import annotations

from collections.abc import Callable

from webhook.convert.simplify import optionalchains as chains
from webhook.convert.simplify.knowntypes import Scope
from webhook.convert.simplify.terms import (
    EMPTY,
    FALSE,
    TRUE,
    Term,
    is_op,
    method,
    op,
    parts,
    replaced,
    substituted,
)

Simplify = Callable[[Term, Scope, frozenset[Term]], Term]


def merged(terms: list[Term], scope: Scope, facts: frozenset[Term], simplify: Simplify, *, both: bool) -> list[Term]:
    """The parts of a conjunction (both) or disjunction, with guards of one path taken together."""
    found = list(terms)
    at = 0
    while at < len(found):
        last = _run(found, at, scope, both=both)
        if last is None:
            at += 1
            continue
        end, guards = last
        chain = _chain(guards, scope, facts)
        if chain is None:
            at += 1
            continue
        path = guards[-1]
        rest = found[end:]
        about = [index for index, each in enumerate(rest) if path in parts(each)]
        defaulted = _defaulted(rest[about[0]], path, chain, scope, simplify, both=both) if len(about) == 1 else None
        between = any(_reads(each, guards) for index, each in enumerate(rest) if index not in about)
        if defaulted is not None and not between:
            rest[about[0]] = defaulted
            found = [*found[:at], *rest]
        elif end - at > 1:
            asking = chains.asking(chain)
            found = [*found[:at], asking if both else op("!", asking), *rest]
        at += 1
    return found


def _guard(term: Term, *, both: bool) -> Term | None:
    """The path that a part of a conjunction asks for, or of a disjunction where it is absent."""
    if not both:
        if not is_op(term, "!"):
            return None
        term = term.args[0]
    return chains.asked(term)


def _run(terms: list[Term], start: int, scope: Scope, *, both: bool) -> tuple[int, list[Term]] | None:
    """The guards from a place on, each of a field of the one before it."""
    guards: list[Term] = []
    at = start
    while at < len(terms):
        path = _guard(terms[at], both=both)
        if path is None or (guards and (path.kind != "field" or path.args[0] != guards[-1])):
            break
        guards.append(path)
        at += 1
    return (at, guards) if guards else None


def _chain(guards: list[Term], scope: Scope, facts: frozenset[Term]) -> Term | None:
    """The chain of optional fields of a path, from the first guard on; None where it could be an error."""
    first = guards[0]
    wanted = set(guards)

    def written(path: Term) -> Term:
        if path.kind == "field" and not chains.is_whole(path) and (path in wanted or _optional_before(path, first)):
            return Term("field?", (written(path.args[0]),), path.name)
        plain = path.kind != "field" or chains.is_whole(path)
        return path if plain else Term("field", (written(path.args[0]),), path.name)

    chain = written(guards[-1])
    chain = chains.shortened(chain, scope, facts)
    if not chains.is_optional(chain) or not chains.orderly(chain, scope):
        return None
    return chain


def _optional_before(path: Term, first: Term) -> bool:
    """Whether a path stands before the first guard: whether it is there has to be known otherwise."""
    return path in list(chains.prefixes(first))


def _reads(term: Term, guards: list[Term]) -> bool:
    return any(each in parts(term) for each in guards)


def _defaulted(term: Term, path: Term, chain: Term, scope: Scope, simplify: Simplify, *, both: bool) -> Term | None:
    """The part with the zero value in the place of what is absent, if it decides the same then."""
    known = scope.of(chain)
    if known is None or known.only not in EMPTY:
        return None
    zero = EMPTY[known.only]
    if simplify(substituted(term, path, zero), scope, frozenset()) != (FALSE if both else TRUE):
        return None
    own = method("orValue", chain, zero)
    return replaced(term, lambda each: own if each == path else None)

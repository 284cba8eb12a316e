"""Chains of optional fields, such as object.metadata.?labels.?team: which steps may be absent, and plain paths."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.convert import celtext
from webhook.convert.simplify.knowntypes import Scope
from webhook.convert.simplify.terms import Term, field, is_method, method

PRESENT = "present"
"""The kind of a fact: a path is there. Its argument is the plain path."""


VARIABLES = Term("name", (), "variables")


def is_whole(term: Term) -> bool:
    """Whether a term is a variable, and no field of one: object, variables.pod."""
    return term.kind == "name" or (term.kind == "field" and term.args[0] == VARIABLES)


def path(chain: Term) -> Term:
    """The path of a chain, as it is written where all its steps are there."""
    if chain.kind in ("field", "field?"):
        return field(path(chain.args[0]), chain.name)
    if chain.kind in ("index", "index?"):
        key = chain.args[1]
        if key.kind == "const" and key.name == "str":
            return field(path(chain.args[0]), key.value)
        return Term("index", (path(chain.args[0]), key))
    return chain


def is_optional(chain: Term) -> bool:
    """Whether a term is an optional: a chain with a step that may be absent."""
    while chain.kind in ("field", "index", "field?", "index?"):
        if chain.kind.endswith("?"):
            return True
        chain = chain.args[0]
    return False


def present(term: Term) -> Term:
    """The fact that a path is there."""
    return Term(PRESENT, (term,))


def prefixes(term: Term) -> Iterator[Term]:
    """The paths that are there if a path is, itself first."""
    while term.kind in ("field", "index") and not is_whole(term):
        yield term
        term = term.args[0]


def asked(term: Term) -> Term | None:
    """The plain path of which a term asks whether it is there: has(a.b), 'b' in a, a.?b.hasValue()."""
    if term.kind == "call" and term.name == "has" and term.args[0].kind == "field":
        return path(term.args[0])
    if is_method(term, "hasValue") and is_optional(term.args[0]):
        return path(term.args[0])
    if term.kind == "op" and term.name == "in" and term.args[0].kind == "const" and term.args[0].name == "str":
        subject = term.args[1]
        if subject.kind in ("field", "index", "name"):
            return field(path(subject), term.args[0].value)
    return None


def shortened(chain: Term, scope: Scope, facts: frozenset[Term]) -> Term:
    """The chain without question marks at steps that are there."""
    if chain.kind in ("field", "index"):
        base = shortened(chain.args[0], scope, facts)
        return chain if base == chain.args[0] else Term(chain.kind, (base, *chain.args[1:]), chain.name)
    if chain.kind not in ("field?", "index?"):
        return chain
    base = shortened(chain.args[0], scope, facts)
    name = chain.name
    if chain.kind == "index?":
        key = chain.args[1]
        if key.kind != "const" or key.name != "str":
            return Term(chain.kind, (base, key))
        name = key.value
    if is_optional(base):
        return Term("field?", (base,), name)
    if scope.always(base, name) or present(field(path(base), name)) in facts:
        return field(base, name)
    return Term("field?", (base,), name)


def steps(chain: Term) -> int:
    """How many steps may be absent."""
    count = 0
    while chain.kind in ("field", "index", "field?", "index?"):
        count += chain.kind.endswith("?")
        chain = chain.args[0]
    return count


def orderly(chain: Term, scope: Scope) -> bool:
    """Whether a chain is never an error: each step is of an object, a map or a list."""
    while chain.kind in ("field", "index", "field?", "index?") and not is_whole(chain):
        base = chain.args[0]
        if chain.kind in ("index", "index?"):
            known = scope.of(base)
            if known is None or known.only != "list" or chain.kind == "index":
                return False
        elif not scope.object(base) or (
            chain.kind == "field" and not (is_optional(base) or scope.always(base, chain.name))
        ):
            return False
        chain = base
    if chain.kind == "op" and chain.name == "?:":
        chooser, *sides = (each.args[0] if each.kind == "call" and each.name == "dyn" else each for each in chain.args)
        plain = chooser.kind == "op" and chooser.name == "==" and all(map(is_whole, chooser.args[:1]))
        return plain and all(is_whole(each) or each.kind == "map" for each in sides)
    return is_whole(chain) or chain.kind == "const" or is_method(chain, "orValue")


def asking(chain: Term) -> Term:
    """Whether an optional has a value: has() where one step may be absent."""
    if chain.kind == "field?" and not is_optional(chain.args[0]):
        plain = field(chain.args[0], chain.name)
        if celtext.is_name(chain.name):
            return Term("call", (plain,), "has")
        return Term("op", (Term("const", (), "str", chain.name), chain.args[0]), "in")
    return method("hasValue", chain)

"""Makes the expressions of a converted policy smaller, and leaves out variables that nothing uses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from webhook.convert.model import JSONObject
from webhook.convert.simplify import optionalchains as chains
from webhook.convert.simplify.certain import consequences, safe
from webhook.convert.simplify.knowntypes import Scope, scope_of, variable
from webhook.convert.simplify.loopnames import named
from webhook.convert.simplify.rewriting import simplified
from webhook.convert.simplify.terms import TRUE, Term, Unreadable, is_op, parts, read, replaced
from webhook.convert.simplify.termtexts import shown
from webhook.schema.kinds import Kinds
from webhook.versions import Version

_LONGEST: Final = 30_000  # characters of an expression that is read
_MOST: Final = 3_000  # terms of an expression that is rewritten, which takes a time that grows with their square


def smaller(policy: JSONObject, foreign: Callable[[str], bool], kinds: Kinds, target: Version) -> JSONObject:
    """A policy that decides the same, with smaller expressions. foreign: whether an expression is the author's own,
    which stays as it is written."""
    found = copy.deepcopy(policy)
    spec = found["spec"]
    scope = scope_of(spec, kinds, target)
    facts: frozenset[Term] = frozenset()
    for each in spec.get("matchConditions") or []:
        term = _replace(each, "expression", scope, facts, foreign)
        if term is not None:
            # Where it is false nothing else is asked.
            scope, facts = scope.within(term, True), facts | consequences(term, scope, facts, True)
    kept = [each for each in spec.get("matchConditions") or [] if each["expression"] != "true"]
    if "matchConditions" in spec:
        spec["matchConditions"] = kept
        if not kept:
            del spec["matchConditions"]
    plain: dict[str, Term] = {}
    for each in spec.get("variables") or []:
        term = _replace(each, "expression", scope, facts, foreign, plain)
        if term is not None:
            scope = variable(scope, each["name"], term)
            if not foreign(each["expression"]) and _is_plain(term):
                plain[each["name"]] = term
    for holder, key in _expressions(spec):
        term = _replace(holder, key, scope, facts, foreign, plain)
        if key == "messageExpression" and term is not None and _always_says(term, scope):
            holder.pop("message", None)  # which would never show
    without_unused(spec, lambda each: foreign(each["expression"]))
    return found


def without_unused(spec: JSONObject, kept: Callable[[JSONObject], bool]) -> None:
    """Take variables out of a policy that no other expression uses. kept: those that stay anyway."""
    if "variables" not in spec:
        return
    while True:
        texts = [str(holder[key]) for holder, key in _expressions(spec)]
        texts += [each["expression"] for each in spec["variables"]]
        unused = [
            each
            for each in spec["variables"]
            if not kept(each) and not any(_uses(text, each["name"]) for text in texts)
        ]
        if not unused:
            break
        spec["variables"] = [each for each in spec["variables"] if each not in unused]
    if not spec["variables"]:
        del spec["variables"]


def _uses(text: str, name: str) -> bool:
    """Whether an expression uses a variable of the policy; also where it cannot be read and may do so."""
    if f"variables.{name}" not in text:
        return "variables" in text.replace("variables.", "")
    try:
        term = read(text)
    except Unreadable:
        return True
    return Term("field", (Term("name", (), "variables"),), name) in parts(term)


def _expressions(spec: JSONObject) -> Iterator[tuple[Any, str]]:
    """What holds an expression, and its key."""
    for each in spec.get("validations") or []:
        yield each, "expression"
        if "messageExpression" in each:
            yield each, "messageExpression"
    for each in spec.get("auditAnnotations") or []:
        yield each, "valueExpression"
    for each in spec.get("mutations") or []:
        for key in ("jsonPatch", "applyConfiguration"):
            if key in each:
                yield each[key], "expression"


def _always_says(term: Term, scope: Scope) -> bool:
    """Whether a messageExpression is never an error, and has a text."""
    first = term
    while is_op(first, "+"):
        first = first.args[0]
    return first.kind == "const" and bool(str(first.value).strip()) and safe(term, scope, frozenset())


def _is_plain(term: Term) -> bool:
    """Whether a variable says no more than what it stands for: a constant, or a path in the object."""
    if term.kind == "const":
        return True
    while term.kind == "field":
        term = term.args[0]
    return term.kind == "name" and term.name in ("object", "oldObject")


def _inlined(term: Term, plain: Mapping[str, Term]) -> Term:
    def change(each: Term) -> Term | None:
        return plain.get(each.name) if each.kind == "field" and each.args[0] == chains.VARIABLES else None

    return replaced(term, change) if plain else term


def _replace(
    holder: JSONObject,
    key: str,
    scope: Scope,
    facts: frozenset[Term],
    foreign: Callable[[str], bool],
    plain: Mapping[str, Term] = MappingProxyType({}),
) -> Term | None:
    """Make an expression smaller where it stands. plain: variables that are written out. Returns its term, or None if
    it cannot be read."""
    text = holder[key]
    if len(text) > _LONGEST:
        return None
    try:
        term = read(text)
    except Unreadable:
        return None
    if foreign(text):
        return term
    if sum(1 for _ in parts(term)) > _MOST:
        return None
    try:
        term = simplified(_inlined(term, plain), scope, facts)
        holder[key] = "true" if term == TRUE else shown(named(term))
    except RecursionError:
        return None
    return term

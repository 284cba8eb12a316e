"""Names of loop variables: `containers.all(container, …)`, where conversion numbered them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

from webhook.cel.check.nodes import RESERVED
from webhook.convert.simplify.terms import Term, bound, is_op, names_bound

_TAKEN: Final = RESERVED | {
    "object", "oldObject", "request", "params", "variables", "namespaceObject", "authorizer", "string", "int", "uint",
    "double", "bool", "list", "map", "type", "bytes", "dyn", "duration", "timestamp", "quantity", "null_type", "size",
    "has", "url", "ip", "cidr", "semver",
}  # fmt: skip
_SINGULAR: Final = {
    "env": "variable", "drop": "capability", "add": "capability", "args": "argument", "command": "word",
    "ingress": "rule", "egress": "rule", "from": "peer", "to": "peer", "addresses": "address", "ingresses": "ingress",
}  # fmt: skip
_OF_OBJECT: Final = frozenset({"labels", "annotations", "data", "stringData", "matchLabels", "nodeSelector"})


def named(term: Term, names: Mapping[str, str] | None = None) -> Term:
    """The term with telling names for the variables of its macros. names: new names of those around it."""
    names = names or {}
    if term.kind == "name":
        return Term("name", (), names.get(term.name, term.name))
    count = bound(term)
    if not count:
        return Term(term.kind, tuple(named(each, names) for each in term.args), term.name, term.value)
    target = named(term.args[0], names)
    own = dict(zip(names_bound(term), _chosen(term, count, frozenset(names.values())), strict=True))
    inner = {**names, **own}
    variables = tuple(Term("name", (), own[each]) for each in names_bound(term))
    rest = tuple(named(each, inner) for each in term.args[1 + count :])
    return Term("method", (target, *variables, *rest), term.name)


def _chosen(term: Term, count: int, taken: frozenset[str]) -> list[str]:
    element = _element(term.args[0])
    found: list[str] = []
    for wanted in [element] if count == 1 else ["index", element]:
        free = (wanted, *(f"{wanted}{number}" for number in range(2, 100)))
        found.append(next(each for each in itertools.chain(free) if each not in taken and each not in found))
    return found


def _element(target: Term) -> str:
    """What an element of a list is called: after the last field that the list comes from."""
    if target.kind == "list" and len(target.args) == 1:
        return "value"
    field = _last_field(target)
    if field in _OF_OBJECT:
        return "key"
    name = _SINGULAR.get(field) or _singular(field)
    return name if name and name not in _TAKEN and name != field else "item"


def _last_field(target: Term) -> str:
    if target.kind in ("field", "field?"):
        return target.name
    if target.kind == "method" and target.name in ("orValue", "filter"):
        return _last_field(target.args[0])
    if is_op(target, "+"):
        return _last_field(target.args[1])
    return ""


def _singular(word: str) -> str:
    """The singular of a regular plural, without what comes before its last capital: initContainers -> container."""
    start = max((at for at, each in enumerate(word) if each.isupper()), default=0)
    last = word[start:].lower()
    if not last.isidentifier() or not last.isascii():
        return ""
    if last.endswith("ies"):
        return last[:-3] + "y"
    if last.endswith(("sses", "xes", "ches")):
        return last[:-2]
    return last[:-1] if last.endswith("s") and not last.endswith("ss") else ""

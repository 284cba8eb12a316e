"""JMESPath's ||, && and comparisons -> CEL. Each of the first two gives one of its sides, and not a boolean.

An error of the left side is one of the whole, which CEL's operators would hide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from webhook.convert import celtext
from webhook.convert.kyverno.jmesfields import EMPTY_OF, last
from webhook.convert.kyverno.jmespath import Node, has_functions
from webhook.convert.kyverno.jmesvalues import Scalar, Stream, Value, dynamic

if TYPE_CHECKING:
    from webhook.convert.kyverno.expressions import Translator


def either(translator: Translator, node: Node, current: Value | None) -> Value:
    """An ||."""
    left, right = _alternatives(translator, node, current)
    return _either(translator, left, right, certain=_certain(translator, node))


def _certain(translator: Translator, node: Node) -> bool:
    """Whether neither side of an operator is an error that the other one could hide."""
    return (translator.typed and not translator.within) or not has_functions(node)


def _either(translator: Translator, left: Value, right: Value, *, certain: bool) -> Value:
    if isinstance(left, Scalar) and left.cel == "request.operation":
        return left  # never empty: what follows is for background scans
    if isinstance(left, Scalar) and left.type == "bool" and isinstance(right, Scalar) and right.type == "bool":
        either = celtext.disjunction([left.cel, right.cel]) if certain else f"({left.cel} ? true : {right.cel})"
        return Scalar(either, type="bool")
    if isinstance(left, Stream):
        if isinstance(right, Scalar) and right.cel == "[]":
            # An empty list, as the right side has no elements either; in parentheses, as it need not be there.
            return replace(left, chain="")
        return _stream_or(translator, left, right)
    first, second = translator.scalar(left), translator.scalar(right)
    if first.type in ("int", "list") and second.cel == "[]":
        return first
    loose = ""
    if first.chain and second.cel in ("''", "false", "[]", "{}", "0"):
        loose = f"{first.chain}.orValue({second.cel})"
        if translator.typed and second.cel == EMPTY_OF.get(last(first.chain)):
            return Scalar(loose)
    kind = first.type if first.type == second.type else "dyn"
    cel = f"({translator.truthy(first)} ? {dynamic(first, kind)} : {dynamic(second, kind)})"
    return Scalar(cel, type=kind, loose=loose)


def both(translator: Translator, node: Node, current: Value | None) -> Value:
    """An &&. What its right side demands is asked only where the left one is true."""
    left = translator.value(node.children[0], current)
    around, translator.demanded = translator.demanded, None if translator.demanded is None else []
    try:
        right = translator.value(node.children[1], current)
        own = list(dict.fromkeys(translator.demanded or []))
    finally:
        translator.demanded = around
    if own:
        otherwise = celtext.negation(celtext.enclose(translator.truthy(left)))
        translator.ask(celtext.disjunction([otherwise, celtext.conjunction(own)]))
    return _and(translator, left, right, outer=current is None, certain=_certain(translator, node))


def _and(translator: Translator, left: Value, right: Value, *, outer: bool, certain: bool) -> Scalar:
    """The left side if JMESPath does not take it for true, else the right one. certain: neither is an error."""
    terms = [translator.truthy(each) for each in (left, right)]
    both = celtext.conjunction(terms) if certain else f"({terms[0]} ? {terms[1]} : false)"
    first, second = translator.scalar(left), translator.scalar(right)
    if first.type == second.type == "bool":
        return Scalar(both, type="bool")
    if outer and second.there:
        translator.ask(celtext.disjunction([celtext.negation(celtext.enclose(terms[0])), second.there]))
    if {first.type, second.type} <= {"bool", "maybe"}:
        return Scalar(f"({first.cel} == true ? dyn({second.cel}) : dyn({first.cel}))", type="maybe", truth=both)
    return Scalar(f"({terms[0]} ? dyn({second.cel}) : dyn({first.cel}))", truth=both)


def defaulted(translator: Translator, value: Value, default: Value) -> Value:
    """The value, or the default where it is null or missing."""
    if isinstance(value, Stream) and isinstance(default, Scalar) and default.cel == "[]":
        return replace(value, chain="")
    scalar, other = translator.scalar(value), translator.scalar(default)
    if scalar.base:
        return Scalar(f"({translator.is_list(scalar.base)} ? dyn({scalar.cel}) : dyn({other.cel}))")
    if not scalar.chain and not scalar.indexed and scalar.type != "maybe":
        return scalar
    if scalar.chain and translator.typed and not scalar.indexed:
        return Scalar(f"{scalar.chain}.orValue({other.cel})")
    return Scalar(f"({scalar.cel} != null ? {scalar.cel} : dyn({other.cel}))")


def _alternatives(translator: Translator, node: Node, current: Value | None) -> tuple[Value, Value]:
    """Both sides of ||. What is missing on the left gives way to the right, which must then be there."""
    demanded, translator.demanded = translator.demanded, None
    around, translator.around = translator.around, demanded if demanded is not None else translator.around
    try:
        left, right = (translator.value(each, current) for each in node.children)
        if demanded is not None and current is None and isinstance(right, Scalar) and right.there:
            demanded.append(celtext.disjunction([translator.truthy(left), right.there]))
    finally:
        translator.demanded, translator.around = demanded, around
    return left, right


def _stream_or(translator: Translator, left: Stream, right: Value) -> Value:
    list_of, other = translator.materialized(left), translator.scalar(right)
    held = [f"type({left.chain}.orValue(null)) == list"] if left.chain and not translator.typed else []
    some = celtext.conjunction([*held, f"size({list_of.cel}) > 0"])
    return Scalar(f"({some} ? dyn({list_of.cel}) : dyn({other.cel}))")


def comparison(translator: Translator, node: Node, current: Value | None) -> Value:
    left, right = (translator.or_null(translator.value(each, current)) for each in node.children)
    if node.value in ("==", "!="):
        if "null" in (left.cel, right.cel) and "dyn" not in (left.type, right.type):
            return Scalar("false" if node.value == "==" else "true", type="bool")
        sides = (f"dyn({left.cel})" if left.type not in (right.type, "dyn") else left.cel, right.cel)
        return Scalar(f"{sides[0]} {node.value} {sides[1]}", type="bool")
    if not {left.type, right.type} <= {"dyn", "int", "double"}:
        return Scalar("null", truth="false")  # only numbers have an order
    unknown = [each.cel for each in (left, right) if each.type == "dyn"]
    terms = [f"(type({each}) == int || type({each}) == double)" for each in unknown]
    held = f"{left.cel} {node.value} {right.cel}"
    if not terms:
        return Scalar(held, type="bool")
    numbers = celtext.conjunction(terms)
    return Scalar(f"({numbers} ? dyn({held}) : dyn(null))", type="maybe", truth=celtext.conjunction([*terms, held]))

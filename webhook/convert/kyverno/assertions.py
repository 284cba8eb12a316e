"""Assertion trees of Kyverno (`validate.assert`, 1.13 to 1.18) -> CEL.

A key of a tree is a field, or JMESPath in parentheses; `~.` before it goes through each element; a key between
backslashes is a field as it is. Leaves are compared. Source: the documentation of Kyverno JSON, "Assertion trees". What
it does not say was asked of the command kyverno-json. Where an expression could fail there, or be null, and be false
here, it is not converted: nothing may be let through that was refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.kyverno import jmespath
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmespath import Node
from webhook.convert.kyverno.jmesvalues import Scalar, Value
from webhook.convert.model import Unfinished, Unsupported, mapping
from webhook.lazypatterns import lazily
from webhook.paths import Path

_BOUND: Final = lazily(r"[A-Za-z0-9_]+")
_DEEPEST: Final = 20
_MOST: Final = 300  # keys and items of a tree
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})
_PROJECTIONS: Final = frozenset({"project", "values", "filter", "flatten"})


class Assertions:
    """The trees of one rule."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._count = 0

    def holds(self, given: Any, at: Path) -> str:
        """Whether a tree about `object` holds. Raises Unsupported with the place."""
        tree = mapping(given, "assert", at)
        if list(tree) != ["object"]:
            other = next((str(each) for each in tree if each != "object"), "no object")
            raise Unsupported(f"validate.assert with {other[:60]!r} beside object", at)
        return self._tree(Scalar("object"), tree["object"], (*at, "object"), 0)

    def _tree(self, subject: Scalar, given: Any, at: Path, depth: int) -> str:
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise Unsupported(f"validate.assert of more than {_DEEPEST} levels or {_MOST} values", at)
        if isinstance(given, dict):
            if not given:
                return f"{subject.cel} != null"
            return celtext.conjunction(self._key(subject, str(key), given[key], (*at, key), depth) for key in given)
        if isinstance(given, list):
            items = [
                self._tree(Scalar(f"{subject.cel}[{index}]"), each, (*at, index), depth + 1)
                for index, each in enumerate(given)
            ]
            return celtext.conjunction([f"type({subject.cel}) == list", f"size({subject.cel}) == {len(given)}", *items])
        if isinstance(given, str) and given[:1] in ("(", "\\"):
            raise Unsupported(f"validate.assert: an expression as value: {given[:60]!r}", at)
        return f"dyn({subject.cel}) == {celtext.literal(given)}"

    def _key(self, subject: Scalar, key: str, given: Any, at: Path, depth: int) -> str:
        text, each = _iterated(key, at)
        if "->" in text:
            raise Unsupported(f"validate.assert: a binding, {key[:60]!r}", at)
        try:
            if text[:1] == "(" and text[-1:] == ")":
                terms, value = self._expression(subject, text[1:-1], given, at, each=each)
            else:
                field = text[1:-1] if text[:1] == "\\" and text[-1:] == "\\" and len(text) > 1 else text
                value = self._translator.scalar(self._translator.field(subject, field))
                terms = [f"{value.chain}.hasValue()"]
        except Unfinished as error:
            raise Unsupported(f"validate.assert: {error}", at) from None
        if not each:
            return celtext.conjunction([*terms, self._tree(value, given, at, depth + 1)])
        key_name, element = self._translator.fresh(), self._translator.fresh()
        listed = value.cel
        if value.type != "list":
            listed = f"(type({value.cel}) == list ? {value.cel} : {value.cel}.map({key_name}, {value.cel}[{key_name}]))"
        return celtext.conjunction(
            [*terms, f"{listed}.all({element}, {self._tree(Scalar(element), given, at, depth + 1)})"]
        )

    def _expression(self, subject: Scalar, text: str, given: Any, at: Path, *, each: bool) -> tuple[list[str], Scalar]:
        """What must hold for an expression to have a value, and that."""
        try:
            node = jmespath.parse(text)
        except jmespath.JMESPathError as error:
            raise Unsupported(f"validate.assert: JMESPath that is not known: {error}: {text[:80]}", at) from None
        if why := _uncertain(node, given, each=each):
            raise Unsupported(f"validate.assert: {why}: {text[:80]}", at)
        terms = []
        for argument in _arguments(node):
            value = self._translator.value(argument, subject)
            if isinstance(value, Scalar) and value.chain:
                terms.append(f"{value.chain}.hasValue()")
        for projection in _projections(node):
            projected = self._translator.value(projection.children[0], subject)
            if isinstance(projected, Scalar):  # the projection of anything else is null
                kind = "map" if projection.type == "values" else "list"
                terms.append(f"type({projected.cel}) == {kind}")
        found: Value = self._translator.value(node, subject)
        return terms, self._translator.scalar(found)


def _iterated(key: str, at: Path) -> tuple[str, bool]:
    """The key without `~.`, and whether it has it."""
    if not key.startswith("~"):
        return key, False
    name, dot, rest = key[1:].partition(".")
    if not dot or (name and not _BOUND.fullmatch(name)):
        return key, False
    if name:
        raise Unsupported(f"validate.assert: a binding, {key[:60]!r}", at)
    return rest, True


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for each in node.children:
        yield from _nodes(each)


def _arguments(node: Node) -> Iterator[Node]:
    """The arguments of functions, which must be there."""
    for each in _nodes(node):
        if each.type == "function":
            yield from each.children


def _projections(node: Node) -> Iterator[Node]:
    """The projections that are about a value of the object, and not about the elements of another."""
    if node.type == "project" and node.children[0].type in ("flatten", "slice"):
        yield from _projections(node.children[0])
    elif node.type in _PROJECTIONS:
        yield node
        yield from _projections(node.children[0])
    else:
        for each in node.children:
            yield from _projections(each)


def _uncertain(node: Node, given: Any, *, each: bool) -> str:
    """Why an expression may be null or an error for Kyverno where it is false here, and that would count; else ""."""
    found = list(_nodes(node))
    functions = any(one.type == "function" for one in found)
    orders = any(one.type == "compare" and one.value in _ORDERS for one in found)
    compared = [one for one in found if one.type == "compare"]
    if any(one.type in ("and", "or", "not") for one in found) and given is not True:
        return "&&, || or ! of which true is not the value"
    if functions and any(one.type in ("or", "not") for one in found):
        return "|| or ! of a function"
    if any(one.type in ("and", "or") and not all(map(_is_condition, one.children)) for one in found):
        return "&& or || of what is no comparison"
    if orders and (given is not True or any(one.type == "not" for one in found)):
        return "an order of which true is not the value: write the opposite one"
    if any(_is_condition(inner) for one in compared for inner in one.children):
        return "a comparison of comparisons"
    if functions and (given is False or given is None or any(one.value == "!=" for one in compared)):
        return "a function that must not hold"
    if any(inner.type == "function" for one in found if one.type in _PROJECTIONS for inner in _nodes(one)):
        return "a function within a projection"
    if any(one.type in _PROJECTIONS for one in found) and (given is None or (compared and node.type == "compare")):
        return "a comparison of a projection"
    if not each and any(one.type == "values" or one.value in ("keys", "values", "items") for one in found):
        return "the order of a map, which differs from run to run"
    if each and node.type in ("compare", "and", "or", "not"):
        return "the elements of a condition"
    return ""


def _is_condition(node: Node) -> bool:
    return node.type in ("compare", "and", "or", "not")

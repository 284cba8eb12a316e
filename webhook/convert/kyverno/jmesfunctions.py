"""The functions of JMESPath that have a CEL equivalent, Kyverno's own included: those of texts, lists and maps.

An argument of a type that a function does not take is an error, for Kyverno as in CEL. What CEL would take is asked
for (`Translator.require`), so that no function says yes or no to what is an error for Kyverno.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from webhook.convert import celtext
from webhook.convert.kyverno import images, jmesnumbers, jmestimes
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmesfields import MAPS
from webhook.convert.kyverno.jmespath import Node
from webhook.convert.kyverno.jmesvalues import Hash, Scalar, Stream, Value
from webhook.convert.model import Unfinished

Function = Callable[[Translator, Sequence[Value]], Value]


def text(scalar: Scalar) -> str:
    """The expression of what must be a text: evaluation is an error if it is none."""
    return scalar.cel if scalar.type in ("string", "dyn") else f"dyn({scalar.cel})"


def arguments(translator: Translator, values: Sequence[Value], count: int, name: str) -> list[Scalar]:
    """The arguments of a function as single expressions. Raises Unfinished if there are more or fewer."""
    if len(values) != count:
        raise Unfinished(f"the JMESPath function {name}() with {len(values)} arguments")
    return [translator.scalar(each) for each in values]


def _method(name: str, cel: str, count: int, kind: str) -> Function:
    """A function that is a method of its first argument, all of them texts."""

    def written(translator: Translator, values: Sequence[Value]) -> Value:
        subject, *rest = map(text, arguments(translator, values, count, name))
        return Scalar(f"{subject}.{cel}({', '.join(rest)})", type=kind)

    return written


def _length(translator: Translator, values: Sequence[Value]) -> Value:
    (value,) = values if len(values) == 1 else (None,)
    if isinstance(value, Stream) and isinstance(value.body, Stream):
        if not value.flat:
            raise Unfinished("the JMESPath function length() of a list of lists")
        inner = translator.scalar(_length(translator, [value.body]))
        base = value.base if value.condition == "true" else f"{value.base}.filter({value.variable}, {value.condition})"
        return Scalar(f"{base}.map({value.variable}, {inner.cel}).sum()", type="int")
    if isinstance(value, Stream) and isinstance(value.body, Hash):
        value = Stream(value.base, value.variable, Scalar(value.variable), value.condition)
    (scalar,) = arguments(translator, [value] if value else values, 1, "length")
    if scalar.loose.endswith(".orValue([])") and scalar.type != "list":
        # Numbers and true have no length, and what is empty gives way to the empty list.
        return Scalar(f"size({scalar.cel})", type="int")
    return Scalar(f"size({scalar.cel})", type="int")


def _contains(translator: Translator, values: Sequence[Value]) -> Value:
    if len(values) == 2 and isinstance(values[0], Stream):
        wanted = translator.scalar(values[1])
        return Scalar(
            translator.quantified(values[0], lambda each: f"dyn({each.cel}) == {wanted.cel}", every=False), type="bool"
        )
    subject, item = arguments(translator, values, 2, "contains")
    wanted_cel = item.cel if item.type in ("string", "dyn") else f"dyn({item.cel})"
    if subject.type == "list":
        return Scalar(f"{wanted_cel} in {subject.cel}", type="bool")
    subject = translator.require(subject, "list", "string")
    within = f"{text(subject)}.contains({wanted_cel})"
    if item.type != "string":
        within = f"type({wanted_cel}) == string && {within}"
    if subject.type == "string":
        return Scalar(within, type="bool")
    return Scalar(f"(type({subject.cel}) == list ? {wanted_cel} in {subject.cel} : {within})", type="bool")


def _map(translator: Translator, subject: Scalar) -> str:
    """The expression of what must be a map."""
    last = subject.chain.rpartition(".")[2].removeprefix("?")
    return subject.cel if last in MAPS else translator.require(subject, "map").cel


def _keys(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = arguments(translator, values, 1, "keys")
    variable = translator.fresh()
    return Scalar(f"{_map(translator, subject)}.map({variable}, {variable})", type="list")


def _values(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = arguments(translator, values, 1, "values")
    base, variable = _map(translator, subject), translator.fresh()
    return Stream(base, variable, Scalar(f"{base}[{variable}]"))


def _join(translator: Translator, values: Sequence[Value]) -> Value:
    separator, items = arguments(translator, values, 2, "join")
    return Scalar(f"{items.cel}.join({text(separator)})", type="string")


def _split(translator: Translator, values: Sequence[Value]) -> Value:
    subject, separator = arguments(translator, values, 2, "split")
    return Scalar(f"{text(subject)}.split({text(separator)})", type="list")


def _replaced(translator: Translator, values: Sequence[Value]) -> Value:
    subject, old, new = arguments(translator, values, 3, "replace_all")
    return Scalar(f"{text(subject)}.replace({text(old)}, {text(new)})", type="string")


def _text_or_number(translator: Translator, subject: Scalar) -> str:
    """The text of what must be a text or a number."""
    if subject.type == "string":
        return subject.cel
    return f"string({translator.require(subject, 'string', 'int', 'double').cel})"


def _regex_match(translator: Translator, values: Sequence[Value]) -> Value:
    expression, subject = arguments(translator, values, 2, "regex_match")
    return Scalar(f"{_text_or_number(translator, subject)}.matches({text(expression)})", type="bool")


def _pattern_match(translator: Translator, values: Sequence[Value]) -> Value:
    pattern, subject = arguments(translator, values, 2, "pattern_match")
    wanted = celtext.constant(pattern.cel)
    if wanted is None:
        raise Unfinished("the JMESPath function pattern_match() with a pattern that is no constant")
    return Scalar(celtext.like(_text_or_number(translator, subject), wanted), type="bool")


def _not_null(translator: Translator, values: Sequence[Value]) -> Value:
    scalars = [translator.or_null(each) for each in values]
    if not scalars:
        raise Unfinished("the JMESPath function not_null() without arguments")
    cel = f"dyn({scalars[-1].cel})"
    for each in reversed(scalars[:-1]):
        cel = f"(dyn({each.cel}) != null ? dyn({each.cel}) : {cel})"
    return Scalar(cel)


def _equal_fold(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = map(text, arguments(translator, values, 2, "equal_fold"))
    return Scalar(f"{left}.lowerAscii() == {right}.lowerAscii()", type="bool")


def _trim(translator: Translator, values: Sequence[Value]) -> Value:
    subject, characters = arguments(translator, values, 2, "trim")
    cut = celtext.constant(characters.cel)
    if not cut:
        raise Unfinished("the JMESPath function trim() with characters that are no constant")
    other = "[^" + "".join(f"\\{each}" if each in "\\]^-[" else each for each in cut) + "]"
    return Scalar(f"{text(subject)}.find({celtext.text(f'(?s){other}.*{other}|{other}')})", type="string")


def _trim_prefix(translator: Translator, values: Sequence[Value]) -> Value:
    subject, prefix = map(text, arguments(translator, values, 2, "trim_prefix"))
    return Scalar(f"({subject}.startsWith({prefix}) ? {subject}.substring(size({prefix})) : {subject})", type="string")


def _truncate(translator: Translator, values: Sequence[Value]) -> Value:
    subject, length = arguments(translator, values, 2, "truncate")
    if length.type != "int":
        raise Unfinished("the JMESPath function truncate() with a length that is no constant number")
    cut = text(subject)
    end = f"size({cut}) > {length.cel} ? {length.cel} : size({cut})"
    return Scalar(f"{cut}.substring(0, {end})", type="string")


def _replace(translator: Translator, values: Sequence[Value]) -> Value:
    subject, old, new, count = arguments(translator, values, 4, "replace")
    if count.type != "int":
        raise Unfinished("the JMESPath function replace() with a count that is no constant number")
    return Scalar(f"{text(subject)}.replace({text(old)}, {text(new)}, {count.cel})", type="string")


def _compare(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = (translator.require(each, "string") for each in arguments(translator, values, 2, "compare"))
    return Scalar(f"({text(left)} == {text(right)} ? 0 : {text(left)} < {text(right)} ? -1 : 1)", type="int")


def _items(translator: Translator, values: Sequence[Value]) -> Value:
    subject, key, value = arguments(translator, values, 3, "items")
    base, variable = _map(translator, subject), translator.fresh()
    entry = f"{{{key.cel}: dyn({variable}), {value.cel}: dyn({base}[{variable}])}}"
    return Scalar(f"{base}.map({variable}, {entry})", type="list")


def _lookup(translator: Translator, values: Sequence[Value]) -> Value:
    subject, key = arguments(translator, values, 2, "lookup")
    of_key = {"string": ("map",), "int": ("list",)}
    translator.require(subject, *of_key.get(key.type, ("map", "list")))
    chain = f"{subject.chain or f'dyn({subject.cel})'}[?{key.cel}]"
    return Scalar(f"{chain}.orValue(dyn(null))", chain, indexed=True)


def _label_match(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = (_map(translator, each) for each in arguments(translator, values, 2, "label_match"))
    variable = translator.fresh()
    same = f"{variable} in {right} && {right}[{variable}] == {left}[{variable}]"
    return Scalar(f"{left}.all({variable}, {same})", type="bool")


def _to_array(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = (
        [translator.or_null(each) for each in values]
        if len(values) == 1
        else arguments(translator, values, 1, "to_array")
    )
    if subject.type != "dyn":
        return subject if subject.type == "list" else Scalar(f"[dyn({subject.cel})]", type="list")
    return Scalar(f"(type({subject.cel}) == list ? {subject.cel} : [{subject.cel}])", type="list")


def _type(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = (
        [translator.or_null(each) for each in values] if len(values) == 1 else arguments(translator, values, 1, "type")
    )
    named = {"string": "string", "bool": "boolean", "list": "array", "map": "object"}
    value = f"dyn({subject.cel})"
    tests = "".join(f"type({value}) == {cel} ? '{name}' : " for cel, name in named.items())
    return Scalar(f"({tests}{value} == null ? 'null' : 'number')", type="string")


def _to_string(translator: Translator, values: Sequence[Value]) -> Value:
    if len(values) != 1:
        raise Unfinished(f"the JMESPath function to_string() with {len(values)} arguments")
    return Scalar(celtext.enclose(translator.as_text(translator.or_null(values[0]), demands=False)), type="string")


def _to_boolean(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = map(text, arguments(translator, values, 1, "to_boolean"))
    lower = f"{subject}.lowerAscii()"
    return Scalar(f"({lower} == 'true' || ({lower} != 'false' && optional.none().value()))", type="bool")


def _image_normalize(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = map(text, arguments(translator, values, 1, "image_normalize"))
    parts = {name: images.PARTS[name](subject) for name in images.PARTS}
    digest = f"({subject}.contains('@') ? '@' + {parts['digest']} : '')"
    known = f"{subject} == '' ? optional.none().value() : "
    tag = f"[{parts['tag']}].map(t, t == '' ? '' : ':' + t)[0]"
    return Scalar(f"({known}{parts['registry']} + '/' + {parts['path']} + {tag} + {digest})", type="string")


def by_element(translator: Translator, node: Node, current: Value | None) -> Value:
    """A function with an expression about each element: map(), max_by(), min_by()."""
    if len(node.children) != 2 or node.value not in _BY_ELEMENT:
        raise Unfinished(f"the JMESPath function {node.value}()")
    position = 0 if node.value == "map" else 1
    reference, of = node.children[position], node.children[1 - position]
    if reference.type != "reference":
        raise Unfinished(f"the JMESPath function {node.value}() without an expression reference")
    base = translator.require(translator.argument(translator.value(of, current)), "list").cel
    variable, other = translator.fresh(), translator.fresh()
    with translator.inside():
        value = translator.scalar(translator.value(reference.children[0], Scalar(variable)))
        if node.value == "map":
            return Stream(base, variable, Scalar(value.cel, type=value.type))
        beside = translator.scalar(translator.value(reference.children[0], Scalar(other)))
    order = "<=" if node.value == "max_by" else ">="
    chain = f"dyn({base}.filter({variable}, {base}.all({other}, {beside.cel} {order} {value.cel})))[?0]"
    return Scalar(f"{chain}.orValue(dyn(null))", chain, indexed=True)


_BY_ELEMENT: Final = ("map", "max_by", "min_by")
OF_NULL: Final = ("not_null", "type", "to_string", "to_array", "to_number")
"""The functions that take null, and so what is missing."""
FUNCTIONS: Final[dict[str, Function]] = {
    "length": _length,
    "contains": _contains,
    "starts_with": _method("starts_with", "startsWith", 2, "bool"),
    "ends_with": _method("ends_with", "endsWith", 2, "bool"),
    "to_upper": _method("to_upper", "upperAscii", 1, "string"),
    "to_lower": _method("to_lower", "lowerAscii", 1, "string"),
    "to_string": _to_string,
    "to_boolean": _to_boolean,
    "keys": _keys,
    "values": _values,
    "join": _join,
    "split": _split,
    "replace_all": _replaced,
    "regex_match": _regex_match,
    "pattern_match": _pattern_match,
    "not_null": _not_null,
    "equal_fold": _equal_fold,
    "trim": _trim,
    "trim_prefix": _trim_prefix,
    "truncate": _truncate,
    "replace": _replace,
    "compare": _compare,
    "items": _items,
    "lookup": _lookup,
    "label_match": _label_match,
    "to_array": _to_array,
    "type": _type,
    "image_normalize": _image_normalize,
    **jmesnumbers.FUNCTIONS,
    **jmestimes.FUNCTIONS,
}
"""The name of a function -> what writes its call."""


def called(translator: Translator, node: Node, current: Value | None) -> Value:
    """What the call of a function becomes. Raises Unfinished for a function that CEL has not."""
    if any(each.type == "reference" for each in node.children):
        return by_element(translator, node, current)
    function = FUNCTIONS.get(node.value)
    if function is None:
        raise Unfinished(f"the JMESPath function {node.value}()")
    given = [translator.value(each, current) for each in node.children]
    if node.value not in OF_NULL:
        given = [translator.not_null(each) for each in given]
    return function(translator, given)

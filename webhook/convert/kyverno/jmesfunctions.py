"""The functions of JMESPath that have a CEL equivalent, Kyverno's own included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from webhook.convert import celtext
from webhook.convert.kyverno.expressions import Lists, Scalar, Stream, Value
from webhook.convert.model import Unfinished

if TYPE_CHECKING:
    from webhook.convert.kyverno.expressions import Translator

Function = Callable[["Translator", Sequence[Value]], Value]


def _as_text(scalar: Scalar) -> str:
    """The expression of a text. An absent value is an empty text."""
    if scalar.type == "string":
        return scalar.cel
    return f"{scalar.chain}.orValue('')" if scalar.chain else scalar.cel


def _arguments(translator: Translator, values: Sequence[Value], count: int, name: str) -> list[Scalar]:
    if len(values) != count:
        raise Unfinished(f"the JMESPath function {name}() with {len(values)} arguments")
    return [translator.scalar(each) for each in values]


def _method(name: str, cel: str, count: int, kind: str) -> Function:
    """A function that is a method of its first argument, all of them texts."""

    def written(translator: Translator, values: Sequence[Value]) -> Value:
        subject, *rest = map(_as_text, _arguments(translator, values, count, name))
        return Scalar(f"{subject}.{cel}({', '.join(rest)})", type=kind)

    return written


def _conversion(name: str, cel: str, kind: str) -> Function:
    def written(translator: Translator, values: Sequence[Value]) -> Value:
        (subject,) = _arguments(translator, values, 1, name)
        return Scalar(f"{cel}({subject.cel})", type=kind)

    return written


def _length(translator: Translator, values: Sequence[Value]) -> Value:
    (value,) = values if len(values) == 1 else (None,)
    if isinstance(value, Stream) and isinstance(value.body, Stream):
        inner = translator.scalar(_length(translator, [value.body]))
        base = value.base if value.condition == "true" else f"{value.base}.filter({value.variable}, {value.condition})"
        return Scalar(f"{base}.map({value.variable}, {inner.cel}).sum()", type="int")
    (scalar,) = _arguments(translator, values, 1, "length")
    return Scalar(f"size({scalar.chain}.orValue([]))" if scalar.chain else f"size({scalar.cel})", type="int")


def _contains(translator: Translator, values: Sequence[Value]) -> Value:
    if len(values) == 2 and isinstance(values[0], Stream):
        wanted = translator.scalar(values[1])
        return Scalar(
            translator.quantified(values[0], lambda each: f"{each.cel} == {wanted.cel}", every=False), type="bool"
        )
    subject, item = _arguments(translator, values, 2, "contains")
    if subject.type == "list":
        return Scalar(f"{item.cel} in {subject.cel}", type="bool")
    if subject.type == "string":
        return Scalar(f"{subject.cel}.contains({_as_text(item)})", type="bool")
    if subject.chain:
        as_list = f"{item.cel} in {subject.cel}"
        text = f"type({subject.cel}) == string && {subject.cel}.contains(string({item.cel}))"
        return Scalar(f"(type({subject.cel}) == list ? {as_list} : ({text}))", type="bool")
    return Scalar(
        f"(type({subject.cel}) == list ? {item.cel} in {subject.cel} : {subject.cel}.contains({item.cel}))", type="bool"
    )


def _keys(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "keys")
    variable = translator.fresh()
    base = f"{subject.chain}.orValue({{}})" if subject.chain else subject.cel
    return Scalar(f"{base}.map({variable}, {variable})", type="list")


def _values(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "values")
    variable = translator.fresh()
    base = f"{subject.chain}.orValue({{}})" if subject.chain else subject.cel
    return Stream(base, variable, Scalar(f"{base}[{variable}]"))


def _join(translator: Translator, values: Sequence[Value]) -> Value:
    separator, items = _arguments(translator, values, 2, "join")
    base = f"{items.chain}.orValue([])" if items.chain else items.cel
    return Scalar(f"{base}.join({separator.cel})", type="string")


def _split(translator: Translator, values: Sequence[Value]) -> Value:
    subject, separator = _arguments(translator, values, 2, "split")
    return Scalar(f"{_as_text(subject)}.split({separator.cel})", type="list")


def _replaced(translator: Translator, values: Sequence[Value]) -> Value:
    subject, old, new = _arguments(translator, values, 3, "replace_all")
    return Scalar(f"{_as_text(subject)}.replace({_as_text(old)}, {_as_text(new)})", type="string")


def _regex_match(translator: Translator, values: Sequence[Value]) -> Value:
    expression, subject = _arguments(translator, values, 2, "regex_match")
    text = subject.cel if subject.type == "string" else f"string({_as_text(subject)})"
    return Scalar(f"{text}.matches({expression.cel})", type="bool")


def _pattern_match(translator: Translator, values: Sequence[Value]) -> Value:
    pattern, subject = _arguments(translator, values, 2, "pattern_match")
    wanted = celtext.constant(pattern.cel)
    if wanted is None:
        raise Unfinished("the JMESPath function pattern_match() with a pattern that is no constant")
    text = subject.cel if subject.type == "string" else f"string({_as_text(subject)})"
    return Scalar(celtext.like(text, wanted), type="bool")


def _not_null(translator: Translator, values: Sequence[Value]) -> Value:
    scalars = [translator.scalar(each) for each in values]
    if not scalars:
        raise Unfinished("the JMESPath function not_null() without arguments")
    cel = f"dyn({scalars[-1].cel})"
    for each in reversed(scalars[:-1]):
        cel = f"(dyn({each.cel}) != null ? dyn({each.cel}) : {cel})"
    return Scalar(cel)


def _number(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "to_number")
    return Scalar(f"int({subject.cel})", type="int")


def _sum(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "sum")
    return Scalar(f"{subject.cel}.sum()", type="dyn")


def _extreme(name: str) -> Function:
    def written(translator: Translator, values: Sequence[Value]) -> Value:
        if len(values) == 1 and isinstance(values[0], Lists):
            values = [Scalar("[" + ", ".join(each.cel for each in values[0].items) + "]", type="list")]
        (subject,) = _arguments(translator, values, 1, name)
        return Scalar(f"{subject.cel}.{name}()")

    return written


def _arithmetic(name: str, operator: str) -> Function:
    def written(translator: Translator, values: Sequence[Value]) -> Value:
        left, right = _arguments(translator, values, 2, name)
        numbers = {left.type, right.type} <= {"int", "double"}
        if name in ("add", "subtract") and not numbers:
            # Fields may hold quantities, of which numbers are a kind. 0 is added, so that texts are none of them.
            method = "add" if name == "add" else "sub"
            quantity = f"quantity(string({left.cel})).{method}(quantity(string({right.cel})))"
            return Scalar(f"(0 + {left.cel} {operator} {right.cel})", quantity=quantity)
        return Scalar(f"({left.cel} {operator} {right.cel})", type="int" if left.type == right.type == "int" else "dyn")

    return written


def _lowered(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = map(_as_text, _arguments(translator, values, 2, "equal_fold"))
    return Scalar(f"{left}.lowerAscii() == {right}.lowerAscii()", type="bool")


def _trim(translator: Translator, values: Sequence[Value]) -> Value:
    subject, characters = _arguments(translator, values, 2, "trim")
    cut = celtext.constant(characters.cel)
    if not cut:
        raise Unfinished("the JMESPath function trim() with characters that are no constant")
    other = "[^" + "".join(f"\\{each}" if each in "\\]^-[" else each for each in cut) + "]"
    return Scalar(f"{_as_text(subject)}.find({celtext.text(f'(?s){other}.*{other}|{other}')})", type="string")


def _trim_prefix(translator: Translator, values: Sequence[Value]) -> Value:
    text, prefix = map(_as_text, _arguments(translator, values, 2, "trim_prefix"))
    return Scalar(f"({text}.startsWith({prefix}) ? {text}.substring(size({prefix})) : {text})", type="string")


def _truncate(translator: Translator, values: Sequence[Value]) -> Value:
    subject, length = _arguments(translator, values, 2, "truncate")
    if length.type != "int":
        raise Unfinished("the JMESPath function truncate() with a length that is no constant number")
    text = _as_text(subject)
    return Scalar(f"(size({text}) > {length.cel} ? {text}.substring(0, {length.cel}) : {text})", type="string")


def _replace(translator: Translator, values: Sequence[Value]) -> Value:
    subject, old, new, count = _arguments(translator, values, 4, "replace")
    if count.type != "int":
        raise Unfinished("the JMESPath function replace() with a count that is no constant number")
    return Scalar(f"{_as_text(subject)}.replace({_as_text(old)}, {_as_text(new)}, {count.cel})", type="string")


def _compare(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = map(_as_text, _arguments(translator, values, 2, "compare"))
    return Scalar(f"({left} == {right} ? 0 : {left} < {right} ? -1 : 1)", type="int")


def _items(translator: Translator, values: Sequence[Value]) -> Value:
    subject, key, value = _arguments(translator, values, 3, "items")
    variable = translator.fresh()
    base = f"{subject.chain}.orValue({{}})" if subject.chain else subject.cel
    entry = f"{{{key.cel}: dyn({variable}), {value.cel}: dyn({base}[{variable}])}}"
    return Scalar(f"{base}.map({variable}, {entry})", type="list")


def _lookup(translator: Translator, values: Sequence[Value]) -> Value:
    subject, key = _arguments(translator, values, 2, "lookup")
    chain = f"{subject.chain or f'dyn({subject.cel})'}[?{key.cel}]"
    return Scalar(f"{chain}.orValue(dyn(null))", chain)


def _label_match(translator: Translator, values: Sequence[Value]) -> Value:
    wanted, labels = _arguments(translator, values, 2, "label_match")
    left, right = (f"{each.chain}.orValue({{}})" if each.chain else each.cel for each in (wanted, labels))
    variable = translator.fresh()
    same = f"{variable} in {right} && {right}[{variable}] == {left}[{variable}]"
    return Scalar(f"{left}.all({variable}, {same})", type="bool")


def _to_array(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "to_array")
    if subject.type != "dyn":
        return subject if subject.type == "list" else Scalar(f"[{subject.cel}]", type="list")
    return Scalar(f"(type({subject.cel}) == list ? {subject.cel} : [{subject.cel}])", type="list")


def _type(translator: Translator, values: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, values, 1, "type")
    named = {"string": "string", "bool": "boolean", "list": "array", "map": "object"}
    tests = "".join(f"type({subject.cel}) == {cel} ? '{name}' : " for cel, name in named.items())
    return Scalar(f"({tests}{subject.cel} == null ? 'null' : 'number')", type="string")


def _divide(translator: Translator, values: Sequence[Value]) -> Value:
    left, right = _arguments(translator, values, 2, "divide")
    if not {left.type, right.type} <= {"int", "double"} or not right.cel.strip("-0.").replace(".", "").isdigit():
        raise Unfinished("the JMESPath function divide() of fields, or by what is no constant number")
    return Scalar(f"double({left.cel}) / double({right.cel})", type="double")


FUNCTIONS: Final[dict[str, Function]] = {
    "length": _length,
    "contains": _contains,
    "starts_with": _method("starts_with", "startsWith", 2, "bool"),
    "ends_with": _method("ends_with", "endsWith", 2, "bool"),
    "to_upper": _method("to_upper", "upperAscii", 1, "string"),
    "to_lower": _method("to_lower", "lowerAscii", 1, "string"),
    "to_string": _conversion("to_string", "string", "string"),
    "to_number": _number,
    "keys": _keys,
    "values": _values,
    "join": _join,
    "split": _split,
    "replace_all": _replaced,
    "regex_match": _regex_match,
    "pattern_match": _pattern_match,
    "not_null": _not_null,
    "sum": _sum,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "add": _arithmetic("add", "+"),
    "subtract": _arithmetic("subtract", "-"),
    "multiply": _arithmetic("multiply", "*"),
    "modulo": _arithmetic("modulo", "%"),
    "divide": _divide,
    "equal_fold": _lowered,
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
}
"""The name of a function -> what writes its call."""

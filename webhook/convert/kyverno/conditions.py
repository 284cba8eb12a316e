"""Kyverno's conditions (preconditions, deny.conditions): key, operator, value -> CEL.

Source: the documentation of Kyverno, "Preconditions" and "Deny rules", operators.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from webhook.convert import celtext
from webhook.convert.kyverno import patternscalars, values, variables
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmesvalues import Image, Images, Lists, Request, Scalar, Stream, Value
from webhook.convert.model import Unfinished, Unsupported, listing, mapping
from webhook.documents.undecodable import UNDECODABLE
from webhook.paths import Path

_ORDERS: Final = {
    "GreaterThan": ">",
    "GreaterThanOrEquals": ">=",
    "LessThan": "<",
    "LessThanOrEquals": "<=",
}
_SIGNS: Final = _ORDERS | {"Equals": "==", "Equal": "==", "NotEquals": "!=", "NotEqual": "!="}
_SETS: Final = {  # operator -> (whether the test is negated, whether for every element)
    "AnyIn": (False, False),
    "AllIn": (False, True),
    "AnyNotIn": (True, False),
    "AllNotIn": (True, True),
    "In": (False, True),
    "NotIn": (True, True),
}
OPERATORS: Final = (
    "Equals",
    "Equal",
    "NotEquals",
    "NotEqual",
    *_ORDERS,
    *(f"Duration{each}" for each in _ORDERS),
    *_SETS,
)
_NEVER_WILD: Final = (".?image", ".?name", ".?namespace", "request.operation")
"""What ends the expressions of values that have no wildcards in any object of Kubernetes."""
_MOST: Final = 200  # conditions
_FEW: Final = 8  # conditions before another, which are written once more with what it demands


def conditions(given: Any, translator: Translator, at: Path) -> str:
    """Whether conditions hold: a list (all of them), or {any, all} (one of any, and all of all)."""
    if given is None:
        return "true"
    if isinstance(given, list):
        if given and all(isinstance(each, dict) and ("any" in each or "all" in each) for each in given):
            return celtext.conjunction(conditions(each, translator, (*at, index)) for index, each in enumerate(given))
        return celtext.conjunction(_listed(given, translator, at))
    named = mapping(given, "conditions", at)
    if unknown := sorted(named.keys() - {"any", "all"}):
        raise Unsupported(f"{unknown[0]!r} in conditions: expected any or all", at)
    terms = _listed(listing(named.get("all"), "all", at), translator, (*at, "all"))
    if named.get("any"):
        any_of = _listed(listing(named["any"], "any", at), translator, (*at, "any"), every=False)
        terms.append(celtext.disjunction(any_of))
    return celtext.conjunction(terms)


def _listed(given: list[Any], translator: Translator, at: Path, *, every: bool = True) -> list[str]:
    """The conditions of a list. every: all must be met, else one.

    Kyverno stops where the result is known: what is missing in a later condition is no error then.
    """
    if len(given) > _MOST:
        raise Unsupported(f"more than {_MOST} conditions", at)
    outer = translator.demanded
    terms: list[str] = []
    try:
        for index, each in enumerate(given):
            if outer is not None:
                translator.demanded = []
            term = condition(each, translator, (*at, index))
            if outer is not None and translator.demanded:
                outer.append(_demanded_after(terms, celtext.conjunction(translator.demanded), every=every))
            terms.append(term)
    finally:
        translator.demanded = outer
    return terms


def _demanded_after(earlier: list[str], there: str, *, every: bool) -> str:
    """That the variables of a condition are there, if the conditions before it do not decide."""
    if not earlier or len(earlier) > _FEW:
        return there
    decided = celtext.negation(celtext.enclose(celtext.conjunction(earlier))) if every else celtext.disjunction(earlier)
    return celtext.disjunction([decided, there])


def condition(given: Any, translator: Translator, at: Path) -> str:
    """One condition. Raises Unsupported or Unfinished, with the place."""
    named = mapping(given, "a condition", at)
    operator = named.get("operator")
    if operator not in OPERATORS:
        raise Unsupported(f"the operator {str(operator)[:40]!r}", (*at, "operator"))
    if "key" not in named:
        raise Unsupported("a condition without a key", at)
    try:
        key = variables.value(named["key"], translator)
        return _compared(key, operator, variables.known(named.get("value"), translator), translator)
    except Unsupported as error:
        error.path = error.path or at
        raise


def _compared(key: Value, operator: str, value: Any, translator: Translator) -> str:
    if isinstance(key, Request | Images | Image):
        raise Unfinished(f"a condition about the whole of {'request' if isinstance(key, Request) else 'images'}")
    if isinstance(key, Scalar) and key.cel == "null":
        return "false"
    if isinstance(key, Scalar) and (amount := _amount(key, operator, value)):
        return amount
    if operator in _SETS:
        among = _among(key, operator, value, translator)
        return celtext.conjunction([*_not_null(key, translator), among]) if operator != "AnyIn" else among
    if operator in ("Equals", "Equal"):
        empty = value in ([], {}, "") or variables.has_variables(value)
        guard = _not_null(key, translator) if empty and not (isinstance(key, Scalar) and key.chain) else []
        return celtext.conjunction([*guard, _equal(key, value, translator)])
    if operator in ("NotEquals", "NotEqual"):
        differs = celtext.negation(celtext.enclose(_equal(key, value, translator)))
        return celtext.conjunction([*_not_null(key, translator), differs])
    subject = translator.scalar(key).cel
    if variables.has_variables(value):
        return _ordered_by(subject, operator, value, translator)
    if operator.startswith("Duration"):
        sign = _ORDERS[operator.removeprefix("Duration")]
        return values.named(subject, lambda v: values.seconds(v, sign, value))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unsupported(f"the operator {operator} with a value that is no number or text")
    if translator.scalar(key).type in ("int", "double"):
        subject = f"dyn({subject})"
    return values.named(subject, lambda v: values.compared(v, _ORDERS[operator], value))


def _plainly(value: Value, translator: Translator) -> Scalar:
    """A value that another one is compared with."""
    scalar = translator.scalar(value)
    if scalar.moment or scalar.textual:
        raise Unfinished("a condition whose value is a quantity or a time that is computed")
    return scalar


def _not_null(key: Value, translator: Translator) -> list[str]:
    """That a key is not null, where it may be: null meets no condition, whatever the operator."""
    if isinstance(key, Stream) and key.chain:
        return [f"{key.chain}.hasValue()"]
    if not isinstance(key, Scalar):
        return []
    if key.base:
        return [f"{key.base}.hasValue()"]
    if key.type == "maybe" or key.indexed or (key.chain and not translator.typed):
        return [f"{key.cel} != null"]
    return [f"{key.cel} != null"] if key.truth and key.type == "dyn" else []


def _amount(key: Scalar, operator: str, value: Any) -> str:
    """The comparison of what may be a quantity, a duration or a time with a constant; "" if it is none."""
    sign = _SIGNS.get(operator.removeprefix("Duration"))
    if not (key.quantity or key.thousandths or key.duration or key.moment):
        return ""
    if key.type == "string":
        return ""
    if sign is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Unfinished(f"the operator {operator} about a quantity, a duration or a time that is computed")
    constant = celtext.text(str(value))
    if key.duration and values.amount(str(value)) is not None:
        seconds = values.amount(str(value))
        if values.is_duration(str(value)) or (operator.startswith("Duration") and isinstance(value, str)):
            return f"{key.duration} {sign} duration({constant})"
        return f"{key.duration} {sign} duration({celtext.text(f'{seconds}s')})"
    if (key.quantity or key.thousandths) and values.is_quantity(str(value)) and not operator.startswith("Duration"):
        held = f"{key.quantity}.compareTo(quantity({constant})) {sign} 0"
        if key.thousandths:
            thousand = f"int(quantity({constant}).asApproximateFloat() * 1000.0 + 0.5)"
            held = f"{key.thousandths} {sign} {thousand}"
        if not key.textual:
            return held
        number = f"dyn({key.cel}) {sign} {value}" if not isinstance(value, str) else None
        if number is None:
            compared = _compared(Scalar(f"dyn({key.cel})"), operator, value, Translator({}))
            number = celtext.enclose(compared)
        return f"({key.textual} ? {held} : {number})"
    raise Unfinished(f"the operator {operator} of what is computed, with {str(value)[:40]!r}")


def _ordered_by(subject: str, operator: str, value: Any, translator: Translator) -> str:
    """An order of two values of the object, or of its params: quantities."""
    if operator.startswith("Duration"):
        raise Unfinished(f"the operator {operator} with a variable as value")
    other = _plainly(variables.value(value, translator), translator).cel
    sign = _ORDERS[operator]
    comparison = f"quantity(string(a)).compareTo(quantity(string(b))) {sign} 0"
    durations = f"type(a) == string && type(b) == string && {values.is_time('a')} && {values.is_time('b')}"
    quantities = f"isQuantity(string(a)) && isQuantity(string(b)) && {comparison}"
    guard = f"{celtext.scalar('a')} && {celtext.scalar('b')}"
    compared = f"({durations} ? duration(a) {sign} duration(b) : {quantities})"
    return f"[dyn({subject})].exists(a, [dyn({other})].exists(b, {guard} && {compared}))"


def _equal(key: Value, value: Any, translator: Translator) -> str:
    subject = translator.scalar(key)
    plain = isinstance(value, bool | int | float) or (isinstance(value, str) and _is_plain(value))
    if subject.loose and plain and value not in ("", False):
        subject = msgspec.structs.replace(subject, cel=subject.loose, loose="", type="dyn")
    if subject.type == "maybe":
        subject = Scalar(subject.truth, type="bool") if value is True else msgspec.structs.replace(subject, type="dyn")
    if variables.has_variables(value):
        other = _plainly(variables.value(value, translator), translator)
        if other.chain.startswith("params.") or _is_wild(value):
            return _same(subject, other, wild=_is_wild(value))
        return f"dyn({subject.cel}) == {other.cel}" if subject.type != other.type else f"{subject.cel} == {other.cel}"
    if isinstance(value, str):
        if subject.type == "string":
            return celtext.like(subject.cel, value)
        if value == "":
            return f"{subject.cel} == ''"
        return values.named(
            f"dyn({subject.cel})" if subject.type != "dyn" else subject.cel, lambda v: values.equal_texts(v, value)
        )
    if isinstance(value, bool):
        if subject.type == "bool":
            return subject.cel if value else celtext.negation(subject.cel)
        return f"{subject.cel} == {celtext.literal(value)}"
    if isinstance(value, int | float):
        if subject.type == "int":
            return f"{subject.cel} == {celtext.literal(value)}"
        typed = subject.cel if subject.type == "dyn" else f"dyn({subject.cel})"
        seconds = values.seconds_as_text(value)
        return values.named(typed, lambda v: celtext.disjunction([f"{v} == {celtext.literal(value)}", *seconds(v)]))
    if isinstance(value, list) and _has_integers(value):
        return "false"  # Kyverno reads the integers of the policy and those of the object as two types
    if value == [] and subject.type == "list":
        return f"size({subject.cel}) == 0"
    typed = subject.cel if subject.type == "dyn" else f"dyn({subject.cel})"
    return f"{typed} == {celtext.literal(value)}"


def _has_integers(value: Any) -> bool:
    """Whether a value is an integer, or has one in it."""
    if isinstance(value, list | dict):
        return any(map(_has_integers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and not isinstance(value, bool)


def _among(key: Value, operator: str, value: Any, translator: Translator) -> str:
    """The operators about lists: whether one element, or every one, is among the values, or is not."""
    negated, every = _SETS[operator]
    value = _of_json(value)
    if operator in ("In", "NotIn") and not isinstance(key, Scalar):
        raise Unfinished(f"the old operator {operator} with a list as key: say AllIn, AnyIn, AllNotIn or AnyNotIn")

    def test(each: Scalar) -> str:
        held = _one_of(each, value, translator, single=isinstance(key, Scalar) and each.cel == key.cel)
        if not negated and not (isinstance(key, Scalar) and each.cel == key.cel and isinstance(value, str)):
            held = celtext.disjunction([held, *_of_wild_key(each, value)])
        return celtext.negation(celtext.enclose(held)) if negated else held

    return translator.quantified(key, test, every=every)


def _of_json(value: Any) -> Any:
    """A list of texts that is written as text in JSON, as the list that it is for Kyverno."""
    if not isinstance(value, str) or not value.startswith("[") or variables.has_variables(value):
        return value
    try:
        items = msgspec.json.decode(value, type=list[str])
    except UNDECODABLE:
        return value
    if any(map(celtext.is_wild, items)):
        raise Unsupported("a list in JSON whose items have wildcards: write it as a list")
    return items


def _of_wild_key(subject: Scalar, value: Any) -> list[str]:
    """The key may have wildcards itself, such as the verb * of a role: Kyverno compares in both directions."""
    listed = isinstance(value, list)
    plain = [_as_text(each) for each in (value if listed else [value]) if isinstance(each, str | int | float)]
    plain = [each for each in plain if not variables.has_variables(each) and (listed or not values.is_range(each))]
    if not plain or subject.type == "bool" or (subject.chain or subject.cel).endswith(_NEVER_WILD):
        return []
    keys = f"[{_any(subject)}].filter(w, type(w) == string && (w.contains('*') || w.contains('?')))"
    return [f"{celtext.literal(plain)}.exists(o, {celtext.like_written('o', keys)})"]


def _one_of(subject: Scalar, value: Any, translator: Translator, *, single: bool) -> str:
    """Whether a value is among others. single: whether it is the whole of the key, and not an element of it."""
    if variables.has_variables(value) and not isinstance(value, list) and not _is_wild(value):
        return _one_of_variable(subject, variables.value(value, translator), translator, single=single)
    items = value if isinstance(value, list) else [value]
    if len(items) > _MOST:
        raise Unsupported(f"a list of more than {_MOST} values")
    plain = [each for each in items if isinstance(each, str) and _is_plain(each)]
    rest = [each for each in items if not (isinstance(each, str) and _is_plain(each))]
    terms = []
    if plain:
        terms.append(
            f"{subject.cel} in {celtext.literal(plain)}"
            if len(plain) > 1
            else f"{_any(subject)} == {celtext.text(plain[0])}"
        )
    for each in rest:
        if variables.has_variables(each):
            other = translator.scalar(variables.value(each, translator))
            terms.append(_same(subject, other, wild=_is_wild(each)))
        elif not isinstance(value, list) and _is_range(each):
            terms.append(values.named(_any(subject), lambda v, each=each: patternscalars.pattern(v, each, typed=True)))  # type: ignore[misc]
        elif isinstance(each, str) and subject.type == "string":
            terms.append(celtext.like(subject.cel, each))
        elif isinstance(each, str):
            terms.append(values.named(_any(subject), lambda v, each=each: values.same(v, each)))  # type: ignore[misc]
        elif each is None or isinstance(each, dict | list):
            terms.append(f"{_any(subject)} == {celtext.literal(each)}")
        else:  # which is compared as its text
            terms.append(f"{_any(subject)} in [dyn({celtext.literal(each)}), dyn({celtext.text(_as_text(each))})]")
    return celtext.disjunction(terms)


def _as_text(each: str | float) -> str:
    return ("false", "true")[each] if isinstance(each, bool) else str(each)


def _is_range(each: Any) -> bool:
    """Whether a value is a range of numbers. In a list it is text, and so is a range with "!-" anywhere."""
    return isinstance(each, str) and values.is_range(each) and "!-" not in each


def _is_plain(text: str) -> bool:
    """Whether a text is compared as text alone."""
    if variables.has_variables(text) or celtext.is_wild(text) or values.is_range(text):
        return False
    return text not in ("true", "false") and not text[:1].isdigit()


def _is_wild(value: Any) -> bool:
    return isinstance(value, str) and variables.wild(value)


def _same(subject: Scalar, other: Scalar, *, wild: bool = False) -> str:
    """Whether a value equals another that is not constant. That of a ConfigMap may have wildcards. wild: it has."""
    if other.chain.startswith("params."):
        return _written(_any(subject), f"[{other.chain}.orValue('')]")
    if wild:
        return _written(_any(subject), f"[{other.cel}]")
    return f"{_any(subject)} == {other.cel}"


def _written(subject: str, patterns: str) -> str:
    return values.named(subject, lambda v: celtext.conjunction([celtext.scalar(v), celtext.like_written(v, patterns)]))


def _any(subject: Scalar) -> str:
    return subject.cel if subject.type == "dyn" else f"dyn({subject.cel})"


def _one_of_variable(subject: Scalar, other: Value, translator: Translator, *, single: bool) -> str:
    if isinstance(other, Stream | Lists):
        return translator.quantified(other, lambda each: f"{_any(subject)} == {each.cel}", every=False)
    scalar = translator.scalar(other)
    if scalar.type == "list":
        return f"{_any(subject)} in {scalar.cel}"
    if scalar.chain.startswith("params."):
        # A ConfigMap holds a list as text: a list in JSON, which is read by its commas, or a single item.
        listed = f"{scalar.chain}.orValue('').replace('\\n', '')"
        for each in ("[", "]", '"', " "):
            listed += f".replace({celtext.text(each)}, '')"
        among = _written(_any(subject), f"{listed}.split(',')")
        # A single key is compared with wildcards to a text, and without to the items of a list.
        raw = f"{scalar.chain}.orValue('')"
        return f"({raw}.startsWith('[') ? {_any(subject)} in {listed}.split(',') : {among})" if single else among
    if scalar.type in ("string", "int", "bool"):
        return f"{_any(subject)} == {scalar.cel}"
    both = f"(type({scalar.cel}) == list ? {_any(subject)} in {scalar.cel} : {_any(subject)} == {scalar.cel})"
    return both if scalar.chain or "." in scalar.cel else f"{_any(subject)} in {scalar.cel}"

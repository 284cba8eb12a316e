"""The arithmetic of Kyverno's JMESPath in CEL: of numbers, quantities and durations.

Which of the three an argument is, a text of it says: '4' and '1Gi' are quantities, '1h' is a duration, and 4 is a
number. A result that is a quantity has no text in CEL, and is only compared (`conditions`): as a quantity where two are
added, else in thousandths, since CEL multiplies no quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from webhook.convert import celtext
from webhook.convert.kyverno import values
from webhook.convert.kyverno.jmesvalues import Lists, Scalar, Value
from webhook.convert.model import Unfinished

if TYPE_CHECKING:
    from webhook.convert.kyverno.expressions import Translator

Function = Callable[["Translator", Sequence[Value]], Value]

_ERROR: Final = "optional.none().value()"
_NUMBERS: Final = ("int", "double")
_PARSED: Final = celtext.text("^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?$")


def _arguments(translator: Translator, given: Sequence[Value], count: int, name: str) -> list[Scalar]:
    if len(given) != count:
        raise Unfinished(f"the JMESPath function {name}() with {len(given)} arguments")
    return [translator.scalar(each) for each in given]


def _number(scalar: Scalar) -> str:
    """The number as a double; evaluation is an error if it is none."""
    if scalar.type in _NUMBERS:
        return f"double({scalar.cel})"
    return f"(type({scalar.cel}) == string ? {_ERROR} : double({scalar.cel}))"


def _constant(scalar: Scalar) -> str | None:
    """The text of a constant text."""
    return celtext.constant(scalar.cel) if scalar.type == "string" else None


def _sum_of(name: str, sign: str, method: str) -> Function:
    """add() and subtract()."""

    def written(translator: Translator, given: Sequence[Value]) -> Value:
        left, right = _arguments(translator, given, 2, name)
        if left.type == right.type == "int":
            return Scalar(f"({left.cel} {sign} {right.cel})", type="int")
        texts = [each for each in (_constant(left), _constant(right)) if each is not None]
        if any(values.is_duration(each) for each in texts):
            return Scalar(_ERROR, duration=f"(duration({left.cel}) {sign} duration({right.cel}))")
        dynamic = [each for each in (left, right) if each.type not in _NUMBERS]
        number = f"({_number(left)} {sign} {_number(right)})"
        if len(dynamic) < 2:
            return Scalar(number, type="double")
        if any(not values.is_quantity(each) for each in texts) or {left.type, right.type} - {"dyn", "string"}:
            raise Unfinished(f"the JMESPath function {name}() of a text that is no quantity")
        quantity = f"quantity({left.cel}).{method}(quantity({right.cel}))"
        if texts:
            return Scalar(_ERROR, quantity=quantity)
        return Scalar(f"dyn{number}", quantity=quantity, textual=f"type({left.cel}) == string")

    return written


def _thousandths(scalar: Scalar, factor: str = "") -> str:
    """A quantity in thousandths, rounded."""
    return f"int(quantity(dyn({scalar.cel})).asApproximateFloat() * 1000.0{factor} + 0.5)"


def _multiply(translator: Translator, given: Sequence[Value]) -> Value:
    left, right = _arguments(translator, given, 2, "multiply")
    if {left.type, right.type} <= set(_NUMBERS):
        whole = left.type == right.type == "int"
        return Scalar(
            f"({left.cel} * {right.cel})" if whole else f"({_number(left)} * {_number(right)})",
            type="int" if whole else "double",
        )
    if left.type in _NUMBERS:
        left, right = right, left
    if right.type not in _NUMBERS or values.is_duration(_constant(left) or ""):
        raise Unfinished("the JMESPath function multiply() of two fields, or of a duration")
    scaled = _thousandths(left, f" * double({right.cel})")
    if left.type == "string":
        return Scalar(_ERROR, thousandths=scaled)
    return Scalar(f"dyn({_number(left)} * {_number(right)})", thousandths=scaled, textual=f"type({left.cel}) == string")


def _divide(translator: Translator, given: Sequence[Value]) -> Value:
    left, right = _arguments(translator, given, 2, "divide")
    if any(values.is_duration(_constant(each) or "") for each in (left, right)):
        raise Unfinished("the JMESPath function divide() of durations")
    if right.type in _NUMBERS:
        if not right.cel.strip("-0.").replace(".", "").isdigit():
            raise Unfinished("the JMESPath function divide() by what is no constant number")
        number = f"({_number(left)} / {_number(right)})"
        if left.type in _NUMBERS:
            return Scalar(number, type="double")
        scaled = _thousandths(left, f" / double({right.cel})")
        return Scalar(f"dyn{number}", thousandths=scaled, textual=f"type({left.cel}) == string")
    if left.type in _NUMBERS:
        # A number is divided by numbers alone.
        return Scalar(_not_by_zero(_number(left), _number(right)), type="double")
    of_quantities = _not_by_zero(*(f"quantity({each.cel}).asApproximateFloat()" for each in (left, right)))
    if "string" in (left.type, right.type):
        return Scalar(of_quantities, type="double")
    of_numbers = _not_by_zero(_number(left), _number(right))
    return Scalar(f"(type({left.cel}) == string ? {of_quantities} : {of_numbers})", type="double")


def _not_by_zero(dividend: str, divisor: str) -> str:
    """A division, which is an error if the divisor is 0."""
    return f"[{divisor}].map(d, d == 0.0 ? {_ERROR} : {dividend} / d)[0]"


def _modulo(translator: Translator, given: Sequence[Value]) -> Value:
    left, right = _arguments(translator, given, 2, "modulo")
    if not {left.type, right.type} <= {"dyn", "int"}:
        raise Unfinished("the JMESPath function modulo() of what is no whole number")
    whole = left.type == right.type == "int"
    return Scalar(f"{'' if whole else 'dyn'}({left.cel} % {right.cel})", type="int" if whole else "dyn")


def _list(translator: Translator, given: Sequence[Value], name: str) -> str:
    """The list of the one argument."""
    if len(given) == 1 and isinstance(given[0], Lists):
        items = given[0].items
        if any(each.type in _NUMBERS for each in items):  # an order is of numbers, or of texts
            items = tuple(translator.require(each, *_NUMBERS) for each in items)
        return f"dyn({translator.scalar(Lists(items)).cel})"
    (subject,) = _arguments(translator, given, 1, name)
    return translator.require(subject, "list").cel if subject.type != "list" else f"dyn({subject.cel})"


def _sum(translator: Translator, given: Sequence[Value]) -> Value:
    listed = _list(translator, given, "sum")
    variable = translator.fresh()
    numbers = f"({listed}.map({variable}, {_number(Scalar(variable))}).sum())"
    scaled = f"{listed}.map({variable}, {_thousandths(Scalar(variable))}).sum()"
    # An empty list has no sum, which its first element tells.
    return Scalar(
        f"dyn(type({listed}[0]) == string ? {_ERROR} : {numbers})",
        thousandths=scaled,
        textual=f"type({listed}[0]) == string",
    )


def _average(translator: Translator, given: Sequence[Value]) -> Value:
    listed, variable = _list(translator, given, "avg"), translator.fresh()
    total = f"{listed}.map({variable}, {_number(Scalar(variable))}).sum()"
    return Scalar(f"(size({listed}) == 0 ? dyn(null) : dyn({total} / double(size({listed}))))", indexed=True)


def _extreme(name: str) -> Function:
    def written(translator: Translator, given: Sequence[Value]) -> Value:
        listed = _list(translator, given, name)
        if len(given) == 1 and isinstance(given[0], Lists):
            return Scalar(f"{listed}.{name}()")
        return Scalar(f"(size({listed}) == 0 ? dyn(null) : {listed}.{name}())", indexed=True)

    return written


def _rounded(name: str, write: Callable[[str], str], kind: str) -> Function:
    """A function of a number, which `write` writes with its name in CEL."""

    def written(translator: Translator, given: Sequence[Value]) -> Value:
        (subject,) = _arguments(translator, given, 1, name)
        return Scalar(f"[{_number(subject)}].map(n, {write('n')})[0]", type=kind)

    return written


def _round(translator: Translator, given: Sequence[Value]) -> Value:
    subject, digits = _arguments(translator, given, 2, "round")
    if digits.type != "int" or digits.cel not in "0123456":
        raise Unfinished("the JMESPath function round() with digits that are no constant number from 0 to 6")
    scale = f"{10 ** int(digits.cel)}.0"
    rounded = f"double(int(n * {scale} + (n < 0.0 ? -0.5 : 0.5))) / {scale}"
    return Scalar(f"[{_number(subject)}].map(n, {rounded})[0]", type="double")


def _to_number(translator: Translator, given: Sequence[Value]) -> Value:
    (subject,) = _arguments(translator, given, 1, "to_number")
    if subject.type in _NUMBERS:
        return subject
    of_text = f"n.matches({_PARSED}) ? dyn(double(n)) : dyn(null)"
    if subject.type == "string":
        return Scalar(f"[{subject.cel}].map(n, {of_text})[0]", indexed=True)
    number = "type(n) == int || type(n) == double ? n"
    return Scalar(f"[{subject.cel}].map(n, {number} : type(n) == string ? ({of_text}) : dyn(null))[0]", indexed=True)


FUNCTIONS: Final[dict[str, Function]] = {
    "add": _sum_of("add", "+", "add"),
    "subtract": _sum_of("subtract", "-", "sub"),
    "multiply": _multiply,
    "divide": _divide,
    "modulo": _modulo,
    "sum": _sum,
    "avg": _average,
    "max": _extreme("max"),
    "min": _extreme("min"),
    "abs": _rounded("abs", lambda n: f"{n} < 0.0 ? -{n} : {n}", "double"),
    "ceil": _rounded("ceil", lambda n: f"double(int({n})) < {n} ? int({n}) + 1 : int({n})", "int"),
    "floor": _rounded("floor", lambda n: f"double(int({n})) > {n} ? int({n}) - 1 : int({n})", "int"),
    "round": _round,
    "to_number": _to_number,
}
"""The name of a function -> what writes its call."""

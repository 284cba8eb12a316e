"""Kyverno's comparisons of a value with a constant, in CEL: wildcards, operators, ranges, quantities, durations.

`subject` is an expression for the value throughout. Source: the documentation of Kyverno, "Validate Rules", operators.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.model import Unsupported
from webhook.lazypatterns import lazily

_QUANTITY = lazily(
    r"(?P<number>[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))"
    r"(?:(?P<exponent>[eE][+-]?[0-9]{1,3})|(?P<suffix>m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|n|u))?"
)
_SUFFIXES: Final = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    **{each: Decimal(1000) ** power for power, each in enumerate("kMGTPE", 1)},
    **{f"{each}i": Decimal(1024) ** power for power, each in enumerate("KMGTPE", 1)},
}  # fmt: skip
_DURATION = lazily(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{1,30})?(?:ns|us|ms|s|m|h)){1,6}")
_PART = lazily(r"(?P<number>[0-9]{1,30}(?:\.[0-9]{1,30})?)(?P<unit>ns|us|ms|s|m|h)")
_SECONDS: Final = {
    "ns": Decimal("1e-9"), "us": Decimal("1e-6"), "ms": Decimal("1e-3"),
    "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600),
}  # fmt: skip
_RANGE = lazily(
    r"(?P<low>[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?[A-Za-z]{0,2})(?P<not>!?)-(?P<high>[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?[A-Za-z]{0,2})"
)
_SEMVER = lazily(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.-]{1,60})?(?:\+[0-9A-Za-z.-]{1,60})?")
_NUMBER = lazily(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_OF_QUANTITIES: Final = frozenset("0123456789.+-eEmkMGTPKinu")
_NUMBER_IN_CEL: Final = r"^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"
_IN_CEL: Final = r"^[+-]?([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$"
_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {">": gt, ">=": ge, "<": lt, "<=": le}
_SHORT: Final = 48  # characters of an expression that may be repeated


def named(subject: str, write: Callable[[str], str]) -> str:
    """What `write` makes of the subject; a long one gets a name, so that it stands there once."""
    if len(subject) <= _SHORT:
        return write(subject)
    return f"[{subject}].exists(v, {write('v')})"


def bounds(text: str) -> tuple[str, str, bool] | None:
    """The ends of a range, such as 10-20 or 1Gi!-2Gi, and whether what is outside of it is meant; None for no range."""
    found = _RANGE.fullmatch(text)
    return (found["low"], found["high"], bool(found["not"])) if found else None


def amount(text: str) -> Decimal | None:
    """What a duration amounts to in seconds, or else a quantity; None if a text is neither."""
    if _DURATION.fullmatch(text):
        seconds = sum(Decimal(each["number"]) * _SECONDS[each["unit"]] for each in _PART.finditer(text))
        return Decimal(-seconds if text.startswith("-") else seconds)
    found = _QUANTITY.fullmatch(text)
    if not found:
        return None
    if found["exponent"]:
        return Decimal(found["number"] + found["exponent"])
    return Decimal(found["number"]) * _SUFFIXES[found["suffix"] or ""]


def equal(subject: str, text: str) -> str:
    """Whether a value equals a text, which may have wildcards; quantities and durations by what they amount to."""
    if celtext.is_wild(text):
        if set(text) == {"*"}:
            return celtext.scalar(subject)
        # Numbers and booleans have no text for wildcards that name other characters.
        guard = celtext.scalar(subject) if set(text) <= set("*?0123456789.") else f"type({subject}) == string"
        shown = f"string({subject})" if guard != f"type({subject}) == string" else subject
        return celtext.conjunction([guard, celtext.like(shown, text)])
    if _DURATION.fullmatch(text):
        # 1000m is minutes, or a quantity: both count.
        amount = [_of_quantity(subject, "==", text)] if _QUANTITY.fullmatch(text) else []
        return celtext.disjunction([f"{subject} == {celtext.text(text)}", _of_duration(subject, "==", text), *amount])
    if _QUANTITY.fullmatch(text):
        return _of_quantity(subject, "==", text)
    if text in ("true", "false"):
        return f"({subject} == {text} || {subject} == '{text}')"
    return f"{subject} == {celtext.text(text)}"


def ordered(subject: str, operator: str, text: str, *, both: bool = False, versions: bool = True) -> str:
    """Whether a value is larger or smaller than a duration or a quantity. Raises Unsupported if the text is neither.

    both: an end of a range, which is a duration only if it cannot be a quantity. versions: whether 1.2.3 counts.
    """
    if versions and _SEMVER.fullmatch(text):
        return _of_version(subject, operator, text)
    quantity, duration = _QUANTITY.fullmatch(text), _DURATION.fullmatch(text) or (not versions and text == "0")
    if not quantity and not duration:
        raise Unsupported(f"the operator {operator} with {text[:60]!r}, which is no number, quantity or duration")
    terms = []
    if duration and not (both and quantity):
        terms.append(_of_duration(subject, operator, "0s" if text == "0" else text))
    if quantity:
        other = f"!string({subject}).matches({celtext.text(_IN_CEL)})" if terms else "true"
        terms.append(celtext.conjunction([_of_quantity(subject, operator, text), other]))
    return celtext.disjunction(terms)


def _of_quantity(subject: str, operator: str, text: str) -> str:
    comparison = f"quantity(string({subject})).compareTo(quantity({celtext.text(text)})) {operator} 0"
    return celtext.conjunction([celtext.scalar(subject), f"isQuantity(string({subject}))", comparison])


def _of_version(subject: str, operator: str, text: str) -> str:
    comparison = f"semver({subject}).compareTo(semver({celtext.text(text)})) {operator} 0"
    return celtext.conjunction([f"type({subject}) == string", f"isSemver({subject})", comparison])


def _of_duration(subject: str, operator: str, text: str) -> str:
    matches = f"{subject}.matches({celtext.text(_IN_CEL)})"
    comparison = f"duration({subject}) {operator} duration({celtext.text(text)})"
    return celtext.conjunction([f"type({subject}) == string", matches, comparison])


def equal_texts(subject: str, text: str) -> str:
    """Whether a value equals a text in a condition: numbers only where the text is one, and wildcards of texts alone.

    A text that is a quantity is compared with no wildcards.
    """
    if celtext.is_wild(text):
        like = celtext.like(subject, text)
        quantity = f"!isQuantity({subject})" if set(text) - {"*", "?"} <= _OF_QUANTITIES else "true"
        return celtext.conjunction([f"type({subject}) == string", quantity, like])
    if text in ("true", "false"):
        return f"{subject} == {celtext.text(text)}"
    if _QUANTITY.fullmatch(text) and not _NUMBER.fullmatch(text):
        return celtext.conjunction([f"type({subject}) == string", equal(subject, text)])
    return equal(subject, text)


def same(subject: str, text: str) -> str:
    """Whether a value is an item of a list of texts: compared as texts, numbers and booleans by the text they have."""
    if celtext.is_wild(text) or text in ("true", "false"):
        return equal(subject, text)
    return celtext.conjunction([celtext.scalar(subject), f"string({subject}) == {celtext.text(text)}"])


def seconds_as_text(value: float) -> Callable[[str], list[str]]:
    """That a text is a duration of as many seconds as a number says."""
    literal = celtext.text(f"{value}s")
    if not _DURATION.fullmatch(f"{value}s"):
        return lambda subject: []
    return lambda subject: [_of_duration(subject, "==", literal[1:-1])]


def compared(subject: str, sign: str, value: Any) -> str:
    """An order of conditions: of numbers, and of texts as quantities, durations or versions. Raises Unsupported.

    A number and a duration are compared as seconds, and a number and a quantity such as 1Gi not at all.
    """
    text = str(value)
    if not _QUANTITY.fullmatch(text) and not _DURATION.fullmatch(text) and not _SEMVER.fullmatch(text):
        raise Unsupported(f"the operator {sign} with {text[:60]!r}, which is no number, quantity or duration")
    if _SEMVER.fullmatch(text):
        return _of_version(subject, sign, text)
    is_duration, is_number = _DURATION.fullmatch(text) is not None, _NUMBER.fullmatch(text) is not None
    is_text, numeric = f"type({subject}) == string", f"{subject}.matches({celtext.text(_NUMBER_IN_CEL)})"
    in_time = f"{subject}.matches({celtext.text(_IN_CEL)})"
    seconds = str(amount(text)) if is_duration else text
    as_number = f"quantity(string({subject})).compareTo(quantity({celtext.text(seconds)})) {sign} 0"
    terms = []
    if is_duration or is_number:
        terms.append(celtext.conjunction([f"(type({subject}) == int || type({subject}) == double)", as_number]))
    duration = f"duration({subject}) {sign} duration({celtext.text(text if is_duration else text + 's')})"
    if is_number and not isinstance(value, str):
        terms.append(celtext.conjunction([is_text, numeric, as_number]))
        if "e" not in text.lower():
            terms.append(celtext.conjunction([is_text, in_time, duration]))
    elif _QUANTITY.fullmatch(text):
        amounts = f"quantity({subject}).compareTo(quantity({celtext.text(text)})) {sign} 0"
        terms.append(celtext.conjunction([is_text, f"isQuantity({subject})", amounts]))
        if is_duration:
            terms.append(celtext.conjunction([is_text, f"!isQuantity({subject})", in_time, duration]))
    else:
        terms.append(celtext.conjunction([is_text, in_time, duration]))
        terms.append(celtext.conjunction([is_text, numeric, as_number]))
    return celtext.disjunction(terms)


def seconds(subject: str, operator: str, value: Any) -> str:
    """The Duration operators of conditions: durations, or numbers of seconds."""
    text = f"{value}s" if isinstance(value, int | float) else value
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise Unsupported("a Duration operator with a value that is no duration")
    number = f"(type({subject}) == int && duration(string({subject}) + 's') {operator} duration({celtext.text(text)}))"
    whole = f"duration(string(int({subject})) + 's') {operator} duration({celtext.text(text)})"
    terms = [_of_duration(subject, operator, text), number, f"(type({subject}) == double && {whole})"]
    if _TESTS[operator](Decimal(0), amount(text)):
        terms.append(f"{subject} == '0'")
    return celtext.disjunction(terms)


def is_quantity(text: str) -> bool:
    """Whether a text is a quantity, such as 5, 100m or 1Gi."""
    return _QUANTITY.fullmatch(text) is not None


def is_time(subject: str) -> str:
    """Whether an expression is a text that is a duration."""
    return f"{subject}.matches({celtext.text(_IN_CEL)})"


def is_duration(text: str) -> bool:
    """Whether a text is a duration, such as 1h30m, and no quantity."""
    return _DURATION.fullmatch(text) is not None and not is_quantity(text)


def is_range(text: str) -> bool:
    """Whether a text is a range, such as 10-20 or 1Gi!-2Gi."""
    return _RANGE.fullmatch(text) is not None

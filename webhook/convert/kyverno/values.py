"""Kyverno's comparisons of a value with a constant, in CEL: wildcards, operators, ranges, quantities, durations.

`subject` is an expression for the value throughout. Source: the documentation of Kyverno, "Validate Rules", operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.model import Unsupported
from webhook.lazypatterns import lazily

_QUANTITY = lazily(
    r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3}|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|n|u)?"
)
_DURATION = lazily(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{1,30})?(?:ns|us|ms|s|m|h)){1,6}")
_RANGE = lazily(
    r"(?P<low>[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?[A-Za-z]{0,2})(?P<not>!?)-(?P<high>[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?[A-Za-z]{0,2})"
)
_SEMVER = lazily(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.-]{1,60})?(?:\+[0-9A-Za-z.-]{1,60})?")
_NUMBER = lazily(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_IN_CEL: Final = r"^[+-]?([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$"
_OPERATORS: Final = (">=", "<=", ">", "<")
_SHORT: Final = 48  # characters of an expression that may be repeated
_MOST: Final = 64  # alternatives in a pattern


def named(subject: str, write: Callable[[str], str]) -> str:
    """What `write` makes of the subject; a long one gets a name, so that it stands there once."""
    if len(subject) <= _SHORT:
        return write(subject)
    return f"[{subject}].exists(v, {write('v')})"


def pattern(subject: str, value: Any) -> str:
    """Whether a value that is present satisfies a pattern that is a scalar."""
    if value is None:
        return f"({subject} == null || {subject} == '' || {subject} == 0 || {subject} == false)"
    if isinstance(value, bool):
        return f"{subject} == {celtext.literal(value)}"
    if isinstance(value, int | float):
        return f"({subject} == {celtext.literal(value)} || {subject} == {celtext.text(str(value))})"
    alternatives = value.split("|")
    if len(alternatives) > _MOST or value.count("&") > _MOST:
        raise Unsupported(f"a pattern of more than {_MOST} alternatives")
    if len(alternatives) > 1 and not any(_special(each.strip()) for each in alternatives):
        plain = [each.strip() for each in alternatives]
        if not any(map(celtext.is_wild, plain)):
            return f"{_as_text(subject, plain)} in {celtext.literal(plain)}"
    return named(
        subject,
        lambda v: celtext.disjunction(
            celtext.conjunction(_single(v, each.strip()) for each in every.split("&")) for every in alternatives
        ),
    )


def _as_text(subject: str, plain: list[str]) -> str:
    """The subject for a comparison with texts; a number or boolean is compared as its text."""
    if any(_NUMBER.fullmatch(each) or each in ("true", "false") for each in plain):
        return f"({celtext.scalar(subject)} ? string({subject}) : '')"
    return subject


def _special(text: str) -> bool:
    return text.startswith((*_OPERATORS, "!")) or "&" in text or _RANGE.fullmatch(text) is not None


def _single(subject: str, text: str) -> str:
    """A pattern without | and &."""
    for operator in _OPERATORS:
        if text.startswith(operator):
            return ordered(subject, operator, text.removeprefix(operator).strip())
    if text.startswith("!"):
        return f"!{celtext.enclose(equal(subject, text[1:].strip()))}"
    if found := _RANGE.fullmatch(text):
        within = celtext.conjunction(
            [ordered(subject, ">=", found["low"], both=True), ordered(subject, "<=", found["high"], both=True)]
        )
        outside = celtext.disjunction(
            [ordered(subject, "<", found["low"], both=True), ordered(subject, ">", found["high"], both=True)]
        )
        return outside if found["not"] else within
    return equal(subject, text)


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


def ordered(subject: str, operator: str, text: str, *, both: bool = False) -> str:
    """Whether a value is larger or smaller than a duration or a quantity. Raises Unsupported if the text is neither.

    both: an end of a range, which is a duration only if it cannot be a quantity.
    """
    if _SEMVER.fullmatch(text):
        return _of_version(subject, operator, text)
    quantity, duration = _QUANTITY.fullmatch(text), _DURATION.fullmatch(text)
    if not quantity and not duration:
        raise Unsupported(f"the operator {operator} with {text[:60]!r}, which is no number, quantity or duration")
    terms = []
    if duration and not (both and quantity):
        terms.append(_of_duration(subject, operator, text))
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


def seconds(subject: str, operator: str, value: Any) -> str:
    """The Duration operators of conditions: durations, or numbers of seconds."""
    text = f"{value}s" if isinstance(value, int | float) else value
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise Unsupported("a Duration operator with a value that is no duration")
    number = f"(type({subject}) == int && duration(string({subject}) + 's') {operator} duration({celtext.text(text)}))"
    return celtext.disjunction([_of_duration(subject, operator, text), number])


def is_quantity(text: str) -> bool:
    """Whether a text is a quantity, such as 5, 100m or 1Gi."""
    return _QUANTITY.fullmatch(text) is not None


def is_range(text: str) -> bool:
    """Whether a text is a range, such as 10-20 or 1Gi!-2Gi."""
    return _RANGE.fullmatch(text) is not None

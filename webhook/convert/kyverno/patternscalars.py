"""Scalars of Kyverno's patterns -> CEL: wildcards, operators, ranges, quantities, durations.

What a text is compared as depends on both sides: as a duration if both are durations, else as a quantity if both are
quantities, else as text. A field that is missing, or null, is 0 for a duration or a quantity, and no text at all. A
number is the text 5E+00 where wildcards are compared with it. Source: the documentation of Kyverno, "Validate Rules",
operators; and what its engine decides (tests/convert/kyverno/asked.py).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from webhook.convert import celtext
from webhook.convert.kyverno import values
from webhook.convert.model import Unsupported

_MOST: Final = 64  # alternatives in a pattern
_OPERATORS: Final = (">=", "<=", ">", "<")
_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_OF_NUMBERS: Final = frozenset("0123456789E+-.")
_SHORTEST: Final = 5
"""Characters of the shortest number as text, 5E+00."""


def pattern(subject: str, value: Any, *, typed: bool) -> str:
    """Whether a value that is present satisfies a pattern that is a scalar.

    typed: whether a schema keeps fields from being null, and maps or lists from being where scalars are expected.
    """
    if value is None:
        return f"({subject} == null || {subject} == '' || {subject} == 0 || {subject} == false)"
    if isinstance(value, bool):
        return f"{subject} == {celtext.literal(value)}"
    if isinstance(value, int | float):
        return f"({subject} == {celtext.literal(value)} || {subject} == {celtext.text(str(value))})"
    alternatives = [[each.strip() for each in every.split("&")] for every in value.split("|")]
    if len(alternatives) > _MOST or value.count("&") > _MOST:
        raise Unsupported(f"a pattern of more than {_MOST} alternatives")
    plain = [each[0] for each in alternatives if len(each) == 1 and _is_plain(each[0])]
    if len(plain) == len(alternatives) > 1:
        return f"{subject} in {celtext.literal(plain)}"

    def written(v: str) -> str:
        return celtext.disjunction(
            celtext.conjunction(_single(v, each, typed=typed) for each in every) for every in alternatives
        )

    if not typed and _of_nothing(value):
        return values.named(subject, lambda v: celtext.disjunction([f"{v} == null", written(v)]))
    return values.named(subject, written)


def of_nothing(value: Any) -> bool:
    """Whether a field that is missing satisfies a pattern that is a scalar."""
    return value is None or (isinstance(value, str) and _of_nothing(value))


def _of_nothing(text: str) -> bool:
    return any(all(_nothing_is(each.strip()) for each in every.split("&")) for every in text.split("|"))


def _nothing_is(text: str) -> bool:
    for sign in _OPERATORS:
        if text.startswith(sign) and text != sign:
            return _zero(sign, text.removeprefix(sign).strip())
    if text.startswith("!") and text != "!":
        return _zero("!=", text[1:].strip())
    if bounds := values.bounds(text):
        low, high, outside = bounds
        if outside:
            return _zero("<", low) or _zero(">", high)
        return _zero(">=", low) and _zero("<=", high)
    return _zero("==", text)


def _zero(sign: str, text: str) -> bool:
    amount = values.amount(text)
    return amount is not None and _TESTS[sign](Decimal(0), amount)


def _is_plain(text: str) -> bool:
    """Whether a text is compared as text alone."""
    special = text.startswith((*_OPERATORS, "!")) or celtext.is_wild(text) or values.bounds(text) is not None
    return not special and text not in ("", "true", "false") and values.amount(text) is None


def _single(subject: str, text: str, *, typed: bool) -> str:
    """A pattern without | and &."""
    for sign in _OPERATORS:
        if text.startswith(sign) and text != sign:
            limit = text.removeprefix(sign).strip()
            return _or_no_time(subject, sign, limit, values.ordered(subject, sign, limit, versions=False))
    if text.startswith("!") and text != "!":
        return _differs(subject, text[1:].strip(), typed=typed)
    if bounds := values.bounds(text):
        low, high, outside = bounds
        signs, join = (("<", ">"), celtext.disjunction) if outside else ((">=", "<="), celtext.conjunction)
        return join(
            values.ordered(subject, sign, end, both=True, versions=False)
            for sign, end in zip(signs, (low, high), strict=True)
        )
    return _equals(subject, text)


def _equals(subject: str, text: str) -> str:
    if not celtext.is_wild(text):
        return _or_no_time(subject, "==", text, values.equal(subject, text))
    if set(text) == {"*"}:
        return celtext.scalar(subject)
    if set(text) <= {"*", "?"} and text.count("?") == 1 and "*" in text:
        return celtext.conjunction([celtext.scalar(subject), f"{subject} != ''"])
    terms = [celtext.conjunction([f"type({subject}) == string", celtext.like(subject, text)])]
    terms += [f"{subject} == {each}" for each in ("true", "false") if celtext.matches(text, each)]
    if _of_number(text) == "all":
        terms.append(f"type({subject}) == int || type({subject}) == double")
    return celtext.disjunction(terms)


def _or_no_time(subject: str, sign: str, text: str, comparison: str) -> str:
    """The comparison with a duration, which the text 0 is too."""
    if not values.is_duration(text) or not _zero(sign, text):
        return comparison
    return celtext.disjunction([f"{subject} in ['0', '+0', '-0']", comparison])


def _of_number(text: str) -> str:
    """Which numbers a text with wildcards matches: all, none, or some that only their digits tell."""
    if set(text) <= {"*", "?"}:
        return "all" if "*" in text and text.count("?") <= _SHORTEST else "some"
    return "some" if set(text) - {"*", "?"} <= _OF_NUMBERS else "none"


def _differs(subject: str, text: str, *, typed: bool) -> str:
    if not celtext.is_wild(text):
        other = celtext.negation(celtext.enclose(_equals(subject, text)))
        return other if typed else celtext.conjunction([celtext.scalar(subject), other])
    terms = [celtext.negation(celtext.enclose(_equals(subject, text)))]
    if not typed:
        terms.insert(0, celtext.scalar(subject))
    if _of_number(text) == "some":
        terms.append(f"type({subject}) != int && type({subject}) != double")
    return celtext.conjunction(terms)

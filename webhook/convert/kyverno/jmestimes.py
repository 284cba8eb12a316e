"""The functions of Kyverno's JMESPath about times and versions, as far as CEL compares them.

CEL has no text of a duration or of a time in its own zone, and no time at which it is evaluated: a result is only
compared, and time_now() is not converted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from webhook.convert import celtext
from webhook.convert.kyverno.jmesvalues import Scalar, Value
from webhook.convert.model import Unfinished
from webhook.lazypatterns import lazily

if TYPE_CHECKING:
    from webhook.convert.kyverno.expressions import Translator

Function = Callable[["Translator", Sequence[Value]], Value]

_ERROR: Final = "optional.none().value()"
_BOUND = lazily(
    r"(?P<sign><=|>=|==|!=|<|>|=|!)? ?v?(?P<version>[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.-]{1,60})?)"
)
_SIGNS: Final = {"": "==", "=": "==", "!": "!="}
_MOST: Final = 20  # bounds of a range of versions


def _moments(translator: Translator, given: Sequence[Value], count: int, name: str) -> list[str]:
    """The arguments as times; evaluation is an error for what is no time."""
    if len(given) != count:
        raise Unfinished(f"the JMESPath function {name}() with {len(given)} arguments")
    scalars = [translator.scalar(each) for each in given]
    scalars = [each if each.moment else translator.require(each, "string") for each in scalars]
    return [each.moment or f"timestamp({_text(each)})" for each in scalars]


def _text(scalar: Scalar) -> str:
    return scalar.cel if scalar.type in ("string", "dyn") else f"dyn({scalar.cel})"


def _compared(name: str, sign: str) -> Function:
    def written(translator: Translator, given: Sequence[Value]) -> Value:
        left, right = _moments(translator, given, 2, name)
        return Scalar(f"{left} {sign} {right}", type="bool")

    return written


def _between(translator: Translator, given: Sequence[Value]) -> Value:
    time, start, end = _moments(translator, given, 3, "time_between")
    return Scalar(f"({start} < {time} && {time} < {end})", type="bool")


def _difference(translator: Translator, given: Sequence[Value]) -> Value:
    start, end = _moments(translator, given, 2, "time_diff")
    return Scalar(_ERROR, duration=f"({end} - {start})")


def _since(translator: Translator, given: Sequence[Value]) -> Value:
    if len(given) != 3:
        raise Unfinished(f"the JMESPath function time_since() with {len(given)} arguments")
    layout, end = (translator.scalar(given[index]) for index in (0, 2))
    if layout.cel != "''" or end.cel == "''":
        raise Unfinished("the JMESPath function time_since() with a layout, or up to now: CEL has no time of its own")
    return _difference(translator, given[1:])


def _added(translator: Translator, given: Sequence[Value]) -> Value:
    if len(given) != 2:
        raise Unfinished(f"the JMESPath function time_add() with {len(given)} arguments")
    (time,) = _moments(translator, given[:1], 1, "time_add")
    return Scalar(_ERROR, moment=f"({time} + duration({_text(translator.scalar(given[1]))}))")


def _utc(translator: Translator, given: Sequence[Value]) -> Value:
    (time,) = _moments(translator, given, 1, "time_utc")
    return Scalar(_ERROR, moment=time)


def _version(translator: Translator, given: Sequence[Value]) -> Value:
    if len(given) != 2:
        raise Unfinished(f"the JMESPath function semver_compare() with {len(given)} arguments")
    version, wanted = (translator.scalar(each) for each in given)
    stated = celtext.constant(wanted.cel) if wanted.type == "string" else None
    if stated is None:
        raise Unfinished("the JMESPath function semver_compare() with a range that is no constant")
    # What is no version is 0.0.0 for Kyverno.
    subject = f"(isSemver({_text(version)}) ? {_text(version)} : '0.0.0')"
    any_of = [celtext.conjunction(_bounds(subject, part)) for part in stated.split("||")]
    return Scalar(celtext.enclose(celtext.disjunction(any_of)), type="bool")


def _bounds(subject: str, stated: str) -> list[str]:
    """The comparisons of a version with the bounds of a range, such as `>=1.2.3 <2.0.0`."""
    found: list[str] = []
    at, stated = 0, stated.strip()
    while at < len(stated) and len(found) < _MOST:
        bound = _BOUND.match(stated, at)
        if bound is None or stated[bound.end() : bound.end() + 1] not in ("", " "):
            break
        sign = _SIGNS.get(bound["sign"] or "", bound["sign"])
        found.append(f"semver({subject}).compareTo(semver({celtext.text(bound['version'])})) {sign} 0")
        at = bound.end()
        while stated[at : at + 1] == " ":
            at += 1
    if at < len(stated) or not found:
        raise Unfinished("the JMESPath function semver_compare() with a range of another form than `>=1.2.3 <2.0.0`")
    return found


FUNCTIONS: Final[dict[str, Function]] = {
    "time_after": _compared("time_after", ">"),
    "time_before": _compared("time_before", "<"),
    "time_between": _between,
    "time_diff": _difference,
    "time_since": _since,
    "time_add": _added,
    "time_utc": _utc,
    "semver_compare": _version,
}
"""The name of a function -> what writes its call."""

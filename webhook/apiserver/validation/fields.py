"""Checks that many kinds share: numbers, percentages, ports, enumerations, selectors."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from webhook.apiserver.fielderrors import FieldError, each, forbidden, invalid, not_supported, required
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.names import Check, label_value, percent, port, port_name, qualified_name
from webhook.paths import Path

Object = Mapping[str, Any]
Refusals = Iterator[FieldError]

PROTOCOLS: Final = ("SCTP", "TCP", "UDP")


def at(value: Any, *names: str) -> Any:
    """The value of a nested field; None if there is none."""
    for name in names:
        if value.__class__ is not dict and not isinstance(value, Mapping):  # the class is asked first as it is faster
            return None
        value = value.get(name)
    return value


def listed(value: Any, *names: str) -> list[Any]:
    """The elements of a nested list; none if there is none. Elements that are null are empty objects."""
    found = at(value, *names)
    if not isinstance(found, list):
        return []
    return [{} if item is None else item for item in found] if None in found else found


def nonnegative(value: Any, path: Path) -> Refusals:
    """A number must not be negative."""
    if isinstance(value, int) and value < 0:
        yield invalid(path, value, "must be greater than or equal to 0")


def none_negative(holder: Any, path: Path, names: Iterable[str]) -> Refusals:
    """None of these fields must be negative."""
    if holder.__class__ is not dict and not isinstance(holder, Mapping):
        return
    for name in names:
        value = holder.get(name)
        if isinstance(value, int) and value < 0:
            yield from nonnegative(value, (*path, name))


def int_or_percent(value: Any, path: Path) -> Refusals:
    """A number that is not negative, or a percentage."""
    if isinstance(value, str):
        yield from each(path, value, percent(value))
    else:
        yield from nonnegative(value, path)


_PERCENT = re.compile("[0-9]{1,9}%")
_NUMBER = re.compile("[-+]?[0-9]+")


def amount(value: Any) -> int:
    """The number before %, or the number; of a text that is no percentage the number that Go reads it as."""
    if isinstance(value, str):
        if _PERCENT.fullmatch(value):
            return int(value[:-1])
        return int(value[:_DIGITS]) if _NUMBER.fullmatch(value) else 0
    return value if isinstance(value, int) else 0


_DIGITS: Final = 18


def at_most_all(value: Any, path: Path) -> Refusals:
    """A percentage must not be more than 100%."""
    if isinstance(value, str) and _PERCENT.fullmatch(value) and amount(value) > 100:
        yield invalid(path, value, "must not be greater than 100%")


def is_port_or_name(value: Any) -> bool:
    """Whether `port_or_name` refuses nothing of a value."""
    return not (port_name(value) if isinstance(value, str) else port(value or 0))


def port_or_name(value: Any, path: Path) -> Refusals:
    """The number of a port, or its name. An absent one is 0."""
    if isinstance(value, str):
        yield from each(path, value, port_name(value))
    else:
        yield from each(path, value or 0, port(value or 0))


_OCTETS: Final = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40}){3}", re.ASCII)
_ADDRESS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def address(text: str, path: Path) -> Refusals:
    """An IP address. Octets that begin with zeros are left to the API server, as they may stay on updates."""
    if not is_address(text):
        yield invalid(path, text, _ADDRESS)


def is_address(text: str) -> bool:
    """Whether a text is an IP address. Of those with octets after colons all are taken for one."""
    if ":" not in text:
        return _OCTETS.fullmatch(text) is not None and all(int(octet) <= 255 for octet in text.split("."))
    if "." in text:  # with octets as well, of which Python takes fewer
        return True
    try:
        return ipaddress.ip_address(text) is not None and "%" not in text
    except ValueError:
        return False


def one_of(value: Any, path: Path, supported: Sequence[str], *, needed: bool = True) -> Refusals:
    """One of these values. needed: an absent one is refused."""
    if not value:
        if needed:
            yield required(path)
    elif value not in supported:
        yield not_supported(path, value, supported)


def named(value: Any, path: Path, check: Check) -> Refusals:
    """A name that must be there, and have a form."""
    if not value:
        yield required(path)
    else:
        yield from each(path, value, check(value))


def optionally_named(value: Any, path: Path, check: Check) -> Refusals:
    """A name that must have a form if it is there."""
    if value:
        yield from each(path, value, check(value))


def label_selector(value: Any, path: Path) -> Refusals:
    """A label selector, if it is there."""
    if not isinstance(value, Mapping):
        return
    yield from metadata.label_refusals(at(value, "matchLabels") or {}, (*path, "matchLabels"))
    for place, expression in enumerate(listed(value, "matchExpressions")):
        here = (*path, "matchExpressions", place)
        operator, values = expression.get("operator") or "", expression.get("values") or []
        if operator in ("In", "NotIn"):
            if not values:
                yield required((*here, "values"), "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden((*here, "values"), words)
        else:
            yield invalid((*here, "operator"), operator, "not a valid selector operator")
        key = expression.get("key") or ""
        yield from each((*here, "key"), key, qualified_name(key))
        for number, text in enumerate(values):
            yield from each((*here, "values", number), text, label_value(text))


def is_empty(selector: Any) -> bool:
    """Whether a selector is there, and selects everything."""
    return isinstance(selector, Mapping) and not selector.get("matchLabels") and not selector.get("matchExpressions")


def is_sound(selector: Any) -> bool:
    """Whether the selector can be used to match."""
    return next(label_selector(selector, ()), None) is None


def selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Whether a sound selector matches the labels. An absent selector matches nothing."""
    if not isinstance(selector, Mapping):
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches(expression, labels) for expression in listed(selector, "matchExpressions"))


def _matches(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or []
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
    return key not in labels

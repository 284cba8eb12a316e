"""Kyverno's variables, `{{ JMESPath }}`, in the texts of a policy: found, parsed, translated."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from webhook.convert import celtext
from webhook.convert.kyverno import jmespath
from webhook.convert.kyverno.expressions import ELEMENT_IMAGE, Scalar, Translator, Value
from webhook.convert.model import Unfinished, Unsupported
from webhook.lazypatterns import lazily

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_REFERENCE = lazily(r"\$\([^()]{1,200}\)")
_OF_ELEMENT = lazily(
    r"images\.(?:containers|initContainers|ephemeralContainers)\.\\?\"?\{\{ ?element\.name ?\}\}\\?\"?\."
)
_MOST: Final = 50  # variables in a text


class BadVariable(Unsupported):
    """A variable that does not parse."""


def has_variables(value: Any) -> bool:
    """Whether a text, or a JSON value, has variables in it."""
    if isinstance(value, str):
        return _OPEN in value
    if isinstance(value, dict):
        return any(has_variables(each) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(map(has_variables, value))


def has_references(value: Any) -> bool:
    """Whether a pattern refers to other fields of itself, as in $(./../memory)."""
    if isinstance(value, str):
        return _REFERENCE.search(value) is not None
    if isinstance(value, dict):
        return any(map(has_references, value.values()))
    return isinstance(value, list) and any(map(has_references, value))


def parts(text: str) -> list[str | jmespath.Node]:
    """The text as constant parts and parsed variables, in order. Raises BadVariable."""
    found: list[str | jmespath.Node] = []
    rest = _OF_ELEMENT.sub(f"{ELEMENT_IMAGE}.", text)
    while _OPEN in rest:
        before, _, rest = rest.partition(_OPEN)
        if before.endswith("\\"):
            raise Unsupported("a variable that is escaped with a backslash")
        if before:
            found.append(before)
        inside, closed, rest = _until_closed(rest)
        if not closed:
            raise BadVariable(f"a variable without its end: {inside.strip()[:80]}")
        if _OPEN in inside:
            raise Unfinished("a variable in a variable")
        try:
            found.append(jmespath.parse(inside.strip()))
        except jmespath.JMESPathError as error:
            raise BadVariable(f"JMESPath does not parse: {error}: {inside.strip()[:80]}") from None
        if len(found) > _MOST:
            raise Unsupported(f"a text with more than {_MOST} parts")
    if rest:
        found.append(rest)
    return found


def _until_closed(text: str) -> tuple[str, bool, str]:
    """The text of a variable up to its end. `}}}` closes a hash of JMESPath first."""
    at = text.find(_CLOSE)
    if at < 0:
        return text, False, ""
    while text[at + 2 : at + 3] == "}":
        at += 1
    return text[:at], True, text[at + 2 :]


def value(text: Any, translator: Translator) -> Value:
    """The value of a text with variables: that of the variable if it is one, else a text put together."""
    if not isinstance(text, str) or not has_variables(text):
        return constant(text)
    found = parts(text)
    if len(found) == 1 and isinstance(found[0], jmespath.Node):
        only = translator.value(found[0])
        translator.demand(only)
        return only
    return Scalar(celtext.enclose(concatenation(found, translator)), type="string")


def concatenation(found: list[str | jmespath.Node], translator: Translator) -> str:
    """The expression of a text that is put together of parts."""
    terms = []
    for each in found:
        if isinstance(each, str):
            terms.append(celtext.text(each))
            continue
        scalar = translator.scalar(translator.value(each))
        translator.demand(scalar)
        if scalar.type == "list":
            terms.append(f"{scalar.cel}.map(t, string(t)).join(',')")
        elif scalar.type == "string":
            terms.append(scalar.cel)
        elif scalar.chain:
            # Shown in messages too: what is absent, a list or a map has no text of its own.
            held = celtext.scalar("v")
            terms.append(f"[{scalar.cel}].map(v, {held} ? string(v) : '')[0]")
        else:
            terms.append(f"string({scalar.cel})")
    return " + ".join(terms)


def constant(given: Any) -> Scalar:
    """A JSON value as an expression."""
    kinds: dict[type, str] = {bool: "bool", str: "string", int: "int", float: "double", list: "list"}
    return Scalar(celtext.literal(given), type=kinds.get(type(given), "dyn"), constant=given)


def known(given: Any, translator: Translator) -> Any:
    """The value with its variables, where these are constants of the context: so that their wildcards count."""
    if isinstance(given, list):
        return [known(each, translator) for each in given]
    if not isinstance(given, str) or not has_variables(given):
        return given
    found = parts(given)
    if len(found) != 1 or not isinstance(found[0], jmespath.Node) or found[0].type != "field":
        return given
    named = translator.names.get(found[0].value)
    return named.constant if isinstance(named, Scalar) and named.constant is not UNSET else given


def wild(text: str) -> bool:
    """Whether a text with variables has wildcards beside them."""
    return any(isinstance(each, str) and celtext.is_wild(each) for each in parts(text))

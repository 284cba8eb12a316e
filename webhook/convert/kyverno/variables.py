"""Kyverno's variables, `{{ JMESPath }}`, in the texts of a policy: found, parsed, translated."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from webhook.convert import celtext
from webhook.convert.kyverno import jmespath
from webhook.convert.kyverno.expressions import ELEMENT_IMAGE, Translator
from webhook.convert.kyverno.jmesvalues import Scalar, Value
from webhook.convert.model import Unfinished, Unsupported
from webhook.lazypatterns import lazily

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_REFERENCE = lazily(r"\$\([^()]{1,200}\)")
_OF_ELEMENT = lazily(
    r"images\.(?:containers|initContainers|ephemeralContainers)\.\\?\"?\{\{ ?element\.name ?\}\}\\?\"?\."
)
_MOST: Final = 50  # variables in a text
_INNER: Final = "__variable"
"""What stands for a variable in a variable, with its number, until it is parsed."""


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
        found.append(parsed(inside))
        if len(found) > _MOST:
            raise Unsupported(f"a text with more than {_MOST} parts")
    if rest:
        found.append(rest)
    return found


def parsed(text: str) -> jmespath.Node:
    """The tree of the expression of a variable, with the variables that are in it. Raises BadVariable."""
    inner: dict[str, jmespath.Node] = {}
    plain, rest = "", text
    while _OPEN in rest:
        before, _, rest = rest.partition(_OPEN)
        inside, closed, rest = _until_closed(rest)
        if not closed or _OPEN in inside or len(inner) >= _MOST:
            raise Unfinished("a variable in a variable in a variable")
        word = f"{_INNER}{len(inner)}_"
        plain += before + word
        inner[word] = parsed(inside)
    try:
        return jmespath.parse((plain + rest).strip(), inner)
    except jmespath.JMESPathError as error:
        raise BadVariable(f"JMESPath does not parse: {error}: {text.strip()[:80]}") from None


def _until_closed(text: str) -> tuple[str, bool, str]:
    """The text of a variable up to its end, beyond the variables in it. `}}}` closes a hash of JMESPath first."""
    at, level = 0, 0
    while (end := text.find(_CLOSE, at)) >= 0:
        level += text.count(_OPEN, at, end)
        while text[end + 2 : end + 3] == "}":
            end += 1
        if not level:
            return text[:end], True, text[end + 2 :]
        level -= 1
        at = end + 2
    return text, False, ""


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


def concatenation(found: list[str | jmespath.Node], translator: Translator, *, shown: bool = False) -> str:
    """The expression of a text that is put together of parts. shown: whether it is a message."""
    return " + ".join(
        celtext.text(each) if isinstance(each, str) else translator.as_text(translator.value(each), shown=shown)
        for each in found
    )


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

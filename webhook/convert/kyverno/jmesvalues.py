"""The values that JMESPath expressions have as they are translated to CEL.

A value of JMESPath is null, a JSON value, or missing: a key that its map does not have. What is missing is an error
where a variable is nothing but fields and indexes, and null everywhere else: in functions, operators and projections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from webhook.convert import celtext
from webhook.convert.model import Unfinished


class Scalar(Struct, frozen=True):
    """An expression with one value, and what is known of it.

    chain: its optional, if it may be absent; `cel` is then null. type: bool, string, int, double, list or dyn; `maybe`
    for a boolean or null. constant: the JSON value, if it is known.

    quantity, thousandths, duration, moment: the value as a quantity of Kubernetes, as one in thousandths, as a
    duration, as a time, where it may be one. textual: whether it is that quantity, and no number; "" if it always is.

    there: whether the value is not missing, "" if it never is. always: whether that is an error wherever the value is
    used. indexed: whether it may be null although it is not missing, as an index beyond the end of a list is.

    truth: whether JMESPath takes the value for true. loose: a shorter expression, which differs only in what is empty
    (null, false, '', [], {}). base: the optional of the list of which a projection made this one.
    """

    cel: str
    chain: str = ""
    type: str = "dyn"
    constant: Any = UNSET
    quantity: str = ""
    duration: str = ""
    moment: str = ""
    there: str = ""
    indexed: bool = False
    truth: str = ""
    loose: str = ""
    thousandths: str = ""
    textual: str = ""
    base: str = ""
    always: bool = False


class Lists(Struct, frozen=True):
    """A list of expressions, such as spec.[containers, initContainers]."""

    items: tuple[Scalar, ...]


class Stream(Struct, frozen=True):
    """The elements of a list: `variable` goes through `base`; those that meet the condition give the body.

    flat: whether the lists that a body gives are one list. chain: the optional of the list, if it may be absent: all
    of the projection is null then.
    """

    base: str
    variable: str
    body: Scalar | Stream | Lists | Hash
    condition: str = "true"
    flat: bool = False
    chain: str = ""


class Hash(Struct, frozen=True):
    """A map of expressions, such as {name: metadata.name}."""

    fields: Mapping[str, Scalar | Stream | Lists | Hash]


class Request(Struct, frozen=True):
    """The variable `request`. part: "", or `userInfo`, `kind`, `resource`."""

    part: str = ""


class Missing(Struct, frozen=True):
    """A variable that cannot be converted: the reason is given where it is used."""

    reason: str


class Images(Struct, frozen=True):
    """The variable `images` of a rule about Pods. of: the list of containers, "" for the variable itself."""

    of: str = ""


class Image(Struct, frozen=True):
    """One image of `images`. reference: its expression."""

    reference: str


Value = Scalar | Stream | Lists | Hash | Request | Images | Image


def lenient(value: Scalar | Stream | Lists | Hash) -> Scalar | Stream | Lists | Hash:
    """A value of a hash: what is missing is null there."""
    return replace(value, there="", indexed=True) if isinstance(value, Scalar) and value.chain else value


def constant(value: Any) -> Scalar:
    kinds: dict[type, str] = {bool: "bool", str: "string", int: "int", float: "double", list: "list"}
    return Scalar(celtext.literal(value), type=kinds.get(type(value), "dyn"))


def dynamic(value: Scalar, wanted: str) -> str:
    return value.cel if value.type == wanted and wanted != "dyn" else f"dyn({value.cel})"


def inner(value: Value) -> Scalar | Stream | Lists | Hash:
    if isinstance(value, Request | Images | Image):
        raise Unfinished(f"JMESPath: {'request' if isinstance(value, Request) else 'images'} within a projection")
    return value


def length(value: Value) -> int:
    """The characters of the expressions of a value."""
    match value:
        case Scalar():
            return len(value.cel) + len(value.chain)
        case Stream():
            return len(value.base) + len(value.condition) + length(value.body)
        case Lists():
            return sum(map(length, value.items))
        case Hash():
            return sum(map(length, value.fields.values()))
    return 0

"""Values of JSON as YAML: the one writer. Every reader of YAML, 1.1 or 1.2, reads what was written.

kubectl's reader takes more plain words for numbers and booleans than PyYAML knows to quote: 1e3, 0o7, 1_000, y. They
are quoted here, as keys too. No anchors are written. Nothing that is written is a command for a runner of CI
(webhook.visible), which reads what a step prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import yaml

from webhook.documents.syntax import scalars
from webhook.visible import BRACKETED

_WIDTH: Final = 118  # characters of a line that people read in a file
_UNWRAPPED: Final = 2**31 - 1  # libyaml takes no more
_SHORT: Final = 72  # characters of a list in one line, and of an expression beside its field
_STRING: Final = f"{scalars.TAG}str"
_EXPRESSIONS: Final = frozenset({"expression", "messageExpression", "valueExpression"})
"""The fields of Kubernetes that hold CEL."""

# Readers of YAML do not agree on these: controls, other ends of lines, marks of byte order.
_ODD: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_INDENT: Final = " \n"  # of a block that begins so readers do not agree on the indent
# What looks like a number or a time to some reader; a little more is quoted than must be.
_NUMBERLIKE: Final = re.compile(
    r"[-+]?(?:\.?[0-9][-+.:_,0-9]*(?:[eE][-+._0-9]*)?|0[xXoObB][0-9a-fA-F_]*)|[yYnN]|[=~]|<<"
)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
# Where a runner of CI would find a command. Such texts are quoted, so that it can be escaped.
_COMMAND: Final = re.compile(r"(?:^|\s)::(?=[A-Za-z])")
_LINE_COMMAND: Final = re.compile(r"^( *)::(?=[A-Za-z])", re.MULTILINE)
# What plain text must not hold: it would be a comment, a key, or a quote of quotes.
_NOT_PLAIN: Final = re.compile(r": |:$| #|['\"]")


def dumped(value: Any, *, wrapped: bool = True) -> str:
    """A value of JSON as a document of YAML, without its separator. Fields keep their order.

    wrapped: as in a file that people keep: prose is folded at about 118 characters, long expressions are blocks, whose
    lines are never broken, and short lists of words stand in one line. Otherwise each text is one line, as in a diff,
    but for those that have lines themselves. A lone surrogate, which UTF-8 cannot encode, becomes U+FFFD.
    """
    text: str = yaml.dump(
        value,
        Dumper=_wrapping() if wrapped else _plain(),
        sort_keys=False,
        default_flow_style=False,
        width=_WIDTH if wrapped else _UNWRAPPED,
        allow_unicode=True,
    )
    if "::" in text:  # it begins a line only where a text in double quotes is wrapped: see _style
        text = _LINE_COMMAND.sub(r"\1\\x3a:", text)
    return BRACKETED.sub(r"#\\x23", text) if "##" in text else text


def stream(values: Iterable[Any]) -> str:
    """Values as a stream of documents of YAML, as `dumped` writes them."""
    return "---\n".join(map(dumped, values))


def scalar(text: str) -> str:
    """A text in one line, as it stands behind `field: ` in a file."""
    return dumped({"x": text}, wrapped=False).removeprefix("x: ").removesuffix("\n")


class Folded(str):
    """A long text of one line, such as a generated expression, that may be broken at its spaces where it is wrapped."""

    __slots__ = ()


class _Expression(str):
    """The value of a field that holds CEL."""

    __slots__ = ()


@cache
def _plain() -> Any:
    """A dumper on libyaml, as fast as this can be, that leaves texts in their line."""

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    for kind in (str, Folded):
        Dumper.add_representer(kind, lambda dumper, text: _scalar(dumper, str(text), _style(text)))
    return Dumper


@cache
def _wrapping() -> Any:
    """The same for files."""

    class Dumper(_plain()):  # type: ignore[misc]
        pass

    Dumper.add_representer(str, lambda dumper, text: _scalar(dumper, text, _style(text) or _prose(text)))
    Dumper.add_representer(Folded, lambda dumper, text: _scalar(dumper, str(text), _style(text) or _fold(text)))
    Dumper.add_representer(_Expression, lambda dumper, text: _scalar(dumper, str(text), _style(text) or _block(text)))
    Dumper.add_representer(dict, _mapping)
    Dumper.add_representer(list, _sequence)
    Dumper.add_representer(tuple, _sequence)
    return Dumper


def _scalar(dumper: Any, text: str, style: str | None) -> yaml.Node:
    if _SURROGATE.search(text):
        text = _SURROGATE.sub("\ufffd", text)
    return dumper.represent_scalar(_STRING, text, style=style)  # type: ignore[no-any-return]


def _style(text: str) -> str | None:
    """The style that a text must have to be read as itself; None if it may be plain."""
    if _ODD.search(text) or ("::" in text and _COMMAND.search(text)) or ("##" in text and BRACKETED.search(text)):
        return '"'
    if "\n" in text:
        return "|" if text[0] not in _INDENT else '"'
    if not text or _NUMBERLIKE.fullmatch(text) or scalars.plain(text) != text:
        return "'"
    return None


def _block(text: str) -> str | None:
    return "|" if len(text) >= _SHORT and text == text.strip() else None


def _fold(text: str) -> str | None:
    return ">" if len(text) >= _SHORT and text == text.strip() else None


def _prose(text: str) -> str | None:
    """The style of a text that may be wrapped: folded where plain text cannot be, so that quotes stay as they are."""
    return _fold(text) if _NOT_PLAIN.search(text) else None


def _mapping(dumper: Any, value: dict[str, Any]) -> yaml.Node:
    marked = {
        key: _Expression(each) if key in _EXPRESSIONS and type(each) is str else each for key, each in value.items()
    }
    return dumper.represent_mapping(f"{scalars.TAG}map", marked)  # type: ignore[no-any-return]


def _sequence(dumper: Any, items: Sequence[Any]) -> yaml.Node:
    words = all(isinstance(item, str) for item in items)
    short = words and sum(map(len, items)) + 2 * len(items) <= _SHORT
    return dumper.represent_sequence(f"{scalars.TAG}seq", items, flow_style=short)  # type: ignore[no-any-return]

"""Quotes text like Go's strconv.Quote, for error texts that quote their input."""

from __future__ import annotations

ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
"""The characters with an escape of one letter, in Go and in CEL's strings.quote."""


def quoted(text: str | bytes) -> str:
    """The text in double quotes, with control and unprintable characters escaped. Bytes need not be UTF-8."""
    if isinstance(text, bytes):
        text = text.decode(errors="surrogateescape")
    return f'"{text.translate(_Escapes())}"'


class _Escapes(dict[int, str]):
    """Code point -> its escaped form, computed once a text, as texts may have megabytes of few different characters."""

    def __missing__(self, code: int) -> str:
        written = self[code] = _escaped(chr(code), code)
        return written


def _escaped(character: str, code: int) -> str:
    escape = ESCAPES.get(character)
    if escape is not None:
        return escape
    if character.isprintable():
        return character
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

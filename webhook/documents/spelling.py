"""Whether a text of YAML or JSON can hold a word that its characters do not show.

A scalar is written as it reads, but for: escapes by number, a line break that a backslash takes out of a word, and
binary data in base64, whose tag may be written in several ways. Folded lines join words by a space, and an alias stands
for what the text has elsewhere.
"""

from __future__ import annotations

import codecs
from typing import Final

from webhook.lazypatterns import lazily

_ESCAPED: Final = lazily(r"\\[xuU\r\n\x85\u2028\u2029]")
_ESCAPED_BYTES: Final = lazily(rb"\\[xuU\r\n\xc2\xe2]")  # those of the line breaks beyond ASCII begin so
_BINARY: Final = lazily(r"!!(?:binary|[a-z]{0,5}%)")
_BINARY_BYTES: Final = lazily(rb"!!(?:binary|[a-z]{0,5}%)")


def may_hide_words(text: str | bytes) -> bool:
    """Whether a text, or the bytes of a file, may hold a word of letters, digits, `-` and `.` that is not in it as
    such. It says yes too often."""
    if isinstance(text, str):
        return (
            ("\\" in text and _ESCAPED.search(text) is not None)
            or ("!!" in text and _BINARY.search(text) is not None)
            or any(each in text for each in ("!<", "%TAG"))
        )
    return (
        (b"\\" in text and _ESCAPED_BYTES.search(text) is not None)
        or (b"!!" in text and _BINARY_BYTES.search(text) is not None)
        or any(each in text for each in (b"!<", b"%TAG"))
        or text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    )

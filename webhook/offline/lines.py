"""The line of a manifest that is shown below a finding, without content of Secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from webhook.admission.redaction import Redaction, secrets_in
from webhook.excerpts import Excerpt, cut
from webhook.lazypatterns import lazily

if TYPE_CHECKING:
    from webhook.documents.document import Document, Position

MOST: Final = 200
"""Characters of a line that are shown on each side of the position: a JSON file of megabytes may be one line."""

_KEY: Final = lazily(r"""["']?[\w./-]+["']?:""")
_PART: Final = lazily(r"""[^,{}\[\]"'#]*""")  # of a flow collection, up to its next sign
_QUOTED: Final = lazily(r""""(?:[^"\\]|\\.)*"|'[^']*'""")
_COMMENT: Final = lazily(r"[ \t]#")


def shown_line(document: Document, position: Position, redaction: Redaction) -> Excerpt | None:
    """The line at a position of the document, with what the position is about: the key with its value.

    Of an object that is or holds a Secret only the key is shown. None if the line may hold content of a Secret that
    cannot be told from the rest: a flow collection in a text with Secrets, or a value that `redaction` hides.
    """
    found = cut(document.excerpt(position), MOST)
    text, at = found.text, found.column - 1
    if document.mentions_secrets:
        if any(secrets_in(document.value)):
            key = _KEY.match(text, at)
            if key is None or text[:at].strip(" -"):
                return None
            rest = " …" if text[key.end() :].strip() else ""
            return Excerpt(text[: key.end()] + rest, found.column, found.line, key.end() + 1)
        if "{" in text or "[" in text:
            return None
    if redaction and redaction.applied(text) != text:
        return None
    return Excerpt(text, found.column, found.line, _end(text, at) + 1)


def _end(text: str, at: int) -> int:
    """The offset after the key and value, or the item, that begin at an offset of the line.

    Of a flow collection (`{…}`, `[…]`) that does not end on the line it is the end of the line.
    """
    if text[at : at + 1] not in ("{", "[") and not text[:at].strip(" \t-"):
        # The first on its line: all of it, but for a comment.
        quoted = _QUOTED.match(text, at)
        comment = _COMMENT.search(text, quoted.end() if quoted else at)
        return max(len(text[: comment.start() if comment else None].rstrip()), at + 1)
    end, depth = at, 0
    while end < len(text):
        sign = text[end]
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return end + 1
        if depth < 0 or (depth == 0 and sign == ",") or (sign == "#" and text[end - 1 : end].isspace()):
            break
        found = _QUOTED.match(text, end) or _PART.match(text, end)
        end = found.end() if found is not None and found.end() > end else end + 1
    return max(len(text[:end].rstrip()), at + 1)

"""Kubernetes' regular expression library (find, findAll) and the one way to RE2 that all of CEL here has.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-regex-library
Patterns are RE2's (github.com/google/re2/wiki/Syntax): linear in the length of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

from webhook.cel.library.declaring import Library, method
from webhook.cel.tree.errors import EvaluationError

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False

# RE2 in C++ and Go's regexp, which the API server uses, word the same errors differently.
_GO_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
}


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """The RE2 program of a pattern. Raises EvaluationError, in Go's words, on one that is not valid."""
    if "\\C" in pattern or "{" in pattern or "(?" in pattern:
        _refuse_what_go_does(pattern)
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        code, _, detail = reason.partition(": ")
        words = _GO_WORDS.get(code, code)
        raise EvaluationError(f"error parsing regexp: {words}: `{detail or pattern}`") from None


# Pieces of a pattern, so that what is quoted or stands in a class is not taken for syntax.
_PIECE = re.compile(
    r"""\\Q.*?(?:\\E|\Z)|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*(?:\]|\Z)|(?P<byte>\\C)|\\.|\(\?P?<(?P<name>[^>]{0,200})>|"""
    r"""\{(?P<repeat>\d+(?:,\d*)?)\}|.""",
    re.DOTALL,
)


def _refuse_what_go_does(pattern: str) -> None:
    """Raises EvaluationError on what RE2 in C++ takes and Go's regexp does not."""
    for piece in _PIECE.finditer(pattern):
        if piece["byte"]:
            raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
        if piece["name"] and not re.fullmatch(r"[A-Za-z0-9_]+", piece["name"]):
            raise EvaluationError(f"error parsing regexp: invalid named capture: `{piece[0]}`")
        if piece["repeat"] and any(len(each.lstrip("0")) > 4 for each in piece["repeat"].split(",")):
            raise EvaluationError(f"error parsing regexp: invalid repeat count: `{piece[0]}`")


def matches(text: str, pattern: str) -> bool:
    """Whether the pattern is found anywhere in the text."""
    return compiled(pattern).search(text) is not None


def _find(text: str, pattern: str) -> str:
    match = compiled(pattern).search(text)
    return "" if match is None else match[0]


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found: list[str] = []
    if limit == 0:
        return found
    for match in compiled(pattern).finditer(text):
        found.append(match[0])
        if len(found) == limit:
            break
    return found


LIBRARY = Library(
    "regex",
    (1, 23),
    (
        method(
            "find",
            "string, string -> string",
            _find,
            "The first match, or the empty text.",
            "'abc 123'.find('[0-9]+') == '123'",
        ),
        method(
            "findAll",
            "string, string -> list(string)",
            _find_all,
            "All matches.",
            "'1 22'.findAll('[0-9]+') == ['1', '22']",
        ),
        method(
            "findAll",
            "string, string, int -> list(string)",
            _find_all,
            "At most so many matches; all if negative.",
            "'1 22'.findAll('[0-9]+', 1) == ['1']",
        ),
    ),
)

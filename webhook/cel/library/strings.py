"""CEL's strings extension in the version of Kubernetes (2), with format and strings.quote (1.29).

https://kubernetes.io/docs/reference/using-api/cel/#cel-extended-strings-library. Positions count code points.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from webhook.cel.cost import costs, estimates
from webhook.cel.cost.estimates import MOST, Estimate, Sizes, Span
from webhook.cel.library.declaring import Library, function, method
from webhook.cel.library.formatting import check_format, format_text
from webhook.cel.tree.ast import Const, Expr
from webhook.cel.tree.errors import BudgetExceeded, EvaluationError
from webhook.cel.value.extent import nests
from webhook.cel.value.operators import MAX_SIZE
from webhook.cel.value.quoting import ESCAPES
from webhook.cel.value.texts import text as written

_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
# Unicode's White_Space property, as in Go's strings.TrimSpace. Python's strip() also removes U+001C to U+001F.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_QUOTED = str.maketrans(ESCAPES)


def _in_range(text: str, place: int) -> int:
    if not 0 <= place <= len(text):
        raise EvaluationError(f"index out of range: {place}")
    return place


def _char_at(text: str, place: int) -> str:
    return text[_in_range(text, place) : place + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    if not part:
        return min(start, len(text))
    return text.find(part, start) if start <= len(text) else -1


def _last_index_of(text: str, part: str, start: int | None = None) -> int:
    if start is None:
        return _rfind(text, part, len(text))
    if start < 0:
        raise EvaluationError(f"index out of range: {start}")
    if not part:
        return min(start, len(text))
    if start >= len(text):
        return -1
    return _rfind(text, part, start + len(part))


def _rfind(text: str, part: str, end: int) -> int:
    """text.rfind(part, 0, end), which Python does in the product of both lengths."""
    if len(part) < _RARE:
        return text.rfind(part, 0, end)
    text = text[:end]
    found = text[::-1].find(part[::-1])
    return found if found < 0 else len(text) - found - len(part)


_RARE = 16


def _join(parts: list[str], separator: str | None = None) -> str:
    for place, part in enumerate(parts):
        if type(part) is not str:
            given = "list" if separator is None else "list, string"
            raise EvaluationError(
                f"join: invalid input: {written(part)}" if place else f"no such overload: join({given})"
            )
    separator = separator or ""
    _fits(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _join_quickly(a: Any, parts: Any, separator: Any = "") -> str:
    if type(parts) is not list or type(separator) is not str:
        raise TypeError
    a.spend(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _replace(text: str, old: str, new: str, limit: int = -1) -> str:
    _fits(len(text) + (text.count(old) if limit < 0 else min(limit, text.count(old))) * len(new))
    return text.replace(old, new, limit)


def _fits(length: int) -> None:
    if length > MAX_SIZE:
        raise BudgetExceeded


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    if limit < 0 or limit >= len(text):
        return list(text)
    return [*text[: limit - 1], text[limit - 1 :]]


def _substring(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        return text[_in_range(text, start) :]
    if start > end:
        raise EvaluationError(f"invalid substring range. start: {start}, end: {end}")
    return text[_in_range(text, start) : _in_range(text, end)]


# ------------------------------------------------------------------------------------------------------ cost and work


def _joined(parts: Any, separator: Any = "") -> int:
    """A fifth of the size of the result."""
    return ceil(_joined_length(parts, separator) * 2 * 0.1)


def _joined_length(parts: Any, separator: Any) -> int:
    if type(parts) is not list or not parts or not all(type(part) is str for part in parts):
        return 0
    return sum(map(len, parts)) + costs.size(separator) * (len(parts) - 1)


def _joined_of(place: int, _: Any, parts: Any, separator: Any = "") -> tuple[int, ...] | None:
    """The text that the character at `place` is of; of a separator, the text after it."""
    if not isinstance(parts, list):
        return None
    for at, part in enumerate(parts):
        if not isinstance(part, str):
            return None
        if place < len(part):
            return (at,)
        place -= len(part) + (len(separator) if isinstance(separator, str) else 0)
    return None


def _joined_work(parts: Any, separator: Any = "") -> int:
    return _joined_length(parts, separator) // costs.CHARACTERS


def _replaced(text: Any, old: Any, new: Any, *_: Any) -> int:
    if not type(text) is type(old) is type(new) is str:
        return 1
    return (len(text) + text.count(old) * len(new)) // costs.CHARACTERS


def _estimated_replace(sizes: Sizes, text: Expr, part: Expr, by: Expr, *_: Expr) -> Estimate:
    read, old, new = map(sizes.size, (text, part, by))
    if old.least == 0:
        most = min(min(read.most + 1, MOST) * new.most + read.most, MOST)
    elif new.most <= old.least:
        most = read.most
    else:
        most = estimates.product(ceil(read.most / old.least), new.most)
    if old.most == 0:
        least = min(min(read.least + 1, MOST) * new.least + read.least, MOST)
    elif old.most <= new.least:
        least = read.least
    else:
        least = estimates.product(ceil(read.least / old.most), new.least)
    return Estimate(read.scaled(2 * estimates.TRAVERSAL), Span(least, most))


def _estimated_split(sizes: Sizes, text: Expr, _: Expr, limit: Expr | None = None) -> Estimate:
    read = sizes.size(text)
    most = limit.value if isinstance(limit, Const) and type(limit.value) is int else read.most
    return Estimate(read.scaled(2 * estimates.TRAVERSAL), Span(0, most % 2**64))


def _estimated_join(sizes: Sizes, parts: Expr, separator: Expr | None = None) -> Estimate:
    count = sizes.size(parts)
    size = count.times(sizes.elements(parts)) if parts.type.params else estimates.NOTHING
    if separator is not None:
        gaps = Span(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(sizes.size(separator).times(gaps))
    return Estimate(size.scaled(estimates.TRAVERSAL), size)


def _estimated_quote(sizes: Sizes, text: Expr) -> Estimate:
    size = sizes.size(text)
    most = (size.most * 2 + 2) % 2**64  # it wraps round, as the API server's own
    return Estimate(size.scaled(estimates.TRAVERSAL), Span(size.least + 2, most))


def _parted(text: Any, *_: Any) -> int:
    return costs.size(text) // 4


def _formatted(text: Any, items: Any) -> int:
    if type(items) is not list:
        return 1
    precise = 40 * len(items) if type(text) is str and "%." in text else 0  # up to 1,000 digits each
    steps = precise + costs.size(text) // costs.CHARACTERS
    for each in items:
        steps += _shown(each)
        if steps > costs.MAX_WORK:
            break
    return steps


def _shown(value: Any) -> int:
    if type(value) in (str, bytes):
        return len(value) // costs.CHARACTERS + 1
    return 10 * costs.weight(value) if nests(value) else 10


LIBRARY = Library(
    "strings",
    (1, 23),
    (
        method(
            "charAt",
            "string, int -> string",
            _char_at,
            "The character at a position; empty at the end of the text.",
            "'hello'.charAt(4) == 'o'",
        ),
        method(
            "indexOf",
            "string, string -> int",
            _index_of,
            "The position of the first occurrence, or -1.",
            "'hello'.indexOf('l') == 2",
            cost=costs.traversed,
            estimate=estimates.visited_or_text,
        ),
        method(
            "indexOf",
            "string, string, int -> int",
            _index_of,
            "The same, searched from a position on.",
            "'hello'.indexOf('l', 3) == 3",
            cost=costs.traversed,
            estimate=estimates.visited_or_text,
        ),
        method(
            "lastIndexOf",
            "string, string -> int",
            _last_index_of,
            "The position of the last occurrence, or -1.",
            "'hello'.lastIndexOf('l') == 3",
            cost=costs.traversed,
            estimate=estimates.visited_or_text,
        ),
        method(
            "lastIndexOf",
            "string, string, int -> int",
            _last_index_of,
            "The same, searched up to a position.",
            "'hello'.lastIndexOf('l', 2) == 2",
            cost=costs.traversed,
            estimate=estimates.visited_or_text,
        ),
        method(
            "join",
            "list(string) -> string",
            _join,
            "The texts joined into one.",
            "['a', 'b'].join() == 'ab'",
            cost=_joined,
            estimate=_estimated_join,
            work=_joined_work,
            element=_joined_of,
            quick=_join_quickly,
        ),
        method(
            "join",
            "list(string), string -> string",
            _join,
            "The texts joined with a separator.",
            "['a', 'b'].join(', ') == 'a, b'",
            cost=_joined,
            estimate=_estimated_join,
            work=_joined_work,
            element=_joined_of,
            quick=_join_quickly,
        ),
        method(
            "lowerAscii",
            "string -> string",
            lambda text: text.translate(_LOWER),
            "The text with A to Z in lower case.",
            "'AbÉ'.lowerAscii() == 'abÉ'",
            cost=costs.text,
            estimate=estimates.text_of_same_size,
        ),
        method(
            "upperAscii",
            "string -> string",
            lambda text: text.translate(_UPPER),
            "The text with a to z in upper case.",
            "'abé'.upperAscii() == 'ABé'",
            cost=costs.text,
            estimate=estimates.text_of_same_size,
        ),
        method(
            "replace",
            "string, string, string -> string",
            _replace,
            "The text with every occurrence replaced.",
            "'hello'.replace('l', 'L') == 'heLLo'",
            cost=costs.text_twice,
            estimate=_estimated_replace,
            work=_replaced,
        ),
        method(
            "replace",
            "string, string, string, int -> string",
            _replace,
            "The same, up to a number of occurrences; all if it is negative.",
            "'hello'.replace('l', 'L', 1) == 'heLlo'",
            cost=costs.text_twice,
            estimate=_estimated_replace,
            work=_replaced,
        ),
        method(
            "split",
            "string, string -> list(string)",
            _split,
            "The parts between the separators.",
            "'a,b'.split(',') == ['a', 'b']",
            cost=costs.text_twice,
            estimate=_estimated_split,
            work=_parted,
        ),
        method(
            "split",
            "string, string, int -> list(string)",
            _split,
            "The same, up to a number of parts; all if it is negative.",
            "'a,b,c'.split(',', 2) == ['a', 'b,c']",
            cost=costs.text_twice,
            estimate=_estimated_split,
            work=_parted,
        ),
        method(
            "substring",
            "string, int -> string",
            _substring,
            "The text from a position on.",
            "'hello'.substring(3) == 'lo'",
            cost=costs.text,
            estimate=estimates.text_of_same_size,
        ),
        method(
            "substring",
            "string, int, int -> string",
            _substring,
            "The text from the first position up to, but without, the second one.",
            "'hello'.substring(1, 3) == 'el'",
            cost=costs.text,
            estimate=estimates.text_of_same_size,
        ),
        method(
            "trim",
            "string -> string",
            lambda text: text.strip(_SPACE),
            "The text without white space at both ends.",
            "' a '.trim() == 'a'",
            cost=costs.text,
            estimate=estimates.text_of_same_size,
        ),
        method(
            "format",
            "string, list(dyn) -> string",
            format_text,
            "The text with %s, %d, %f, %e, %b, %o, %x, %X filled in.",
            "'%s has %d'.format(['a', 2]) == 'a has 2'",
            cost=costs.text,
            estimate=estimates.text,
            work=_formatted,
            mixes=True,
            check=check_format,
            since=(1, 29),
        ),
        function(
            "strings.quote",
            "string -> string",
            lambda text: f'"{text.translate(_QUOTED)}"',
            "The text in double quotes, with control characters escaped.",
            "strings.quote('a\"b') == '\"a\\\\\"b\"'",
            cost=costs.text,
            estimate=_estimated_quote,
            since=(1, 29),
        ),
    ),
)

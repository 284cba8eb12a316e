"""The interface to RE2 for all of CEL: patterns that Go's regexp reads are compiled as Go reads them.

RE2 in C++ accepts some syntax that Go does not, and has other texts for the same errors. Go knows more names of Unicode
classes: any case, the long names of categories, and those of characters that are not assigned.

Time and memory are bounded. RE2 is not asked for groups, which nobody reads: for each of them it keeps two pointers for
each instruction of the pattern, which are gigabytes for some thousand groups. Patterns have a greatest length, as RE2
takes up to the square of it to compile one. The cache is bounded by what its programs may take, not by their number.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from threading import Lock
from typing import Any, Final

import re2

from webhook.cel.tree.errors import EvaluationError, cut
from webhook.lazypatterns import lazily

MAX_LENGTH: Final = 30_000
"""The most characters of a pattern. Go's regexp has no such limit."""

MAX_MEMORY: Final = 8 * 1024 * 1024
"""The most bytes of a pattern's program, with what RE2 keeps for it of the texts that it has matched."""

MAX_CLASSES: Final = 1_000
"""The most Unicode classes of a pattern: each takes 30 KB until it is compiled."""

KEPT_MEMORY: Final = 64 * 1024 * 1024
"""The most bytes of all patterns in the cache. Those of literal patterns stay with their expressions, too."""


def _options(memory: int, *, groups: bool = False) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not groups
    options.max_mem = memory
    return options


# Most patterns need little memory: each gets the least of these that is enough. With too little, RE2 is slower.
_OPTIONS: Final = tuple(map(_options, (128 * 1024, 1024 * 1024, MAX_MEMORY)))
_SMALL: Final = 100  # instructions that are enough for the least

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


class PatternCache:
    """The programs that were used last, up to KEPT_MEMORY."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self.memory = 0

    def get(self, pattern: str) -> Any:
        """The program of a pattern; None if it is not kept."""
        with self._lock:
            found = self._kept.get(pattern)
            if found is not None:
                self._kept.move_to_end(pattern)
            return found

    def keep(self, pattern: str, program: Any) -> None:
        """Keep a program, and let go of those that were not used for longest."""
        with self._lock:
            if pattern not in self._kept:
                self._kept[pattern] = program
                self.memory += memory_of(program)
            while self.memory > KEPT_MEMORY:
                self.memory -= memory_of(self._kept.popitem(last=False)[1])


CACHE: Final = PatternCache()


def compiled(pattern: str) -> Any:
    """The RE2 program of a pattern, without groups. Raises EvaluationError with Go's text if it is invalid."""
    program = CACHE.get(pattern)
    if program is None:
        program = _made(pattern)
        CACHE.keep(pattern, program)
    return program


@lru_cache(maxsize=16)
def with_groups(pattern: str) -> Any:
    """The RE2 program of a pattern of ours, with its groups."""
    return re2.compile(pattern, _options(MAX_MEMORY, groups=True))


def memory_of(program: Any) -> int:
    """The most bytes that a program and what RE2 keeps for it may take."""
    return int(program.options.max_mem)


_COMPILING: Final = 200
_PER_INSTRUCTION: Final = 8
_PER_CHARACTER: Final = 10
_PER_CLASS: Final = 300  # for a character of a pattern that may contain a Unicode class
_PAIRS: Final = 80  # characters whose comparison with one other takes a step: RE2 compares parts of some patterns


def compiling_steps(pattern: str) -> int:
    """The steps, of about 0.1 µs, of compiling a pattern, without those of `program_steps`."""
    length = len(pattern)
    if length > MAX_LENGTH:
        return _COMPILING  # it is refused
    classes = "\\p" in pattern or "\\P" in pattern or "(?" in pattern
    return _COMPILING + length * (_PER_CLASS if classes else _PER_CHARACTER) + length * length // _PAIRS


def program_steps(program: Any) -> int:
    """The steps of compiling a pattern that its program shows: repetition makes it large."""
    return _PER_INSTRUCTION * int(program.programsize)


def _made(pattern: str) -> Any:
    if len(pattern) > MAX_LENGTH:
        problem = f"it has {len(pattern)} characters, and Gatewright takes up to {MAX_LENGTH}"
        raise EvaluationError(f"error parsing regexp: expression too large: {problem}: `{pattern[:40]}…`")
    if pattern.count("\\p") + pattern.count("\\P") > MAX_CLASSES:
        problem = f"it has more than {MAX_CLASSES} Unicode classes"
        raise EvaluationError(f"error parsing regexp: expression too large: {problem}: `{pattern[:40]}…`")
    if "\\C" in pattern or "{" in pattern or "(?" in pattern:
        _refuse_what_go_does(pattern)
    translated = "".join(_translated(pattern)) if "\\p" in pattern or "\\P" in pattern else pattern
    program = _program(translated, pattern)
    if program.groups:  # named ones, which RE2 captures nevertheless; the names were valid
        program = _program("".join(_unnamed(translated)), pattern)
    return program


def _program(translated: str, pattern: str) -> Any:
    """The program, in the least memory that is enough for it. Raises EvaluationError with Go's text."""
    reason = ""
    for options in _OPTIONS:
        try:
            program = re2.compile(translated, options)
            if options is not _OPTIONS[0] or program.programsize <= _SMALL:
                return program
        except re2.error as error:
            first = error.args[0] if error.args else ""
            reason = first.decode(errors="replace") if isinstance(first, bytes) else str(first)
            if "too large" not in reason:
                break
        finally:
            re2.purge()  # its own cache keeps 128 programs of any size
    code, _, detail = reason.partition(": ")
    words = _GO_WORDS.get(code, code)
    raise EvaluationError(f"error parsing regexp: {words}: `{cut(detail or pattern)}`")


def _unnamed(pattern: str) -> Iterator[str]:
    """The pieces of a valid pattern, with groups in place of named groups."""
    for piece in _PIECE.finditer(pattern):
        yield "(" if piece["name"] else piece[0]


# The pieces of a pattern, so that quoted text and character classes are not mistaken for syntax.
_PIECE = lazily(
    r"""\\Q.*?(?:\\E|\Z)|(?P<set>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*+(?:\]|\\?\Z))|(?P<byte>\\C)|"""
    r"""(?P<unicode>\\[pP](?:\{[^}]{0,200}\}|[^{]))|\\.|\(\?P?<(?P<name>[^>]{0,200})>|\{(?P<repeat>\d+(?:,\d*)?)\}|.""",
    re.DOTALL,
)


def _refuse_what_go_does(pattern: str) -> None:
    """Raises EvaluationError for syntax that RE2 in C++ accepts and Go's regexp does not."""
    for piece in _PIECE.finditer(pattern):
        if piece["byte"]:
            raise EvaluationError("error parsing regexp: invalid escape sequence: `\\C`")
        if piece["name"] and not re.fullmatch(r"[A-Za-z0-9_]+", piece["name"]):
            raise EvaluationError(f"error parsing regexp: invalid named capture: `{cut(piece[0])}`")
        if piece["repeat"] and any(len(each.lstrip("0")) > 4 for each in piece["repeat"].split(",")):
            raise EvaluationError(f"error parsing regexp: invalid repeat count: `{cut(piece[0])}`")


# ------------------------------------------------------------------------------------------------- names of classes

_ALIASES: Final = {
    **{"Casedletter": "Lc", "Closepunctuation": "Pe", "Combiningmark": "M", "Connectorpunctuation": "Pc"},
    **{"Control": "Cc", "Currencysymbol": "Sc", "Dashpunctuation": "Pd", "Decimalnumber": "Nd", "Enclosingmark": "Me"},
    **{"Finalpunctuation": "Pf", "Format": "Cf", "Initialpunctuation": "Pi", "Letter": "L", "Letternumber": "Nl"},
    **{"Lineseparator": "Zl", "Lowercaseletter": "Ll", "Mark": "M", "Mathsymbol": "Sm", "Modifierletter": "Lm"},
    **{"Modifiersymbol": "Sk", "Nonspacingmark": "Mn", "Number": "N", "Openpunctuation": "Ps", "Other": "C"},
    **{"Otherletter": "Lo", "Othernumber": "No", "Otherpunctuation": "Po", "Othersymbol": "So"},
    **{"Paragraphseparator": "Zp", "Privateuse": "Co", "Punctuation": "P", "Separator": "Z", "Spaceseparator": "Zs"},
    **{"Spacingmark": "Mc", "Surrogate": "Cs", "Symbol": "S", "Titlecaseletter": "Lt", "Unassigned": "Cn"},
    **{"Uppercaseletter": "Lu", "Cntrl": "Cc", "Digit": "Nd", "Punct": "P"},
}
_GRAPHIC: Final = r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}"
# Classes that RE2 in C++ lacks: the content of a set, and whether the class is everything else.
_SETS: Final = {
    "Lc": (r"\p{Lu}\p{Ll}\p{Lt}", False),
    "Ascii": (r"\x00-\x7F", False),
    "Assigned": (rf"{_GRAPHIC}\p{{C}}", False),
    "Cn": (rf"{_GRAPHIC}\p{{C}}", True),
    "C": (_GRAPHIC, True),  # with the characters that are not assigned
}
_SEPARATORS: Final = str.maketrans("", "", "_- ")
_MOST_SETS: Final = 200  # that are everything else within another set: each has thousands of characters
_UNICODE = lazily(r"(\\[pP](?:\{[^}]{0,200}\}|[^{]))|\\.", re.DOTALL)


def _translated(pattern: str) -> Iterator[str]:
    """The pieces of the pattern, with names of classes that RE2 in C++ knows. Raises EvaluationError."""
    written_out = 0
    for piece in _PIECE.finditer(pattern):
        if piece["unicode"]:
            name, content, other = _class(piece["unicode"])
            yield f"[{'^' if other else ''}{content}]" if content else _named(name, other)
        elif piece["set"]:
            for part in _parts(piece["set"]):
                name, content, other = _class(part) if part[:2] in ("\\p", "\\P") else ("", part, False)
                written_out += other and bool(content)
                if written_out > _MOST_SETS:
                    raise EvaluationError(f"error parsing regexp: expression too large: `{cut(pattern)}`")
                yield _named(name, other) if name and not content else _rest(content) if other else content
        else:
            yield piece[0]


def _parts(text: str) -> Iterator[str]:
    """The Unicode classes of a set, and what is between them."""
    at = 0
    for match in _UNICODE.finditer(text):
        if match[1]:
            yield text[at : match.start()]
            yield match[1]
            at = match.end()
    yield text[at:]


def _class(written: str) -> tuple[str, str, bool]:
    """The name of a class in RE2, or the content of a set if it has none, and whether it is everything else."""
    name = written[3:-1] if written[2] == "{" else written[2:]
    other = written[1] == "P"
    if name.startswith("^"):
        name, other = name[1:], not other
    name = name.translate(_SEPARATORS)
    name = name[:1].upper() + name[1:].lower() if name.isascii() else name
    name = _ALIASES.get(name, name)
    content, rest = _SETS.get(name, ("", False))
    if not content and not _is_known(name):
        raise EvaluationError(f"error parsing regexp: invalid character class range: `{written}`")
    return name, content, other is not rest


def _named(name: str, other: bool) -> str:
    return f"\\{'P' if other else 'p'}{{{name}}}"


@lru_cache(maxsize=512)
def _is_known(name: str) -> bool:
    if not name.isalpha():
        return False
    try:
        re2.compile(_named(name, False), _OPTIONS[0])
    except re2.error:
        return False
    return True


# Blocks of characters that are all of one class: they are not assigned, or of private use.
_UNIFORM: Final = (
    *((0x40000, 0xDFFFF), (0xE1000, 0xEFFFF), (0xF0000, 0xFFFFD), (0xFFFFE, 0xFFFFF)),
    *((0x100000, 0x10FFFD), (0x10FFFE, 0x10FFFF)),
)


@lru_cache(maxsize=8)
def _rest(content: str) -> str:
    """The content of a set of all characters that another one does not have."""
    rest = re2.compile(f"[^{content}]+", _OPTIONS[-1])
    ranges: list[tuple[int, int]] = []
    for first in (*range(0, 0xD000, 0x1000), *range(0xE000, 0x40000, 0x1000), 0xD000, 0xE0000):
        block = "".join(map(chr, range(first, 0xD800 if first == 0xD000 else first + 0x1000)))
        ranges += ((ord(match[0][0]), ord(match[0][-1])) for match in rest.finditer(block))
    ranges += ((first, last) for first, last in _UNIFORM if rest.search(chr(first)))
    return "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in ranges)

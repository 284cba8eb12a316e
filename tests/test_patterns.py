"""Regular expressions take time linear in the text: a matcher that counts its steps runs every pattern of the code.

Python's matcher backtracks, and does not say how often. So this matcher, which backtracks in the same way, runs on
Python's own parse tree of each pattern. The texts are those that make patterns backtrack: many repetitions of what the
pattern consists of, with an end that does not match. Twice the text may take twice the steps, and not four times.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from webhook.apiserver import gotimes
from webhook.cel.check import idioms

code: Any = importlib.import_module("re._constants")
parser: Any = importlib.import_module("re._parser")
ROOT = Path(__file__).parents[1]
STEPS = 60_000
_COMPILING = ("re.compile", "lazily")
_CALLS = (*_COMPILING, "re.match", "re.fullmatch", "re.search", "re.sub", "re.split", "re.findall", "re.finditer")
_WRITTEN = re.compile(r"\b(?:re\.[a-z]+|lazily)\(")

BOUNDED: dict[str, str] = {
    # Patterns that take more than linear time, each with the reason why no text is long enough for it to matter.
    "webhook/cel/tree/types.py": "reads the types in our own tables of functions",
}


COMPOSED = {
    # Patterns that are not written where they are used: of a table in TABLES, or around a name that is escaped.
    "webhook/apiserver/gotimes.py: form",
    "webhook/cel/check/idioms.py: pattern",
    "webhook/cel/check/suggestions.py: '\\\\s*\\\\.\\\\s*'.join(map(re.escape, before)) + '\\\\s*$'",
    "webhook/cel/check/suggestions.py: f'\\\\.\\\\s*(?:\\\\?\\\\s*)?({re.escape(name)})(?!\\\\w)'",
    "webhook/lazypatterns.py: *self._written",
    "webhook/offline/deduplicating.py: f'\\\\b{re.escape(path)}\\\\.(?=spec\\\\b|metadata\\\\b)'",
}
TABLES = {
    "_ELEMENTS": (gotimes, 3, "match"),
    "_OVERLOADS": (idioms, 0, "fullmatch"),
    "_NO_SYNTAX": (idioms, 0, "search"),
}
"""Tables with patterns: module, column, and how they are used."""


def _patterns() -> dict[str, tuple[str | bytes, int, str]]:
    """Every pattern that is written as text in the code, by file and line; with its flags and how it is used."""
    found: dict[str, tuple[str | bytes, int, str]] = {}
    for folder in ("webhook", "gatewright", "policies"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            source = file.read_text()
            if not _WRITTEN.search(source):
                continue
            tree = ast.parse(source)
            names = {
                id(node.value): ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign | ast.AnnAssign)
            }
            for node in ast.walk(tree):
                if not (isinstance(node, ast.Call) and node.args):
                    continue
                called = ast.unparse(node.func)
                if called not in _CALLS:
                    continue
                pattern = node.args[0]
                name = names.get(id(node), "")
                if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str | bytes):
                    written = ast.unparse(node)
                    text = pattern.value
                    flags = re.VERBOSE * ("VERBOSE" in written or "re.X" in written) | re.DOTALL * ("DOTALL" in written)
                elif called in _COMPILING and name.lstrip("_").isupper():
                    text, flags = _composed(file, name)
                else:
                    place = f"{file.relative_to(ROOT)}: {ast.unparse(pattern)}"
                    assert place in COMPOSED, f"{place}: a pattern that is known only when it runs"
                    continue
                use = _use(source, name) if called in _COMPILING else called.removeprefix("re.")
                found[f"{file.relative_to(ROOT)}:{node.lineno}"] = (text, int(flags), use)
    for name, (module, column, use) in TABLES.items():
        for index, row in enumerate(getattr(module, name)):
            found[f"{name}[{index}]"] = (row[column], 0, use)
    return found


def _composed(file: Path, name: str) -> tuple[str | bytes, int]:
    """A pattern that is put together of others, and its flags, as the module has it."""
    module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    pattern: re.Pattern[Any] = getattr(module, name)
    return pattern.pattern, pattern.flags & (re.VERBOSE | re.DOTALL)


def _use(source: str, name: str) -> str:
    """How a compiled pattern is used: `match` or `fullmatch` if the file uses it in no other way, else `search`."""
    uses = set(re.findall(rf"\b{re.escape(name)}\.(\w+)", source)) if name else set()
    if uses == {"fullmatch"}:
        return "fullmatch"
    return "match" if uses and uses <= {"match", "fullmatch"} else "search"


PATTERNS = _patterns()


class _TooMany(Exception):
    pass


class _Matcher:
    """Backtracks over the parse tree of a pattern, as Python's matcher does, and counts its steps."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self.tree = parser.parse(pattern, flags)
        self.bytes = isinstance(pattern, bytes)
        self.steps = 0

    def run(self, text: str, use: str) -> None:
        for at in range(1 if use in ("match", "fullmatch") else len(text) + 1):
            if self._from(list(self.tree), text, at, lambda end: use != "fullmatch" or end == len(text)):
                return

    def _from(self, nodes: list[Any], text: str, at: int, then: Callable[[int], bool]) -> bool:
        self.steps += 1
        if self.steps > STEPS:
            raise _TooMany
        while nodes:
            op, argument = nodes[0]
            rest = nodes[1:]
            if op in (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN):
                if at >= len(text) or not self._takes(op, argument, text[at]):
                    return False
                self.steps += 1
                at, nodes = at + 1, rest
            elif op is code.AT:
                if (argument in (code.AT_BEGINNING, code.AT_BEGINNING_STRING) and at) or (
                    argument in (code.AT_END, code.AT_END_STRING) and at < len(text)
                ):
                    return False
                nodes = rest
            elif op is code.SUBPATTERN:
                nodes = [*argument[3], *rest]
            elif op is code.ATOMIC_GROUP:
                ends: list[int] = []
                if not self._from(list(argument), text, at, _noted(ends)):
                    return False
                at, nodes = ends[0], rest
            elif op is code.BRANCH:
                return any(self._from([*each, *rest], text, at, then) for each in argument[1])
            elif op in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
                return self._repeat(op, argument, rest, text, at, then)
            elif op in (code.ASSERT, code.ASSERT_NOT):
                start = at if argument[0] > 0 else at - _width(argument[1])
                found = start >= 0 and self._from(list(argument[1]), text, start, lambda _: True)
                if found is (op is code.ASSERT_NOT):
                    return False
                nodes = rest
            else:  # a back reference
                nodes = rest
        return then(at)

    def _repeat(self, op: Any, argument: Any, rest: list[Any], text: str, at: int, then: Callable[[int], bool]) -> bool:
        low, high, inner = argument
        inner = list(inner)
        single = len(inner) == 1 and inner[0][0] in (code.LITERAL, code.NOT_LITERAL, code.ANY, code.IN)
        if single:  # no recursion for each character
            end = at
            while end < len(text) and end - at < high and self._takes(inner[0][0], inner[0][1], text[end]):
                end += 1
                self.steps += 1
            if end - at < low:
                return False
            if op is code.POSSESSIVE_REPEAT:
                return self._from(rest, text, end, then)
            tries: Any = range(end, at + low - 1, -1) if op is code.MAX_REPEAT else range(at + low, end + 1)
            return any(self._from(rest, text, each, then) for each in tries)
        if op is code.POSSESSIVE_REPEAT:
            count = 0
            while count < high:
                ends: list[int] = []
                if not self._from(inner, text, at, _noted(ends)) or ends[0] == at:
                    break
                at, count = ends[0], count + 1
            return count >= low and self._from(rest, text, at, then)

        def more(count: int, start: int) -> bool:
            def again(end: int) -> bool:
                return (end > start or count < low) and more(count + 1, end)

            if count < low:
                return self._from(inner, text, start, again)
            if op is code.MIN_REPEAT:
                return self._from(rest, text, start, then) or (count < high and self._from(inner, text, start, again))
            return (count < high and self._from(inner, text, start, again)) or self._from(rest, text, start, then)

        return more(0, at)

    def _takes(self, op: Any, argument: Any, character: str) -> bool:
        number = ord(character)
        if op is code.ANY:
            return character != "\n"
        if op is code.LITERAL:
            return number == argument
        if op is code.NOT_LITERAL:
            return number != argument
        negated = bool(argument) and argument[0][0] is code.NEGATE
        return negated is not any(_within(each, character) for each in argument if each[0] is not code.NEGATE)


def _width(nodes: Any) -> int:
    """How many characters what is looked for before a place has: Python takes patterns of one length only."""
    low, high = nodes.getwidth()
    assert low == high
    return int(low)


def _noted(ends: list[int]) -> Callable[[int], bool]:
    """Notes where a match ends, and takes it."""

    def noted(end: int) -> bool:
        ends.append(end)
        return True

    return noted


def _within(entry: Any, character: str) -> bool:
    op, argument = entry
    if op is code.LITERAL:
        return ord(character) == argument
    if op is code.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    kind = str(argument)[len("CATEGORY_") :]
    found = {
        "DIGIT": character.isdigit(),
        "SPACE": character.isspace(),
        "WORD": character.isalnum() or character == "_",
    }[kind.removeprefix("NOT_")]
    return found is not kind.startswith("NOT_")


def _alphabet(tree: Any) -> Iterator[str]:
    """One character of each class in the pattern, and the pattern's literals in their order."""
    for op, argument in tree:
        if op is code.LITERAL:
            yield chr(argument)
        elif op is code.IN:
            for kind, value in argument:
                if kind is code.LITERAL:
                    yield chr(value)
                elif kind is code.RANGE:
                    yield chr(value[0])
                elif kind is code.CATEGORY:
                    yield {"DIGIT": "7", "SPACE": " ", "WORD": "w"}.get(str(value)[len("CATEGORY_") :], "-")
        elif op in (code.NOT_LITERAL, code.ANY):
            yield "x"
        elif op is code.SUBPATTERN:
            yield from _alphabet(argument[3])
        elif op is code.BRANCH:
            for each in argument[1]:
                yield from _alphabet(each)
        elif op in (code.MAX_REPEAT, code.MIN_REPEAT, code.POSSESSIVE_REPEAT):
            yield from _alphabet(argument[2])
        elif op in (code.ATOMIC_GROUP,):
            yield from _alphabet(argument)
        elif op in (code.ASSERT, code.ASSERT_NOT):
            yield from _alphabet(argument[1])


def _texts(tree: Any, size: int) -> Iterator[str]:
    letters = list(dict.fromkeys(_alphabet(tree)))[:24]
    units = [*letters, "".join(letters)]
    units += [one + two for one in letters[:6] for two in letters[:6] if one != two]
    for unit in units:
        text = (unit * size)[:size]
        yield text + "\x00"
        yield "".join(letters[:1]) + text + "\x00"


def _worst(name: str, size: int) -> float:
    pattern, flags, use = PATTERNS[name]
    worst = 0
    for text in _texts(parser.parse(pattern, flags), size):
        matcher = _Matcher(pattern, flags)
        try:
            matcher.run(text, use)
        except (_TooMany, RecursionError):
            return float("inf")
        worst = max(worst, matcher.steps)
    return worst


@pytest.mark.parametrize("name", [name for name in PATTERNS if name.partition(":")[0] not in BOUNDED])
def test_twice_the_text_takes_twice_the_steps(name: str) -> None:
    once, twice = _worst(name, 60), _worst(name, 120)
    assert twice < 3 * once + 50, f"{PATTERNS[name][0]!r}: {once} steps for 60 characters, {twice} for 120"


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        ("(a+)+b", False),
        (r"a+$", False),
        (r"\s+$", False),
        ("[a-z]+b", False),
        ("^[a-z]+b", True),
        (r"^(?:a|b)*c", True),
    ],
)
def test_the_matcher_tells_them_apart(pattern: str, linear: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PATTERNS, "it", (pattern, 0, "search"))
    once, twice = _worst("it", 60), _worst("it", 120)
    assert (twice < 3 * once + 50) is linear

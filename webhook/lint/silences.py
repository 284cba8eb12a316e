"""Comments that silence an alarm in place, with a reason: `# gatewright: ignore GW104 why it is right here`.

In YAML a comment silences the alarms of its line, and of the lines below that are indented deeper; alone on its line it
is about the line below it. In Python it silences the alarms of the statement that it stands in, or above. What has no
comments (JSON, Python policies that a tool writes) takes an annotation of the object instead, one silence a line:

    metadata:
      annotations:
        gatewright.dev/lint-ignore: |
          GW104 why it is right here

A silence without a reason, of a rule that does not exist, or of nothing is itself an alarm.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.reader import Document, Position
from webhook.excerpts import Excerpt
from webhook.lazypatterns import lazily
from webhook.lint.alarms import Alarm, Edit, Rule
from webhook.lint.subject import Module, Subject, key_of
from webhook.paths import lookup

ANNOTATION: Final = "gatewright.dev/lint-ignore"

WITHOUT_REASON: Final = "GW002"
UNUSED: Final = "GW003"
UNKNOWN: Final = "GW004"

RULES: Final = (
    Rule(WITHOUT_REASON, "silence-without-reason", "warning", "a silence gives no reason", silent=False),
    Rule(UNUSED, "unused-silence", "warning", "a silence silences nothing", fixable=True, silent=False),
    Rule(UNKNOWN, "unknown-silence", "warning", "a silence names no rule that can be silenced", silent=False),
)

_COMMENT = lazily(r"#[ \t]*gatewright:[ \t]*ignore\b(?P<rest>[^\r\n]*)")
_IDS = lazily(
    r"[ \t:]*(?P<ids>[A-Za-z]{2}[0-9]{1,6}(?:[ \t]{0,8},[ \t]{0,8}[A-Za-z]{2}[0-9]{1,6}){0,50})\b(?P<reason>.*)"
)
_ITEM = lazily(r" *-(?:\s|\Z)")
_BLOCK_HEADER = lazily(r"[|>][-+0-9]{0,2}[ \t]+\Z")


class Silence(Struct, frozen=True):
    """A comment, or a line of the annotation. `first`, `last`: the lines of the file that it applies to.

    `start`, `end`: the comment itself, for the edit that removes it; None in an annotation.
    """

    file: str
    line: int
    column: int
    ids: tuple[str, ...]
    reason: str
    first: int
    last: int
    text: str
    end: int | None = None

    def covers(self, alarm: Alarm) -> bool:
        return alarm.rule in self.ids and alarm.file == self.file and self.first <= (alarm.line or 0) <= self.last


def applied(alarms: Iterable[Alarm], subject: Subject, rules: Mapping[str, Rule]) -> tuple[list[Alarm], list[Alarm]]:
    """The alarms that count, including those about silences; and the silenced alarms, each with its reason."""
    found = [*_in_files(subject), *_in_annotations(subject)]
    kept: list[Alarm] = []
    silenced: list[Alarm] = []
    used: set[tuple[int, str]] = set()
    for alarm in alarms:
        covering = [number for number, each in enumerate(found) if each.covers(alarm) and rules[alarm.rule].silent]
        used.update((number, alarm.rule) for number in covering)
        reasons = [found[number].reason for number in covering]
        if reasons:  # a silence without a reason works too: the alarm about the missing reason is enough
            silenced.append(replace(alarm, reason=next(filter(None, reasons), "")))
        else:
            kept.append(alarm)
    for number, each in enumerate(found):
        unknown = [name for name in each.ids if name not in rules or not rules[name].silent]
        # In a tree that does not load most rules were not run, so a silence may have a use.
        unused = [name for name in each.ids if name not in unknown and (number, name) not in used and subject.loaded]
        if not each.ids:
            kept.append(_alarm(UNKNOWN, each, "names no rule; write `gatewright: ignore GW104 the reason`"))
        for name in unknown:
            why = "reports what loading refuses and cannot be silenced" if name in rules else "is no rule"
            kept.append(_alarm(UNKNOWN, each, f"{name} {why}"))
        if unused:
            whole = len(unused) == len(each.ids)
            message = f"{', '.join(unused)}: there is nothing to silence here; remove it"
            kept.append(_alarm(UNUSED, each, message, _removal(each) if whole else ()))
        if each.ids and not each.reason:
            kept.append(_alarm(WITHOUT_REASON, each, "no reason; write why after the rule's id"))
    return kept, silenced


def _alarm(rule: str, silence: Silence, message: str, edits: tuple[Edit, ...] = ()) -> Alarm:
    return Alarm(
        rule=rule,
        message=f"gatewright: ignore: {message}",
        file=silence.file,
        line=silence.line,
        column=silence.column,
        end=silence.end,
        excerpt=Excerpt(silence.text, silence.column, silence.line),
        edits=edits,
        remedy="remove the comment" if edits else "",
    )


def _removal(silence: Silence) -> tuple[Edit, ...]:
    """The edit that removes the comment, with its line if nothing else stands there."""
    if silence.end is None:
        return ()
    before = silence.text[: silence.column - 1]
    if not before.strip():
        return (Edit(silence.file, Position(silence.line, 1), Position(silence.line + 1, 1), ""),)
    return (
        Edit(silence.file, Position(silence.line, len(before.rstrip()) + 1), Position(silence.line, silence.end), ""),
    )


# Comments


def _in_files(subject: Subject) -> Iterator[Silence]:
    for module in subject.modules:
        yield from _in_module(module)
    scalars: dict[str, list[tuple[Position, Position, str]]] = {}
    seen: set[tuple[int, int]] = set()
    for document in subject.documents:
        if document.key not in seen:
            seen.add(document.key)
            scalars.setdefault(document.stream, []).extend(document.scalars())
    for file in subject.tree.files:
        if file.name in scalars and b"gatewright:" in file.content:
            text = file.content.decode("utf-8-sig", errors="replace")
            yield from _in_yaml(file.name, text.split("\n"), scalars[file.name])


def _in_yaml(file: str, lines: list[str], scalars: list[tuple[Position, Position, str]]) -> Iterator[Silence]:
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip("\r")
        match = _COMMENT.search(line)
        if match is None or (match.start() and not line[match.start() - 1].isspace()):
            continue
        if _within(Position(number, match.start() + 1), line[: match.start()], scalars):
            continue
        alone = not line[: match.start()].strip()
        first = _next(lines, number) if alone else number
        yield _silence(file, number, line, match, first, _below(lines, first))


def _within(at: Position, before: str, scalars: list[tuple[Position, Position, str]]) -> bool:
    """Whether a position is in a scalar, and not in a comment."""
    for start, end, style in scalars:
        if start <= at < end:
            # A comment may follow the header of a block. One after a block may be counted as part of its end.
            return not (style in ("|", ">") and start.line == at.line and _BLOCK_HEADER.search(before))
    return False


def _next(lines: list[str], number: int) -> int:
    """The line after a comment that is no comment and not blank."""
    for following in range(number + 1, len(lines) + 1):
        text = lines[following - 1].strip()
        if text and not text.startswith("#"):
            return following
    return number


def _below(lines: list[str], first: int) -> int:
    """The last line of the entry that begins on a line: the deeper indented lines below belong to it. The items of a
    list may be indented like its key.
    """
    indent = _indent(lines[first - 1])
    last = first
    for number in range(first + 1, len(lines) + 1):
        text = lines[number - 1]
        if not text.strip():
            continue
        of_list = _indent(text) == indent and _ITEM.match(text) and not _ITEM.match(lines[first - 1])
        if _indent(text) <= indent and not of_list:
            break
        last = number
    return last


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _in_module(module: Module) -> Iterator[Silence]:
    if "gatewright:" not in module.text:
        return
    lines = module.text.split("\n")
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(module.text).readline))
    except (tokenize.TokenError, SyntaxError):
        return
    for token in tokens:
        if token.type == tokenize.COMMENT and (match := _COMMENT.match(token.string)):
            number, column = token.start
            line = lines[number - 1].rstrip("\r")
            alone = not line[:column].strip()
            first, last = _statement(module.tree, _next(lines, number) if alone else number)
            yield _silence(module.file, number, line, match, min(first, number), last, column)


def _statement(tree: ast.Module, line: int) -> tuple[int, int]:
    """The first and last line of the statement that begins on a line, else of the smallest statement around it. For a
    compound statement that begins above it is the line alone.
    """
    smallest: tuple[int, int] = (line, line)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            last = node.end_lineno or first
            if first == line:
                return first, last
            if first <= line <= last and not hasattr(node, "body"):
                smallest = (first, last)
    return smallest


def _silence(
    file: str, number: int, line: str, match: re.Match[str], first: int, last: int, offset: int = 0
) -> Silence:
    ids, reason = _read(match["rest"])
    return Silence(file, number, offset + match.start() + 1, ids, reason, first, last, line, offset + match.end() + 1)


def _read(text: str) -> tuple[tuple[str, ...], str]:
    """The rule ids and the reason of a silence."""
    found = _IDS.match(text)
    if found is None:
        return (), text.strip()
    ids = tuple(each.strip().upper() for each in found["ids"].split(","))
    return ids, found["reason"].strip(" \t:-")


# Annotations


def _in_annotations(subject: Subject) -> Iterator[Silence]:
    for document in subject.documents:
        path = ("metadata", "annotations", ANNOTATION)
        text = lookup(document.value, path)
        if not isinstance(text, str):
            continue
        at = document.position(path)
        last = _last(document, subject)
        for each in text.splitlines():
            if each.strip():
                ids, reason = _read(each)
                shown = document.excerpt(at).text
                yield Silence(document.stream, at.line, at.column, ids, reason, document.line, last, shown)


def _last(document: Document, subject: Subject) -> int:
    """The last line of a document: the line before the next document in the file."""
    following = [
        each.line - 1
        for each in subject.documents
        if each.stream == document.stream and each.line > document.line and key_of(each) != key_of(document)
    ]
    return min(following, default=1 << 30)

"""The problems and warnings of loading: GW001 to GW005, GW201, GW209 to GW211 and GW213."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from webhook.documents import reader, syntax
from webhook.documents.reader import Position, Problem
from webhook.lazypatterns import lazily
from webhook.lint.alarms import Alarm, Edit, Rule
from webhook.lint.subject import Subject, of_problem
from webhook.paths import Path, lookup
from webhook.versions import shown

BROKEN: Final = "GW001"
DOUBTFUL: Final = "GW005"
FIELDS: Final = "GW201"
QUOTING: Final = "GW209"
FOLDED: Final = "GW210"
NEWER: Final = "GW211"
PANICS: Final = "GW213"

RULES: Final = (
    Rule(BROKEN, "does-not-load", "error", "the tree does not load", silent=False),
    Rule(DOUBTFUL, "doubtful-object", "warning", "an object that is no policy is probably not what was meant"),
    Rule(FIELDS, "unknown-field", "warning", "an expression reads a field that the kind does not have"),
    Rule(QUOTING, "yaml-reads-otherwise", "error", "YAML reads a text in another way than it looks", fixable=True),
    Rule(FOLDED, "folded-comment", "warning", "a comment in an expression takes in the lines below it"),
    Rule(NEWER, "newer-than-target", "error", "the target version of Kubernetes does not know this yet"),
    Rule(PANICS, "server-panics", "error", "the API server panics when the policy is created"),
)

_LINE = lazily(r"(?P<key>[ \t]*(?:-[ \t]{1,8}){0,4}[\w./-]{1,60}:[ \t]+)(?P<value>[^\s'\"|>&*#\[{][^\r\n]*?)[ \t]*\r?")
_HARMLESS: Final = frozenset("\n\t\r")


def check(subject: Subject) -> Iterator[Alarm]:
    """The problems of the tree, and the warnings of loading that no other rule reports."""
    texts = {file.name: file.content for file in subject.tree.files}
    for problem in subject.problems:
        if problem in subject.newer:
            alarm = of_problem(NEWER, problem)
            message = f"{alarm.message} (Kubernetes {shown(subject.target)}; later versions know it)"
            yield replace(alarm, message=message)
        elif syntax.misread.QUOTE in problem.message:
            alarm = of_problem(QUOTING, problem)
            yield _quoted(alarm, problem, texts.get(problem.file, b""))
        yield of_problem(BROKEN, problem)  # `unrepeated` drops it where one of these counts
    if subject.loaded:
        for warning in subject.policies.warnings:
            if warning.rule in ("", FIELDS, FOLDED, PANICS):
                yield of_problem(warning.rule or DOUBTFUL, warning)
    yield from _control_characters(subject)


def unrepeated(alarms: Sequence[Alarm]) -> Iterator[Alarm]:
    """The alarms that count, without the errors of loading that one of them repeats under its own rule. One that a
    comment silences repeats nothing: a tree does not load without an error that says why."""
    said = [each for each in alarms if each.rule in (NEWER, QUOTING)]
    for alarm in alarms:
        if alarm.rule != BROKEN or not any(_repeats(each, alarm) for each in said if each.file == alarm.file):
            yield alarm


def _repeats(alarm: Alarm, broken: Alarm) -> bool:
    same_place = (alarm.line, alarm.column) == (broken.line, broken.column)
    return same_place and alarm.message.startswith(broken.message)


def _quoted(alarm: Alarm, problem: Problem, content: bytes) -> Alarm:
    """The alarm with an edit that quotes the text, if the line shows its beginning and end."""
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return alarm
    if problem.line is None or problem.line > len(lines):
        return alarm
    line = lines[problem.line - 1]
    match = _LINE.fullmatch(line)
    if match is None or " #" in match["value"]:
        return alarm
    text = match["value"]
    quoted = "'" + text.replace("'", "''") + "'"
    there, _ = reader.parse(f"{match['key']}{quoted}\n", problem.file)
    if not there or not _holds(there[0].value, text) or _continues(lines, problem.line, match["key"]):
        return alarm
    start, end = match.start("value") + 1, match.end("value") + 1
    edit = Edit(problem.file, Position(problem.line, start), Position(problem.line, end), quoted)
    return replace(alarm, edits=(edit,), remedy="put the text in quotes", end=end)


def _holds(value: object, text: str) -> bool:
    """Whether a nested list or mapping has a text as its only value."""
    while isinstance(value, list | dict) and len(value) == 1:
        (value,) = value if isinstance(value, list) else value.values()
    return value == text


def _continues(lines: list[str], number: int, key: str) -> bool:
    """Whether the text continues below the line: the next line is indented deeper than the key."""
    column = len(key) - len(key.lstrip(" -"))
    for line in lines[number:]:
        if line.strip():
            return len(line) - len(line.lstrip(" ")) > column
    return False


def _control_characters(subject: Subject) -> Iterator[Alarm]:
    r"""The alarms about escapes in double quotes that YAML reads, although they were meant for the expression: "\b" is
    a backspace."""
    for document in subject.documents:
        for path in _texts(document.value):
            text = lookup(document.value, path)
            if not isinstance(text, str) or not any(each < " " and each not in _HARMLESS for each in text):
                continue
            written = document.written(path)
            if written is not None and written.style == '"':
                shown_escape = re.search(r"\\[0abefv]", written.text)
                escape = shown_escape[0] if shown_escape else "an escape"
                message = f"YAML reads {escape} in double quotes as a control character; write it in single quotes"
                yield subject.alarm(QUOTING, document, path, message, value=True)


def _texts(value: object) -> Iterator[Path]:
    """The paths of the expressions in a policy."""
    for field, names in (
        ("validations", ("expression", "messageExpression")),
        ("matchConditions", ("expression",)),
        ("variables", ("expression",)),
        ("auditAnnotations", ("valueExpression",)),
    ):
        listed = lookup(value, ("spec", field))
        for index in range(len(listed) if isinstance(listed, list) else 0):
            yield from (("spec", field, index, name) for name in names)

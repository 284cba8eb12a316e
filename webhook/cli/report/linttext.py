"""The report of `lint` as text: each alarm with its line of the file and a caret, then what a fix or a count says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from webhook import excerpts
from webhook.cli.report.style import BOLD, DIM, ERROR, WARNING, Style
from webhook.lint.alarms import SEVERITIES, Alarm, Severity
from webhook.lint.linting import Linted
from webhook.lint.table import RULES
from webhook.visible import visible

_STYLES: Final[dict[Severity, str]] = {"error": ERROR, "warning": WARNING, "note": DIM}


def report(found: Linted, mended: tuple[int, list[str]], color: bool, width: int | None = None) -> str:
    """The alarms, sorted by file and line. mended: how many alarms `--fix` mended, and in which files."""
    style = Style(color)
    lines = [line for alarm in found.alarms for line in _alarm(alarm, style, width)]
    count, files = mended
    if count:
        lines.append(f"{_counted(count, 'alarm')} mended in {', '.join(map(visible, files))}")
    if not found.loads:
        lines.append("the tree does not load: most rules have not been asked")
    lines.append(style(BOLD, _summary(found)))
    return "".join(f"{line}\n" for line in lines)


def _alarm(alarm: Alarm, style: Style, width: int | None) -> Iterator[str]:
    rule = RULES[alarm.rule]
    place = "".join(f":{number}" for number in (alarm.line, alarm.column) if number is not None)
    subject = f"{alarm.kind} '{alarm.name}': " if alarm.name else ""
    field = f"{alarm.path}: " if alarm.path and not alarm.message.startswith(alarm.path) else ""
    head = style(_STYLES[rule.severity], f"{rule.severity}[{rule.id}]:")
    yield f"{head} {visible(f'{alarm.file}{place}: {subject}{field}{alarm.message}')}"
    if alarm.excerpt is not None:
        yield from excerpts.lines(alarm.excerpt, width)
    if alarm.edits:
        yield style(DIM, f"     = --fix can mend this: {visible(alarm.remedy)}")


def _summary(found: Linted) -> str:
    counts = Counter(RULES[alarm.rule].severity for alarm in found.alarms)
    parts = [_counted(counts[severity], severity) for severity in SEVERITIES if counts[severity]]
    silenced = f", {len(found.silenced)} silenced" if found.silenced else ""
    of = f"{_counted(found.policies, 'policy')} in {_counted(found.files, 'file')}"
    return f"{', '.join(parts) or 'nothing found'}{silenced} ({of})"


def _counted(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"

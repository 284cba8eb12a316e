"""The report for people: grouped by file, each finding with its place, and a line that sums it up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Final

from webhook.cli.report.changes import unified
from webhook.cli.report.naming import object_name
from webhook.cli.report.outcome import Action, Outcome, action_of, beside
from webhook.cli.report.problems import error_text, note_line, warning_text
from webhook.cli.report.style import ACTIONS, BOLD, DIFF, DIM, ERROR, PASSED, Style
from webhook.offline.verdicts import Located, LocatedExplanation
from webhook.paths import render
from webhook.policy.exceptions import PolicyException
from webhook.visible import visible

MAX_MESSAGE_LINES: Final = 20
_LAST_LINES: Final = 5
_INDENT: Final = " " * 6


def report(outcome: Outcome, color: bool, width: int | None = None, drawing: bool = True) -> str:
    """The report, with a newline at its end. Problems and notes are not in it: they go to stderr (`asides`).

    `width`: the columns at which messages are wrapped, None for never. `drawing`: whether line art can be written.
    """
    style = Style(color)
    lines: list[str] = []
    for file, found in groupby(outcome.findings, key=lambda located: located.file):
        lines += _file(file, list(found), outcome, style, width, drawing)
    for file, excepted in groupby(outcome.excepted, key=lambda each: each[0].file):
        lines += _excepted(file, list(excepted), style, width)
    if outcome.show_changes:
        for change in outcome.changes:
            lines += [style(DIFF.get(line[:1], ""), line) for line in unified(change)]
            lines.append("")
    lines.append(_summary(outcome, style))
    return "\n".join(lines) + "\n"


def asides(outcome: Outcome, color: bool, width: int | None = None) -> str:
    """The notes, warnings and problems, a line each and the place's own line below; "" if there are none.

    `width`: the columns of the terminal that they are shown on, None if they are not.
    """
    notes = [note_line(note, color) for note in outcome.notes]
    warnings = [warning_text(problem, color, width) for problem in outcome.warnings]
    return "".join((*notes, *warnings, *(error_text(problem, color, width) for problem in outcome.problems)))


def _file(
    file: str, found: list[Located], outcome: Outcome, style: Style, width: int | None, drawing: bool
) -> Iterator[str]:
    title = style(BOLD, visible(file))
    if found[0].stream != file:
        title += style(DIM, f" (lines are those of {visible(found[0].stream)})")
    yield title
    for actions, located in _merged(found):
        # The place is written as editors and terminals follow it: FILE:LINE:COLUMN.
        place = f"{visible(located.stream)}:{located.line}:{located.column}"
        binding = located.finding.binding
        bound = style(DIM, f" ({visible(binding)})") if binding not in ("", located.finding.policy) else ""
        policy = style(BOLD, visible(located.finding.policy or located.finding.kind))
        told = ", ".join(style(ACTIONS[action], action) for action in actions)
        if located.finding.error:
            told += f" {style(ERROR, '(error)')}"
        yield f"  {place}: {told} {policy}{bound}"
        path = visible(render(located.path or ()))
        where = f": {path}" if path and not located.message.startswith(path) else ""  # not twice
        yield f"{_INDENT}{object_name(located.identity)}{where}"
        yield from (f"{_INDENT}{line}" for line in _message(located.message, width))
        for line in beside(located, outcome.background, outcome.verbose):
            yield from (f"{_INDENT}{style(DIM, each)}" for each in _wrapped([visible(line)], width))
        if located.explained is not None:
            yield from _why(located, located.explained, style, width, drawing)
    yield ""


def _why(located: Located, why: LocatedExplanation, style: Style, width: int | None, drawing: bool) -> Iterator[str]:
    """The tree of the expression behind a finding."""
    from webhook.cli.report.explaintree import PIPED_WIDTH, Look, tree_of  # where it is asked for

    look = Look(style, width or PIPED_WIDTH, ascii=not drawing)
    for each in why.evaluated.behind(located.finding):
        yield f"{_INDENT}{style(DIM, f'why: {visible(render(each.place))}')}"
        yield from tree_of(each, look, why.evaluated.private, why.planned, located, _INDENT)


def _excepted(
    file: str, found: list[tuple[Located, PolicyException]], style: Style, width: int | None
) -> Iterator[str]:
    yield style(BOLD, visible(file))
    for located, exception in found:
        place = f"{visible(located.stream)}:{located.line}:{located.column}"
        by = f"excepted by {visible(exception.name)} until {visible(exception.until)}"
        yield f"  {place}: {style(ACTIONS['audit'], by)}: {style(BOLD, visible(located.finding.policy))}"
        path = visible(render(located.path or ()))
        where = f": {path}" if path and not located.message.startswith(path) else ""
        yield f"{_INDENT}{object_name(located.identity)}{where}"
        yield from (f"{_INDENT}{line}" for line in _message(located.message, width))
    yield ""


def _merged(found: Iterable[Located]) -> Iterable[tuple[list[Action], Located]]:
    """The findings in their order, those that differ in nothing but their action as one."""
    merged: dict[object, tuple[list[Action], Located]] = {}
    for located in found:
        finding = located.finding
        place = (located.stream, located.line, located.column, located.path, located.identity)
        same = (*place, finding.policy, finding.binding, located.message)
        merged.setdefault(same, ([], located))[0].append(action_of(located))
    return merged.values()


def _message(message: str, width: int | None) -> Iterable[str]:
    lines = [visible(line) for line in message.strip().splitlines()]
    if len(lines) > MAX_MESSAGE_LINES:  # of a long expression that `resulted in error: …` the end is the cause
        head = MAX_MESSAGE_LINES - _LAST_LINES
        left = len(lines) - MAX_MESSAGE_LINES
        lines = [*lines[:head], f"… {left} more line{'s' if left > 1 else ''}", *lines[-_LAST_LINES:]]
    return _wrapped(lines, width)


def _wrapped(lines: list[str], width: int | None) -> Iterable[str]:
    if width is None:
        return lines
    columns = max(width - len(_INDENT), 20)
    wrapped = (textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) for line in lines)
    return chain.from_iterable(wrapped)


def _summary(outcome: Outcome, style: Style) -> str:
    denied, warned, audited = (outcome.count(action) for action in ("deny", "warn", "audit"))
    parts = []
    if denied:
        parts.append(style(ACTIONS["deny"], f"{denied:,} denied"))
    if warned:
        parts.append(style(ACTIONS["warn"], _counted(warned, "warning")))
    if audited:
        parts.append(style(ACTIONS["audit"], f"{audited:,} for the audit log"))
    if outcome.excepted:
        parts.append(style(ACTIONS["audit"], f"{len(outcome.excepted):,} excepted"))
    if outcome.problems:
        parts.append(style(ERROR, _counted(len(outcome.problems), "error")))
    if not denied:
        parts.insert(0, style(PASSED, "nothing denied"))
    checked = f"{_counted(outcome.objects, 'object')} in {_counted(outcome.files, 'file')}"
    return f"{', '.join(parts)} ({checked}, {_counted(outcome.policies, 'policy', 'policies')})"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"

"""The report for people: grouped by file, each finding with its place, and a line that sums it up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Final

from webhook import excerpts
from webhook.cli.report.changes import unified
from webhook.cli.report.naming import object_name
from webhook.cli.report.outcome import Action, Outcome, action_of
from webhook.cli.report.visible import visible
from webhook.documents.reader import Problem
from webhook.offline.verdicts import Located, LocatedExplanation
from webhook.paths import render
from webhook.policy.exceptions import PolicyException

_RESET: Final = "\x1b[0m"
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _CYAN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"
_ACTION_STYLES: Final[dict[Action, str]] = {"deny": _BOLD + _RED, "warn": _BOLD + _YELLOW, "audit": _BOLD + _CYAN}
_DIFF_STYLES: Final = {"+": _GREEN, "-": _RED, "@": _CYAN}

MAX_MESSAGE_LINES: Final = 20
_LAST_LINES: Final = 5
_INDENT: Final = " " * 6


class Style:
    """Colours, or none."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._color and style else text


def report(outcome: Outcome, color: bool, width: int | None = None, drawing: bool = True) -> str:
    """The report, with a newline at its end. Problems and notes are not in it: they go to stderr (`asides`).

    `width`: the columns at which messages are wrapped, None for never. `drawing`: whether line art can be written.
    """
    style = Style(color)
    lines: list[str] = []
    for file, found in groupby(outcome.findings, key=lambda located: located.file):
        lines += _file(file, list(found), style, width, drawing)
    for file, excepted in groupby(outcome.excepted, key=lambda each: each[0].file):
        lines += _excepted(file, list(excepted), style, width)
    if outcome.show_changes:
        for change in outcome.changes:
            lines += [style(_DIFF_STYLES.get(line[:1], ""), line) for line in unified(change)]
            lines.append("")
    lines.append(_summary(outcome, style))
    return "\n".join(lines) + "\n"


def asides(outcome: Outcome, color: bool) -> str:
    """The notes, warnings and problems, a line each and the place's own line below; "" if there are none."""
    notes = [note_line(note, color) for note in outcome.notes]
    warnings = [warning_text(problem, color) for problem in outcome.warnings]
    return "".join((*notes, *warnings, *(error_text(problem, color) for problem in outcome.problems)))


def note_line(message: str, color: bool) -> str:
    """One line for stderr, of what is worth knowing."""
    return f"{Style(color)(_DIM, 'note:')} {visible(message)}\n"


def error_text(problem: Problem, color: bool) -> str:
    """An error for stderr, with the line that it is in and a caret below the place."""
    return error_line(str(problem), color) + _excerpt(problem)


def warning_text(problem: Problem, color: bool) -> str:
    """The same for what is only a warning."""
    return f"{Style(color)(_BOLD + _YELLOW, 'warning:')} {visible(str(problem))}\n{_excerpt(problem)}"


def _excerpt(problem: Problem) -> str:
    return "".join(f"{line}\n" for line in excerpts.lines(problem.excerpt)) if problem.excerpt else ""


def error_line(message: str, color: bool) -> str:
    """One line for stderr."""
    return f"{Style(color)(_BOLD + _RED, 'error:')} {visible(message)}\n"


def _file(file: str, found: list[Located], style: Style, width: int | None, drawing: bool) -> Iterator[str]:
    title = style(_BOLD, visible(file))
    if found[0].stream != file:
        title += style(_DIM, f" (lines are those of {visible(found[0].stream)})")
    yield title
    for actions, located in _merged(found):
        # The place is written as editors and terminals follow it: FILE:LINE:COLUMN.
        place = f"{visible(located.stream)}:{located.line}:{located.column}"
        binding = located.finding.binding
        bound = style(_DIM, f" ({visible(binding)})") if binding not in ("", located.finding.policy) else ""
        policy = style(_BOLD, visible(located.finding.policy))
        told = ", ".join(style(_ACTION_STYLES[action], action) for action in actions)
        yield f"  {place}: {told} {policy}{bound}"
        path = visible(render(located.path or ()))
        where = f": {path}" if path and not located.message.startswith(path) else ""  # not twice
        yield f"{_INDENT}{object_name(located.identity)}{where}"
        yield from (f"{_INDENT}{line}" for line in _message(located.message, width))
        if located.explained is not None:
            yield from _why(located, located.explained, style, width, drawing)
    yield ""


def _why(located: Located, why: LocatedExplanation, style: Style, width: int | None, drawing: bool) -> Iterator[str]:
    """The tree of the expression behind a finding."""
    from webhook.cli.report.explaintree import PIPED_WIDTH, Look, tree_of  # where it is asked for

    look = Look(style, width or PIPED_WIDTH, ascii=not drawing)
    for each in why.evaluated.behind(located.finding):
        yield f"{_INDENT}{style(_DIM, f'why: {visible(render(each.place))}')}"
        yield from tree_of(each, look, why.evaluated.private, why.planned, located, _INDENT)


def _excepted(
    file: str, found: list[tuple[Located, PolicyException]], style: Style, width: int | None
) -> Iterator[str]:
    yield style(_BOLD, visible(file))
    for located, exception in found:
        place = f"{visible(located.stream)}:{located.line}:{located.column}"
        by = f"excepted by {visible(exception.name)} until {visible(exception.until)}"
        yield f"  {place}: {style(_BOLD + _CYAN, by)}: {style(_BOLD, visible(located.finding.policy))}"
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
    if width is None:
        return lines
    columns = max(width - len(_INDENT), 20)
    wrapped = (textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) for line in lines)
    return chain.from_iterable(wrapped)


def _summary(outcome: Outcome, style: Style) -> str:
    denied, warned, audited = (outcome.count(action) for action in ("deny", "warn", "audit"))
    parts = []
    if denied:
        parts.append(style(_ACTION_STYLES["deny"], f"{denied:,} denied"))
    if warned:
        parts.append(style(_ACTION_STYLES["warn"], _counted(warned, "warning")))
    if audited:
        parts.append(style(_ACTION_STYLES["audit"], f"{audited:,} for the audit log"))
    if outcome.excepted:
        parts.append(style(_ACTION_STYLES["audit"], f"{len(outcome.excepted):,} excepted"))
    if outcome.problems:
        parts.append(style(_BOLD + _RED, _counted(len(outcome.problems), "error")))
    if not denied:
        parts.insert(0, style(_BOLD + _GREEN, "nothing denied"))
    checked = f"{_counted(outcome.objects, 'object')} in {_counted(outcome.files, 'file')}"
    return f"{', '.join(parts)} ({checked}, {_counted(outcome.policies, 'policy', 'policies')})"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"

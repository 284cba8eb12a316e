"""The report for people: grouped by file, each finding with its line and a caret, and a line that sums it up."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from webhook import excerpts
from webhook.cli.report.model import LEVELS, MUTANT, OF_CASES, UNTESTED, Finding, Level, Report, merged
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import rendered_in, requested
from webhook.cli.report.problems import error_text, note_line, warning_text
from webhook.cli.report.style import BOLD, DIFF, DIM, ERROR, LEVEL, PASSED, Style
from webhook.counts import counted
from webhook.excerpts import PIPED_WIDTH
from webhook.visible import no_command, visible

MAX_MESSAGE_LINES: Final = 20
_LAST_LINES: Final = 5
_INDENT: Final = " " * 6
_GUTTER: Final = " " * 2


class Look(Struct, frozen=True):
    """The options of the text. `width`: the column at which messages are wrapped; None for never. `drawing`: whether
    line art can be written. `concise`: one line a finding."""

    color: bool = False
    width: int | None = None
    drawing: bool = True
    concise: bool = False


PLAIN: Final = Look()


def lines(report: Report, look: Look = PLAIN) -> Iterator[str]:
    """The lines of the report, without line ends. Problems and notes are not in it: they go to stderr (`asides`).

    No line is a workflow command, which runners of GitHub Actions look for in the output of a step.
    """
    return map(no_command, _lines(report, look))


def _lines(report: Report, look: Look) -> Iterator[str]:
    style = Style(look.color)
    if report.command == "test":
        required = [each for each in report.findings if each.kind == UNTESTED]
        yield from (f"{style(ERROR, 'FAIL')} {style(BOLD, visible(each.rule))}: it has no tests" for each in required)
        if not required and report.mutated is None:
            yield from (f"{style(DIM, 'note:')} {visible(name)} has no tests" for name in report.untested)
        from webhook.cli.report import casestext  # where it is asked for

        yield from casestext.lines(report.cases, style, report.verbose)
        if report.advice and not look.concise and any(case.fails for case in report.cases):
            yield f"{style(DIM, 'note:')} {visible(report.advice)}"
    if report.mutated is not None:
        from webhook.cli.report import mutantstext

        for mutated in report.mutated:
            yield from mutantstext.lines(mutated, style, report.verbose)
    if report.impact is not None:
        from webhook.cli.report import impacttext

        yield from impacttext.lines(report, report.impact, style, concise=look.concise)
        return
    found = [each for each in report.findings if each.kind not in (*OF_CASES, MUTANT)]
    for file, of_file in groupby(found, key=lambda each: each.place.file):
        yield from _file(file, list(of_file), report, look, style)
    exempt = [each for each in report.suppressed if _kind(each) == "exception"]
    for file, of_file in groupby(exempt, key=lambda each: each.place.file):
        yield from _file(file, list(of_file), report, look, style)
    if report.verbose:
        for file, of_file in groupby(_others(report.suppressed), key=lambda each: each.place.file):
            yield from _file(file, list(of_file), report, look, style)
    if not look.concise:
        yield from _pages(found, report, style)
    if report.shows_diffs:
        for change in report.diffs:
            yield from (style(DIFF.get(line[:1], ""), line) for line in change.lines)
            yield ""
    if report.scores is not None:
        from webhook.cli.report import scoreviews

        yield from scoreviews.lines(report.scores, style)
    yield summary(report, style)


def asides(report: Report, color: bool, width: int | None = None) -> Iterator[str]:
    """The notes, warnings and problems, each with a newline at its end: a line, and the place's own line below.

    `width`: the columns of the terminal that they are shown on, None if they are not.
    """
    yield from (note_line(note, color) for note in report.notes)
    yield from (warning_text(problem, color, width) for problem in report.warnings)
    yield from (error_text(problem, color, width) for problem in report.problems)


def _kind(finding: Finding) -> str:
    return finding.suppression.kind if finding.suppression is not None else ""


def _others(suppressed: Iterable[Finding]) -> Iterator[Finding]:
    return (each for each in suppressed if _kind(each) != "exception" and each.kind not in (*OF_CASES, MUTANT))


# -------------------------------------------------------------------------------------------------------- findings


def _file(file: str, found: list[Finding], report: Report, look: Look, style: Style) -> Iterator[str]:
    title = style(BOLD, visible(file))
    first = found[0].rendered
    if look.concise and first is not None and first.file != file and not _sourced(found):
        title += style(DIM, f" (lines are those of {visible(first.file)})")
    yield title
    for levels, finding in merged(found):
        yield from (
            _concise(levels, finding, look, style) if look.concise else _full(levels, finding, report, look, style)
        )
    yield ""


def _pages(found: Iterable[Finding], report: Report, style: Style) -> Iterator[str]:
    """A line for each policy of the findings that names a page which explains it."""
    rules = [report.rules[name] for name in dict.fromkeys(each.rule for each in found) if name in report.rules]
    if linked := [each for each in rules if each.url and each.kind != "lint"]:
        yield from (style(DIM, f"more on {visible(each.id)}: {visible(each.url)}") for each in linked)
        yield ""


def _sourced(found: Iterable[Finding]) -> bool:
    """Whether the lines of all sources are known."""
    return all(each.place.line is not None for each in found)


def _concise(levels: Sequence[Level], finding: Finding, look: Look, style: Style) -> Iterator[str]:
    place = finding.place if finding.place.line is not None else finding.rendered or finding.place
    # What is stored in a cluster has no line.
    at = "".join(f"{number}:" for number in (place.line, place.column) if number is not None) + " "
    at = at.lstrip()
    about = f"{object_name(finding.object)}: " if finding.object is not None else ""
    where = f"{visible(finding.path)}: " if finding.path and not finding.message.startswith(finding.path) else ""
    message = visible(" ".join(finding.message.split()))
    yield f"  {at}{_said(levels, finding, style)}: {about}{where}{message}{requested(finding)}"


def _full(levels: Sequence[Level], finding: Finding, report: Report, look: Look, style: Style) -> Iterator[str]:
    # The place is written as editors and terminals follow it: FILE:LINE:COLUMN.
    yield f"  {visible(str(finding.place))}: {_said(levels, finding, style)}"
    path = visible(finding.path)
    if finding.object is not None:
        where = f": {path}" if path and not finding.message.startswith(path) else ""  # not twice
        yield f"{_INDENT}{object_name(finding.object)}{where}"
    elif path:
        yield f"{_INDENT}{path}"
    if finding.rendered is not None and (finding.place.line is None or finding.excerpt is not None):
        colon = ":" if finding.excerpt is not None else ""
        yield f"{_INDENT}{style(DIM, rendered_in(finding.rendered) + colon)}"
    yield from _excerpt(finding, look, style)
    beside = [str(finding.looked_for)] if finding.looked_for is not None else []
    for line in (*beside, *finding.asides, *finding.traceback):
        yield from (f"{_INDENT}{style(DIM, each)}" for each in _wrapped([visible(line)], look.width))
    yield from (f"{_INDENT}{style(DIFF.get(line[:1], ''), visible(line))}" for line in finding.diff)
    if finding.fix is not None:
        yield f"{_INDENT}{style(DIM, f'fix: {visible(finding.fix.description)}')}"
    if finding.explained is not None or finding.why:
        yield from _why(finding, look, style)


def _said(levels: Sequence[Level], finding: Finding, style: Style) -> str:
    """The levels, and the rule with its binding."""
    bound = style(DIM, f" ({visible(finding.binding)})") if finding.binding not in ("", finding.policy) else ""
    rule = style(BOLD, visible(finding.rule))
    if (covered := finding.suppression) is not None:
        by = {
            "exception": f"excepted by {visible(covered.by)} until {visible(covered.until)}",
            "baseline": f"known, as {visible(covered.by)} says",
            "comment": "silenced",
        }[covered.kind]
        by += f" ({visible(' '.join(covered.reason.split()))})" if covered.reason else ""
        return f"{style(LEVEL['audit'], by)}: {rule}"
    said = ", ".join(style(LEVEL[level], level) for level in levels)
    if finding.error:
        said += f" {style(ERROR, '(error)')}"
    return f"{said} {rule}{bound}"


def _excerpt(finding: Finding, look: Look, style: Style) -> Iterator[str]:
    """The line with carets and the message beside them; the message below, if it has several lines or no room there."""
    message = finding.message.strip()
    if finding.excerpt is None:
        yield from (f"{_INDENT}{line}" for line in _message(message, look.width))
        return
    room = None if look.width is None else look.width - len(_GUTTER)
    line, carets = (f"{_GUTTER}{each}" for each in excerpts.lines(finding.excerpt, room))
    gutter = line.index("|") + 1
    yield f"{style(DIM, line[:gutter])}{line[gutter:]}"
    shown = f"{style(DIM, carets[:gutter])}{style(LEVEL[finding.level], carets[gutter:])}"
    if "\n" not in message and len(carets) + 1 + len(visible(message)) <= (look.width or PIPED_WIDTH):
        yield f"{shown} {visible(message)}"
        return
    yield shown
    yield from (f"{_INDENT}{line}" for line in _message(message, look.width))


def _why(finding: Finding, look: Look, style: Style) -> Iterator[str]:
    """The tree of the expression behind a finding."""
    from webhook.cli.report import explaintree  # where it is asked for

    yield from (f"{_INDENT}{visible(line)}" for line in finding.why)
    if finding.explained is not None:
        drawn = explaintree.Look(style, look.width or explaintree.PIPED_WIDTH, ascii=not look.drawing)
        yield from explaintree.why(finding.explained, drawn, _INDENT)


def _message(message: str, width: int | None) -> Iterable[str]:
    found = [visible(line) for line in message.strip().splitlines()]
    if len(found) > MAX_MESSAGE_LINES:  # of a long expression that `resulted in error: …` the end is the cause
        head = MAX_MESSAGE_LINES - _LAST_LINES
        left = len(found) - MAX_MESSAGE_LINES
        found = [*found[:head], f"… {left} more line{'s' if left > 1 else ''}", *found[-_LAST_LINES:]]
    return _wrapped(found, width)


def _wrapped(found: list[str], width: int | None) -> Iterable[str]:
    if width is None:
        return found
    columns = max(width - len(_INDENT), 20)
    return [
        each for line in found for each in textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False)
    ]


def grouped(found: Iterable[Finding], key: Callable[[Finding], str]) -> list[tuple[str, list[Finding]]]:
    """The findings in groups, in the order in which each group begins."""
    groups: dict[str, list[Finding]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return list(groups.items())


# --------------------------------------------------------------------------------------------------------- summary

_NOUNS: Final[dict[Level, tuple[str, str]]] = {
    "deny": ("denied", "denied"),
    "warn": ("warning", "warnings"),
    "audit": ("for the audit log", "for the audit log"),
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "note": ("note", "notes"),
}
_ERRORS: Final[dict[Level, tuple[str, str]]] = {
    **_NOUNS,
    "deny": ("denied by an evaluation error", "denied by evaluation errors"),
    "warn": ("warning of an evaluation error", "warnings of evaluation errors"),
    "audit": ("evaluation error for the audit log", "evaluation errors for the audit log"),
}
_FOR_THE_LOG: Final = "for the audit log"
_OF_OBJECTS: Final = "under Audit"  # of stored objects, about which there is no request that a log could have


def summary(report: Report, style: Style) -> str:
    """The line that sums the report up."""
    wrong = report.problems
    if report.mutated is not None:
        from webhook.cli.report import mutantstext

        return mutantstext.total(report.mutated)
    if report.impact is not None:
        from webhook.cli.report import impacttext

        return impacttext.summary(report, report.impact, style)
    if report.command == "test":
        passed, failed = sum(case.passed for case in report.cases), sum(case.fails for case in report.cases)
        text = f"{counted(len(report.cases), 'case')}: {passed} passed, {failed} failed"
        others = (each for each in report.findings if each.kind not in OF_CASES)
        return ", ".join([text, *_parts(others, style), *_suppressed(report)])
    parts = [*_parts(report.findings, style)]
    if report.command == "audit" and "events" not in report.scope:
        parts = [part.replace(_FOR_THE_LOG, _OF_OBJECTS) for part in parts]
    parts += [style(LEVEL["audit"], part) for part in _suppressed(report)]
    if wrong and report.command == "lint":  # whose findings are errors, too
        parts.append(style(ERROR, "the tree does not load"))
    elif wrong:
        parts.append(style(ERROR, counted(len(wrong), "error")))
    if report.hidden:
        parts.append(f"{report.hidden:,} not shown{_failing(report)}")
    if report.command in ("check", "audit"):
        if not report.count("deny") and not report.hidden_denied:
            parts.insert(0, style(PASSED, "nothing denied"))
    elif not report.findings and not report.hidden and not wrong:
        parts.insert(0, style(PASSED, "nothing found" if report.command == "lint" else "nothing differs"))
    return f"{', '.join(parts)}{f' ({scope(report)})' if report.scope else ''}"


def _failing(report: Report) -> str:
    """The number of hidden findings that fail the run, as text."""
    if not (count := report.hidden_failing):
        return ""
    of = "" if count == report.hidden else f"{count:,} of "
    return f", {of}which fail{'s' if count == 1 else ''} the run"


def suppressed_parts(report: Report) -> str:
    """The numbers of suppressed findings, by reason: `2 excepted, 1 known`."""
    return ", ".join(_suppressed(report))


def _suppressed(report: Report) -> list[str]:
    kinds = Counter(map(_kind, report.suppressed))
    by_comment = "explained" if report.mutated is not None else "silenced"
    named = (("exception", "excepted"), ("baseline", "known"), ("comment", by_comment))
    return [f"{kinds[kind]:,} {words}" for kind, words in named if kinds[kind]]


def _parts(found: Iterable[Finding], style: Style) -> Iterator[str]:
    """The numbers of findings by level; a policy that could not be evaluated is counted apart from violations."""
    counts = Counter((each.level, each.error) for each in found)
    for level in LEVELS:
        for error, nouns in ((False, _NOUNS), (True, _ERRORS)):
            if count := counts[level, error]:
                yield style(LEVEL[level], f"{count:,} {nouns[level][count != 1]}")


def scope(report: Report) -> str:
    """The size of the run: `3 objects in 1 file, 4 policies`."""
    if report.impact is not None:
        from webhook.cli.report import impacttext

        return impacttext.scope(report.impact)
    parts = [f"{number:,} {name if number != 1 else singular(name)}" for name, number in report.scope.items()]
    if list(report.scope)[1:2] == ["files"]:
        parts[:2] = [" in ".join(parts[:2])]
    return ", ".join(parts)


def singular(name: str) -> str:
    """`policy` of `policies`, `object` of `objects`."""
    return f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")

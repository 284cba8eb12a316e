"""The report as GitHub's and GitLab's Markdown, for a comment on a pull request or the summary of a job.

Whatever comes from policies and manifests stands in code spans: there is no markup, link, mention or HTML in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from webhook.cli.report.model import LEVELS, Finding, Level, Report, merged
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import place_of, problems_of, why_suppressed
from webhook.cli.report.style import Style
from webhook.cli.report.text import grouped, summary, suppressed_parts
from webhook.lazypatterns import lazily
from webhook.visible import visible

MOST: Final = 60_000
"""Characters of a report: GitHub takes 65,536 of a comment."""

_EXAMPLES: Final = 10  # findings of a rule that are shown of those that differ in one way, or in several
_LONG: Final = 300  # characters of a text
_MARKS: Final[dict[Level, str]] = {
    "deny": "⛔",
    "error": "⛔",
    "warn": "⚠️",
    "warning": "⚠️",
    "audit": "📝",
    "note": "📝",
}
_NO_MARK: Final = "☑️"  # of what counts for nothing
_BACKTICKS: Final = lazily("`+")


def text(report: Report) -> Iterator[str]:
    """The report in pieces, of MOST characters at most; a line says how much was left out."""
    left = MOST
    folded = False
    blocks = list(_blocks(report))
    for index, block in enumerate(blocks):
        if len(block) > left:
            if folded:
                yield "\n</details>\n"
            yield f"\n… {len(blocks) - index:,} more lines are left out, as comments are limited in size.\n"
            return
        left -= len(block)
        if block.lstrip().startswith(("<details>", "</details>")):  # of ours: others stand in code spans
            folded = not block.lstrip().startswith("</")
        yield block


def _blocks(report: Report) -> Iterator[str]:
    """The lines of the report; what stands first is the most important."""
    if report.impact is not None:
        from webhook.cli.report import impactmarkdown  # where it is asked for

        yield from impactmarkdown.blocks(report, report.impact)
        return
    yield f"### {_heading(report)}\n\n"
    yield f"{_plain(summary(report, Style(False)))}\n\n"
    if report.notes:
        yield from (f"- {code(note)}\n" for note in report.notes)
        yield "\n"
    yield from _problems(report)
    if report.scores is not None:
        from webhook.cli.report import scoreviews

        yield from scoreviews.blocks(report.scores, code)
    found = [each for _, each in merged(report.findings)]
    if found:
        yield from _table(found, lambda each: each.rule, "rule")
        yield from _rules(found)
    if report.suppressed:
        yield f"<details><summary>{suppressed_parts(report)}</summary>\n\n"
        for _, each in merged(report.suppressed):
            why = f" — {code(why_suppressed(each.suppression))}" if each.suppression is not None else ""
            yield f"{_item(each, _NO_MARK)}{why}\n"
        yield "\n</details>\n\n"
    if report.diffs:
        yield "<details><summary>What mutation changes</summary>\n\n"
        for each_diff in report.diffs:
            yield fenced(each_diff.lines, "diff")
        yield "</details>\n\n"


def _heading(report: Report) -> str:
    bad = (
        report.problems
        or any(each.severity == "error" for each in report.findings)
        or (report.scores is not None and report.scores.failed)
    )
    mark = "❌" if bad else "⚠️" if report.findings else "✅"
    return f"{mark} gatewright {report.command}"


def _problems(report: Report) -> Iterator[str]:
    for level, file, line, _, message in problems_of(report):
        at = f"{file}:{line}" if line else file
        yield f"- {_MARKS['error' if level == 'error' else 'warning']} {code(at)} {code(message)}\n"
    if report.problems or report.warnings:
        yield "\n"


def _table(found: Sequence[Finding], key: Callable[[Finding], str], title: str) -> Iterator[str]:
    """A table of counts, with a column for each level that there is."""
    levels = [level for level in LEVELS if any(each.level == level for each in found)]
    yield f"| {title} | {' | '.join(levels)} |\n|---|{'---:|' * len(levels)}\n"
    for name, of_name in grouped(found, key):
        counts = Counter(each.level for each in of_name)
        cell = code(name).replace("|", "\\|")  # which ends a cell within code, too
        yield f"| {cell} | {' | '.join(str(counts[level] or '') for level in levels)} |\n"
    yield "\n"


def _rules(found: Iterable[Finding]) -> Iterator[str]:
    for name, of_name in grouped(found, lambda each: each.rule):
        shown = of_name[:_EXAMPLES]
        yield f"**{code(name)}**\n\n"
        for each in shown:
            yield f"{_item(each)}\n"
        if len(of_name) > len(shown):
            yield f"- … and {len(of_name) - len(shown):,} more\n"
        yield "\n"


def _item(finding: Finding, mark: str = "") -> str:
    about = f" — {code(object_name(finding.object))}" if finding.object is not None else ""
    path = f" {code(finding.path)}" if finding.path and not finding.message.startswith(finding.path) else ""
    return f"- {mark or _MARKS[finding.level]} {code(place_of(finding))}{about}{path}: {code(finding.message)}"


def code(text: str, longest: int = _LONG) -> str:
    """A text as a code span on one line, whatever is in it, cut after `longest` characters."""
    line = visible(" ".join(text.split()))
    line = line if len(line) <= longest else f"{line[:longest]}…"
    marks = "`" * (1 + max((len(each) for each in _BACKTICKS.findall(line)), default=0))
    inner = f" {line} " if line.startswith(("`", " ")) or line.endswith(("`", " ")) or not line else line
    return f"{marks}{inner}{marks}"


def fenced(lines: Iterable[str], language: str, indent: str = "") -> str:
    """Lines as a block of code, whatever is in them."""
    shown = [visible(line) for line in lines]
    marks = "`" * max(3, 1 + max((len(each) for line in shown for each in _BACKTICKS.findall(line)), default=0))
    return "".join(f"{indent}{line}\n" for line in (f"{marks}{language}", *shown, marks)) + "\n"


_SPECIAL: Final = lazily(r"[\\`*_{}\[\]<>#|@!&~]")


def _plain(text: str) -> str:
    """A text of ours that may hold names, without markup."""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", visible(text))

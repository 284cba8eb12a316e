"""The report as GitHub's and GitLab's Markdown, for a comment on a pull request or the summary of a job.

All text of policies and manifests stands in code spans, which have no markup, link, mention or HTML. Only the page of a
policy is a link, which shows where it leads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from webhook.cli.report.model import LEVELS, Finding, Level, Report, merged
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import EVALUATION_ERROR, place_of, problems_of, why_suppressed
from webhook.cli.report.style import Style
from webhook.cli.report.text import grouped, summary, suppressed_parts
from webhook.lazypatterns import lazily
from webhook.library.metadata import is_page
from webhook.visible import no_command, visible

MOST: Final = 60_000
"""Characters of a report: GitHub takes 65,536 of a comment."""

_EXAMPLES: Final = 10  # findings of a rule that are shown of those that differ in one way, or in several
_UNFOLDED: Final = 10  # findings of a report all of which are shown at once
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
    """The lines of the report, the most important first."""
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
        by_rule = _by_gravity(found)
        yield from _table(by_rule)
        yield from _rules(by_rule, report)
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


def _by_gravity(found: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """The findings by rule: those first that have the gravest findings, and the most of them."""
    groups = grouped(found, lambda each: each.rule)
    counts = {name: Counter(each.level for each in of_name) for name, of_name in groups}
    return sorted(groups, key=lambda group: [-counts[group[0]][level] for level in LEVELS])


def _table(by_rule: Sequence[tuple[str, Sequence[Finding]]]) -> Iterator[str]:
    """A table of counts, with a column for each level that there is, and one for its evaluation errors."""
    counts = {name: Counter((each.level, each.error) for each in of_name) for name, of_name in by_rule}
    columns = [(level, error) for level in LEVELS for error in (False, True)]
    columns = [column for column in columns if any(each[column] for each in counts.values())]
    heads = (f"{level} ({EVALUATION_ERROR})" if error else level for level, error in columns)
    yield f"| rule | {' | '.join(heads)} |\n|---|{'---:|' * len(columns)}\n"
    for name, of_columns in counts.items():
        cell = code(name).replace("|", "\\|")  # which ends a cell within code, too
        numbers = (f"{of_columns[column]:,}" if of_columns[column] else "" for column in columns)
        yield f"| {cell} | {' | '.join(numbers)} |\n"
    yield "\n"


def _rules(by_rule: Sequence[tuple[str, Sequence[Finding]]], report: Report) -> Iterator[str]:
    """Examples by rule; if there are many, those of rules that deny nothing are folded."""
    many = sum(len(of_name) for _, of_name in by_rule) > _UNFOLDED
    for name, of_name in by_rule:
        shown = of_name[:_EXAMPLES]
        page = page_of(report, name)
        folded = many and all(each.severity != "error" for each in of_name)
        if folded:
            yield f"<details><summary><b>{html_code(name)}</b></summary>\n\n{f'{page}{chr(10) * 2}' if page else ''}"
        else:
            yield f"**{code(name)}**{f' {page}' if page else ''}\n\n"
        for each in shown:
            yield f"{_item(each)}\n"
        if len(of_name) > len(shown):
            yield f"- … and {len(of_name) - len(shown):,} more\n"
        yield "\n"
        if folded:
            yield "</details>\n\n"


def _item(finding: Finding, mark: str = "") -> str:
    about = f" — {code(object_name(finding.object))}" if finding.object is not None else ""
    path = f" {code(finding.path)}" if finding.path and not finding.message.startswith(finding.path) else ""
    error = f" **{EVALUATION_ERROR}**" if finding.error else ""
    where = f"{error} {code(place_of(finding))}{about}{path}"
    requested = f" — {code(finding.request)}" if finding.request else ""
    return f"- {mark or _MARKS[finding.level]}{where}: {code(finding.message)}{requested}"


def page_of(report: Report, rule: str) -> str:
    """The page of a rule as a link that shows its address; "" if it has none."""
    found = report.rules.get(rule)
    return f"<{found.url}>" if found is not None and is_page(found.url) else ""


def code(text: str, longest: int = _LONG) -> str:
    """A text as a code span on one line, whatever is in it, cut after `longest` characters."""
    line = visible(" ".join(text.split()))
    line = line if len(line) <= longest else f"{line[:longest]}…"
    marks = "`" * (1 + max((len(each) for each in _BACKTICKS.findall(line)), default=0))
    inner = f" {line} " if line.startswith(("`", " ")) or line.endswith(("`", " ")) or not line else line
    return f"{marks}{inner}{marks}"


def html_code(content: str) -> str:
    """A text of the repository, as code in HTML: else a forge makes links and mentions of what looks like them."""
    escaped = visible(content).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<code>{escaped}</code>"


def fenced(lines: Iterable[str], language: str, indent: str = "") -> str:
    """Lines as a block of code, whatever is in them."""
    shown = [no_command(visible(line)) for line in lines]
    marks = "`" * max(3, 1 + max((len(each) for line in shown for each in _BACKTICKS.findall(line)), default=0))
    return "".join(f"{indent}{line}\n" for line in (f"{marks}{language}", *shown, marks)) + "\n"


_SPECIAL: Final = lazily(r"[\\`*_{}\[\]<>#|@!&~]")


def _plain(text: str) -> str:
    """A text of ours that may hold names, without markup."""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", visible(text))

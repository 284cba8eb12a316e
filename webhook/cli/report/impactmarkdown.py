"""The Markdown of `impact`: a comment on a pull request, whose first lines say what happens to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from webhook.cli.report.impacttext import (
    MAX_DIFF,
    MAX_EXAMPLES,
    SCHEMA,
    as_before,
    by_change,
    by_object,
    by_policy,
    examples,
    owners_of,
    parts_of,
    policies_differ,
    remarks_on,
)
from webhook.cli.report.markdown import code, fenced, html_code, page_of
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import place_of
from webhook.counts import counted

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Report
    from webhook.impact.summary import PolicySummary, Summary

MAX_POLICIES: Final = 50
"""Policies whose examples are shown. GitHub takes comments of 65,536 characters."""

MAX_ROWS: Final = 100
_COLUMNS: Final = {
    "newly denied": ("newly denied",),
    "newly allowed": ("newly allowed",),
    "error came": ("error came", "error came under Warn", "error came under Audit"),
    "error went": ("error went", "error went under Warn", "error went under Audit"),
    "warned": ("newly warned",),
    "audited": ("newly audited",),
    "patched": ("patch changed",),
    "other": ("denied otherwise", "warned otherwise", "audited otherwise", "no longer warned", "no longer audited"),
}
"""Heading of a column -> the changes that it counts."""


def blocks(report: Report, found: Summary) -> Iterator[str]:
    """The lines of the report, each with what cannot stand without it."""
    yield f"### Policy impact: {_headline(found)}\n\n"
    judged = f"{counted(found.objects, 'object')} judged under {code(found.old)} and {code(found.new)}"
    known = f" {counted(len(report.suppressed), 'finding')} known, and not shown." if report.suppressed else ""
    yield f"{judged}; {policies_differ(found)}.{known}\n\n"
    if report.problems:
        yield f"> **{counted(len(report.problems), 'error')}**, so that this is not the whole impact:\n"
        yield from (f"> - {code(str(each))}\n" for each in report.problems[:MAX_EXAMPLES])
        yield "\n"
    shown = by_policy(report.findings)
    rows = {policy.name: policy for policy in found.policies}
    names = sorted({*rows, *shown}, key=lambda each: (each not in shown, each))
    if names:
        yield from _table(names, rows, shown)
    for name in [each for each in names if each in shown][:MAX_POLICIES]:
        yield from _policy(name, shown[name], page_of(report, name))
    unjudged = [each for each in found.policies if each.unjudged]
    if unjudged:
        yield "**Nothing can be said of**\n\n"
        yield from (f"- {code(each.name)}: {each.unjudged}\n" for each in unjudged)
        yield "\n"


def _headline(found: Summary) -> str:
    parts = []
    if found.newly_denied:
        parts.append(f"{counted(found.newly_denied, 'object')} newly denied")
    if found.newly_allowed:
        parts.append(f"{counted(found.newly_allowed, 'object')} newly allowed")
    parts += as_before(found)
    return ", ".join(parts) or "no verdict differs"


def _table(names: Sequence[str], rows: dict[str, PolicySummary], shown: dict[str, list[Finding]]) -> Iterator[str]:
    """A row a policy, and only the columns that count something."""
    counts = {
        name: Counter({change: len(by_object(of_change)) for change, of_change in by_change(found)})
        for name, found in shown.items()
    }
    used = [
        heading
        for heading, changes in _COLUMNS.items()
        if any(counts[name][change] for name in counts for change in changes)
    ]
    yield f"| policy | | matches |{''.join(f' {heading} |' for heading in used)}\n"
    yield f"|---|---|--:|{'--:|' * len(used)}\n"
    for name in names[:MAX_ROWS]:
        row = rows.get(name)
        about, matched = (parts_of(row), f"{row.matched:,}") if row is not None else ("the same on both sides", "")
        cells = (sum(counts[name][change] for change in _COLUMNS[heading]) if name in counts else 0 for heading in used)
        numbers = "".join(f" {f'**{number:,}**' if number else ''} |" for number in cells)
        yield f"| {_name(name)} | {about} | {matched} |{numbers}\n"
    if len(names) > MAX_ROWS:
        yield f"\n… and {len(names) - MAX_ROWS:,} more policies\n"
    yield "\n"


def _policy(name: str, found: Sequence[Finding], page: str) -> Iterator[str]:
    """What differs of a policy, folded. page: the link to its page, or ""."""
    groups = [(change, by_object(of_change)) for change, of_change in by_change(found)]
    said = "; ".join(
        f"{len(objects):,} {change}{remarks_on(objects)} ({html_code(owners_of(objects))})"
        for change, objects in groups
    )
    yield f"<details><summary><b>{html_code(name)}</b>: {said}</summary>\n\n"
    if page:
        yield f"{page}\n\n"
    for change, objects in groups:
        yield f"**{change[0].upper()}{change[1:]}**\n\n"
        for each in examples(objects, MAX_EXAMPLES):
            yield from _example(each)
        if len(objects) > MAX_EXAMPLES:
            yield f"- … and {len(objects) - MAX_EXAMPLES:,} more\n"
        yield "\n"
    yield "</details>\n\n"


def _example(found: Sequence[Finding]) -> Iterator[str]:
    first = found[0]
    yield f"- {code(place_of(first))}"
    if first.object is not None:
        yield f" {code(object_name(first.object))}"
    messages = dict.fromkeys(each.message for each in found)
    yield f": {'; '.join(code(message) for message in messages)}\n"
    if asides := dict.fromkeys(aside for each in found for aside in each.asides):
        yield f"  - {code(', '.join(asides))}\n"
    for each in found:
        if each.diff:
            shown = each.diff[:MAX_DIFF]
            more = (f"… {len(each.diff) - MAX_DIFF:,} more lines",) if len(each.diff) > MAX_DIFF else ()
            yield fenced((*shown, *more), "diff", "  ")


def _name(name: str) -> str:
    return name if name == SCHEMA else code(name).replace("|", "\\|")  # which ends a cell within code, too

"""The Markdown of `impact`: a comment on a pull request, whose first lines say what happens to whom."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from webhook.cli.report.impacttext import (
    MAX_DIFF,
    MAX_EXAMPLES,
    SCHEMA,
    by_change,
    by_object,
    by_policy,
    counted,
    differ,
    owners_of,
    parts_of,
)
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.impactmodel import Finding, Report
    from webhook.impact.summary import PolicySummary, Summary

MAX_POLICIES: Final = 50
"""Policies whose examples are shown. GitHub takes comments of 65,536 characters."""

MAX_ROWS: Final = 100
MAX_MESSAGE: Final = 300  # characters of a message
_COLUMNS: Final = {
    "newly denied": ("newly denied", "error came"),
    "newly allowed": ("newly allowed", "error went"),
    "warned": ("newly warned",),
    "audited": ("newly audited",),
    "patched": ("patch changed",),
    "other": ("denied otherwise", "warned otherwise", "audited otherwise", "no longer warned", "no longer audited"),
}
"""Heading of a column -> the changes that it counts."""


def text(report: Report) -> Iterator[str]:
    """The report, in pieces."""
    found = report.impact
    if found is None:
        return
    yield f"### Policy impact: {_headline(found)}\n\n"
    of_all = f"{len(found.policies):,} of {counted(found.in_all, 'policy', 'policies')} differ"
    yield f"{counted(found.objects, 'object')} judged under {_code(found.old)} and {_code(found.new)}; {of_all}.\n\n"
    if report.problems:
        yield f"> **{counted(len(report.problems), 'error')}**, so that this is not the whole impact:\n"
        yield from (f"> - {_escaped(str(each))}\n" for each in report.problems[:MAX_EXAMPLES])
        yield "\n"
    shown = by_policy(report.findings)
    rows = {policy.name: policy for policy in found.policies}
    names = sorted({*rows, *shown}, key=lambda each: (each not in shown, each))
    if names:
        yield from _table(names, rows, shown)
    for name in [each for each in names if each in shown][:MAX_POLICIES]:
        yield from _policy(name, shown[name])
    unjudged = [each for each in found.policies if each.unjudged]
    if unjudged:
        yield "**Nothing can be said of**\n\n"
        yield from (f"- {_code(each.name)}: {each.unjudged}\n" for each in unjudged)
        yield "\n"


def _headline(found: Summary) -> str:
    parts = []
    if found.newly_denied:
        parts.append(f"{counted(found.newly_denied, 'object')} newly denied")
    if found.newly_allowed:
        parts.append(f"{counted(found.newly_allowed, 'object')} newly allowed")
    if others := found.differing - found.newly_denied - found.newly_allowed:
        parts.append(f"{differ(others)}, but {'is' if others == 1 else 'are'} admitted or denied as before")
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


def _policy(name: str, found: Sequence[Finding]) -> Iterator[str]:
    """What differs of a policy, folded."""
    groups = [(change, by_object(of_change)) for change, of_change in by_change(found)]
    said = "; ".join(f"{len(objects):,} {change} ({_html(owners_of(objects))})" for change, objects in groups)
    yield f"<details><summary><b>{_html(name)}</b>: {said}</summary>\n\n"
    for change, objects in groups:
        yield f"**{change[0].upper()}{change[1:]}**\n\n"
        for each in objects[:MAX_EXAMPLES]:
            yield from _example(each)
        if len(objects) > MAX_EXAMPLES:
            yield f"- … and {len(objects) - MAX_EXAMPLES:,} more\n"
        yield "\n"
    yield "</details>\n\n"


def _example(found: Sequence[Finding]) -> Iterator[str]:
    first = found[0]
    where = f"{first.object.namespace}/" if first.object.namespace else ""
    yield f"- {_code(str(first.place))} {first.object.kind} {_code(f'{where}{first.object.name}')}"
    messages = dict.fromkeys(each.message for each in found)
    yield f": {'; '.join(_escaped(_short(message)) for message in messages)}\n"
    for aside in dict.fromkeys(aside for each in found for aside in each.asides):
        yield f"  - {_escaped(_short(aside))}\n"
    for each in found:
        if each.diff:
            yield from _diff(each.diff)


def _diff(lines: Sequence[str]) -> Iterator[str]:
    shown = [visible(line) for line in lines[:MAX_DIFF]]
    if len(lines) > MAX_DIFF:
        shown.append(f" … {len(lines) - MAX_DIFF:,} more lines")
    fence = _fence("\n".join(shown))
    yield f"\n  {fence}diff\n"
    yield from (f"  {line}\n" for line in shown)
    yield f"  {fence}\n\n"


def _name(name: str) -> str:
    return name if name == SCHEMA else _code(name)


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= MAX_MESSAGE else f"{line[:MAX_MESSAGE]}…"


def _code(content: str) -> str:
    """Text as code. In a table a `|` must be escaped within code too."""
    shown = visible(content).replace("|", "\\|")
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _fence(content: str) -> str:
    return "`" * max(3, _longest_run(content) + 1)


def _longest_run(content: str) -> int:
    longest = run = 0
    for character in content:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _escaped(content: str) -> str:
    """Text that Markdown shows as it is: no markup, no mention of a person, no link."""
    found = "".join(f"\\{each}" if each in r"\`*_[]<>|~&" else each for each in visible(content))
    return re.sub(r"[@#]|:(?=//)", lambda each: f"{each[0]}\N{ZERO WIDTH SPACE}", found)


def _html(content: str) -> str:
    return visible(content).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

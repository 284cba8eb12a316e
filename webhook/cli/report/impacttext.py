"""The text of `impact`: by policy, what differs, of how many objects and of whom, with a few examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from webhook.cli.report.impacted import REMARKS
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import place_of
from webhook.cli.report.style import BOLD, DIFF, DIM, ERROR, GREEN, LEVEL, PASSED, WARNING, Style
from webhook.counts import counted
from webhook.impact.differences import CHANGES
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Report
    from webhook.impact.summary import PolicySummary, Summary

MAX_EXAMPLES: Final = 3
"""Objects that are shown of each policy and change."""

MAX_OWNERS: Final = 5
MAX_DIFF: Final = 20
"""Lines of a diff that are shown."""

SCHEMA: Final = "the API server"
PARTS: Final = {
    "added": "added",
    "removed": "removed",
    "policy": "changed",
    "bindings": "other bindings",
    "exceptions": "other exceptions",
    "objects": "other params or objects that it looks up",
    "kinds": "other kinds",
}
"""How a report calls what of a policy differs."""

_COLORS: Final = {
    "newly denied": ERROR,
    "error came": ERROR,
    "newly allowed": GREEN,
    "error went": GREEN,
    "newly warned": WARNING,
    "error came under Warn": WARNING,
    "error went under Warn": GREEN,
    "newly audited": LEVEL["audit"],
    "error came under Audit": LEVEL["audit"],
    "error went under Audit": GREEN,
}


def lines(report: Report, found: Summary, style: Style, *, concise: bool) -> Iterator[str]:
    """The lines of the report, without line ends."""
    rows = {policy.name: policy for policy in found.policies}
    shown = by_policy(report.findings)
    for name in sorted({*rows, *shown}, key=lambda each: (each not in shown, each)):
        if name not in shown and rows[name].unjudged:
            continue  # named below
        yield from _policy(name, rows.get(name), shown.get(name, ()), report.verbose, concise, style)
    if unjudged := [each for each in found.policies if each.unjudged]:
        yield style(BOLD, "Nothing can be said of")
        yield from (f"  {visible(each.name)} ({parts_of(each)}): {each.unjudged}" for each in unjudged)
        yield ""
    yield summary(report, found, style)


def _policy(
    name: str, row: PolicySummary | None, found: Sequence[Finding], verbose: bool, concise: bool, style: Style
) -> Iterator[str]:
    about = (
        f"{row.kind}, {parts_of(row)}; matches {counted(row.matched, 'object')}" if row else "the same on both sides"
    )
    yield f"{style(BOLD, visible(name))} {style(DIM, f'({about})')}"
    if not found:
        yield "  no verdict differs"
    for change, of_change in by_change(found):
        objects = by_object(of_change)
        said = style(_COLORS.get(change, BOLD), f"{change}: {len(objects):,}")
        yield f"  {said}{remarks_on(objects)}  {style(DIM, owners_of(objects))}"
        shown = objects if verbose else examples(objects, MAX_EXAMPLES)
        for each in shown:
            yield from _example(each, concise, style)
        if len(objects) > len(shown):
            yield f"    {style(DIM, f'and {len(objects) - len(shown):,} more; --verbose shows all')}"
    yield ""


def _example(found: Sequence[Finding], concise: bool, style: Style) -> Iterator[str]:
    first = found[0]
    name = f": {object_name(first.object)}" if first.object is not None else ""
    yield f"    {place_of(first)}{name}"
    if concise:
        return
    for each in found:
        yield from (f"      {visible(line)}" for line in each.message.splitlines())
        yield from (f"      {style(DIM, visible(line))}" for line in each.asides)
        diff = each.diff[:MAX_DIFF]
        yield from (f"      {style(DIFF.get(line[:1], ''), visible(line))}" for line in diff)
        if len(each.diff) > len(diff):
            yield f"      {style(DIM, f'… {len(each.diff) - len(diff):,} more lines')}"


def summary(report: Report, found: Summary, style: Style) -> str:
    """The line that sums the report up: what happens to objects under all policies together."""
    parts = []
    if found.newly_denied:
        parts.append(style(ERROR, f"{counted(found.newly_denied, 'object')} newly denied"))
    if found.newly_allowed:
        parts.append(style(WARNING, f"{counted(found.newly_allowed, 'object')} newly allowed"))
    parts += as_before(found)
    if not parts:
        parts.append(style(PASSED, "no verdict differs"))
    if report.suppressed:
        parts.append(style(LEVEL["audit"], f"{counted(len(report.suppressed), 'finding')} known"))
    if report.problems:
        parts.append(style(ERROR, counted(len(report.problems), "error")))
    return f"{', '.join(parts)}{f' ({scope(found)})' if report.scope else ''}"


def scope(found: Summary) -> str:
    """How much was judged, and by what: `10,000 objects, 1 of 30 policies differs, from A to B`."""
    between = f"from {visible(found.old)} to {visible(found.new)}"
    return f"{counted(found.objects, 'object')}, {policies_differ(found)}, {between}"


# --------------------------------------------------------------------------------------- shared with other formats


def parts_of(row: PolicySummary) -> str:
    """What of a policy differs, as text."""
    return ", ".join(PARTS[each] for each in row.parts)


def by_policy(found: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings by the name of the policy, or of the API server."""
    groups: dict[str, list[Finding]] = {}
    for each in found:
        groups.setdefault(each.policy or SCHEMA, []).append(each)
    return groups


def by_change(found: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """The findings by what changed, in the order of reports."""
    groups: dict[str, list[Finding]] = {}
    for each in found:
        groups.setdefault(each.change, []).append(each)
    order: dict[str, int] = {change: number for number, change in enumerate(CHANGES)}
    return sorted(groups.items(), key=lambda group: order.get(group[0], len(order)))


def by_object(found: Iterable[Finding]) -> list[list[Finding]]:
    """The findings of each object."""
    groups: dict[object, list[Finding]] = {}
    for each in found:
        groups.setdefault((each.object, each.place.file, each.operation), []).append(each)
    return list(groups.values())


def examples(objects: Sequence[Sequence[Finding]], most: int) -> list[Sequence[Finding]]:
    """Some objects, in their order: those of different owners rather than several of one."""
    if len(objects) <= most:
        return list(objects)
    first: dict[str, int] = {}
    for number, found in enumerate(objects):
        first.setdefault(found[0].owner, number)
    chosen = list(first.values())[:most]
    others = (number for number in range(len(objects)) if number not in chosen)
    return [objects[number] for number in sorted((*chosen, *islice(others, most - len(chosen))))]


def owners_of(objects: Iterable[Sequence[Finding]]) -> str:
    """How many objects each owner has, as text: the owners with the most first."""
    owners = Counter(each[0].owner or "cluster-scoped" for each in objects)
    shown = [f"{visible(owner)} {number:,}" for owner, number in _most(owners)[:MAX_OWNERS]]
    if len(owners) > MAX_OWNERS:
        shown.append(f"{len(owners) - MAX_OWNERS:,} more")
    return ", ".join(shown)


def _most(owners: Counter[str]) -> list[tuple[str, int]]:
    return sorted(owners.items(), key=lambda each: (-each[1], each[0]))


def remarks_on(objects: Iterable[Sequence[Finding]]) -> str:
    """What else is true of the objects, as ` (audited before, 2 denied before for another reason)`: with a number where
    it is not true of all of them. "" if there is nothing."""
    listed = list(objects)
    remarks = Counter(
        remark
        for found in listed
        for remark in dict.fromkeys(aside.partition(":")[0] for each in found for aside in each.asides)
        if remark in REMARKS
    )
    texts = [remark if number == len(listed) else f"{number:,} {remark}" for remark, number in remarks.items()]
    return f" ({', '.join(texts)})" if texts else ""


def as_before(found: Summary) -> list[str]:
    """`1 object differs, but is admitted as before`, and the same of objects that are denied."""
    others = found.differing - found.newly_denied - found.newly_allowed
    numbers = {"admitted": others - found.still_denied, "denied": found.still_denied}
    return [
        f"{counted(number, 'object')} {'differs, but is' if number == 1 else 'differ, but are'} {what} as before"
        for what, number in numbers.items()
        if number
    ]


def policies_differ(found: Summary) -> str:
    """`1 of 30 policies differs`."""
    number = len(found.policies)
    verb = "differs" if number == 1 or found.in_all == 1 else "differ"
    return f"{number:,} of {counted(found.in_all, 'policy', 'policies')} {verb}"

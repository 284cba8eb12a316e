"""The report of `replay` for people: each review whose verdict differs, and a line that sums it up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import orjson

from webhook.cli.report.style import BOLD, DIFF, DIM, ERROR, PASSED, Style
from webhook.recordings.reading import Found
from webhook.recordings.replaying import Asked, Different, Replayed, Verdict
from webhook.visible import visible

_MOST_LOOKUPS = 5


def report(replayed: Replayed, style: Style) -> str:
    """A paragraph for each verdict that differs, the reviews that could not be decided, and the counts."""
    lines: list[str] = []
    for each in replayed.different:
        lines += [*different(each, style), ""]
    if replayed.undecided:
        lines += [*_undecided(replayed, style), ""]
    if replayed.not_seen:
        lines += [style(DIM, not_seen(replayed)), ""]
    lines.append(_summary(replayed, style))
    return "\n".join(lines) + "\n"


def different(each: Different, style: Style) -> Iterator[str]:
    """The lines about a review with another verdict: verdicts and request, its place, then the removed and the added
    findings."""
    verdicts = f"{_word(each.old, style)} -> {_word(each.new, style)}"
    yield f"{verdicts}  {style(BOLD, visible(_asked(each.asked)))}"
    yield style(DIM, f"  {visible(each.file)}:{each.line}, {visible(each.time)}, {each.path}")
    for found in each.gone:
        yield style(DIFF["-"], f"  - {_found(found)}")
    for found in each.come:
        yield style(DIFF["+"], f"  + {_found(found)}")
    old, new = each.old, each.new
    if not each.gone and not each.come and old.message != new.message:
        yield style(DIFF["-"], f"  - {visible(old.message)}")
        yield style(DIFF["+"], f"  + {visible(new.message)}")
    for sign, verdict, other in (("-", old, new), ("+", new, old)):
        for operation in verdict.patch:
            if operation not in other.patch:
                yield style(DIFF[sign], f"  {sign} patch {visible(orjson.dumps(operation).decode())}")
        for warning in verdict.warnings:
            if warning not in other.warnings:
                yield style(DIFF[sign], f"  {sign} warning: {visible(warning)}")
        for key, value in verdict.annotations.items():
            if other.annotations.get(key) != value:
                yield style(DIFF[sign], f"  {sign} audit annotation {visible(key)}: {visible(value)}")
    if old.changed != new.changed:
        for sign, verdict in (("-", old), ("+", new)):
            names = ", ".join(verdict.changed) or "no policy"
            yield style(DIFF[sign], f"  {sign} changed by {visible(names)}")
    if each.redacted:
        fields = ", ".join(each.redacted[:3]) + (", …" if len(each.redacted) > 3 else "")
        yield style(DIM, f"  the recording lacks values that a policy may read: {visible(fields)}")


def _undecided(replayed: Replayed, style: Style) -> Iterator[str]:
    yield style(ERROR, "not decided, as the recording has no answer to what a policy looks up:")
    counts = Counter(each.lookup for each in replayed.undecided)
    for lookup, count in counts.most_common(_MOST_LOOKUPS):
        first = next(each for each in replayed.undecided if each.lookup == lookup)
        place = f"{visible(first.file)}:{first.line}"
        yield f"  {visible(lookup)}: {_count(count, 'review')}, the first at {place}"
    if len(counts) > _MOST_LOOKUPS:
        yield f"  and {len(counts) - _MOST_LOOKUPS:,} other lookups"


def not_seen(replayed: Replayed) -> str:
    """A note on objects of the policy tree that were recorded with another content."""
    names = sorted(replayed.not_seen)
    more = f" and {len(names) - _MOST_LOOKUPS:,} more" if len(names) > _MOST_LOOKUPS else ""
    was = "object of the policy tree was" if len(names) == 1 else "objects of the policy tree were"
    return (
        f"{len(names):,} {was} recorded with another content, which policies saw here: "
        f"{visible(', '.join(names[:_MOST_LOOKUPS]))}{more}; --tree-objects shows them those of the tree"
    )


def _summary(replayed: Replayed, style: Style) -> str:
    different, undecided, unread = len(replayed.different), len(replayed.undecided), len(replayed.problems)
    parts = ["all verdicts are the recorded ones"]
    if different:
        turned = sum(each.turned for each in replayed.different)
        kinds = (
            (turned, "with another verdict"),
            (different - turned, "with the recorded verdict and other findings, messages or patches"),
        )
        parts = [f"{count:,} {what}" for count, what in kinds if count]
        redacted = sum(bool(each.redacted) for each in replayed.different)
        if redacted:
            parts[-1] += f" ({redacted:,} of all these with redacted values)"
    elif undecided:
        parts = ["those that were decided have the recorded verdicts"]
    if undecided:
        parts.append(f"{undecided:,} not decided")
    if unread:
        parts.append(f"{_count(unread, 'place')} that cannot be read")
    text = f"{_count(replayed.count, 'review')}: {', '.join(parts)}"
    return style(PASSED if len(parts) == 1 and not different else ERROR, text)


def _word(verdict: Verdict, style: Style) -> str:
    return style(PASSED if verdict.allowed else ERROR, verdict.word)


def _asked(asked: Asked) -> str:
    resource = "/".join(part for part in (asked.group, asked.version, asked.resource, asked.subresource) if part)
    name = "/".join(part for part in (asked.namespace, asked.name) if part)
    return f"{asked.operation} {resource} {name}" + (f" by {asked.user}" if asked.user else "")


def _found(found: Found) -> str:
    binding = f" ({visible(found.binding)})" if found.binding else ""
    return f"{visible(found.policy)}{binding} {found.action.lower()}: {visible(found.message)}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"

"""What `impact` found on an object, as findings of its report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from webhook.admission.decision import MUTATING
from webhook.cli.report.changes import yaml_lines
from webhook.cli.report.impactmodel import Finding, Place
from webhook.offline.secrets import masked
from webhook.paths import render
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.impact.differences import Difference, Differing, Repatched
    from webhook.offline.owners import Owners
    from webhook.offline.verdicts import Change

PATCHED: Final = "patch changed"


def findings(
    difference: Difference, owners: Owners, *, placed: bool, differs: Callable[[str], bool]
) -> Iterator[Finding]:
    """What differs on an object. placed: whether it stands in a file. differs: whether a mutating policy of that name
    differs between the trees."""
    owner = owners.of(difference.value, difference.identity.namespace)
    for each in difference.differing:
        yield from _verdicts(difference, each, owner, placed)
    for patched in difference.repatched:
        yield _patch(difference, patched, owner, placed, differs)


def _verdicts(difference: Difference, each: Differing, owner: str, placed: bool) -> Iterator[Finding]:
    """A finding for each thing that one side says and not the other, on the new side if both say something."""
    beside: list[str] = []
    if each.old and each.new:
        beside += [f"before: {located.message}" for located in each.old]
    beside += [f"excepted by {name}" for name in each.excepted]
    for located in each.new or each.old:
        found = located.finding
        yield Finding(
            change=each.what,
            policy=found.policy,
            kind=found.kind,
            message=located.message,
            place=Place(located.stream, located.line, located.column) if placed else Place(difference.document.file),
            object=difference.identity,
            owner=owner,
            operation=difference.operation,
            binding=found.binding,
            action=found.action,
            error=found.error,
            path=render(located.path) if placed and located.path else "",
            asides=tuple(beside),
        )


def _patch(
    difference: Difference, patched: Repatched, owner: str, placed: bool, differs: Callable[[str], bool]
) -> Finding:
    """A finding of the mutating policies that differ, or if none does, of all that change the object."""
    policies = [name for name in patched.policies if differs(name)] or list(patched.policies)
    template = any(side is not None and side.template for side in (patched.old, patched.new))
    what = "the Pod that is made of it" if template else "the object"
    if patched.old is None:
        message = f"{what} is changed, which it was not"
    elif patched.new is None:
        message = f"{what} is not changed any more"
    else:
        message = f"{what} is changed in another way"
    change = patched.new or patched.old
    line = change.line if change is not None and placed else None
    return Finding(
        change=PATCHED,
        policy=policies[0],
        kind=MUTATING,
        message=message,
        place=Place(difference.document.stream if placed else difference.document.file, line),
        object=difference.identity,
        owner=owner,
        operation=difference.operation,
        asides=(f"together with {', '.join(policies[1:])}",) if policies[1:] else (),
        diff=tuple(_diff(patched.old, patched.new)),
    )


def _diff(old: Change | None, new: Change | None) -> Iterator[str]:
    """The mutated object of the old tree and that of the new one as a unified diff, without the content of Secrets."""
    before, after = _mutated(old, new), _mutated(new, old)
    for number, line in enumerate(difflib.unified_diff(before, after, lineterm="")):
        if number > 1:  # the sides have no names
            yield visible(line)


def _mutated(side: Change | None, other: Change | None) -> list[str]:
    """The object on one side, as YAML: what a mutation made of it, or what was sent."""
    value: Any = None
    if side is not None:
        _, value = masked(side.before, side.after, side.redaction)
    elif other is not None:
        value, _ = masked(other.before, other.after, other.redaction)
    return yaml_lines(value)

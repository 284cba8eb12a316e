"""What `impact` found, as findings of the report's model (webhook.cli.report.model)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from webhook.admission.decision import MUTATING
from webhook.cli.report.changes import yaml_text
from webhook.cli.report.model import Finding, Place
from webhook.offline.secrets import masked
from webhook.offline.verdicts import Change, Verdict
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.checked import Checked
    from webhook.impact.differences import Difference, Differing, Repatched
    from webhook.offline.owners import Owners

PATCHED: Final = "patch changed"


def findings(
    difference: Difference, checked: Checked, owners: Owners, *, placed: bool, differs: Callable[[str], bool]
) -> Iterator[Finding]:
    """What differs on an object. placed: whether it stands in a file. differs: whether a mutating policy of that name
    differs between the trees."""
    owner = owners.of(difference.value, difference.identity.namespace)
    for each in difference.differing:
        for finding in _verdicts(difference, each, checked):
            yield _as_placed(replace(finding, owner=owner), difference, placed)
    for patched in difference.repatched:
        yield _as_placed(_patch(difference, patched, owner, differs), difference, placed)


def _verdicts(difference: Difference, each: Differing, checked: Checked) -> Iterator[Finding]:
    """A finding for each thing that one side says and not the other, on the new side if both say something."""
    shown = each.new or each.old
    beside: list[str] = []
    if each.old and each.new:
        beside += [f"before: {located.message}" for located in each.old]
    beside += [f"excepted by {name}" for name in each.excepted]
    verdict = Verdict(difference.document, difference.identity, shown, ())
    for finding in checked.findings(verdict):
        yield replace(finding, change=each.what, asides=(*finding.asides, *beside))


def _patch(difference: Difference, patched: Repatched, owner: str, differs: Callable[[str], bool]) -> Finding:
    """A finding of the mutating policies that differ, or if none does, of all that change the object."""
    policies = [name for name in patched.policies if differs(name)] or list(patched.policies)
    change = patched.new or patched.old
    if change is None:
        raise ValueError("a patch that is on neither side")
    template = " of its Pod" if change.template else ""
    if patched.old is None:
        message = f"the object{template} is changed, which it was not"
    elif patched.new is None:
        message = f"the object{template} is not changed any more"
    else:
        message = f"the object{template} is changed in another way"
    return Finding(
        rule=policies[0],
        level="note",
        message=message,
        place=Place(change.file, change.line),
        object=difference.identity,
        owner=owner,
        operation=difference.operation,
        kind=MUTATING,
        policy=policies[0],
        change=PATCHED,
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
    value: Any
    if side is not None:
        _, value = masked(side.before, side.after, side.redaction)
    elif other is not None:
        value, _ = masked(other.before, other.after, other.redaction)
    else:
        return []
    return yaml_text(value).splitlines()


def _as_placed(finding: Finding, difference: Difference, placed: bool) -> Finding:
    """The finding; of an object of a cluster without line and excerpt, which are those of no file."""
    if placed:
        return finding
    return replace(finding, place=Place(difference.document.file), rendered=None, excerpt=None)

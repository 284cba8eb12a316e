"""What `impact` found on an object, as findings of its report."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from webhook.admission.decision import MUTATING
from webhook.cli.report.changes import yaml_lines
from webhook.cli.report.checked import Checked
from webhook.cli.report.model import Finding, Place
from webhook.offline.secrets import masked
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.documents.document import Document
    from webhook.impact.differences import Difference, Differing, Repatched
    from webhook.offline.verdicts import Change
    from webhook.owners import Owners

PATCHED: Final = "patch changed"
GONE: Final = (
    "newly allowed",
    "error went",
    "no longer warned",
    "error went under Warn",
    "no longer audited",
    "error went under Audit",
)
"""Changes by which something is not said any more. Unless something else is said in its place, such findings have the
level note."""

_BESIDE: Final[Mapping[str, str]] = {
    "newly warned": "now warned",
    "no longer warned": "warned before",
    "error came under Warn": "now an error under Warn",
    "error went under Warn": "an error under Warn before",
    "warned otherwise": "warned otherwise",
    "newly audited": "now audited",
    "no longer audited": "audited before",
    "error came under Audit": "now an error under Audit",
    "error went under Audit": "an error under Audit before",
    "audited otherwise": "audited otherwise",
}
"""How a graver change of the same policy on the same object tells of these."""

_DENIED_BEFORE: Final = "denied before for another reason"
_STILL_DENIED: Final = "still denied for another reason"
REMARKS: Final = frozenset({*_BESIDE.values(), _DENIED_BEFORE, _STILL_DENIED})
"""The asides of findings, up to a colon, which say what else is true of the object."""


class Impacted:
    """Makes findings of differences. placed, numbered: see webhook.impact.corpus.Corpus. differs: whether a mutating
    policy of that name differs between the trees."""

    def __init__(self, owners: Owners, *, placed: bool, numbered: bool, differs: Callable[[str], bool]) -> None:
        self._owners = owners
        self._placed = placed
        self._numbered = numbered
        self._differs = differs
        self._checked = Checked()

    def findings(self, difference: Difference) -> Iterator[Finding]:
        """What differs on an object."""
        owner = self._owners.of(difference.value, difference.identity.namespace)
        for _, of_policy in groupby(difference.differing, lambda each: each.policy):
            for each, remarks in _folded(list(of_policy)):
                yield from self._verdicts(difference, each, owner, remarks)
        for patched in difference.repatched:
            yield self._patch(difference, patched, owner)

    def _verdicts(
        self, difference: Difference, each: Differing, owner: str, remarks: Iterable[str]
    ) -> Iterator[Finding]:
        """A finding for each thing that one side says and not the other, on the new side if both say something."""
        beside: list[str] = list(remarks)
        if each.what in ("newly denied", "error came") and not each.old and difference.was_denied:
            beside.append(_DENIED_BEFORE)
        if each.what in ("newly allowed", "error went") and not each.new and difference.is_denied:
            beside.append(_STILL_DENIED)
        if each.old and each.new:
            beside += [f"before: {located.message}" for located in each.old]
        beside += [f"excepted by {name}" for name in each.excepted]
        for located in each.new or each.old:
            found = self._checked.finding(located, difference.document)
            found = replace(found, owner=owner, change=each.what, asides=tuple(beside))
            if _is_gone(each):
                found = replace(found, level="note")
            if not self._placed:  # what is taken for the document is the object on a line
                found = replace(found, place=self._line(difference.document), excerpt=None, path="")
            yield found

    def _patch(self, difference: Difference, patched: Repatched, owner: str) -> Finding:
        """A finding of the mutating policies that differ, or if none does, of all that change the object."""
        policies = [name for name in patched.policies if self._differs(name)] or list(patched.policies)
        template = any(side is not None and side.template for side in (patched.old, patched.new))
        what = "the Pod that is made of it" if template else "the object"
        if patched.old is None:
            message = f"{what} is changed, which it was not"
        elif patched.new is None:
            message = f"{what} is not changed any more"
        else:
            message = f"{what} is changed in another way"
        change = patched.new or patched.old
        document = difference.document
        place, rendered = self._line(document), None
        if change is not None and self._placed:
            place, rendered = self._checked.places(document, change.template)
        return Finding(
            rule=policies[0],
            level="note",
            change=PATCHED,
            policy=policies[0],
            kind=MUTATING,
            message=message,
            place=place,
            rendered=rendered,
            object=difference.identity,
            owner=owner,
            operation=difference.operation,
            asides=(f"together with {', '.join(policies[1:])}",) if policies[1:] else (),
            diff=tuple(_diff(patched.old, patched.new)),
        )

    def _line(self, document: Document) -> Place:
        return Place(document.file, document.line if self._numbered else None)


def _folded(found: Sequence[Differing]) -> Iterator[tuple[Differing, list[str]]]:
    """The changes of one policy on one object, the gravest first. It has, as remarks, those that say no more than it
    and those by which something is not said any more; only the others are found apart."""
    first, *others = found
    shown = {located.message for located in (*first.old, *first.new)}
    remarks: list[str] = []
    apart: list[Differing] = []
    for each in others:
        more = dict.fromkeys(located.message for located in (*each.old, *each.new) if located.message not in shown)
        if not more:
            remarks.append(_BESIDE[each.what])
        elif _is_gone(each):
            remarks.append(f"{_BESIDE[each.what]}: {'; '.join(more)}")
        else:
            apart.append(each)
    yield first, remarks
    yield from ((each, []) for each in apart)


def _is_gone(each: Differing) -> bool:
    """Whether the policy says nothing any more under the action."""
    return each.what in GONE and not each.new


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

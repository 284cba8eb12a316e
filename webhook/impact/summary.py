"""The summary of a comparison: its size, and the policies of which nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.impact.sameness import Part

if TYPE_CHECKING:
    from webhook.impact.deciding import Counted
    from webhook.impact.differences import Difference
    from webhook.impact.sameness import Comparison, Key
    from webhook.impact.trees import Side

_KINDS: Final = {"ValidatingAdmissionPolicy": "validating", "MutatingAdmissionPolicy": "mutating"}


class PolicySummary(Struct, frozen=True):
    """A policy that differs. `parts`: what of it. `matched`: the objects that it matches on a side. `unjudged`: why its
    verdicts are not known from these objects; "" if they are."""

    name: str
    kind: str
    parts: tuple[Part, ...]
    matched: int
    unjudged: str = ""


class Summary(Struct, frozen=True):
    """`old`, `new`: what the sides are called. `in_all`: the policies of both sides. `objects`: that were judged, and
    how many of them differ. `newly_denied`: admitted by the old tree as a whole and denied by the new one;
    `newly_allowed` the other way. `apart`: a CustomResourceDefinition or the like differs, so that everything was
    judged twice. `still_denied`: of those that differ otherwise, the objects that both trees deny.
    """

    old: str
    new: str
    policies: Sequence[PolicySummary]
    in_all: int
    objects: int
    differing: int
    newly_denied: int
    newly_allowed: int
    apart: bool = False
    still_denied: int = 0


class Tally(Struct):
    """Counts the objects that differ."""

    differing: int = 0
    newly_denied: int = 0
    newly_allowed: int = 0
    still_denied: int = 0

    def add(self, difference: Difference) -> None:
        self.differing += 1
        self.newly_denied += difference.is_denied and not difference.was_denied
        self.newly_allowed += difference.was_denied and not difference.is_denied
        self.still_denied += difference.was_denied and difference.is_denied

    def summary(
        self, old: Side, new: Side, comparison: Comparison, counted: Counted, *, incomplete: bool = False
    ) -> Summary:
        """The summary of the run, once all objects are judged. incomplete: some could not be read."""
        bound: dict[Key, set[str]] = {}  # with the operations of its rules
        for policy in (*old.policies.policies, *new.policies.policies):
            if policy.bindings:
                operations = bound.setdefault((policy.kind, policy.name), set())
                operations.update(*(rule.operations for rule in policy.match.rules))
        found = []
        for key, parts in comparison.policies.items():
            matched = counted.matched[key]
            if key not in bound:
                why = "it has no binding, so it never runs"
            elif not matched:
                why = _why_unmatched(bound[key], counted, counted.refused[key], incomplete)
            elif key not in counted.ran:
                why = "its matchConditions leave out all of these objects, or none of its params was found"
            else:
                why = ""
            found.append(PolicySummary(key[1], _KINDS[key[0]], parts, matched, why))
        return Summary(
            old.name,
            new.name,
            found,
            len(old.policies.names | new.policies.names),
            counted.objects,
            self.differing,
            self.newly_denied,
            self.newly_allowed,
            comparison.apart,
            self.still_denied,
        )


def _why_unmatched(operations: set[str], counted: Counted, refused: int, incomplete: bool) -> str:
    """Why a policy has matched no object. operations: of its rules. refused: objects that they name, see Counted."""
    if not counted.objects:
        return "no object could be read" if incomplete else "there was no object to judge"
    if "*" not in operations and not operations & counted.operations:
        return f"its rules are about {_listed(operations)}; the requests judged are {_listed(counted.operations)}"
    if refused:
        objects = "1 object that its rules name is" if refused == 1 else f"{refused:,} objects that its rules name are"
        return f"{objects} refused before policies (gatewright check shows why)"
    return f"it matches none of {'the objects that could be read' if incomplete else 'these objects'}"


def _listed(operations: set[str]) -> str:
    return ", ".join(sorted(operations))

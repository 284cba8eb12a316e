"""What a comparison came to besides the differences themselves: how much was looked at, and what cannot be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from webhook.impact.sameness import Part

if TYPE_CHECKING:
    from webhook.impact.deciding import Counted
    from webhook.impact.differences import Difference
    from webhook.impact.sameness import Comparison
    from webhook.impact.trees import Side

FailOn = Literal["newly-denied", "newly-allowed", "any", "never"]

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
    judged twice.
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

    def fails(self, on: FailOn) -> bool:
        """Whether what was found is what a run is to fail on."""
        if on == "any":
            return bool(self.differing)
        if on == "never":
            return False
        return bool(self.newly_denied if on == "newly-denied" else self.newly_allowed)


class Tally(Struct):
    """Counts the objects that differ."""

    differing: int = 0
    newly_denied: int = 0
    newly_allowed: int = 0

    def add(self, difference: Difference) -> None:
        self.differing += 1
        self.newly_denied += difference.is_denied and not difference.was_denied
        self.newly_allowed += difference.was_denied and not difference.is_denied

    def summary(self, old: Side, new: Side, comparison: Comparison, counted: Counted) -> Summary:
        """What the run came to, once all objects are judged."""
        bound = {
            (policy.kind, policy.name) for side in (old, new) for policy in side.policies.policies if policy.bindings
        }
        found = []
        for key, parts in comparison.policies.items():
            matched = counted.matched[key]
            if key not in bound:
                why = "it has no binding, so it never runs"
            elif not matched:
                why = "it matches none of these objects"
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
        )

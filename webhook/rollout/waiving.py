"""The exceptions that would let a binding take its step although objects of the cluster violate the policy: how many,
for whom, and what cannot have one. They are those that `exceptions baseline` writes (webhook.rollout.baseline)."""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct

from webhook.policy.exceptions import OWNER
from webhook.policy.policyset import PolicySet
from webhook.rollout.baseline import Terms, baseline
from webhook.rollout.evidence import Hit
from webhook.rollout.recorded import kind_of
from webhook.rollout.reports import Finding
from webhook.rollout.steps import Step
from webhook.schema import Kinds

_TERMS: Final = Terms("", "", "")  # nobody has approved them: they are counted, and not written


class ForWhom(Struct, frozen=True, order=True):
    """The exceptions that an owner needs in a namespace. `namespace`: "" for cluster-scoped objects."""

    owner: str
    namespace: str
    exceptions: int


class Impossible(Struct, frozen=True, order=True):
    """An object that no exception can cover, and the reason."""

    kind: str
    namespace: str
    name: str
    why: str


class Needed(Struct, frozen=True):
    """`exceptions`: those that cover what the audits found, by owner and namespace. `impossible`: what of it cannot
    have one. `requested`: the number of objects that only requests tell of, which have no exception among these."""

    exceptions: tuple[ForWhom, ...]
    impossible: tuple[Impossible, ...]
    requested: int

    @property
    def number(self) -> int:
        """How many exceptions there are in all."""
        return sum(each.exceptions for each in self.exceptions)


def needed(step: Step, policies: PolicySet, kinds: Kinds) -> Needed | None:
    """The exceptions for the hits of a step; None if the step does not wait for hits. kinds: all kinds that objects may
    have."""
    if step.state != "hit" or not step.hits:
        return None
    made = baseline((each for hit in step.hits for each in hit.found), policies, kinds, _TERMS)
    counts: Counter[tuple[str, str]] = Counter()
    for exception in made.exceptions:
        owner = exception["metadata"].get("annotations", {}).get(OWNER, "")
        counts[owner, next(iter(exception["spec"]["objects"].get("namespaces", ())), "")] += 1
    left_out = {_impossible(each.finding, each.why) for each in made.left_out}
    covered = {_resource(hit, kinds) for hit in step.hits if hit.found}
    return Needed(
        tuple(sorted(ForWhom(owner, namespace, number) for (owner, namespace), number in counts.items())),
        tuple(sorted(left_out)),
        sum(not hit.found and (hit.kind, hit.namespace, hit.name) not in covered for hit in step.hits),
    )


def _impossible(finding: Finding, why: str) -> Impossible:
    of = finding.object
    return Impossible(of.kind, of.namespace, of.name, why) if of is not None else Impossible("", "", "", why)


def _resource(hit: Hit, kinds: Kinds) -> tuple[str, str, str]:
    """The object of an audit as requests name it, with its resource in place of its kind."""
    of = hit.found[0].object
    resource = kinds.for_kind(of.api_version, of.kind) if of is not None else None
    kind = kind_of(resource.group, resource.plural, "") if resource is not None else hit.kind
    return kind, hit.namespace, hit.name

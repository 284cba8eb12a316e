"""The next steps by ring: a binding takes its step in the first ring, and in a later one when each earlier one
has had it for the period and nobody was hit.

In a ring, the step adds a binding for the namespaces of the ring. The original binding does not change, so that every
object is judged at any time. It takes the step last, for what is in no ring: the other namespaces, and cluster-scoped
objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from webhook.counts import counted
from webhook.policy.evaluation import Validator
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.rollout import rings as of_rings
from webhook.rollout.evidence import Hit
from webhook.rollout.rings import Ring, level
from webhook.rollout.steps import REST, Addition, Edit, Judging, Step, bound, next_edit, whom
from webhook.schema import Kinds

_NAMED: Final = 3


def ring_steps(policies: PolicySet, judging: Judging, rings: Sequence[Ring]) -> list[Step]:
    """The steps of each binding of a validating policy, by the names of policy and binding, then in the order of the
    rings: one for each ring in which no other binding decides, then one for the rest. rings: the first one first."""
    kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
    names = {each.name for each in policies.bindings}
    return [
        step
        for policy, binding in bound(policies)
        for step in _OfBinding(policy, binding, judging, rings, kinds).steps(names)
    ]


class _OfBinding:
    def __init__(
        self, policy: Policy[Validator], binding: Binding, judging: Judging, rings: Sequence[Ring], kinds: Kinds
    ) -> None:
        self._policy, self._binding, self._judging, self._kinds = policy, binding, judging, kinds
        self._rings = rings
        self._own = of_rings.of_binding(binding, rings)
        self._hits = judging.hits(binding)
        self._beyond = judging.beyond(binding)

    def steps(self, names: set[str]) -> Iterator[Step]:
        binding, own = self._binding, self._own
        where = own.text if own is not None else ""
        edit = next_edit(binding.actions)
        above = self._decides_already(own) if own is not None else None
        if above is not None and (edit is None or level(above.actions) > level(binding.actions)):
            does = ("audits", "warns", "denies")[level(above.actions)]
            why = f"{above.name} {does} there too: this binding may be removed"
            yield Step(binding, "done", why, ring=where)
        elif edit is None or edit.action == "Audit":
            step = self._judging.step(self._policy, binding)
            yield Step(binding, step.state, step.why, step.edit, step.hits, step.beyond, where)
        else:
            inner = [ring for ring in self._rings if self._is_inner(ring)]
            for ring in inner:
                if not self._is_decided_by_another(ring):
                    yield self._in_ring(ring, edit, names)
            yield self._in_place(edit, inner, where or (REST if inner else ""))

    def _decides_already(self, own: Ring) -> Binding | None:
        """A binding without a ring that is at least as strict as this binding of a ring."""
        binding = self._binding
        wider = [each for each in self._policy.bindings if of_rings.is_wider(each, binding, own)]
        there = [each for each in wider if level(each.actions) >= level(binding.actions) > 0]
        return max(there, key=lambda each: level(each.actions), default=None)

    def _is_inner(self, ring: Ring) -> bool:
        """Whether a step in the ring concerns only a part of the binding."""
        own = self._own
        within = own is None or ring.is_part_of(own)
        return within and of_rings.reaches(self._binding, ring)

    def _is_decided_by_another(self, ring: Ring) -> bool:
        """Whether the ring has a binding of its own, or a stricter one applies to it."""
        binding = self._binding
        for other in self._policy.bindings:
            if other is not binding and of_rings.covers(other, binding, None, ring):
                of = of_rings.of_binding(other, self._rings)
                if of == ring or level(other.actions) > level(binding.actions):
                    return True
        return False

    def _in_ring(self, ring: Ring, edit: Edit, names: set[str]) -> Step:
        """The step in a ring without a binding of its own."""
        known = self._judging.found.namespaces
        inside, unknown = list[Hit](), list[Hit]()
        for hit in self._hits:
            labels = known.of(hit.of_namespace) if hit.of_namespace else [{}]
            if labels is None:
                unknown.append(hit)
            elif any(map(ring.has, labels)):
                inside.append(hit)
        there = known.inside(ring)
        missing = (
            [] if there or self._judging.found.audited is None else [f"no namespace that is known has {ring.text}"]
        )
        excludes = of_rings.may_be_cluster_scoped(self._policy.match, self._binding, self._kinds)
        adds = Addition(of_rings.name_of(self._binding, ring, names), ring.requirements, excludes)
        earlier = self._rings[: self._rings.index(ring)]
        ready = f"{self._judging.nobody()} in {counted(len(there), 'namespace')}"
        return self._made(edit, ring.text, inside, unknown, earlier, missing, ready, adds)

    def _in_place(self, edit: Edit, inner: Sequence[Ring], where: str) -> Step:
        """The step of the binding itself: in its ring, or in everything outside all rings."""
        known = self._judging.found.namespaces
        left, unknown = list[Hit](), list[Hit]()
        for hit in self._hits:
            labels = known.of(hit.of_namespace) if hit.of_namespace and inner else [{}]
            if labels is None:
                unknown.append(hit)
            elif not all(any(ring.has(each) for ring in inner) for each in labels):
                left.append(hit)
        own = self._own
        earlier = [*inner, *(self._rings[: self._rings.index(own)] if own is not None else ())]
        ready = self._judging.nobody("else " if inner else "")
        return self._made(edit, where, left, unknown, earlier, [], ready, None)

    def _made(
        self,
        edit: Edit,
        where: str,
        hits: Sequence[Hit],
        unknown: Sequence[Hit],
        earlier: Sequence[Ring],
        missing: Sequence[str],
        ready: str,
        adds: Addition | None,
    ) -> Step:
        binding = self._binding
        if hits:
            without = sum(not hit.of_namespace for hit in hits)
            said = f"; {without:,} of them cluster-scoped" if without else ""
            return Step(binding, "hit", f"{whom(hits, 0)}{said}", None, tuple(hits), ring=where)
        counted_only = self._judging.counted_only(binding)
        if counted_only and adds is None and where != REST:
            return Step(binding, "hit", counted_only, ring=where)
        after = level(edit.applied(binding.actions))  # type: ignore[arg-type]
        if why := self._waits_for(earlier, after):
            return Step(binding, "later", why, ring=where)
        missing = [*self._judging.missing(self._policy, binding), *missing]
        if unknown:
            missing.append(_unknown(unknown))
        if counted_only:
            missing.append(f"{counted_only}; nobody knows in which namespaces")
        if self._beyond:
            missing.append(f"nothing is kept of requests on {counted(self._beyond, 'more object')}")
        if missing:
            return Step(binding, "unknown", "; ".join(missing), None, tuple(unknown), self._beyond, where)
        return Step(binding, "ready", ready, edit, ring=where, adds=adds)

    def _waits_for(self, earlier: Sequence[Ring], after: int) -> str:
        """The first of the rings in which the step is not taken, or not for long enough; "" if it is in all."""
        for ring in earlier:
            there = [
                each
                for each in self._policy.bindings
                if of_rings.reaches(each, ring) and of_rings.covers(each, self._binding, self._own, ring)
            ]
            if not there:  # the policy is not bound in it, and is not meant to be
                continue
            as_far = [each for each in there if level(each.actions) >= after]
            ages = [self._judging.young((each.file,)) for each in as_far]
            if not ages:
                return f"{ring.text} comes first"
            if all(ages):
                return f"{ring.text} comes first, and has not had this step for long: {'; '.join(ages[0])}"
        return ""


def _unknown(hits: Sequence[Hit]) -> str:
    names = sorted({hit.of_namespace for hit in hits})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{counted(len(hits), 'object')} in namespaces whose labels are not known: {', '.join(names[:_NAMED])}{more}"

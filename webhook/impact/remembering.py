"""Mutating policies that are the same on both sides are evaluated once; the second side gets the same results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from webhook.policy.json_values import differs
from webhook.policy.policyset import Policy
from webhook.policy.reviewing import Mutated

if TYPE_CHECKING:
    from webhook.apiserver.retyping import CustomKinds
    from webhook.cel import Program
    from webhook.paths import Path
    from webhook.policy.evaluation import MutationResult, Mutator
    from webhook.policy.request import Request
    from webhook.policy.reviewing import Review


class _Known(Struct, frozen=True):
    """One evaluation: what it was given, and what came of it."""

    request: Request
    param: Any
    before: Mutated | None
    result: MutationResult
    after: Mutated | None


class Memory:
    """The results of mutating policies on the requests of one document."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[_Known]] = {}
        self.reused = 0
        """The number of results that were not computed again."""

    def forget(self) -> None:
        """Begin with another document."""
        self._known.clear()

    def of(self, policy: Policy[Mutator]) -> Policy[Mutator]:
        """The policy, which looks here before it is evaluated."""
        return replace(policy, held=_Remembering(policy, self))

    def find(self, key: tuple[str, str], review: Review, param: Any) -> _Known | None:
        """The evaluation on an equal object with an equal param and as much of the budget."""
        for each in self._known.get(key, ()):
            if each.before == review.mutated and _is_same(each.request, review.request) and _same(each.param, param):
                self.reused += 1
                return each
        return None

    def keep(self, key: tuple[str, str], known: _Known) -> None:
        self._known.setdefault(key, []).append(known)


class _Remembering:
    """A Mutator whose results are kept for the requests of one document; see webhook.policy.evaluation.Mutator."""

    def __init__(self, policy: Policy[Mutator], memory: Memory) -> None:
        self._mutator = policy.evaluator
        self._key = (policy.kind, policy.name)
        self._memory = memory

    @property
    def reinvoked(self) -> bool:
        return self._mutator.reinvoked

    def mutate(self, review: Review, params: Any) -> MutationResult:
        if review.request.resource.resource == "namespaces":  # whose labels it may have before or after other mutations
            return self._mutator.mutate(review, params)
        found = self._memory.find(self._key, review, params)
        if found is not None:
            review.mutated = _copy(found.after)  # what mutations may still make is counted, as if it had run
            return found.result
        before = _copy(review.mutated)
        result = self._mutator.mutate(review, params)
        self._memory.keep(self._key, _Known(review.request, params, before, result, _copy(review.mutated)))
        return result

    def with_custom_kinds(self, custom: CustomKinds) -> Mutator:
        return self._mutator.with_custom_kinds(custom)

    def programs(self) -> Iterator[tuple[Path, Program]]:
        return self._mutator.programs()

    def prepare(self) -> None:
        self._mutator.prepare()


def _is_same(one: Request, other: Request) -> bool:
    if one is other:
        return True
    same = one.with_object(None) == other.with_object(None) and _same(one.old_object, other.old_object)
    return same and _same(one.object, other.object)


def _same(one: Any, other: Any) -> bool:
    return one is other or not differs(one, other)


def _copy(mutated: Mutated | None) -> Mutated | None:
    return replace(mutated) if mutated is not None else None

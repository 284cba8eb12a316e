"""Runs the tests of policies on their mutants, and tells which mutants none of them notices."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct

from webhook.documents import reader
from webhook.jobs import Jobs
from webhook.mutants import celpolicies, pythonpolicies
from webhook.mutants.mutant import Mutant, Outcome, Status
from webhook.mutants.pythonpolicies import modules_kept
from webhook.mutants.stopping import Times, stopping
from webhook.offline.cases import runs
from webhook.offline.cases.policytest import PlannedCase
from webhook.offline.cases.setup import Setups
from webhook.policy.load.treefiles import Tree
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.python.stopping import Stopped
from webhook.schema import Kinds, Schemas

USUAL: Final = Times()


class Mutated(Struct, frozen=True):
    """The outcomes of the mutants of one policy. `name`: a validating and a mutating policy of one name are one.

    `refused`: mutants that do not compile or that the loader refuses, which are not counted. `failing`: its tests fail
    without any change, so that no mutant was run. `stale`: the ids of explained mutants that do not survive, or that
    are none. `known`: a baseline has that its tests fail, or that it has none.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    refused: int = 0
    failing: bool = False
    stale: tuple[str, ...] = ()
    known: bool = False

    def of(self, status: str) -> list[Outcome]:
        """The mutants of a status."""
        return [each for each in self.outcomes if each.status == status]

    @property
    def passed(self) -> bool:
        """Whether its tests pass, and every mutant is noticed or explained; what a baseline has counts for nothing."""
        return not self.of("survived") and (self.known or not (self.failing or self.of("untested")))


def run(
    names: Iterable[str],
    planned: Sequence[PlannedCase],
    policies: PolicySet,
    tree: Tree,
    imports: Sequence[str] = (),
    times: Times = USUAL,
    jobs: int = 1,
) -> Iterator[Mutated]:
    """Mutate the policies of these names, one by one, in order.

    planned: all cases of the tree; those of a policy run on its mutants until one notices. tree: what `policies` was
    loaded from. jobs: how many processes divide the policies among them. Raises WorkerDied and, with several
    processes, WorkFailed.
    """
    cases: dict[str, list[PlannedCase]] = {}
    for each in planned:
        cases.setdefault(each.policy, []).append(each)
    made = _mutants(policies, tree, imports)
    wanted = sorted(set(names))

    def work(name: str) -> _Ran:
        return _ran(name, made.get(name, []), cases, policies, times)

    processes = Jobs(jobs, work, lambda: None)
    for name, ran in zip(wanted, processes.run(wanted), strict=True):
        yield _mutated(name, ran, made.get(name, []), cases)


def _mutants(policies: PolicySet, tree: Tree, imports: Sequence[str]) -> Mapping[str, list[Mutant]]:
    """The mutants of all policies, by the policy's name. One that several may notice is the first one's."""
    kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
    schemas = Schemas.builtin().with_crds(policies.objects)
    found: dict[str, list[Mutant]] = {}
    for file in tree.files:
        own = [policy for policy in policies.policies if policy.file == file.name]
        if not own:
            continue
        if file.name.endswith(".py"):
            for mutant in pythonpolicies.mutants(own, file, imports, policies.target):
                found.setdefault(min(name for _, name in mutant.policies), []).append(mutant)
            continue
        read, _ = reader.parse(file.content, file.name)
        text = file.content.decode(errors="replace")
        for policy in own:
            for document in read:
                if document.line == policy.line and document.value.get("kind") == policy.kind:
                    made = celpolicies.mutants(policy, document, text, kinds, schemas, policies.target)
                    found.setdefault(policy.name, []).extend(made)
    return found


class _Ran(Struct, frozen=True, array_like=True):
    """The results that a process reports for a policy's mutants, which stay in it, as they hold functions.

    `outcomes`: of each the status, the case that noticed it and the reason; None if it is refused.
    """

    failing: bool
    outcomes: list[tuple[Status, str, str] | None] = []


def _ran(
    name: str,
    mutants: Sequence[Mutant],
    cases: Mapping[str, list[PlannedCase]],
    policies: PolicySet,
    times: Times,
) -> _Ran:
    own = cases.get(name, [])
    limits: dict[int, float] = {}  # by id() of the case
    for each in own:
        begun = time.thread_time()
        if not all(result.passed for result in runs.run([each], policies)):
            return _Ran(failing=True)
        limits[id(each)] = max(times.case, times.slower * (time.thread_time() - begun))
    outcomes: list[tuple[Status, str, str] | None] = []
    order = list(own)  # the case that noticed the last mutant comes first: it often notices the next one
    for mutant in mutants:
        others = [case for _, other in mutant.policies if other != name for case in cases.get(other, ())]
        outcome = _outcome(mutant, [*order, *others], policies, times, limits)
        outcomes.append(outcome)
        if outcome is not None and outcome[0] == "killed" and (at := _index(order, outcome[1])):
            order.insert(0, order.pop(at))
    return _Ran(failing=False, outcomes=outcomes)


def _mutated(name: str, ran: _Ran, mutants: Sequence[Mutant], cases: Mapping[str, list[PlannedCase]]) -> Mutated:
    if ran.failing:
        return Mutated(name, (), failing=True)
    found = zip(mutants, ran.outcomes, strict=True)
    outcomes = tuple(Outcome(mutant, *outcome) for mutant, outcome in found if outcome is not None)
    known = {each.mutant.id: each for each in outcomes}
    stale = dict.fromkeys(
        id
        for case in cases.get(name, ())
        for id, _ in case.explained
        if id not in known or known[id].status == "killed"
    )
    return Mutated(name, outcomes, ran.outcomes.count(None), stale=tuple(stale))


def _index(cases: Sequence[PlannedCase], name: str) -> int:
    return next((index for index, case in enumerate(cases) if case.case.name == name), 0)


def _outcome(
    mutant: Mutant, cases: Sequence[PlannedCase], policies: PolicySet, times: Times, limits: Mapping[int, float]
) -> tuple[Status, str, str] | None:
    """The status of a mutant, the case that noticed it, and the explanation; None if it is refused.

    One that is explained runs too: it may not survive any more. One that runs forever is killed by the case in which
    it does. limits: seconds that cases may take, by id().
    """
    with modules_kept():
        changed = None
        with suppress(Stopped), stopping(times.loading):
            changed = mutant.load()
        if changed is None:
            return None
        if not cases:
            return "untested", "", ""
        setups = Setups(_with(policies, changed))
        for case in cases:
            passed = False
            with suppress(Stopped), stopping(limits.get(id(case), times.case)):
                passed = runs.run_one(setups.of(case), policies).passed
            if not passed:
                return "killed", case.case.name, ""
    reason = next((reason for case in cases for id, reason in case.explained if id == mutant.id), "")
    return ("explained" if reason else "survived"), "", reason


def _with(policies: PolicySet, changed: Sequence[Policy[Any]]) -> PolicySet:
    """The set with the changed policies in place of those of the same kind and name."""
    by_key = {(policy.kind, policy.name): policy for policy in changed}
    return PolicySet(
        [by_key.get((policy.kind, policy.name), policy) for policy in policies.validating],
        [by_key.get((policy.kind, policy.name), policy) for policy in policies.mutating],
        objects=policies.objects,
        target=policies.target,
    )

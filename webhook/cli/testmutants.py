"""`gatewright test --mutate`: the changes of policies that no test notices."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from webhook.cli.progress import ProgressBar
from webhook.cli.report.model import MUTANT, Finding, Place, Report, Suppression
from webhook.mutants import running

if TYPE_CHECKING:
    from webhook.mutants.mutant import Outcome
    from webhook.mutants.running import Mutated
    from webhook.offline.cases.policytest import PlannedCase
    from webhook.policy.load.treefiles import Tree
    from webhook.policy.policyset import PolicySet


def added(
    report: Report, names: Iterable[str], planned: Sequence[PlannedCase], policies: PolicySet, tree: Tree, jobs: int
) -> Report:
    """The report with the results for the mutants of the named policies. planned: all cases of the tree. jobs: the
    number of processes. Raises WorkerDied.
    """
    wanted = sorted(set(names))
    mutated: list[Mutated] = []
    with ProgressBar(sys.stderr) as bar:
        for each in running.run(wanted, planned, policies, tree, tree.imports, jobs=jobs):
            mutated.append(each)
            bar.step("mutating", len(mutated), len(wanted))
    places = {policy.name: Place(policy.file, policy.line) for policy in reversed(policies.policies)}
    return reported(report, mutated, places)


def reported(report: Report, mutated: Sequence[Mutated], places: Mapping[str, Place]) -> Report:
    """The report with these mutants. places: the places of the policies, by name."""
    known = {each.rule for each in report.findings}  # those that must have tests and have none
    return replace(
        report,
        findings=[
            *report.findings,
            *(found for each in mutated for found in _findings(each, places) if found.rule not in known),
        ],
        suppressed=[_finding(each.name, outcome) for each in mutated for outcome in each.of("explained")],
        mutated=mutated,
    )


def _findings(mutated: Mutated, places: Mapping[str, Place]) -> Iterator[Finding]:
    yield from (_finding(mutated.name, outcome) for outcome in mutated.of("survived"))
    message = ""
    if mutated.failing:
        message = "its tests fail without any change, so it was not mutated"
    elif untested := mutated.of("untested"):
        message = f"it has no tests, so that {len(untested):,} mutants would survive"
    if message:
        place = places[mutated.name]
        yield Finding(rule=mutated.name, level="error", message=message, place=place, kind=MUTANT, policy=mutated.name)


def _finding(name: str, outcome: Outcome) -> Finding:
    """The finding about a mutant that no test noticed. It is suppressed if the mutant is explained."""
    mutant, shown = outcome.mutant, outcome.mutant.show()
    suppression = None
    if outcome.status == "explained":
        suppression = Suppression("comment", "", "", outcome.reason)
    return Finding(
        rule=name,
        level="error",
        message=f"mutant {mutant.id} ({mutant.change}) survives: no test notices this change",
        place=Place(shown.file, shown.line, shown.column),
        kind=MUTANT,
        policy=name,
        anchor=mutant.id,
        suppression=suppression,
        diff=(*(f"-{line}" for line in shown.before), *(f"+{line}" for line in shown.after)),
    )

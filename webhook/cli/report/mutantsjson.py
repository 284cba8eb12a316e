"""The results for mutants, in the JSON report of `test --mutate`. Its fields are an interface: add, never rename.

{"mutants": [{"policy", "total", "killed", "survived", "known" (by a baseline, survivors that count for nothing),
               "explained", "untested", "refused" (by loading, not counted),
               "failing": whether its tests fail without any change,
               "outcomes": [MUTANT] (those that were not killed; with --verbose all),
               "stale": [id] (explained, but killed or none of its mutants)}],
 "summary": {"mutants": {"total", "killed", "survived", "known", "explained", "untested", "refused",
                         "failing": [policy]}}}

MUTANT: {"id", "change", "file", "line", "column", "from", "to",
         "status": killed, survived, known, explained or untested,
         "by": the case that noticed it, or null, "reason": why it is left alone, or null,
         "before": [line of the file], "after": [line]}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from webhook.mutants.mutant import Outcome
from webhook.mutants.running import Mutated

_STATUSES: Final = ("killed", "survived", "known", "explained", "untested")


def policies(found: Sequence[Mutated], verbose: bool) -> list[dict[str, Any]]:
    """The results for the mutants of each policy."""
    return [
        {
            "policy": each.name,
            **_counts([each]),
            "failing": each.failing,
            "outcomes": [_mutant(outcome) for outcome in each.outcomes if verbose or outcome.status != "killed"],
            "stale": list(each.stale),
        }
        for each in found
    ]


def summary(found: Sequence[Mutated]) -> dict[str, Any]:
    """The counts of all policies."""
    return {**_counts(found), "failing": [each.name for each in found if each.failing]}


def _counts(found: Sequence[Mutated]) -> dict[str, int]:
    counts = {status: sum(len(each.of(status)) for each in found) for status in _STATUSES}
    return {"total": sum(counts.values()), **counts, "refused": sum(each.refused for each in found)}


def _mutant(outcome: Outcome) -> dict[str, Any]:
    mutant, shown = outcome.mutant, outcome.mutant.show()
    return {
        "id": mutant.id,
        "change": mutant.change,
        "file": shown.file,
        "line": shown.line,
        "column": shown.column,
        "from": mutant.before,
        "to": mutant.after,
        "status": outcome.status,
        "by": outcome.by or None,
        "reason": outcome.reason or None,
        "before": list(shown.before),
        "after": list(shown.after),
    }

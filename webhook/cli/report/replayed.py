"""Results of `replay` → a report of the model (webhook.cli.report.model), for the formats that other tools read.

A review that is decided otherwise is a finding, at its line of the recording; a review that cannot be decided is a
problem. The text and the JSON of `replay` have modules of their own, with all that is known of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webhook.cli.report import replaytext
from webhook.cli.report.model import Finding, Place, Report, Rule
from webhook.cli.report.style import Style
from webhook.documents.document import Problem
from webhook.recordings.replaying import Different, Replayed

_WHOLE = "review"  # the rule of differences that no single policy causes


def report(replayed: Replayed, rules: Mapping[str, Rule]) -> Report:
    """The report. rules: the policies, by name."""
    undecided = (
        Problem(
            each.file,
            each.line,
            None,
            f"not decided, as the recording has no answer to what a policy looks up: {each.lookup}",
        )
        for each in replayed.undecided
    )
    return Report(
        command="replay",
        findings=[finding for each in replayed.different for finding in _findings(each)],
        rules=rules,
        problems=[*replayed.problems, *undecided],
        notes=[replaytext.not_seen(replayed)] if replayed.not_seen else [],
        scope={"reviews": replayed.count},
    )


def _findings(each: Different) -> Iterator[Finding]:
    """A finding for each policy with another result, else one without a policy; each lists all differences."""
    verdicts, *differs = replaytext.different(each, Style(False))
    message = "\n".join([verdicts, *(line.strip() for line in differs[1:])])
    for policy in dict.fromkeys(found.policy for found in (*each.gone, *each.come)) or (_WHOLE,):
        yield Finding(
            rule=policy,
            level="error",
            message=message,
            place=Place(each.file, each.line),
            operation=each.asked.operation,
            kind="replay",
            policy="" if policy == _WHOLE else policy,
        )

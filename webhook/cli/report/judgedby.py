"""What an audit judged by, as its page shows it: policies with their bindings and findings, and exceptions with their
use."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from webhook.library.listing import MOST, bounded, described, listing
from webhook.rollout.reports import of_run
from webhook.rollout.standing import standings
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.cli.report.model import Report
    from webhook.policy.policyset import PolicySet

_RESULTS: Final = ("deny", "warn", "audit", "error")
_MOST_REVISIONS: Final = 10


def standing(judged_by: Iterable[PolicySet], report: Report) -> dict[str, Any]:
    """The policies and exceptions, at most MOST of each, as webhook.library.listing describes them.

    judged_by: one for each cluster; of policies of one name, the first stands for all. report: of the whole run. An
    exception has `unknown`, too: why the report does not tell whether it is used, in the words of `exceptions list`;
    "" if it does.
    """
    found: Counter[tuple[str, ...]] = Counter(
        (each.kind, each.policy, each.binding, "error" if each.error else each.level) for each in report.findings
    )
    errors = [each.message for each in report.problems]
    names = [each.id for each in report.rules.values()]
    of_this = [("this audit", of_run(report.command, report.scope, errors, names, report.exceptions_used))]

    def counted(kind: str, policy: str, binding: str) -> dict[str, int]:
        return {result: found[kind, policy, binding, result] for result in _RESULTS}

    policies, exceptions = dict[tuple[str, str], Any](), dict[str, Any]()
    left, revisions = 0, dict[str, None]()
    for each in {id(each): each for each in judged_by}.values():
        shown = described(each, listing(each), counted, report.exceptions_used)
        unknown = {one.exception.name: one.why_unknown for one in standings(each, time.time(), 0, of_this)}
        for policy in shown["policies"]:
            policies.setdefault((policy["kind"], policy["name"]), policy)
        for exception in shown["exceptions"]:
            why = bounded(unknown.get(exception["name"], ""))
            exceptions.setdefault(exception["name"], {**exception, "unknown": why})
        left += shown["notShown"]
        revisions[each.revision] = None
    return {
        "policies": [*policies.values()][:MOST],
        "exceptions": [*exceptions.values()][:MOST],
        "notShown": left + max(0, len(policies) - MOST) + max(0, len(exceptions) - MOST),
        "revisions": [visible(each) for each in revisions if each][:_MOST_REVISIONS],
    }

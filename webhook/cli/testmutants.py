"""`gatewright test --mutate`: which changes of the policies no test notices."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from webhook.cli.options import FAILED, Color, Format, colored
from webhook.cli.report import mutantsjson, mutantstext
from webhook.cli.report.style import Style
from webhook.cli.streams import put
from webhook.mutants import running

if TYPE_CHECKING:
    from webhook.offline.policytest import PlannedCase
    from webhook.policy.load.treefiles import Tree
    from webhook.policy.policyset import PolicySet


def run(
    names: Iterable[str],
    planned: Sequence[PlannedCase],
    policies: PolicySet,
    tree: Tree,
    output: Format,
    verbose: bool,
) -> int:
    """Mutate the policies of these names and write the report. planned: all cases. Returns the exit code."""
    found = []
    style = Style(colored(Color.AUTO, sys.stdout))
    written = True
    for each in running.run(names, planned, policies, tree, tree.imports):
        found.append(each)
        if output is Format.TEXT:  # one policy at a time: it takes some seconds
            written = written and put(mutantstext.policy(each, style, verbose))
    end = mutantsjson.report(found, verbose) if output is Format.JSON else mutantstext.total(found)
    if not (written and put(end)):
        return FAILED
    return 0 if all(each.passed for each in found) else 1

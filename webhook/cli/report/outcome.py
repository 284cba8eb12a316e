"""What a run of `check` came to, for every output format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct, field

from webhook.documents.reader import Problem
from webhook.offline.background import Background
from webhook.offline.manifests import LeftOut
from webhook.offline.verdicts import Change, Located
from webhook.policy.exceptions import PolicyException

Action = Literal["deny", "warn", "audit"]
ACTIONS: tuple[Action, ...] = ("deny", "warn", "audit")


class Outcome(Struct, frozen=True):
    """The findings of all files in the order of the inputs, and what went wrong on the way.

    `warnings` are about policies and manifests; no exit code comes of them, nor of `excepted`, what exceptions cover.
    `left_out`: what was not checked. `verbose`: tracebacks of policies in Python are shown.
    """

    findings: Sequence[Located]
    problems: Sequence[Problem]
    notes: Sequence[str]
    files: int
    objects: int
    policies: int
    warnings: Sequence[Problem] = ()
    left_out: Sequence[LeftOut] = ()
    changes: Sequence[Change] = field(default_factory=tuple)
    excepted: Sequence[tuple[Located, PolicyException]] = ()
    show_changes: bool = False
    explained: bool = False
    background: Background | None = None
    verbose: bool = False

    @property
    def exit_code(self) -> int:
        """0: nothing denied; 1: something denied; 2: some input could not be checked."""
        if self.problems:
            return 2
        return 1 if self.count("deny") else 0

    def count(self, action: Action) -> int:
        """How many findings have this action."""
        return sum(1 for located in self.findings if action_of(located) == action)


def beside(located: Located, background: Background | None, verbose: bool) -> list[str]:
    """The lines to be shown below a finding's message, besides what the API server says."""
    if background is None:
        return []
    looked_for = background.looked_for(located.finding, located.identity.namespace)
    traceback = background.traceback(located.finding) if verbose else ()
    return [*([str(looked_for)] if looked_for else []), *traceback]


def action_of(located: Located) -> Action:
    """The action as the reports write it."""
    action: Action = located.finding.action.lower()  # type: ignore[assignment]
    return action

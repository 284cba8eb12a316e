"""Which policies let requests pass because they are in error: under failurePolicy Ignore that is no finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webhook.admission.decision import Excepted
from webhook.admission.record import Evaluated, Skipped
from webhook.counts import counted
from webhook.policy.evaluation import Evaluation
from webhook.policy.request import Request

_WHO = "request.userInfo"

Counted = tuple[dict[str, int], bool]
"""Policy -> the requests that it let pass, and whether one of the policies reads who sends the request."""


class LetPass:
    """An observer (webhook.admission.record) that counts the requests which each policy let pass so."""

    skips = False

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._last: dict[str, Request] = {}
        self.asks_who = False
        """Whether one of these policies reads who sends the request."""

    def taken(self) -> Counted:
        """What was counted since this was last asked, for another process."""
        counts, self._counts = self._counts, {}
        asks_who, self.asks_who = self.asks_who, False
        return counts, asks_who

    @classmethod
    def together(cls, counted: Iterable[Counted]) -> LetPass:
        """What several have counted, of different requests."""
        found = cls()
        for counts, asks_who in counted:
            for name, count in counts.items():
                found._counts[name] = found._counts.get(name, 0) + count
            found.asks_who |= asks_who
        return found

    def evaluated(self, evaluated: Evaluated, /) -> None:
        """See Observer."""
        policy, result = evaluated.policy, evaluated.result
        if policy.failure_policy != "Ignore":
            return
        if isinstance(result, Evaluation):
            if not result.let_pass:
                return
        elif all(fault.internal for fault in result.faults):
            return
        if self._last.get(policy.name) is not evaluated.request:  # several bindings and params ask about one request
            self._last[policy.name] = evaluated.request
            self._counts[policy.name] = self._counts.get(policy.name, 0) + 1
        self.asks_who |= any(_WHO in program.source for _, program in policy.evaluator.programs())

    def skipped(self, skipped: Skipped, /) -> None:
        """See Observer."""

    def excepted(self, excepted: Excepted, /) -> None:
        """See Observer."""

    def notes(self) -> Iterator[str]:
        """A line on each policy. It quotes nothing of an object: an error may."""
        for name, count in sorted(self._counts.items()):
            yield (
                f"policy '{name}' is in error and lets {counted(count, 'request')} pass, as its failurePolicy Ignore "
                f"says; `gatewright explain {name} MANIFEST` shows the error"
            )

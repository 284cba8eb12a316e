"""The next step of each binding, from Audit to Warn to Deny. A step needs evidence for the whole period."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from webhook.counts import counted
from webhook.policy.evaluation import Validator
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.policy.selectors import Requirement
from webhook.rollout.evidence import Evidence, Hit
from webhook.rollout.scraped import Counted, Scraped

State = Literal["ready", "hit", "later", "unknown", "done"]

STATES: Final[tuple[State, ...]] = ("ready", "hit", "later", "unknown", "done")

FRESH: Final = timedelta(days=1)
"""The greatest age of a report, and of the newest event in the logs."""

REST: Final = "the rest"
"""In place of a ring: the namespaces of no ring, and cluster-scoped objects."""

_SHOWN: Final = 3


class Edit(Struct, frozen=True):
    """A change of validationActions: `action` stands in place of `instead_of`, or, if that is None, first or last."""

    action: str
    instead_of: str | None = None
    last: bool = False

    def applied(self, actions: Sequence[str]) -> list[str]:
        """The actions after it."""
        if self.instead_of is not None:
            return [self.action if each == self.instead_of else each for each in actions]
        return [*actions, self.action] if self.last else [self.action, *actions]


class Addition(Struct, frozen=True):
    """A binding for a ring: that of the step with the requirements of the ring, and this name. `excludes`: it has to
    leave cluster-scoped objects out."""

    name: str
    requirements: tuple[Requirement, ...]
    excludes: bool


class Step(Struct, frozen=True):
    """The step of a binding, and its state. ready: `edit` is proposed. hit: somebody is, in `hits` and `beyond` more.
    later: another ring comes first. unknown: `why` names the evidence that is missing. done: the binding denies.

    `ring`: where the step is taken: the text of a ring, REST, or "" for all that the binding is about. `adds`: with the
    step the ring gets a binding of its own, and this one does not change.
    """

    binding: Binding
    state: State
    why: str
    edit: Edit | None = None
    hits: tuple[Hit, ...] = ()
    beyond: int = 0
    ring: str = ""
    adds: Addition | None = None

    @property
    def proposed(self) -> list[str]:
        """The actions that the binding would have."""
        return self.edit.applied(self.binding.actions) if self.edit is not None else list(self.binding.actions)


def next_edit(actions: Sequence[str]) -> Edit | None:
    """The next step of these actions; None if they deny."""
    if "Deny" in actions:
        return None
    if "Warn" not in actions:
        return Edit("Warn")
    if "Audit" not in actions:
        return Edit("Audit", last=True)
    return Edit("Deny", instead_of="Warn")


def steps(policies: PolicySet, judging: Judging) -> list[Step]:
    """The step of each binding of a validating policy, by the names of policy and binding."""
    return [judging.step(policy, binding) for policy, binding in bound(policies)]


def judging(
    found: Evidence,
    now: datetime,
    days: int,
    changed: Callable[[str], float | str | None],
    logs: bool,
    metrics: Scraped | None = None,
) -> Judging:
    """Judges steps by the evidence.

    days: the period in which nobody must have been hit. changed: the last change of a file, in seconds since the
    epoch; None if it is not committed; a text why git does not say. logs: whether audit logs were given.
    """
    return Judging(found, now, days, changed, _lacking(found, now, days, logs), metrics)


def bound(policies: PolicySet) -> list[tuple[Policy[Validator], Binding]]:
    """The bindings of validating policies, by the names of policy and binding."""
    return [(policy, binding) for policy in policies.validating for binding in policy.bindings]


def _lacking(found: Evidence, now: datetime, days: int, logs: bool) -> list[str]:
    """The evidence that is missing for all bindings."""
    said = []
    if found.audited is None:
        said.append("no report of an audit (--audit)")
    if not logs:
        said.append("no audit log (--log)")
    elif missing := found.missing_days(now.date(), days):
        more = f" and {len(missing) - 1} more of the last {days} days" if len(missing) > 1 else ""
        said.append(f"the audit log has nothing of {missing[-1]}{more}")
    elif found.last < (now - FRESH).strftime("%Y-%m-%dT%H:%M:%S"):
        said.append(f"the audit log ends at {found.last}, more than a day ago")
    if found.problems:
        said.append("not all of the audit log could be read")
    if found.unread:
        said.append("not all of the recordings could be read")
    if found.undecided:
        reviews = counted(found.undecided, "recorded review")
        said.append(f"{reviews} could not be decided: a policy looks up {found.lookup}, which is not recorded")
    return said


class Judging(Struct, frozen=True):
    """Judges steps; see `judging`. `lacking`: the evidence that is missing for all bindings. `metrics`: None if no
    scrapes were given."""

    found: Evidence
    now: datetime
    days: int
    changed: Callable[[str], float | str | None]
    lacking: Sequence[str]
    metrics: Scraped | None = None

    def hits(self, binding: Binding) -> tuple[Hit, ...]:
        """The objects that the binding hits, sorted by owner and name."""
        hits = self.found.hits.get((binding.policy, binding.name), ())
        return tuple(sorted(hits, key=lambda hit: (hit.owner, hit.namespace, hit.kind, hit.name)))

    def beyond(self, binding: Binding) -> int:
        """The number of hits that were counted but not kept."""
        return self.found.beyond.get((binding.policy, binding.name), 0)

    def step(self, policy: Policy[Validator], binding: Binding) -> Step:
        """The step of a binding, for all objects that it matches."""
        edit = next_edit(binding.actions)
        if edit is None:
            return Step(binding, "done", "denies")
        hits, beyond = self.hits(binding), self.beyond(binding)
        if edit.action == "Audit":  # harms nobody, and without it there is no evidence
            why = "what it says under Warn is in no log; under Audit too it is"
            return Step(binding, "ready", why, edit, hits, beyond)
        if hits or beyond:
            return Step(binding, "hit", whom(hits, beyond), None, hits, beyond)
        if said := self.counted_only(binding):
            return Step(binding, "hit", said)
        if missing := self.missing(policy, binding):
            return Step(binding, "unknown", "; ".join(missing))
        return Step(binding, "ready", self.nobody(), edit)

    def missing(self, policy: Policy[Validator], binding: Binding) -> list[str]:
        """The evidence that is missing for a step of the binding."""
        missing = [*self.lacking, *self.young((binding.file, policy.file))]
        if self.found.audited is not None and policy.name not in self.found.audited:
            missing.append("the audit did not judge by this policy")
        return missing

    def counted(self, binding: Binding) -> Counted | None:
        """The findings of the binding in the metrics; None without metrics."""
        return None if self.metrics is None else self.metrics.counted.get((binding.policy, binding.name), Counted())

    def counted_only(self, binding: Binding) -> str:
        """A text about the findings that only the metrics have; "" if there are none."""
        found = self.counted(binding)
        if found is None or not found.findings:
            return ""
        if self.beyond(binding) or any(hit.requests for hit in self.hits(binding)):
            return ""
        results = ", ".join(f"{number:,} {result}" for result, number in sorted(found.results.items()))
        first = f"{self.now - timedelta(days=self.days):%Y-%m-%d %H:%M} UTC"
        older = f"; some may be older than {first}, of which there is no scrape" if found.older else ""
        return f"the metrics count findings that are in no log: {results}{older}"

    def nobody(self, but: str = "") -> str:
        """The text that says why a step is ready."""
        unjudged = counted(self.found.unjudged, "request") if self.found.unjudged else ""
        passed = f"; {unjudged} passed unjudged, as a webhook did not answer" if unjudged else ""
        metrics = ""
        if self.metrics is not None:
            covered = min(self.metrics.covered / timedelta(days=1), self.days)
            metrics = f"; metrics of {_processes(self.metrics.processes)} cover {covered:.1f} of them"
        return f"nobody {but}was hit in {counted(self.days, 'day')}{passed}{metrics}"

    def young(self, files: Iterable[str]) -> list[str]:
        """Texts about the files that changed within the period: older evidence is about their former content."""
        said = []
        for file in dict.fromkeys(files):
            since = self.changed(file)
            if since is None:
                said.append(f"{file} is not committed")
            elif isinstance(since, str):
                said.append(since)
            elif (age := self.now - datetime.fromtimestamp(since, UTC)) < timedelta(days=self.days):
                said.append(f"{file} was changed {counted(max(age.days, 0), 'day')} ago")
        return said


def _processes(number: int) -> str:
    return f"{number:,} process{'es' if number != 1 else ''}"


def whom(hits: Sequence[Hit], beyond: int) -> str:
    """A text with the number of objects that are hit, and their owners, those with most objects first."""
    owners: dict[str, int] = {}
    for hit in hits:
        owners[hit.owner] = owners.get(hit.owner, 0) + 1
    ranked = sorted(owners.items(), key=lambda each: (-each[1], each[0]))
    named = ", ".join(f"{owner or 'nobody known'} ({count})" for owner, count in ranked[:_SHOWN])
    more = f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else ""
    if beyond:
        more += f" and requests of {counted(beyond, 'other')} that are not kept"
    return f"{counted(len(hits), 'object')} of {named}{more}" if hits else more.removeprefix(" and ")


def history() -> Callable[[str], float | str | None]:
    """Asks git for the last change of a file, once for each file. Its answers have the form that `judging` takes."""
    from webhook.git.arguments import folder_of, place_of
    from webhook.git.repository import GitError, Repository
    from webhook.git.since import last_change

    known: dict[str, float | str | None] = {}

    def changed(file: str) -> float | str | None:
        if file not in known:
            try:
                repository = Repository.of(folder_of([os.path.dirname(file) or "."]))  # noqa: PTH120  # a text
                known[file] = last_change(repository, place_of(repository.top, [file]).below[0])
            except GitError as error:
                known[file] = f"git does not say since when {file} is as it is: {error}"
        return known[file]

    return changed

"""The next step of each binding, from Audit over Warn to Deny: taken only on evidence that covers the whole period."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from webhook.counts import counted
from webhook.policy.evaluation import Validator
from webhook.policy.policyset import Binding, Policy, PolicySet
from webhook.rollout.evidence import Evidence, Hit

State = Literal["ready", "hit", "unknown", "done"]

STATES: Final[tuple[State, ...]] = ("ready", "hit", "unknown", "done")

FRESH: Final = timedelta(days=1)
"""How old the newest event of the logs, and a report, may be."""

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


class Step(Struct, frozen=True):
    """How a binding stands. ready: `edit` is proposed. hit: by `hits`, and `beyond` more of which nothing is kept.
    unknown: `why` says what evidence is missing. done: it denies."""

    binding: Binding
    state: State
    why: str
    edit: Edit | None = None
    hits: tuple[Hit, ...] = ()
    beyond: int = 0

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


def steps(
    policies: PolicySet,
    found: Evidence,
    now: datetime,
    days: int,
    changed: Callable[[str], float | str | None],
    logs: bool,
) -> list[Step]:
    """The step of each binding of a validating policy, by the names of policy and binding.

    days: how long nobody must have been hit. changed: since when a file is as it is, in seconds since the epoch; None
    if it is not committed; a text if that cannot be known. logs: whether audit logs were given.
    """
    lacking = _lacking(found, now, days, logs)
    made = [
        _step(policy, binding, found, now, days, changed, lacking)
        for policy in policies.validating
        for binding in policy.bindings
    ]
    return sorted(made, key=lambda each: (each.binding.policy, each.binding.name))


def _lacking(found: Evidence, now: datetime, days: int, logs: bool) -> list[str]:
    """What is missing for all bindings."""
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


def _step(
    policy: Policy[Validator],
    binding: Binding,
    found: Evidence,
    now: datetime,
    days: int,
    changed: Callable[[str], float | str | None],
    lacking: Sequence[str],
) -> Step:
    edit = next_edit(binding.actions)
    if edit is None:
        return Step(binding, "done", "denies")
    key = (policy.name, binding.name)
    hits = tuple(sorted(found.hits.get(key, ()), key=lambda hit: (hit.owner, hit.namespace, hit.kind, hit.name)))
    beyond = found.beyond.get(key, 0)
    if edit.action == "Audit":  # harms nobody, and without it there is no evidence
        why = "what it says under Warn is in no log; under Audit too it is"
        return Step(binding, "ready", why, edit, hits, beyond)
    if hits or beyond:
        return Step(binding, "hit", _whom(hits, beyond), None, hits, beyond)
    missing = [*lacking, *_young((binding.file, policy.file), now, days, changed)]
    if found.audited is not None and policy.name not in found.audited:
        missing.append("the audit did not judge by this policy")
    if missing:
        return Step(binding, "unknown", "; ".join(missing))
    unjudged = counted(found.unjudged, "request") if found.unjudged else ""
    but = f"; {unjudged} passed unjudged, as a webhook did not answer" if unjudged else ""
    return Step(binding, "ready", f"nobody was hit in {counted(days, 'day')}{but}", edit)


def _young(files: Iterable[str], now: datetime, days: int, changed: Callable[[str], float | str | None]) -> list[str]:
    """What is wrong with the age of the binding and of its policy: evidence is about them as they are."""
    said = []
    for file in dict.fromkeys(files):
        since = changed(file)
        if since is None:
            said.append(f"{file} is not committed")
        elif isinstance(since, str):
            said.append(since)
        elif (age := now - datetime.fromtimestamp(since, UTC)) < timedelta(days=days):
            said.append(f"{file} was changed {counted(max(age.days, 0), 'day')} ago")
    return said


def _whom(hits: Sequence[Hit], beyond: int) -> str:
    """How many objects are hit, and whose they are, the owners of most first."""
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
    """Asks the git repository that each file is in since when it is as it is; each file once."""
    from webhook.git.history import last_change
    from webhook.git.places import folder_of, place_of
    from webhook.git.repository import GitError, Repository

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

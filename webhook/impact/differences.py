"""The differences between two verdicts on one object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from webhook.lazypatterns import lazily
from webhook.offline.verdicts import Change, Located, Verdict
from webhook.policy.json_values import differs

if TYPE_CHECKING:
    from webhook.documents.document import Document
    from webhook.offline.requests import Identity

What = Literal[
    "newly denied",
    "newly allowed",
    "error came",
    "error went",
    "denied otherwise",
    "newly warned",
    "no longer warned",
    "error came under Warn",
    "error went under Warn",
    "warned otherwise",
    "newly audited",
    "no longer audited",
    "error came under Audit",
    "error went under Audit",
    "audited otherwise",
    "patch changed",
]
"""What differs of a policy's verdict on an object.

"error came", "error went": the policy could not be evaluated on one side, and therefore denied there; "under Warn" and
"under Audit": it could not be evaluated, and these actions say so. "otherwise": both sides say something under this
action, and not the same.
"""

CHANGES: Final[tuple[What, ...]] = What.__args__  # type: ignore[attr-defined]
"""In the order in which reports have them."""


class _Names(Struct, frozen=True):
    """How the differences under one action are called."""

    came: What
    went: What
    error_came: What
    error_went: What
    otherwise: What


_BY_ACTION: Final[Mapping[str, _Names]] = {
    "Deny": _Names("newly denied", "newly allowed", "error came", "error went", "denied otherwise"),
    "Warn": _Names(
        "newly warned", "no longer warned", "error came under Warn", "error went under Warn", "warned otherwise"
    ),
    "Audit": _Names(
        "newly audited", "no longer audited", "error came under Audit", "error went under Audit", "audited otherwise"
    ),
}

Key = tuple[str, str]
"""Kind and name of a policy; ("schema", "") of what the API server refuses itself."""


class Differing(Struct, frozen=True):
    """One difference of one policy on one object.

    `old`, `new`: what it says on each side under the action in question. `excepted`: the exceptions that cover on the
    other side what one side says.
    """

    policy: Key
    what: What
    old: tuple[Located, ...]
    new: tuple[Located, ...]
    excepted: tuple[str, ...] = ()


class Repatched(Struct, frozen=True):
    """A mutation that differs: of the object, or of the Pod that is made of its template.

    `old`, `new`: the change on each side; None if nothing is changed there. `policies`: those that change it.
    """

    policies: tuple[str, ...]
    old: Change | None
    new: Change | None


class Difference(Struct, frozen=True):
    """All differences on one object.

    `value`: the object as it is sent, or as it was before it is deleted. `was_denied`, `is_denied`: whether anything
    denies it, on the old and on the new side.
    """

    document: Document
    value: Any
    identity: Identity
    operation: str
    differing: tuple[Differing, ...]
    repatched: tuple[Repatched, ...]
    was_denied: bool
    is_denied: bool


Names = Mapping[str, str]
"""The names of Python files, of both sides -> those that they have on both (webhook.impact.trees.Side.common)."""

SAME_NAMES: Final[Names] = {}


def differing(
    old: Verdict, new: Verdict, names: Names = SAME_NAMES
) -> tuple[tuple[Differing, ...], tuple[Repatched, ...]]:
    """What differs between two verdicts on the same object. Places, bindings and reasons do not count, nor do the name
    and the line of a policy's file in the message of its error."""
    if not (old.findings or new.findings or old.changes or new.changes):
        return (), ()
    found: list[Differing] = []
    before, now = _by_policy(old.findings), _by_policy(new.findings)
    excepted = (_exceptions(old), _exceptions(new))
    for key in sorted({*before, *now}):
        for what, was, are in _of_policy(before.get(key, ()), now.get(key, ()), names):
            covered = excepted[1 if was and not are else 0].get(key, ()) if not (was and are) else ()
            found.append(Differing(key, what, was, are, tuple(covered)))
    return tuple(found), tuple(_repatched(old.changes, new.changes))


def denies(findings: Iterable[Located]) -> bool:
    """Whether any of the findings denies the object."""
    return any(each.finding.action == "Deny" for each in findings)


def _by_policy(findings: Iterable[Located]) -> dict[Key, list[Located]]:
    found: dict[Key, list[Located]] = {}
    for each in findings:
        found.setdefault((each.finding.kind, each.finding.policy), []).append(each)
    return found


def _of_policy(
    old: Sequence[Located], new: Sequence[Located], names: Names
) -> Iterator[tuple[What, tuple[Located, ...], tuple[Located, ...]]]:
    for action, called in _BY_ACTION.items():
        was, now = _under(old, action), _under(new, action)
        if what := _what(was, now, names, called):
            yield what, was, now


def _what(was: Sequence[Located], now: Sequence[Located], names: Names, called: _Names) -> What | None:
    if not was and not now:
        return None
    if not was or not now:
        if all(each.finding.error for each in was or now):
            return called.error_came if now else called.error_went
        return called.came if now else called.went
    if _texts(was, names) == _texts(now, names):
        return None
    failed, fails = (any(each.finding.error for each in side) for side in (was, now))
    if failed != fails:
        return called.error_came if fails else called.error_went
    return called.otherwise


def _under(findings: Iterable[Located], action: str) -> tuple[Located, ...]:
    return tuple(each for each in findings if each.finding.action == action)


def _texts(findings: Iterable[Located], names: Names) -> Counter[tuple[str, bool]]:
    return Counter(
        (_named(each.message, names) if each.finding.error else each.message, each.finding.error) for each in findings
    )


def _named(message: str, names: Names) -> str:
    """The message of an error, with the names that files have on both sides, without lines."""
    for name, common in names.items():
        if name in message:
            first, *parts = message.split(name)
            message = first + "".join(common + _LINE.sub("", part, count=1) for part in parts)
    return message


_LINE: Final = lazily(r"\A:[0-9]+")


def _exceptions(verdict: Verdict) -> dict[Key, list[str]]:
    found: dict[Key, dict[str, None]] = {}
    for located, exception in verdict.excepted:
        found.setdefault((located.finding.kind, located.finding.policy), {})[exception.name] = None
    return {key: list(names) for key, names in found.items()}


def _repatched(old: Sequence[Change], new: Sequence[Change]) -> Iterator[Repatched]:
    """The mutations that differ. An object has one, and each of the Pods that it makes."""
    was, now = _numbered(old), _numbered(new)
    for key in dict.fromkeys([*was, *now]):
        before, after = was.get(key), now.get(key)
        if before is None or after is None or differs(before.after, after.after):
            policies = dict.fromkeys(name for side in (before, after) if side is not None for name in side.policies)
            yield Repatched(tuple(policies), before, after)


def _numbered(changes: Iterable[Change]) -> dict[tuple[object, int], Change]:
    """The changes by their template, and by their number among those of the same one."""
    counted: Counter[object] = Counter()
    found: dict[tuple[object, int], Change] = {}
    for each in changes:
        found[each.template, counted[each.template]] = each
        counted[each.template] += 1
    return found

"""What is found on the objects of a controller is told once, of its workload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from webhook.lazypatterns import lazily
from webhook.paths import render

if TYPE_CHECKING:
    from webhook.offline.requests import Identity
    from webhook.offline.verdicts import Located

_NAMED: Final = 3  # objects of a workload that are named
_TEMPLATE: Final = lazily(r"\bspec\.(?:jobTemplate\.spec\.)?template\.(?=spec\b|metadata\b)")


class Told(Struct):
    """On which objects of its workload a finding was found: the first of them, and the number of all."""

    members: list[str]
    number: int = 0

    def aside(self) -> str:
        """A line that says so; "" if it was found on the workload itself alone."""
        if not self.number:
            return ""
        more = f" and {self.number - len(self.members):,} more" if self.number > len(self.members) else ""
        return f"found on {', '.join(self.members)}{more}"


class Folding:
    """Tells findings that say something new of a workload from those that do not. It keeps a key for each that does.

    `folded`: the findings that said nothing new.
    """

    def __init__(self) -> None:
        self.folded = 0
        self._told: dict[tuple[object, ...], Told] = {}

    def new(
        self, findings: Iterable[Located], workload: Identity, member: Identity | None
    ) -> Iterator[tuple[Located, Told]]:
        """Those findings on one object that say something new.

        workload: the object itself if it has no controller. member: the object, if it has one. What is found on the
        workload itself is new: come to it before its members.
        """
        seen: Counter[tuple[object, ...]] = Counter()
        for located in findings:
            same = _key(located, workload, member)
            seen[same] += 1
            key = (*same, seen[same])
            told = self._told.get(key)
            if told is None or member is None:
                told = self._told[key] = Told([])
                yield located, told
            else:
                self.folded += 1
            if member is not None:
                told.number += 1
                if len(told.members) < _NAMED:
                    told.members.append(f"{member.kind} {member.name}")


def _key(located: Located, workload: Identity, member: Identity | None) -> tuple[object, ...]:
    """Equal for a finding on a workload, on the Pod of its template, and on its Pods."""
    found = located.finding
    about = (workload.api_version.rpartition("/")[0], workload.kind, workload.namespace, workload.name)
    of = (*about, found.policy, found.binding, found.action, found.kind, found.error)
    if found.expression is not None:
        return (*of, render(found.expression))
    message = located.message if member is None else located.message.replace(member.name, workload.name)
    return (*of, _TEMPLATE.sub("", message))

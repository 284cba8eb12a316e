"""Reports findings on the objects of a controller once, with their workload."""

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


class Occurrences(Struct):
    """The objects of a workload on which a finding was found: the names of the first ones, and the number of all."""

    names: list[str]
    number: int = 0

    def aside(self) -> str:
        """The line that names them; "" if the finding is on the workload itself alone."""
        if not self.number:
            return ""
        more = f" and {self.number - len(self.names):,} more" if self.number > len(self.names) else ""
        return f"found on {', '.join(self.names)}{more}"


class Folding:
    """Reports each finding on a workload and on its objects once. It keeps a key for each that it has reported.

    `folded`: the number of findings that were reported already.
    """

    def __init__(self) -> None:
        self.folded = 0
        self._occurrences: dict[tuple[object, ...], Occurrences] = {}

    def new(
        self, findings: Iterable[Located], workload: Identity, member: Identity | None
    ) -> Iterator[tuple[Located, Occurrences]]:
        """The findings on one object that were not reported yet.

        workload: the object itself if it has no controller. member: the object, if it has one. Findings on the workload
        itself are always new, so pass it before its members.
        """
        seen: Counter[tuple[object, ...]] = Counter()
        for located in findings:
            same = _key(located, workload, member)
            seen[same] += 1
            key = (*same, seen[same])
            found = self._occurrences.get(key)
            if found is None or member is None:
                found = self._occurrences[key] = Occurrences([])
                yield located, found
            else:
                self.folded += 1
            if member is not None:
                found.number += 1
                if len(found.names) < _NAMED:
                    found.names.append(f"{member.kind} {member.name}")


def _key(located: Located, workload: Identity, member: Identity | None) -> tuple[object, ...]:
    """Equal for a finding on a workload, on the Pod of its template, and on its Pods."""
    found = located.finding
    about = (workload.api_version.rpartition("/")[0], workload.kind, workload.namespace, workload.name)
    of = (*about, found.policy, found.binding, found.action, found.kind, found.error)
    if found.expression is not None:
        return (*of, render(found.expression))
    message = located.message if member is None else located.message.replace(member.name, workload.name)
    return (*of, _TEMPLATE.sub("", message))

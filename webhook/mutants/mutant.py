"""A mutant, and the outcome of its tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any, Literal

from msgspec import Struct

from webhook.policy.policyset import Policy


class Edit(Struct, frozen=True, order=True):
    """A change of a text: `text` in place of text[start:end]. `change`: what kind of change, such as `operator`.

    `kept`: the part of the text that `text` repeats, if it does.
    """

    start: int
    end: int
    text: str
    change: str
    kept: tuple[int, int] = (0, 0)

    def applied(self, source: str) -> str:
        """The changed text."""
        return source[: self.start] + self.text + source[self.end :]


class Shown(Struct, frozen=True):
    """The text of a mutant in its file: the lines before and after, from `line` on. `column`: of the first change."""

    file: str
    line: int
    column: int
    before: tuple[str, ...]
    after: tuple[str, ...]


class Mutant(Struct, frozen=True):
    """A change of one policy.

    `id`: the same as long as neither the changed text nor the change itself is edited; lines may move. `policies`: kind
    and name of those whose tests may notice it. `change`: what kind it is. `before`, `after`: the text that differs.
    `load`: makes the changed policies, one for each of `policies`; None if they are refused. `show`: how it reads.
    """

    id: str
    policies: tuple[tuple[str, str], ...]
    change: str
    before: str
    after: str
    load: Callable[[], tuple[Policy[Any], ...] | None]
    show: Callable[[], Shown]


Status = Literal["killed", "survived", "known", "explained", "untested"]


class Outcome(Struct, frozen=True):
    """The outcome of a mutant. `by`: the case that noticed it; "" if none did. `reason`: the explanation why it may
    survive. `known`: a survivor in the baseline; `untested` a mutant of a policy without tests.
    """

    mutant: Mutant
    status: Status
    by: str = ""
    reason: str = ""


class Named(Struct):
    """Gives mutants their ids."""

    owner: tuple[str, ...]
    _seen: Counter[tuple[str, ...]]

    @classmethod
    def of(cls, *owner: str) -> Named:
        """Of the mutants of one policy or file."""
        return cls(owner, Counter())

    def id(self, place: str, change: str, before: str, after: str) -> str:
        """The id of a mutant: eight hexadecimal digits, of its place in the policy and of what it changes there. Equal
        changes at one place are counted."""
        key = (*self.owner, place, change, before, after)
        self._seen[key] += 1
        return sha256("\0".join((*key, str(self._seen[key]))).encode(errors="surrogateescape")).hexdigest()[:8]


def distinct(edits: Iterable[Edit], source: str) -> Iterator[Edit]:
    """The edits in the order of the text, each result once, and none without an effect on the text."""
    known = {source}
    for edit in sorted(edits):
        changed = edit.applied(source)
        if changed not in known:
            known.add(changed)
            yield edit

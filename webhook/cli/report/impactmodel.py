"""What a run of `impact` came to, for each of its formats. Texts are plain and hold no content of Secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from webhook.documents.document import Problem
    from webhook.impact.summary import Summary
    from webhook.offline.requests import Identity


class Place(Struct, frozen=True):
    """A place in a file. Line and column count from 1; None where they are not known, as of an object of a cluster."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        numbers = (self.line, self.column if self.line is not None else None)
        return self.file + "".join(f":{number}" for number in numbers if number is not None)


class Finding(Struct, frozen=True, kw_only=True):
    """A verdict that differs. `change`: in which way (webhook.impact.differences.What). The rest is of the side which
    says it, of the new side if both say something.

    `policy`: "" for the API server itself. `asides`: more lines. `diff`: of a patch, lines of a unified diff.
    """

    change: str
    policy: str
    kind: str
    message: str
    place: Place
    object: Identity
    owner: str
    operation: str
    binding: str = ""
    action: str = ""
    error: bool = False
    path: str = ""
    asides: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """All that a run came to. `problems`: the run itself failed; `verbose`: all objects are shown."""

    findings: Sequence[Finding] = ()
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    impact: Summary | None = None
    verbose: bool = False
    concise: bool = False

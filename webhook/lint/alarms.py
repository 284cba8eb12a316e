"""The alarms that rules report, each with its place in a file and the edits that mend it."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from webhook.documents.reader import Position
from webhook.excerpts import Excerpt

Severity = Literal["error", "warning", "note"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
"""The gravest first."""


class Rule(Struct, frozen=True):
    """A rule. `id`: GW and three digits. `name`: words with dashes. `title`: the mistake, in one line.

    `fixable`: whether some of its alarms can be mended by `--fix`. `silent`: whether a comment may silence it.
    """

    id: str
    name: str
    severity: Severity
    title: str
    fixable: bool = False
    silent: bool = True


class Edit(Struct, frozen=True):
    """A replacement in a file: the characters from `start` to before `end` become `text`."""

    file: str
    start: Position
    end: Position
    text: str


class Alarm(Struct, frozen=True, kw_only=True):
    """A mistake that a rule found. `rule`: its id. `path`: the field; "" in Python. `kind`, `name`: the object's.

    `end`: the column after its last character, on the same line. `edits`: mend it, if all are applied; `remedy`
    describes them. `reason`: the reason in the comment that silences it; None if no comment does.
    """

    rule: str
    message: str
    file: str
    line: int | None = None
    column: int | None = None
    end: int | None = None
    path: str = ""
    kind: str = ""
    name: str = ""
    excerpt: Excerpt | None = None
    edits: tuple[Edit, ...] = ()
    remedy: str = ""
    reason: str | None = None

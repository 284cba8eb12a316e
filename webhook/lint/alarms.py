"""What a rule reports: alarms, each at a place of a file, and the edits that would mend it."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from webhook.documents.reader import Position
from webhook.excerpts import Excerpt

Severity = Literal["error", "warning", "note"]

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")
"""The gravest first."""


class Rule(Struct, frozen=True):
    """One rule. `id`: GW and three digits. `name`: words with dashes. `title`: what an alarm says, in one line.

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
    """What a rule found. `rule`: its id. `path`: the field, as text; "" in Python. `kind`, `name`: of its object.

    `end`: the column after the last character that it is about, on the same line. `edits` mend it, all together;
    `remedy` says what they do. `reason`: why a comment silences it; None if none does.
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

"""The results of the last audits in a small file, from which reports show the trend.

The file has one JSON object a line, the oldest first, and at most MOST of them; it is replaced as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from webhook.cli.report.model import Past, Report
from webhook.documents.files import reason
from webhook.documents.undecodable import UNDECODABLE
from webhook.lazypatterns import lazily

MOST: Final = 100
"""Audits that are kept: some three months of one a day."""

MAX_SIZE: Final = 1 << 20
"""Most bytes of the file: many times its ordinary size."""

_TIME: Final[re.Pattern[str]] = lazily(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class HistoryError(ValueError):
    """A file that is not a history of audits. str(error): what was expected, and where."""


def read(file: Path) -> tuple[Past, ...]:
    """The audits in a file, the oldest first; none if there is no file. Raises HistoryError."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise HistoryError(f"{file}: {reason(error)}") from None
    return parsed(content, str(file))


def parsed(content: bytes, name: str) -> tuple[Past, ...]:
    """The audits in the content of a file of this name, the oldest first. Raises HistoryError."""
    if len(content) > MAX_SIZE:
        raise HistoryError(f"{name}: more than {MAX_SIZE >> 20} MiB; expected what --history has written")
    lines = enumerate(content.splitlines(), 1)
    return tuple(_past(line, f"{name}:{number}") for number, line in lines if line.strip())[-MOST:]


def _past(line: bytes, where: str) -> Past:
    try:
        found = msgspec.json.decode(line, type=Past)
    except UNDECODABLE as error:  # what is of another shape, too
        raise HistoryError(f"{where}: expected an audit, as --history has written it: {error}") from None
    if not _is_time(found.at):
        raise HistoryError(f"{where}: at: expected a time such as 2026-01-31T04:00:00Z, got {found.at[:40]!r}")
    return found


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def past(report: Report) -> Past:
    """The entry of a report."""
    return Past(
        at=report.at,
        deny=report.count("deny"),
        warn=report.count("warn"),
        audit=report.count("audit"),
        objects=report.scope.get("objects", 0),
        policies=report.scope.get("policies", 0),
        score=report.scores.cluster.value if report.scores is not None else None,
        complete=not report.problems,
    )


def text(audits: Sequence[Past]) -> Iterator[str]:
    """The file in pieces."""
    for each in audits[-MOST:]:
        yield msgspec.json.encode(each).decode() + "\n"


def values(audits: Sequence[Past]) -> list[dict[str, Any]]:
    """The audits as JSON values."""
    return [msgspec.to_builtins(each) for each in audits]

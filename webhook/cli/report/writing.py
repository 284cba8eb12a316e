"""Writes a report in the formats that were asked for, each to stdout or to a file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TextIO

from msgspec import Struct

from webhook.cli.report.model import Report
from webhook.cli.report.text import PLAIN, Look
from webhook.nearest import nearest
from webhook.visible import encodable, visible

TEXT: Final = "text"

FORMATS: Final = {
    "text": "webhook.cli.report.text",
    "json": "webhook.cli.report.jsonformat",
    "yaml": "webhook.cli.report.yamlformat",
    "sarif": "webhook.cli.report.sarif",
    "junit": "webhook.cli.report.junit",
    "github": "webhook.cli.report.github",
    "gitlab": "webhook.cli.report.gitlab",
    "markdown": "webhook.cli.report.markdown",
    "html": "webhook.cli.report.html",
    "checkstyle": "webhook.cli.report.checkstyle",
}
"""Format -> its module, which is imported when it is used. Each but text has `text(report)`, which gives the report in
pieces."""

_SELF_CONTAINED: Final = frozenset({"json", "yaml"})
"""Formats that say everything, so that nothing is said on stderr besides."""


_WITHOUT_FINGERPRINTS: Final = frozenset({"text", "junit", "github", "markdown", "html", "checkstyle"})
"""Formats that show no fingerprints, so that none are made for them."""


class Target(Struct, frozen=True):
    """A format, and the file that it is written to; "" for stdout."""

    format: str
    file: str = ""


def targets(named: Sequence[str]) -> tuple[Target, ...]:
    """The formats and destinations of `-o FORMAT` and `-o FORMAT=FILE`; text on stdout if there is none.

    Raises ValueError for a format that there is not, and for two reports to one place.
    """
    found: list[Target] = []
    for each in named:
        name, separator, file = each.partition("=")
        name = name.strip().lower()
        if name not in FORMATS:
            close = nearest(name, FORMATS)
            meant = f"; did you mean {close}?" if close else ""
            raise ValueError(f"expected FORMAT or FORMAT=FILE, with one of {', '.join(FORMATS)}, got {each!r}{meant}")
        if separator and not file:
            raise ValueError(f"{each!r} names no file; leave `=` out to write to stdout")
        found.append(Target(name, "" if file == "-" else file))
    places = [os.path.abspath(each.file) if each.file else "" for each in found]  # noqa: PTH100  # nothing is resolved
    for index, place in enumerate(places):
        if place in places[:index]:
            where = f"to {found[index].file}" if place else "to stdout; name a file for one of them: FORMAT=FILE"
            raise ValueError(f"two reports cannot both be written {where}")
    return tuple(found) or (Target(TEXT),)


def says_all(wanted: Sequence[Target]) -> bool:
    """Whether the report on stdout has the problems and notes too, so that stderr stays empty."""
    return any(each.format in _SELF_CONTAINED for each in wanted if not each.file)


def fingerprints(wanted: Sequence[Target]) -> bool:
    """Whether some format shows the fingerprints of findings."""
    return any(each.format not in _WITHOUT_FINGERPRINTS for each in wanted)


def write(report: Report, wanted: Sequence[Target], look: Look = PLAIN) -> bool:
    """Write the report to each of its places; `look` is that of stdout. Files first.

    Returns False if one of them could not be written. Then the error is on stderr.
    """
    written = True
    for each in sorted(wanted, key=lambda target: not target.file):
        if each.file:
            written &= to_file(pieces(report, each.format, PLAIN), each.file)
        else:
            written &= _to_stdout(pieces(report, each.format, look))
    return written


def pieces(report: Report, name: str, look: Look = PLAIN) -> Iterator[str]:
    """The report in a format, in pieces."""
    module: Any = import_module(FORMATS[name])
    if name == TEXT:
        return (f"{line}\n" for line in module.lines(report, look))
    found: Iterator[str] = module.text(report)
    return found


def _to_stdout(found: Iterable[str]) -> bool:
    from webhook.cli.streams import put

    return put(found)


def to_file(found: Iterable[str], file: str) -> bool:
    """Write a report to a file as `put_into` does.

    Returns False if it cannot be written. Then the error is on stderr.
    """
    try:
        put_into(Path(file), found)
    except OSError as error:
        sys.stderr.write(f"error: {visible(file)}: the report cannot be written: {error.strerror}\n")
        return False
    return True


def put_into(path: Path, found: Iterable[str]) -> None:
    """Write a file completely or not at all. A file that is not regular, such as a pipe, is written in place, and so is
    /dev/stdout, whatever it leads to. Any other link is replaced: it may come from the repository. Raises OSError.
    """
    if (path.exists() and not path.is_file()) or _DEVICES & {*map(str, path.absolute().parents)}:
        with path.open("w", encoding="utf-8") as stream:
            _into(stream, found)
        return
    import tempfile  # few runs write a report to a file

    number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            _into(stream, found)
        Path(temporary).chmod(_mode(path))
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


_DEVICES = frozenset({"/dev", "/proc"})


def _into(stream: TextIO, found: Iterable[str]) -> None:
    for piece in found:
        stream.write(encodable(piece))


def _mode(path: Path) -> int:
    """The permissions of a file: those that it has, or those of a new one."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask

"""What commands that report findings share: the options for reports, and what is made of a report in the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from webhook.cli.options import FAILED, Color, NotGiven, colored, draws
from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Report
    from webhook.cli.report.writing import Target

Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT[=FILE]",
        help="The format of the report: text, json or yaml. May be repeated, each but one with a file.",
    ),
]

Concise = Annotated[bool, typer.Option("--concise", help="One line for each finding in the text.")]


class Reporting(Struct, frozen=True):
    """How a run is reported. `targets`: the formats with their places."""

    targets: tuple[Target, ...]
    concise: bool = False
    color: Color = Color.AUTO


def reporting(outputs: Sequence[str] | None, *, concise: bool = False, color: Color = Color.AUTO) -> Reporting:
    """The values of the options. Raises NotGiven."""
    from webhook.cli.report.writing import targets

    try:
        return Reporting(targets(outputs or ()), concise, color)
    except ValueError as error:
        raise NotGiven(f"--output: {error}") from None


PASSED: Final = 0
FAILING: Final = 1


def finish(report: Report, how: Reporting, fails: Callable[[Finding], bool], *, aborted: bool = False) -> int:
    """Write the report, and its problems and notes to stderr. Returns the exit code.

    2: some input could not be used, or the report not be written. 1: `fails` is true of a finding. 0: neither. aborted:
    nothing was looked at, so that there is no text but the problems.
    """
    from webhook.cli.report import text
    from webhook.cli.report.model import fingerprinted
    from webhook.cli.report.writing import TEXT, says_all, write

    report = replace(
        report,
        findings=list(fingerprinted(report.findings)),
        suppressed=list(fingerprinted(report.suppressed)),
    )
    if not says_all(how.targets):
        for line in text.asides(report, colored(how.color, sys.stderr), columns(sys.stderr)):
            sys.stderr.write(line)
        sys.stderr.flush()
    wanted = [each for each in how.targets if not (aborted and each.format == TEXT)]
    look = text.Look(colored(how.color, sys.stdout), columns(sys.stdout), draws(sys.stdout), how.concise)
    written = write(report, wanted, look)
    if report.problems or not written:
        return FAILED
    return FAILING if any(map(fails, report.findings)) else PASSED

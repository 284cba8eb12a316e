"""The options of commands that report findings, and how a run ends: the report is written, and the exit code chosen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from webhook.cli.options import (
    FAILED,
    Color,
    colored,
    draws,
)
from webhook.cli.readoptions import NotGiven
from webhook.excerpts import columns

if TYPE_CHECKING:
    from webhook.cli.report.baseline import Baseline
    from webhook.cli.report.model import Finding, Report
    from webhook.cli.report.writing import Target

Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORMAT[=FILE]",
        help="The format of the report: text, json, yaml, sarif, junit, github, gitlab, markdown, html or checkstyle. "
        "May be repeated, each but one with a file.",
    ),
]

Concise = Annotated[bool, typer.Option("--concise", help="One line for each finding in the text.")]


class Level(StrEnum):
    """How grave a finding on an object is: the action of the binding."""

    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"


class FailOn(StrEnum):
    """The findings that lead to exit code 1: denials, warnings too, or none."""

    DENY = "deny"
    WARN = "warn"
    NEVER = "never"


Only = Annotated[list[Level] | None, typer.Option("--only", help="Show only findings of this level; may be repeated.")]

Failing = Annotated[FailOn, typer.Option("--fail-on", help="The findings that lead to exit code 1.")]

BaselineFile = Annotated[
    str,
    typer.Option(
        "--baseline", metavar="FILE", help="Findings that are known, and fail nothing; --write-baseline writes it."
    ),
]

WriteBaseline = Annotated[
    bool, typer.Option("--write-baseline", help="Write the findings to the file of --baseline, and succeed.")
]

OwnerLabel = Annotated[
    str,
    typer.Option(
        "--owner-label",
        metavar="KEY",
        help="The label or annotation, of objects or else of their Namespace, that names an owner. [default: none; the "
        "namespace is the owner]",
    ),
]


class Reporting(Struct, frozen=True):
    """The values of the options. `targets`: the formats and their destinations. `only`: the levels that are shown; all
    if empty. `baseline`: the known findings; None if no file was named. `write`: the file that the baseline is written
    to, or "".
    """

    targets: tuple[Target, ...]
    concise: bool = False
    color: Color = Color.AUTO
    only: frozenset[str] = frozenset()
    baseline: Baseline | None = None
    write: str = ""


def reporting(
    outputs: Sequence[str] | None,
    *,
    concise: bool = False,
    color: Color = Color.AUTO,
    only: Sequence[str] | None = None,
    baseline: str = "",
    write_baseline: bool = False,
) -> Reporting:
    """The values of the options. Raises NotGiven."""
    from webhook.cli.report.writing import targets

    if write_baseline and not baseline:
        raise NotGiven("--write-baseline needs --baseline FILE")
    try:
        wanted = targets(outputs or ())
    except ValueError as error:
        raise NotGiven(f"--output: {error}") from None
    known = _known(baseline) if baseline and not write_baseline else None
    levels = frozenset(str(each) for each in only or ())
    return Reporting(wanted, concise, color, levels, known, baseline if write_baseline else "")


def _known(file: str) -> Baseline:
    from webhook.cli.report import baseline as baselines

    try:
        return baselines.read(file)
    except baselines.BaselineError as error:
        raise NotGiven(f"--baseline: {error}") from None


PASSED: Final = 0
FAILING: Final = 1


def failing(on: FailOn) -> Callable[[Finding], bool]:
    """Whether a finding fails the run, by --fail-on."""
    levels = {FailOn.DENY: ("deny",), FailOn.WARN: ("deny", "warn"), FailOn.NEVER: ()}[on]
    return lambda finding: finding.level in levels


def finish(report: Report, how: Reporting, fails: Callable[[Finding], bool], *, aborted: bool = False) -> int:
    """Write the report, and its problems and notes to stderr. Returns the exit code.

    2: some input could not be used, or the report not be written. 1: `fails` is true of a finding, or a score fails. 0:
    neither. aborted: nothing was judged, so only the problems are written.
    """
    from webhook.cli.report import text
    from webhook.cli.report.model import fingerprinted
    from webhook.cli.report.writing import TEXT, fingerprints, says_all, write

    recorded, compares = True, how.baseline is not None or bool(how.write)
    if compares or fingerprints(how.targets):
        report = replace(
            report, findings=list(fingerprinted(report.findings)), suppressed=list(fingerprinted(report.suppressed))
        )
    if compares:
        report, recorded = _compared(report, how, aborted=aborted)
    failed = any(map(fails, report.findings)) or (report.scores is not None and report.scores.failed)
    if how.only:
        shown = [each for each in report.findings if each.level in how.only]
        hidden = [each for each in report.findings if each.level not in how.only]
        report = replace(
            report,
            findings=shown,
            hidden=len(hidden),
            hidden_denied=sum(each.level == "deny" for each in hidden),
            hidden_failing=sum(map(fails, hidden)),
            suppressed=[each for each in report.suppressed if each.level in how.only],
        )
    if not says_all(how.targets):
        for line in text.asides(report, colored(how.color, sys.stderr), columns(sys.stderr)):
            sys.stderr.write(line)
        sys.stderr.flush()
    wanted = [each for each in how.targets if not (aborted and each.format == TEXT)]
    look = text.Look(colored(how.color, sys.stdout), columns(sys.stdout), draws(sys.stdout), how.concise)
    written = write(report, wanted, look)
    if report.problems or not written or not recorded:
        return FAILED
    return FAILING if failed else PASSED


def _compared(report: Report, how: Reporting, *, aborted: bool) -> tuple[Report, bool]:
    """The report with known findings suppressed, or after its findings were written as the baseline; and whether that
    worked."""
    from webhook.cli.report import baseline as baselines
    from webhook.cli.report.writing import to_file
    from webhook.counts import counted

    known = how.baseline
    recorded = True
    if how.write:
        if aborted or report.problems:
            words = f"{how.write} is not written, as some inputs could not be read"
            return replace(report, notes=[*report.notes, words]), True
        recorded = to_file(baselines.written(report.findings), how.write)
        if recorded:
            words = f"{counted(len(report.findings), 'finding')} written to {how.write}"
            report = replace(report, notes=[*report.notes, words])
        known = baselines.Baseline(how.write, frozenset(each.fingerprint for each in report.findings))
    if known is None or aborted:
        return report, recorded
    new, old = known.divided(report.findings)
    gone = len(known.fingerprints) - len(old)
    notes = list(report.notes)
    if gone > 0:
        notes.append(f"{counted(gone, 'finding')} of {known.name} not found in this run; --write-baseline drops them")
    report = replace(report, findings=new, suppressed=[*report.suppressed, *old], notes=notes)
    return baselines.marked(report, old), recorded

"""`gatewright test`: run the PolicyTests of a policy tree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import KubernetesVersion
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.cli.report.checktext import Style
    from webhook.documents.reader import Problem
    from webhook.offline.caseruns import Result

_FAILED = 2


class Format(StrEnum):
    """How the results are written."""

    TEXT = "text"
    JSON = "json"


def test(
    policies: Annotated[
        Path, typer.Option("--policies", metavar="DIR", help="The policy tree.", envvar="GATEWRIGHT_POLICIES")
    ] = Path("policies"),
    output: Annotated[Format, typer.Option("--output", "-o", help="How the results are written.")] = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the cases that pass, too.")] = False,
) -> None:
    """Run the tests of the policies: the objects of kind `gatewright.dev/v1 PolicyTest` in the tree.

    Exit code: **0** all cases pass, **1** some fail, **2** the run itself failed: a bad policy, a bad test, a bad
    option.
    """
    raise typer.Exit(_test(policies, output, verbose, version))


# Whoever looks for tests of Gatewright itself by their name is to pass this one over.
test.__test__ = False  # type: ignore[attr-defined]


def _test(tree: Path, output: Format, verbose: bool, version: str) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    import os

    from webhook.cli.report.checktext import Style, error_line, error_text, note_line, warning_text
    from webhook.cli.report.visible import visible
    from webhook.cli.streams import put
    from webhook.offline import caseruns, policytest
    from webhook.policy.exceptions import expired
    from webhook.policy.load.loading import PolicyTreeError, load

    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    on_terminal = sys.stderr.isatty() and not plain
    try:
        target = parse_version(version)
    except ValueError as error:
        sys.stderr.write(error_line(f"--kubernetes-version: {error}, got {version!r}", on_terminal))
        return _FAILED
    try:
        loaded = load(tree, target)
        planned, problems = policytest.plan(tree, loaded)
    except PolicyTreeError as error:
        planned, problems = [], list(error.problems)
    if problems:
        if output is Format.JSON:
            put(_json((), (), problems, ()))
        else:
            sys.stderr.write("".join(error_text(problem, on_terminal) for problem in problems))
        return _FAILED

    ended = {expired(exception) for exception in loaded.exceptions}
    for note in (note for note in loaded.notes if note.message in ended):  # the rest is no matter of tests
        sys.stderr.write(note_line(str(note), on_terminal))
    results = list(caseruns.run(planned, loaded))
    tested = {each.policy for each in planned}
    untested = sorted({policy.name for policy in loaded.policies} - tested)
    if output is Format.JSON:
        written = put(_json(results, untested, (), loaded.warnings))
    else:
        sys.stderr.write("".join(warning_text(problem, on_terminal) for problem in loaded.warnings))
        sys.stderr.flush()
        style = Style(sys.stdout.isatty() and not plain)
        notes = (f"{style(_DIM, 'note:')} {visible(name)} has no tests\n" for name in untested)
        written = put("".join(notes) + _text(results, style, verbose))
    if not written:
        return _FAILED
    return 1 if any(not result.passed for result in results) else 0


_BOLD, _DIM, _RED, _GREEN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"


def _text(results: Sequence[Result], style: Style, verbose: bool) -> str:
    """A line a policy, the cases that failed, and a line that sums it up."""
    from webhook.cli.report.visible import visible

    lines: list[str] = []
    ok, failed = style(_GREEN, "pass"), style(_BOLD + _RED, "FAIL")
    for policy, group in groupby(sorted(results, key=_policy), key=_policy):
        found = list(group)
        passed = sum(result.passed for result in found)
        mark = ok if passed == len(found) else failed
        lines.append(f"{mark} {style(_BOLD, visible(policy))}: {passed} of {_count(len(found), 'case')}")
        for result in found:
            if result.passed and not verbose:
                continue
            planned = result.planned
            place = f"{visible(planned.file)}:{planned.line}"
            lines.append(f"  {ok if result.passed else failed} {place}: {visible(planned.case.name)}")
            if not result.passed:
                lines += [f"       {visible(failure)}" for failure in result.failures]
                lines += [f"       found: {visible(text)}" for text in result.texts]
    total, wrong = len(results), sum(not result.passed for result in results)
    lines.append(f"{_count(total, 'case')}: {total - wrong} passed, {wrong} failed")
    return "\n".join(lines) + "\n"


def _json(
    results: Sequence[Result], untested: Sequence[str], errors: Sequence[Problem], warnings: Sequence[Problem]
) -> str:
    """`{"cases": [{file, line, policy, case, expect, verdict, passed, failures, texts}], "summary": {…},
    "errors": [{file, line, column, message}], "warnings": [the same]}`
    """
    import orjson

    from webhook.cli.report.checkjson import problems
    from webhook.cli.report.visible import encodable

    cases = [
        {
            "file": encodable(result.planned.file),
            "line": result.planned.line,
            "policy": result.planned.policy,
            "case": result.planned.case.name,
            "expect": result.planned.case.expect,
            "verdict": result.verdict,
            "passed": result.passed,
            "failures": result.failures,
            "texts": result.texts,
        }
        for result in results
    ]
    failed = sum(not result.passed for result in results)
    summary = {"cases": len(results), "passed": len(results) - failed, "failed": failed, "untested": untested}
    value = {"cases": cases, "summary": summary, "errors": problems(errors), "warnings": problems(warnings)}
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


def _policy(result: Result) -> str:
    return result.planned.policy


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""`gatewright test`: run the PolicyTests of a policy tree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.options import FAILED, Color, Format, KubernetesVersion, colored, fail, fail_with
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT, parse_version
from webhook.visible import encodable, visible

if TYPE_CHECKING:
    from webhook.cli.report.style import Style
    from webhook.documents.reader import Problem
    from webhook.offline.background import Background
    from webhook.offline.caseruns import Exempted, Result


def test(
    policies: Annotated[
        Path, typer.Option("--policies", metavar="DIR", help="The policy tree.", envvar="GATEWRIGHT_POLICIES")
    ] = Path("policies"),
    output: Annotated[Format, typer.Option("--output", "-o", help="How the results are written.")] = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name the cases that pass, too; show tracebacks of Python policies.")
    ] = False,
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
    from webhook.cli.report.problems import note_line, warning_text
    from webhook.cli.report.style import Style
    from webhook.cli.streams import put
    from webhook.offline import caseruns, policytest
    from webhook.offline.background import Background
    from webhook.policy.exceptions import expired
    from webhook.policy.load.loading import PolicyTreeError, load
    from webhook.policy.python.raised import tracebacks

    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}")
    try:
        loaded = load(tree, target)
        planned, problems = policytest.plan(tree, loaded)
    except PolicyTreeError as error:
        planned, problems = [], list(error.problems)
    if problems:
        if output is Format.JSON:
            put(_json((), (), problems, ()))
        else:
            fail_with(problems)
        return FAILED

    on_stderr, width = colored(Color.AUTO, sys.stderr), columns(sys.stderr)
    ended = {expired(exception) for exception in loaded.exceptions}
    for note in (note for note in loaded.notes if note.message in ended):  # the rest is no matter of tests
        sys.stderr.write(note_line(str(note), on_stderr))
    with tracebacks() as raised:
        results = list(caseruns.run(planned, loaded))
    background = Background(loaded, raised)
    tested = {each.policy for each in planned}
    untested = sorted({policy.name for policy in loaded.policies} - tested)
    if output is Format.JSON:
        written = put(_json(results, untested, (), loaded.warnings, background, verbose))
    else:
        sys.stderr.write("".join(warning_text(problem, on_stderr, width) for problem in loaded.warnings))
        sys.stderr.flush()
        style = Style(colored(Color.AUTO, sys.stdout))
        notes = (note_line(f"{name} has no tests", colored(Color.AUTO, sys.stdout)) for name in untested)
        written = put("".join(notes) + _text(results, style, verbose, background))
    if not written:
        return FAILED
    return 1 if any(not result.passed for result in results) else 0


def _text(results: Sequence[Result], style: Style, verbose: bool, background: Background) -> str:
    """A line a policy, the cases that failed, and a line that sums it up."""
    from webhook.cli.report.style import BOLD, DIM, ERROR, GREEN

    lines: list[str] = []
    ok, failed = style(GREEN, "pass"), style(ERROR, "FAIL")
    for policy, group in groupby(sorted(results, key=_policy), key=_policy):
        found = list(group)
        passed = sum(result.passed for result in found)
        mark = ok if passed == len(found) else failed
        lines.append(f"{mark} {style(BOLD, visible(policy))}: {passed} of {_count(len(found), 'case')}")
        for result in found:
            planned = result.planned
            place = f"{visible(planned.file)}:{planned.line}"
            if result.excepted and not planned.case.excepted_by:
                lines.append(f"  {style(DIM, 'note:')} {place}: {visible(planned.case.name)}: {_lets_pass(result)}")
            if result.passed and not verbose:
                continue
            lines.append(f"  {ok if result.passed else failed} {place}: {visible(planned.case.name)}")
            if not result.passed:
                lines += [f"       {visible(failure)}" for failure in result.failures]
                lines += [f"       found: {visible(text)}" for text in result.texts]
            if planned.case.excepted_by:
                lines += [f"       {_by(each)}: {visible(each.text)}" for each in result.excepted]
            if verbose or not result.passed:
                lines += [f"       {style(DIM, visible(line))}" for line in _beside(result, background, verbose)]
    total, wrong = len(results), sum(not result.passed for result in results)
    lines.append(f"{_count(total, 'case')}: {total - wrong} passed, {wrong} failed")
    return "\n".join(lines) + "\n"


def _by(exempted: Exempted) -> str:
    return f"excepted by {visible(exempted.exception.name)} until {visible(exempted.exception.until)}"


def _lets_pass(result: Result) -> str:
    """What is said of a case that says nothing of the exceptions that cover it."""
    names = sorted({each.exception.name for each in result.excepted})
    several = "exceptions" if len(names) > 1 else "exception"
    return (
        f"in the cluster the {several} {visible(', '.join(names))} would let this pass; tests leave exceptions out, "
        "unless exceptedBy names one"
    )


def _beside(result: Result, background: Background, verbose: bool) -> list[str]:
    """What is known of a case's findings besides: what params were looked for, and tracebacks where they are wanted."""
    lines: list[str] = []
    for finding in result.findings:
        looked_for = background.looked_for(finding, result.planned.request.namespace)
        lines += [str(looked_for)] if looked_for else []
        lines += background.traceback(finding) if verbose else ()
    return lines


def _json(
    results: Sequence[Result],
    untested: Sequence[str],
    errors: Sequence[Problem],
    warnings: Sequence[Problem],
    background: Background | None = None,
    verbose: bool = False,
) -> str:
    """`{"cases": [{file, line, policy, case, expect, verdict, passed, failures, texts, exceptedBy, excepted, notes}],
    "summary": {…}, "errors": [{file, line, column, message}], "warnings": [the same]}`; excepted: `[{exception, until,
    text}]`
    """
    import orjson

    from webhook.cli.report.checkjson import problems

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
            "exceptedBy": result.planned.case.excepted_by or None,
            "excepted": [
                {"exception": each.exception.name, "until": each.exception.until, "text": each.text}
                for each in result.excepted
            ],
            "notes": _beside(result, background, verbose) if background else [],
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

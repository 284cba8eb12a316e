"""`gatewright test`: run the PolicyTests of a policy tree."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from msgspec import Struct

from webhook.cli import coverage as covering
from webhook.cli.coverage import CoverageOptions
from webhook.cli.options import (
    FAILED,
    Color,
    Format,
    KubernetesVersion,
    NotGiven,
    PolicyImports,
    PolicyTrees,
    colored,
    fail,
    fail_with,
    is_bundle,
    loaded,
    trees,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT, parse_version


def test(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Run only the tests in these files and folders of the tree."),
    ] = None,
    policies: PolicyTrees = None,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            "-k",
            metavar="TEXT",
            help="Run only cases whose name, or whose policy's name, contains TEXT; `*` is anything. May be repeated.",
        ),
    ] = None,
    require_tests: Annotated[
        bool, typer.Option("--require-tests", help="Fail if a policy has no tests; each is named.")
    ] = False,
    allow_no_tests: Annotated[
        bool, typer.Option("--allow-no-tests", help="Succeed even if there is nothing to run.")
    ] = False,
    mutate: Annotated[
        bool,
        typer.Option(
            "--mutate",
            help="Change the policies in memory, one thing at a time; name the mutants that no test notices.",
        ),
    ] = False,
    output: Annotated[Format, typer.Option("--output", "-o", help="How the results are written.")] = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name the cases that pass, too; show tracebacks of Python policies.")
    ] = False,
    coverage: covering.Asked = False,
    coverage_html: covering.Html = None,
    coverage_json: covering.Json = None,
    coverage_markdown: covering.Markdown = None,
    coverage_xml: covering.Xml = None,
    fail_under: covering.FailUnder = None,
) -> None:
    """Run the tests of the policies: the objects of kind `gatewright.dev/v1 PolicyTest` in the tree.

    Exit code: **0** all cases pass, **1** some fail, a mutant survives, or the coverage is below --fail-under, **2**
    the run itself failed: a bad policy, a bad test, no tests, a bad option.
    """
    covered = CoverageOptions(coverage, coverage_html, coverage_json, coverage_markdown, coverage_xml, fail_under)
    wanted = Wanted(tuple(paths or ()), tuple(run or ()), require_tests, allow_no_tests, mutate, covered)
    raise typer.Exit(_test(trees(policies), wanted, output, verbose, version, policy_imports))


# Whoever looks for tests of Gatewright itself by their name is to pass this one over.
test.__test__ = False  # type: ignore[attr-defined]


class Wanted(Struct, frozen=True):
    """The values of the options that say which cases run, and what for."""

    paths: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    require_tests: bool = False
    allow_no_tests: bool = False
    mutate: bool = False
    coverage: CoverageOptions = CoverageOptions()


def _test(
    named: tuple[str, ...], wanted: Wanted, output: Format, verbose: bool, version: str, policy_imports: str
) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    from webhook.cli.report import testjson, testtext
    from webhook.cli.report.problems import note_line, warning_text
    from webhook.cli.report.style import Style
    from webhook.cli.streams import put
    from webhook.documents.document import Problem
    from webhook.offline import caseruns, caseselection, policytest
    from webhook.offline.background import Background
    from webhook.policy import startup
    from webhook.policy.exceptions import expired
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.policy.python.raised import tracebacks

    if wanted.mutate and wanted.coverage.wanted:
        return fail("--mutate and --coverage are two runs: give one of them")
    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}")
    if bundles := [each for each in named if is_bundle(each)]:
        return fail(f"--policies: {bundles[0]}: tests and the files that they name are in folders, not in bundles")
    try:
        policies, tree = loaded(named, target, policy_imports)
        planned, problems = policytest.plan(named, policies)
    except NotGiven as error:
        return fail(str(error))
    except PolicyTreeError as error:
        planned, problems = [], list(error.problems)
    if problems:
        if output is Format.JSON:
            put(testjson.report((), (), problems, ()))
        else:
            fail_with(problems)
        return FAILED

    every, tested = planned, {each.policy for each in planned}
    untested = sorted({policy.name for policy in policies.policies} - tested)
    lacking = wanted.require_tests and bool(untested)
    try:
        planned = caseselection.within(planned, wanted.paths, named)
        planned = caseselection.named(planned, wanted.texts)
    except caseselection.NotInTree as error:
        return fail(str(error))
    except caseselection.NoTests as error:
        planned = []
        if not wanted.allow_no_tests and not lacking:
            problems = [Problem(error.where, None, None, f"{error} (--allow-no-tests lets this pass)")]

    if wanted.mutate and not problems:
        from webhook.cli import testmutants

        names = {each.policy for each in planned} | (set() if wanted.paths or wanted.texts else set(untested))
        return max(testmutants.run(names, every, policies, tree, output, verbose), int(lacking))

    on_stderr, width = colored(Color.AUTO, sys.stderr), columns(sys.stderr)
    ended = {expired(exception) for exception in policies.exceptions}
    for note in (note for note in policies.notes if note.message in ended):  # the rest is no matter of tests
        sys.stderr.write(note_line(str(note), on_stderr))
    try:
        with tracebacks() as raised, wanted.coverage.measuring(policies) as measurement:
            results = list(caseruns.run(planned, policies, measurement.recording))
        shown, suffices = measurement.reported(named, planned, on_stderr=output is not Format.TEXT, verbose=verbose)
    except NotGiven as error:
        return fail(str(error))
    background = Background(policies, raised)
    met, warnings = startup.among(case.request for case in planned), list(policies.warnings)
    if startup.concerns(policies, met):
        from webhook.registration import bootstrap

        warnings += bootstrap.warnings(policies, swept=met)
    if output is Format.JSON:
        sys.stderr.write(shown)
        written = put(testjson.report(results, untested, problems, warnings, background, verbose))
    else:
        sys.stderr.write("".join(warning_text(problem, on_stderr, width) for problem in warnings))
        sys.stderr.flush()
        style = Style(colored(Color.AUTO, sys.stdout))
        if wanted.require_tests:
            lines = testtext.untested(untested, style)
        else:
            lines = "".join(note_line(f"{name} has no tests", colored(Color.AUTO, sys.stdout)) for name in untested)
        written = put(lines + testtext.report(results, style, verbose, background) + shown)
        fail_with(problems)
    if problems or not written:
        return FAILED
    return 1 if lacking or not suffices or any(not result.passed for result in results) else 0

"""`gatewright test`: run the PolicyTests of a policy tree."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from webhook.cli import coverage as covering
from webhook.cli.coverage import CoverageOptions, CoverageText
from webhook.cli.jobsoption import number_of, processes
from webhook.cli.options import (
    Color,
    Colors,
    KubernetesVersion,
    PolicyImports,
    PolicyTrees,
    Watch,
    fail,
)
from webhook.cli.readoptions import (
    NotGiven,
    is_bundle,
    loaded,
    trees,
)
from webhook.cli.reporting import BaselineFile, Concise, Outputs, WriteBaseline, finish, reporting
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.cli.report.model import Case, Finding
    from webhook.cli.reporting import Reporting
    from webhook.offline.cases.runs import Result
    from webhook.policy.policyset import PolicySet

_RUN: Final = ("webhook.offline.cases.runs", "webhook.offline.cases.policytest")
"""Most of the modules that a run imports."""


class Expected(StrEnum):
    """The verdict that a case expects."""

    ALLOW = "allow"
    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"
    ERROR = "error"
    NO_MATCH = "no-match"


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
    only: Annotated[
        list[Expected] | None,
        typer.Option("--only", help="Run only cases that expect this; may be repeated.", case_sensitive=False),
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
    jobs: Annotated[
        str,  # typer reads numbers with pydantic, which takes longer to import than a small run takes
        typer.Option("--jobs", metavar="N", help="With --mutate: N processes at once. [default: one a core]"),
    ] = "",
    output: Outputs = None,
    concise: Concise = False,
    baseline: BaselineFile = "",
    write_baseline: WriteBaseline = False,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    watch: Watch = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Name the cases that pass, too; show tracebacks of Python policies.")
    ] = False,
    coverage: covering.Asked = False,
    coverage_html: covering.Html = None,
    coverage_json: covering.Json = None,
    coverage_markdown: covering.Markdown = None,
    coverage_xml: covering.Xml = None,
    fail_under: covering.FailUnder = None,
    color: Colors = Color.AUTO,
) -> None:
    """Run the tests of the policies: the objects of kind `gatewright.dev/v1 PolicyTest` in the tree.

    Exit code: **0** all cases pass, **1** some fail, a mutant survives, or the coverage is below --fail-under, **2**
    the run itself failed: a bad policy, a bad test, no tests, a bad option.
    """
    if watch:
        from webhook.cli import watching

        watching.each_change([*trees(policies), *(paths or ())], _RUN)
    covered = CoverageOptions(coverage, coverage_html, coverage_json, coverage_markdown, coverage_xml, fail_under)
    try:
        count = number_of(jobs)
    except NotGiven as error:
        raise typer.Exit(fail(str(error), color)) from None
    expected = tuple(each.value for each in only or ())
    wanted = Wanted(
        tuple(paths or ()), tuple(run or ()), expected, require_tests, allow_no_tests, mutate, count, covered
    )
    try:
        how = reporting(output, concise=concise, color=color, baseline=baseline, write_baseline=write_baseline)
    except NotGiven as error:
        raise typer.Exit(fail(str(error), color)) from None
    raise typer.Exit(_test(trees(policies), wanted, how, verbose, version, policy_imports))


# pytest must not take this function for a test.
test.__test__ = False  # type: ignore[attr-defined]


class Wanted(Struct, frozen=True):
    """The values of the options that select cases and their purpose."""

    paths: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    require_tests: bool = False
    allow_no_tests: bool = False
    mutate: bool = False
    jobs: int | None = None
    coverage: CoverageOptions = CoverageOptions()


def _test(
    named: tuple[str, ...],
    wanted: Wanted,
    how: Reporting,
    verbose: bool,
    version: str,
    policy_imports: str,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report.checked import rules
    from webhook.cli.report.model import Report, failed
    from webhook.cli.report.tested import case, lacking
    from webhook.documents.document import Problem
    from webhook.jobs import WorkerDied
    from webhook.offline.background import Background
    from webhook.offline.cases import policytest, runs, selection
    from webhook.policy import startup
    from webhook.policy.exceptions import expired
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.policy.python.raised import tracebacks

    color = how.color
    if wanted.mutate and wanted.coverage.wanted:
        return fail("--mutate and --coverage are two runs: give one of them", color)
    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}", color)
    if bundles := [each for each in named if is_bundle(each)]:
        return fail(
            f"--policies: {bundles[0]}: tests and the files that they name are in folders, not in bundles", color
        )
    try:
        wanted.coverage.check_places(how)
        policies, tree = loaded(named, target, policy_imports)
        planned, problems = policytest.plan(named, policies)
    except NotGiven as error:
        return fail(str(error), color)
    except PolicyTreeError as error:
        planned, problems = [], list(error.problems)
    if problems:
        return finish(Report(command="test", problems=problems), how, _fails, aborted=True)

    every, tested = planned, {each.policy for each in planned}
    chosen = bool(wanted.paths or wanted.texts or wanted.expected)
    untested = sorted({policy.name for policy in policies.policies} - tested)
    required = untested if wanted.require_tests else []
    try:
        planned = selection.within(planned, wanted.paths, named)
        planned = selection.expecting(selection.named(planned, wanted.texts), wanted.expected)
    except selection.NotInTree as error:
        return fail(str(error), color)
    except selection.NoTests as error:
        planned = []
        if not wanted.allow_no_tests and not required:
            problems = [Problem(error.where, None, None, f"{error} (--allow-no-tests lets this pass)")]

    report = Report(command="test", rules=rules(policies), problems=problems, untested=untested, verbose=verbose)
    report = replace(report, findings=[lacking(each) for each in policies.policies if each.name in required])
    if wanted.mutate and not problems:
        from webhook.cli import testmutants

        names = {each.policy for each in planned} | (set() if chosen else set(untested))
        try:
            report = testmutants.added(report, names, every, policies, tree, processes(wanted.jobs, len(names)))
        except WorkerDied as error:
            return fail(f"{error}; --jobs 1 mutates in one process", color)
        return finish(report, how, _fails)

    try:
        with tracebacks() as raised, wanted.coverage.measuring(policies) as measurement:
            results = list(runs.run(planned, policies, measurement.recording))
        covered = CoverageText()
        if not report.problems:
            covered = measurement.reported(named, planned, how, chosen=chosen, verbose=verbose)
    except NotGiven as error:
        return fail(str(error), color)
    background = Background(policies, raised, "in the case")
    cases = [case(each, background, verbose) for each in results]
    met, warnings = startup.among(case.request for case in planned), list(policies.warnings)
    if startup.concerns(policies, met):
        from webhook.registration import bootstrap

        warnings += bootstrap.warnings(policies, swept=met)
    ended = {expired(exception) for exception in policies.exceptions}
    report = replace(
        report,
        findings=[*report.findings, *(failed(each) for each in cases if not each.passed)],
        cases=cases,
        advice=_advice(cases, named),
        warnings=warnings,
        # The other notes on the policies do not concern tests.
        notes=[*(str(note) for note in policies.notes if note.message in ended), *_by_params(results, policies)],
    )
    return covered.written(finish(report, how, _fails))


def _by_params(results: Sequence[Result], policies: PolicySet) -> Iterator[str]:
    """A line on each policy with failed cases that depend on the params of the tree, which may have changed."""
    kinds = {(value.get("apiVersion"), value.get("kind")) for value in policies.objects}
    kind_of = {policy.name: policy.param_kind for policy in policies.policies}
    with_params = {
        name for name, kind in kind_of.items() if kind is not None and (kind.api_version, kind.kind) in kinds
    }
    failed = Counter(
        each.planned.policy
        for each in results
        if not each.passed and each.planned.case.params is None and not _by_action(each)
    )
    for name in sorted(failed.keys() & with_params):
        count = failed[name]
        cases = "1 case that failed uses" if count == 1 else f"{count} cases that failed use"
        yield f"{name}: {cases} the params of the policy tree; where these were changed, give the case its own `params`"


def _by_action(result: Result) -> bool:
    """Whether a case failed for the action of a binding alone: what it expects was found."""
    actions = ("deny", "warn", "audit")
    return len(result.failures) == 1 and result.verdict in actions and result.planned.case.expect in actions


def _advice(cases: Sequence[Case], named: Sequence[str]) -> str:
    """The command that explains the first failed case; "" if none failed."""
    place = next((each.place for each in cases if not each.passed), None)
    if place is None:
        return ""
    among = () if tuple(named) == trees(None) else named
    options = "".join(f" --policies {shlex.quote(each)}" for each in among)
    return f"gatewright explain{options} --test {shlex.quote(str(place))} shows how the case came to its verdict"


def _fails(finding: Finding) -> bool:
    return finding.severity == "error"

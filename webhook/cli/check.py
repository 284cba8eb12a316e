"""`gatewright check`: the verdicts on manifests, before anybody applies them."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from webhook.cli.inputs import SubresourceName, asked_of, excluding, operation_on, rendering_of, sent_to, standard_input
from webhook.cli.jobsoption import number_of, processes
from webhook.cli.options import (
    FAILED,
    MISSING_PATH,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    Exclude,
    KubernetesVersion,
    Manifests,
    Namespace,
    Old,
    Operation,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    Render,
    SettingsFile,
    Since,
    Strict,
    Tool,
    Until,
    Values,
    Verbose,
    VerifyKey,
    Watch,
    fail,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    assumed_note,
    given,
    imported,
    is_bundle,
    operation_of,
    refuse,
    trees,
    workloads_of,
)
from webhook.cli.reporting import (
    BaselineFile,
    Concise,
    Failing,
    FailOn,
    Only,
    Outputs,
    OwnerLabel,
    Reporting,
    WriteBaseline,
    failing,
    finish,
    reporting,
)
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from webhook.documents.ignoring import Ignoring
    from webhook.offline.letpass import Counted
    from webhook.offline.streaming import Part, Run

_RUN: Final = ("webhook.cli.report.model", "webhook.offline.streaming", "webhook.offline.verdicts")
"""Most of the modules that a run imports."""

_FIRST: Final = 1
"""Parts that are checked before other processes fork: they compile most of the policies."""

_WORTH: Final = 100
"""Documents that are worth another process, unless --jobs sets the number."""


def check(
    ctx: typer.Context,
    paths: Manifests = None,
    policies: PolicyTrees = None,
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    operation: Annotated[
        Operation | None,
        typer.Option(
            help="The default is CREATE. UPDATE: the same objects were there before. DELETE: they are removed.",
            case_sensitive=False,
        ),
    ] = None,
    old: Old = "",
    since: Since = "",
    until: Until = "",
    render: Render = None,
    values: Values = None,
    subresource: SubresourceName = "",
    settings: SettingsFile = None,
    output: Outputs = None,
    concise: Concise = False,
    fail_on: Failing = FailOn.DENY,
    only: Only = None,
    baseline: BaselineFile = "",
    write_baseline: WriteBaseline = False,
    owner_label: OwnerLabel = "",
    exclude: Exclude = None,
    strict: Strict = False,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    diffs: Annotated[bool, typer.Option("--diff", help="Show what mutating policies would change.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show under each finding of a CEL policy the values that led to it.")
    ] = False,
    as_written: Annotated[
        bool,
        typer.Option("--as-written", help="Judge the objects as written: not decoded, defaulted and completed."),
    ] = False,
    jobs: Annotated[
        str,  # typer reads numbers with pydantic, which takes longer to import than a small run takes
        typer.Option("--jobs", metavar="N", help="Check in N processes at once. [default: one a core]"),
    ] = "",
    watch: Watch = False,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Check manifests against the policies, as if they were applied: nothing is sent anywhere.

    Exit code: **0** nothing is denied (warnings do not count, unless `--fail-on` says so), **1** something is denied,
    **2** the run itself failed: a bad policy, a bad file, a bad option.
    """
    if not paths:
        raise typer.Exit(fail(MISSING_PATH, color))
    if watch:
        from webhook.cli import watching

        beside = [each for each in (settings, authorizations) if each is not None]
        watching.each_change([*paths, *trees(policies), old, *(values or ()), *beside], _RUN)
    # What is loaded and read lives to the end of the run: collecting garbage among it finds none.
    gc.disable()
    try:
        how = reporting(
            output, concise=concise, color=color, only=only, baseline=baseline, write_baseline=write_baseline
        )
        code = _check(
            paths,
            trees(policies),
            namespace=namespace,
            user=user,
            groups=groups or [],
            operation=operation,
            old=old,
            since=since,
            until=until,
            render=render or [],
            values=values or [],
            subresource=subresource,
            settings=settings,
            how=how,
            fail_on=fail_on,
            owner_label=owner_label,
            exclude=excluding(ctx, exclude),
            strict=strict,
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            diffs=diffs,
            explain=explain,
            as_written=as_written,
            verbose=verbose,
            jobs=number_of(jobs),
            color=color,
        )
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # the reader of stderr has closed it
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    gc.freeze()  # nor when Python ends
    raise typer.Exit(code)


def _check(
    paths: list[str],
    named: tuple[str, ...],
    *,
    namespace: str,
    user: str,
    groups: list[str],
    operation: Operation | None,
    old: str,
    since: str,
    until: str,
    render: list[Tool],
    values: list[str],
    subresource: str,
    settings: Path | None,
    how: Reporting,
    fail_on: FailOn,
    owner_label: str,
    exclude: Ignoring | None,
    strict: bool,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    authorizations: Path | None,
    diffs: bool,
    explain: bool,
    as_written: bool,
    verbose: bool,
    jobs: int | None,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.checked import Checked, Judged, of_rendered, rules, streams
    from webhook.cli.report.model import Diff, Finding, Report
    from webhook.cluster.manifestsview import ManifestsView
    from webhook.documents.document import Problem
    from webhook.jobs import Jobs, WorkerDied
    from webhook.offline.background import Background
    from webhook.offline.inputs import Inputs, nothing
    from webhook.offline.letpass import LetPass
    from webhook.offline.lookedup import looked_up
    from webhook.offline.requests import Options
    from webhook.offline.streaming import Planned, Said, Streamed
    from webhook.offline.verdicts import verdicts
    from webhook.owners import owners
    from webhook.policy import startup
    from webhook.policy.python.raised import tracebacks

    fails = failing(fail_on)
    try:
        compared = bool(old or since)
        done = operation_of(operation_on(subresource, operation, compared=compared), old, paths, since, until)
        rendering = rendering_of(render, values, namespace)
        custom = workloads_of(settings)
        run = given(named, version, user, groups, authorizations, policy_imports, bundles)
    except NotGiven as error:
        if error.policies:
            scope = {"objects": 0, "files": 0, "policies": 0}
            return finish(Report(command="check", problems=error.problems, scope=scope), how, fails, aborted=True)
        return refuse(error, color)
    policies = run.policies

    with ProgressBar(sys.stderr) as bar:
        files = count(1)
        step = lambda _: bar.step("reading", next(files))  # noqa: E731
        options = Options(namespace, run.user, done.value, as_written, custom, policies.target)
        inputs = Inputs(paths, old, since, until, exclude, strict, rendering, verbose)
        source: Run
        try:
            if compared or subresource:
                found = asked_of(inputs, options, policies, step)
                source = Planned(found, *sent_to(subresource, found, policies, compared=compared))
            else:
                source = Streamed(inputs, options, policies, standard_input(), step)
        except NotGiven as error:
            return refuse(error, color)
        policies = source.policies
        objects = looked_up(policies.objects, source.objects)
        cluster = ManifestsView(objects, source.kinds, assume_namespaces=True, access_rules=run.access)
        findings, suppressed, changed, checked, in_files = list[Finding](), list[Finding](), list[Diff](), 0, set[str]()
        let_pass, used, said = LetPass(), Counter[str](), Said()
        with tracebacks() as raised:
            owning = owners(owner_label, [*policies.objects, *source.objects])
            made = Checked(Background(policies, raised), owning, verbose)

            def judged(part: Part) -> tuple[list[Judged], Said]:
                said = Said()
                asked = source.requests(part, said)
                found = verdicts(asked, policies, cluster, explain=explain, observer=let_pass)
                return [made.judged(each, diffs) for each in found], said

            def ending() -> tuple[set[str], Counted]:
                return cluster.assumed, let_pass.taken()

            # Explanations hold programs, and a traceback is that of the first exception of the run.
            at_once = 1 if explain or verbose else processes(jobs, source.documents // _WORTH)
            parts = source.parts(at_once)
            work = Jobs(at_once, judged, ending, first=_FIRST)
            gc.freeze()
            gc.set_threshold(50_000, 20, 100)
            gc.enable()
            try:
                for verdicts_on, of_part in work.run(parts):
                    said.take(of_part)
                    for each in verdicts_on:
                        findings += each.findings
                        suppressed += each.suppressed
                        changed += each.diffs
                        used.update(each.used)
                        in_files.add(each.file)
                        checked += 1
                    bar.step("checking", checked, max(checked, source.documents))
            except WorkerDied as error:
                return fail(f"{error}; --jobs 1 checks in one process", color)
    let_pass = LetPass.together(counted for _, counted in work.endings)
    whole = source.whole(said)
    problems, notes = whole.problems, [*map(str, policies.notes), *whole.notes]
    if whole.empty:
        # As kubectl does: in a pipeline it is mostly a command before this one that failed.
        problems.append(nothing(paths, "check"))
    notes += assumed_note(whole.depending & set[str]().union(*(names for names, _ in work.endings)))
    if since and not any(map(is_bundle, named)):
        from webhook.impact import policychanges

        differ = policychanges.note(named, paths, since, until, imported(policy_imports), policies.target)
        notes += [differ] if differ else []
    errors = [each.message for each in findings if each.error]
    notes += let_pass.notes()
    if not user and (
        let_pass.asks_who or any("request.userInfo" in each or "authorizer: user ''" in each for each in errors)
    ):
        notes.append("request.userInfo is empty: nobody in particular applies these; --as and --as-group say who")
    left_out = list[Problem]()
    if startup.concerns(policies, whole.met):
        from webhook.registration import bootstrap

        left_out += bootstrap.warnings(policies, swept=whole.met)
    report = Report(
        command="check",
        findings=findings,
        suppressed=suppressed,
        rules=rules(policies),
        problems=sorted(
            (of_rendered(each, whole.elsewhere) for each in problems),
            key=lambda problem: (problem.file, problem.line or 0),
        ),
        warnings=[*policies.warnings, *left_out, *(of_rendered(each, whole.elsewhere) for each in whole.warnings)],
        notes=[*notes, *streams(findings)],
        left_out=whole.left_out,
        diffs=changed,
        exceptions_used={each.name: used[each.name] for each in policies.exceptions},
        elsewhere=whole.elsewhere,
        scope={"objects": checked, "files": len(in_files), "policies": len(policies.bound_names)},
        verbose=verbose,
        shows_diffs=diffs,
        shows_why=explain,
    )
    return finish(report, how, fails)

"""`gatewright check`: the verdicts on manifests, before anybody applies them."""

from __future__ import annotations

import gc
import sys
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from webhook.cli.inputs import asked_of, rendering_of
from webhook.cli.options import (
    FAILED,
    AsGroups,
    AsUser,
    Authorizations,
    Bundles,
    Color,
    Colors,
    Exclude,
    Format,
    KubernetesVersion,
    Manifests,
    Namespace,
    NotGiven,
    Old,
    Operation,
    Output,
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
    assumed,
    colored,
    draws,
    given,
    operation_of,
    refuse,
    trees,
    workloads_of,
)
from webhook.excerpts import columns
from webhook.versions import NEWEST_TEXT


def check(
    paths: Manifests,
    policies: PolicyTrees = None,
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    operation: Annotated[
        Operation | None,
        typer.Option(
            help="CREATE unless told otherwise. UPDATE: the same objects were there before. DELETE: they are removed.",
            case_sensitive=False,
        ),
    ] = None,
    old: Old = "",
    since: Since = "",
    until: Until = "",
    render: Render = None,
    values: Values = None,
    subresource: Annotated[
        str,
        typer.Option(
            "--subresource",
            metavar="NAME",
            help="Send the requests to a subresource: scale, status, eviction and others.",
        ),
    ] = "",
    settings: SettingsFile = None,
    output: Output = Format.TEXT,
    exclude: Exclude = None,
    strict: Strict = False,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what mutating policies would change.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show under each finding of a CEL policy the values that led to it.")
    ] = False,
    as_written: Annotated[
        bool,
        typer.Option(
            "--as-written", help="Judge the objects as the files have them: not decoded, defaulted and completed."
        ),
    ] = False,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Check manifests against the policies, as if they were applied: nothing is sent anywhere.

    Exit code: **0** nothing is denied (warnings do not count), **1** something is denied, **2** the run itself failed:
    a bad policy, a bad file, a bad option.
    """
    # A short run of many small objects that all live to its end: collecting garbage finds none, and takes a third of
    # the time.
    gc.disable()
    try:
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
            output=output,
            exclude=exclude or [],
            strict=strict,
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            diff=diff,
            explain=explain,
            as_written=as_written,
            verbose=verbose,
            color=color,
        )
    except BrokenPipeError:  # of stderr: whoever read it has seen enough
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
    output: Format,
    exclude: list[str],
    strict: bool,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    authorizations: Path | None,
    diff: bool,
    explain: bool,
    as_written: bool,
    verbose: bool,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report import checkjson, checktext
    from webhook.cli.report.outcome import Outcome
    from webhook.cli.streams import put
    from webhook.cluster.manifestsview import ManifestsView
    from webhook.documents.document import Problem
    from webhook.offline.background import Background
    from webhook.offline.inputs import Inputs
    from webhook.offline.requests import Options
    from webhook.offline.subresources import SUBRESOURCES, of_subresource
    from webhook.offline.verdicts import verdicts
    from webhook.policy import startup
    from webhook.policy.python.raised import tracebacks

    try:
        if subresource and subresource not in SUBRESOURCES:
            raise NotGiven(f"--subresource: expected one of {', '.join(SUBRESOURCES)}, got {subresource!r}")
        if subresource and operation is None and not (old or since):
            operation = Operation(SUBRESOURCES[subresource].operation)
        done = operation_of(operation, old, paths, since, until)
        rendering = rendering_of(render, values, namespace)
        custom = workloads_of(settings)
        run = given(named, version, user, groups, authorizations, policy_imports, bundles)
    except NotGiven as error:
        if error.policies and output is Format.JSON:
            put(checkjson.report(Outcome((), error.problems, (), files=0, objects=0, policies=0)))
            return FAILED
        return refuse(error, color)
    policies = run.policies

    with ProgressBar(sys.stderr) as bar:
        files = count(1)
        step = lambda _: bar.step("reading", next(files))  # noqa: E731
        inputs = Inputs(paths, old, since, until, exclude, strict, rendering, verbose)
        options = Options(namespace, run.user, done.value, as_written, custom, policies.target)
        try:
            found = asked_of(inputs, options, policies, step)
        except NotGiven as error:
            return refuse(error, color)
        policies, planned, requests = found.policies, found.planned, found.requests
        problems, notes = found.problems, [*map(str, policies.notes), *found.notes]
        if found.empty:
            # As kubectl does: in a pipeline it is mostly a command before this one that failed.
            problems.append(found.nothing(paths, "check"))
        if subresource:
            if old or since:  # what is created or deleted is so as a whole
                requests = [each for each in requests if each.request.operation == Operation.UPDATE.value]
            crds = [*policies.objects, *planned.objects]
            requests, without = of_subresource(requests, subresource, crds)
            if without:
                some = f"{', '.join(without[:3])}{' and others' if without[3:] else ''}"
                notes.append(f"without a subresource {subresource}, and left out: {some}")
        cluster = ManifestsView(
            [*policies.objects, *planned.objects], planned.kinds, assume_namespaces=True, access_rules=run.access
        )
        results = []
        with tracebacks() as raised:
            for verdict in verdicts(requests, policies, cluster, explain=explain):
                results.append(verdict)
                bar.step("checking", len(results), len(planned.objects))
    notes += assumed(cluster.assumed)
    findings = [located for verdict in results for located in verdict.findings]
    errors = [located.message for located in findings if located.finding.error]
    if not user and any("request.userInfo" in message or "authorizer: user ''" in message for message in errors):
        notes.append("request.userInfo is empty: nobody in particular applies these; --as and --as-group say who")
    met, left_out = startup.among(each.request for each in requests), list[Problem]()
    if startup.concerns(policies, met):
        from webhook.registration import bootstrap

        left_out += bootstrap.warnings(policies, swept=met)
    outcome = Outcome(
        findings=findings,
        problems=sorted(problems, key=lambda problem: (problem.file, problem.line or 0)),
        notes=notes,
        files=len({verdict.document.file for verdict in results}),
        objects=len(results),
        policies=len(policies.names),
        warnings=[*policies.warnings, *left_out, *found.warnings],
        left_out=found.left_out,
        changes=[change for verdict in results for change in verdict.changes],
        excepted=[each for verdict in results for each in verdict.excepted],
        show_changes=diff,
        explained=explain,
        background=Background(policies, raised),
        verbose=verbose,
    )
    if output is Format.JSON:
        written = put(checkjson.report(outcome))
    else:
        sys.stderr.write(checktext.asides(outcome, colored(color, sys.stderr), columns(sys.stderr)))
        sys.stderr.flush()
        written = put(checktext.report(outcome, colored(color, sys.stdout), columns(sys.stdout), draws(sys.stdout)))
    return outcome.exit_code if written else FAILED

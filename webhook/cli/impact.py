"""`gatewright impact`: what a change of policies changes, for whom, before it is merged."""

from __future__ import annotations

import gc
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.impactinputs import Asked, Written, corpora, require, sides
from webhook.cli.inputs import excluding
from webhook.cli.options import (
    FAILED,
    TREE,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    Exclude,
    KubernetesVersion,
    Namespace,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    Render,
    SettingsFile,
    Strict,
    Values,
    Verbose,
    VerifyKey,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    assumed_note,
    refuse,
    workloads_of,
)
from webhook.cli.reporting import (
    BaselineFile,
    Concise,
    Only,
    Outputs,
    OwnerLabel,
    Reporting,
    WriteBaseline,
    finish,
    reporting,
)
from webhook.impact.failing import FailOn, fails
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding
    from webhook.documents.document import Problem
    from webhook.impact.trees import Side


def impact(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH]", help="Manifests to judge: files, folders or `-` for stdin."),
    ] = None,
    policies: PolicyTrees = None,
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="REV", help="Compare the policies of this git revision with those of the work tree."
        ),
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="REV", help="With --since: compare with this revision, not the work tree.")
    ] = "",
    old: Annotated[
        list[str] | None,
        typer.Option("--old", metavar="TREE", help=f"The old policies: {TREE}; may be repeated. Needs --new."),
    ] = None,
    new: Annotated[
        list[str] | None, typer.Option("--new", metavar="TREE", help="The new policies; may be repeated.")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Judge the objects of a live cluster too; it is only read.")
    ] = False,
    recordings: Annotated[
        list[Path] | None,
        typer.Option(
            "--recordings", metavar="DIR", help="Judge the reviews that serve --record has written; may be repeated."
        ),
    ] = None,
    snapshots: Annotated[
        list[Path] | None,
        typer.Option("--snapshot", metavar="FILE", help="Judge what audit --snapshot has written; may be repeated."),
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", metavar="FILE", help="[default: that of KUBECONFIG, else ~/.kube/config]"),
    ] = None,
    context: Annotated[
        str, typer.Option("--context", metavar="NAME", help="The context of the kubeconfig. [default: the current one]")
    ] = "",
    owner_label: OwnerLabel = "",
    fail_on: Annotated[
        FailOn,
        typer.Option(
            "--fail-on", help="Exit with 1 if objects are denied or allowed that were not, or if any differs."
        ),
    ] = FailOn.NEVER,
    operation: Annotated[
        Written,
        typer.Option(help="UPDATE: as if each object were written as it is already.", case_sensitive=False),
    ] = Written.CREATE,
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    render: Render = None,
    values: Values = None,
    settings: SettingsFile = None,
    output: Outputs = None,
    concise: Concise = False,
    only: Only = None,
    baseline: BaselineFile = "",
    write_baseline: WriteBaseline = False,
    exclude: Exclude = None,
    strict: Strict = False,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    verbose: Verbose = False,
    color: Colors = Color.AUTO,
) -> None:
    """Compare two versions of the policies by their verdicts on objects: what is newly denied, allowed, changed.

    The objects are manifests, those of a cluster, or recorded reviews. Exit code: **0**, **1** if --fail-on says so,
    **2** the run itself failed: policies of either side that do not load, a file that cannot be read, a bad option.
    """
    # As `check`: collecting garbage finds none here.
    gc.disable()
    try:
        asked = Asked(
            paths=tuple(paths or ()),
            policies=tuple(policies or ()),
            since=since,
            until=until,
            old=tuple(old or ()),
            new=tuple(new or ()),
            cluster=cluster,
            recordings=tuple(recordings or ()),
            snapshots=tuple(snapshots or ()),
            kubeconfig=kubeconfig,
            context=context,
            owner_label=owner_label,
            fail_on=fail_on,
            operation=operation,
            namespace=namespace,
            user=user,
            groups=tuple(groups or ()),
            render=frozenset(each.value for each in render or ()),
            values=tuple(values or ()),
            settings=settings,
            exclude=excluding(ctx, exclude),
            strict=strict,
            version=version,
            policy_imports=policy_imports,
            bundles=Bundles(registry_ca, registry_plain_http, verify_key),
            authorizations=authorizations,
            verbose=verbose,
            color=color,
        )
        how = reporting(
            output, concise=concise, color=color, only=only, baseline=baseline, write_baseline=write_baseline
        )
        code = _impact(asked, how)
    except NotGiven as error:
        code = refuse(error, color)
    except BrokenPipeError:  # the reader of stderr has closed it
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    gc.freeze()
    raise typer.Exit(code)


def _impact(asked: Asked, how: Reporting) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.checked import of_rendered, rules, streams
    from webhook.cli.report.impacted import Impacted
    from webhook.cli.report.model import Report
    from webhook.impact.deciding import Counted, impacts
    from webhook.impact.sameness import compared
    from webhook.impact.summary import Tally
    from webhook.offline import authorizations as access
    from webhook.offline.requests import Options, impersonated
    from webhook.owners import owners

    try:
        require(asked)
        custom = workloads_of(asked.settings)
        try:
            user = impersonated(asked.user, asked.groups)
        except ValueError as error:
            raise NotGiven(str(error)) from None
        try:
            target = parse_version(asked.version)
        except ValueError as error:
            raise NotGiven(f"--kubernetes-version: {error}, got {asked.version!r}") from None
        rules_given, wrong = access.read(str(asked.authorizations)) if asked.authorizations else ((), [])
        if wrong:
            raise NotGiven(problems=wrong)
        old, new = sides(asked, target)
    except NotGiven as error:
        if error.policies:
            scope = {"objects": 0, "policies": 0}
            report = Report(command="impact", problems=error.problems, scope=scope, elsewhere=error.elsewhere)
            return finish(report, how, _never, aborted=True)
        return refuse(error, asked.color)
    comparison, counted, tally = compared(old, new), Counted(), Tally()
    options = Options(asked.namespace, user, asked.operation.value, False, custom, target)
    found: list[Finding] = []
    failing: set[Hashable] = set()
    problems: list[Problem] = []
    notes: list[str] = []
    warnings: list[Problem] = []
    mutating = {name for kind, name in comparison.policies if kind.startswith("Mutating")}
    with ProgressBar(sys.stderr) as bar:
        try:
            judged = corpora(asked, options, rules_given, (old, new), comparison, bar, (problems, warnings, notes))
        except NotGiven as error:
            return refuse(error, asked.color)
        for corpus in judged:
            made = None
            for difference in impacts(corpus, old, new, comparison, counted):
                if made is None:
                    owning = owners(asked.owner_label, [*corpus.namespaces, *new.policies.objects])
                    made = Impacted(
                        owning, placed=corpus.placed, numbered=corpus.numbered, differs=mutating.__contains__
                    )
                tally.add(difference)
                of_object = list(made.findings(difference))
                failing.update(_identified(each) for each in of_object if fails(difference, each.change, asked.fail_on))
                found += of_object
                bar.step("judging", counted.objects)
            problems += corpus.problems
            notes += corpus.notes
            notes += assumed_note(getattr(corpus, "assumed", ()))
    problems += counted.not_judged()
    if not comparison.policies and not comparison.apart:
        notes.append(_same(old, new, asked.since))
    for side in (old, new):
        notes += [f"{side.name} has no {name}: its policies are {_gone(side is old)}" for name in side.absent]
    summary = tally.summary(old, new, comparison, counted, incomplete=bool(problems))
    report = Report(
        command="impact",
        findings=found,
        rules={**rules(old.policies), **rules(new.policies)},
        problems=sorted(
            (of_rendered(each, {}) for each in problems), key=lambda problem: (problem.file, problem.line or 0)
        ),
        warnings=[of_rendered(each, {}) for each in warnings],
        notes=[*notes, *streams(found)],
        scope={"objects": summary.objects, "policies": summary.in_all},
        verbose=asked.verbose,
        impact=summary,
    )
    return finish(report, how, lambda each: _identified(each) in failing)


def _never(_finding: Finding) -> bool:
    return False


def _identified(finding: Finding) -> Hashable:
    """What tells a finding from those on other objects and of other changes, before and after it has a fingerprint."""
    return finding.object, finding.place, finding.operation, finding.change


def _same(old: Side, new: Side, since: str) -> str:
    hint = "; --since has to name a revision before the change" if since else ""
    return f"the policies of {old.name} and of {new.name} are the same, so no verdict can differ{hint}"


def _gone(old: bool) -> str:
    return "all new" if old else "all removed"

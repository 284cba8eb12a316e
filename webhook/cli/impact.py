"""`gatewright impact`: what a change of policies changes, for whom, before it is merged."""

from __future__ import annotations

import gc
import sys
from collections.abc import Hashable, Sequence
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from webhook.cli.inputs import excluding
from webhook.cli.options import (
    FAILED,
    TREE,
    AsGroups,
    AsUser,
    Authorizations,
    Bundles,
    Color,
    Colors,
    Exclude,
    KubernetesVersion,
    Namespace,
    NotGiven,
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
    assumed_note,
    imported,
    is_bundle,
    pulled,
    refuse,
    trees,
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
from webhook.versions import NEWEST_TEXT, Version, parse_version

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.model import Finding
    from webhook.documents.document import Problem
    from webhook.documents.ignoring import Ignoring
    from webhook.impact.corpus import Corpus
    from webhook.impact.deciding import Counted
    from webhook.impact.differences import Difference
    from webhook.impact.sameness import Comparison
    from webhook.impact.trees import Side, Trees
    from webhook.offline.requests import Options


MAX_LOOKUPS: Final = 20
"""Lookups without a recorded answer that are named."""


class FailOn(StrEnum):
    """What the exit code 1 stands for."""

    NEWLY_DENIED = "newly-denied"
    NEWLY_ALLOWED = "newly-allowed"
    ANY = "any"
    NEVER = "never"


class Written(StrEnum):
    """The operation of the requests."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"


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
        asked = _Asked(
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


class _Asked(Struct, frozen=True, kw_only=True):
    """The values of the options."""

    paths: tuple[str, ...]
    policies: tuple[str, ...]
    since: str
    until: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    cluster: bool
    recordings: tuple[Path, ...]
    snapshots: tuple[Path, ...]
    kubeconfig: Path | None
    context: str
    owner_label: str
    fail_on: FailOn
    operation: Written
    namespace: str
    user: str
    groups: tuple[str, ...]
    render: frozenset[str]
    values: tuple[str, ...]
    settings: Path | None
    exclude: Ignoring | None
    strict: bool
    version: str
    policy_imports: str
    bundles: Bundles
    authorizations: Path | None
    verbose: bool
    color: Color


def _impact(asked: _Asked, how: Reporting) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.progress import ProgressBar
    from webhook.cli.report.checked import rules, streams
    from webhook.cli.report.impacted import Impacted
    from webhook.cli.report.model import Report
    from webhook.impact.deciding import Counted, impacts
    from webhook.impact.sameness import compared
    from webhook.impact.summary import Tally
    from webhook.offline import authorizations as access
    from webhook.offline.owners import owners
    from webhook.offline.requests import Options, impersonated

    try:
        _require(asked)
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
        old, new = _sides(asked, target)
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
            corpora = _corpora(asked, options, rules_given, (old, new), comparison, bar, (problems, warnings, notes))
        except NotGiven as error:
            return refuse(error, asked.color)
        for corpus in corpora:
            made = None
            for difference in impacts(corpus, old, new, comparison, counted):
                if made is None:
                    owning = owners(asked.owner_label, [*corpus.namespaces, *new.policies.objects])
                    made = Impacted(
                        owning, placed=corpus.placed, numbered=corpus.numbered, differs=mutating.__contains__
                    )
                tally.add(difference)
                of_object = list(made.findings(difference))
                failing.update(_identified(each) for each in of_object if _fails(each, difference, asked.fail_on))
                found += of_object
                bar.step("judging", counted.objects)
            problems += corpus.problems
            notes += corpus.notes
            notes += assumed_note(getattr(corpus, "assumed", ()))
    problems += _unknown(counted)
    if not comparison.policies and not comparison.apart:
        notes.append(_same(old, new, asked.since))
    for side in (old, new):
        notes += [f"{side.name} has no {name}: its policies are {_gone(side is old)}" for name in side.absent]
    summary = tally.summary(old, new, comparison, counted, incomplete=bool(problems))
    report = Report(
        command="impact",
        findings=found,
        rules={**rules(old.policies), **rules(new.policies)},
        problems=sorted(problems, key=lambda problem: (problem.file, problem.line or 0)),
        warnings=warnings,
        notes=[*notes, *streams(found)],
        scope={"objects": summary.objects, "policies": summary.in_all},
        verbose=asked.verbose,
        impact=summary,
    )
    return finish(report, how, lambda each: _identified(each) in failing)


def _never(_finding: Finding) -> bool:
    return False


def _fails(finding: Finding, difference: Difference, on: FailOn) -> bool:
    """Whether a finding on an object is what a run is to fail on: of an object, not of a policy."""
    if on is FailOn.NEWLY_DENIED:
        return difference.is_denied and not difference.was_denied and finding.change in ("newly denied", "error came")
    if on is FailOn.NEWLY_ALLOWED:
        return difference.was_denied and not difference.is_denied and finding.change in ("newly allowed", "error went")
    return on is FailOn.ANY


def _identified(finding: Finding) -> Hashable:
    """What tells a finding from those on other objects and of other changes, before and after it has a fingerprint."""
    return finding.object, finding.place, finding.operation, finding.change


def _same(old: Side, new: Side, since: str) -> str:
    hint = "; --since has to name a revision before the change" if since else ""
    return f"the policies of {old.name} and of {new.name} are the same, so no verdict can differ{hint}"


def _gone(old: bool) -> str:
    return "all new" if old else "all removed"


def _require(asked: _Asked) -> None:
    """Raise NotGiven for options that do not go together."""
    if bool(asked.old) != bool(asked.new):
        raise NotGiven("--old and --new name the two policy trees; give both")
    if asked.old and (asked.since or asked.until or asked.policies):
        raise NotGiven("--old and --new name the policy trees; leave --since, --until and --policies out")
    if not asked.old and not asked.since:
        raise NotGiven("name what to compare with: --since REV, or --old TREE --new TREE")
    if not (asked.paths or asked.cluster or asked.recordings or asked.snapshots):
        what = "files and folders with manifests, --cluster, --snapshot FILE, or --recordings DIR"
        raise NotGiven(f"name the objects to judge: {what}")
    if (asked.kubeconfig or asked.context) and not asked.cluster:
        raise NotGiven("--kubeconfig and --context need --cluster")
    if asked.values and "helm" not in asked.render:
        raise NotGiven("--values needs --render helm")


def _sides(asked: _Asked, target: Version) -> tuple[Side, Side]:
    """Both trees, loaded. Raises NotGiven, with the errors of both sides."""
    from webhook.policy.load.loading import PolicyTreeError

    read = _read(asked)
    loaded: list[Side] = []
    problems: list[Problem] = []
    for each in (read.old, read.new):
        try:
            loaded.append(each.loaded(target))
        except PolicyTreeError as error:
            problems += error.problems
    if problems:
        elsewhere = {**read.old.elsewhere, **read.new.elsewhere}
        raise NotGiven(problems=problems, policies=True, elsewhere=elsewhere)
    return loaded[0], loaded[1]


def _read(asked: _Asked) -> Trees:
    from webhook.git.repository import GitError
    from webhook.impact.trees import between_revisions, of_folders

    imports = imported(asked.policy_imports)
    if asked.old:
        bundled = [each for each in (*asked.old, *asked.new) if is_bundle(each)]
        return of_folders(asked.old, asked.new, imports, pulled(bundled, asked.bundles) if bundled else {})
    named = trees(asked.policies)
    if bundled := [each for each in named if is_bundle(each)]:
        raise NotGiven(
            f"--since: a bundle has no git revisions: {bundled[0]}; compare two of them with --old and --new"
        )
    try:
        return between_revisions(named, asked.since, asked.until, imports)
    except GitError as error:
        raise NotGiven(f"--since: {error}") from None


def _corpora(
    asked: _Asked,
    options: Options,
    access: Sequence[AccessRule],
    sides: tuple[Side, Side],
    comparison: Comparison,
    bar: ProgressBar,
    said: tuple[list[Problem], list[Problem], list[str]],
) -> list[Corpus]:
    """What is judged. said: problems, warnings and notes, which are added to. Raises NotGiven."""
    found: list[Corpus] = []
    if asked.paths:
        found.append(_manifests(asked, options, access, sides, bar, said))
    if asked.cluster:
        from webhook.audit.reading import Reader
        from webhook.audit.sources import Cluster
        from webhook.cluster.connection import ConfigurationError, Connection, configuration
        from webhook.impact.livecorpus import Live

        try:
            where = configuration("kubeconfig", asked.kubeconfig, asked.context)
        except ConfigurationError as error:
            raise NotGiven(f"--cluster: {error}") from None
        source = Cluster(Reader(Connection(where, 1)), asked.context or "the cluster")
        live = Live(source, comparison.evaluated, user=options.user, operation=options.operation, access=access)
        found.append(live)
    if asked.snapshots:
        from webhook.audit.snapshots import Snapshot, SnapshotError
        from webhook.impact.livecorpus import Live

        for file in asked.snapshots:
            try:
                snapshot = Snapshot(file)
            except SnapshotError as error:
                raise NotGiven(f"--snapshot: {error}") from None
            found.append(
                Live(snapshot, comparison.evaluated, user=options.user, operation=options.operation, access=access)
            )
    if asked.recordings:
        from webhook.impact.recordedcorpus import of_recordings
        from webhook.recordings.reading import NoRecording

        for folder in asked.recordings:
            try:
                found += of_recordings(folder)
            except NoRecording as error:
                raise NotGiven(f"--recordings: {error}") from None
    return found


def _unknown(counted: Counted) -> list[Problem]:
    """What could not be judged, as recordings lack what policies look up."""
    from webhook.documents.document import Problem

    found = []
    unknown = list(counted.unknown.items())
    for lookup, (file, line, number) in unknown[:MAX_LOOKUPS]:
        more = f", and {number - 1:,} more" if number > 1 else ""
        text = f"the review is not judged{more}, as the recording has no answer to what a policy looks up: {lookup}"
        found.append(Problem(file, line, None, text))
    if rest := unknown[MAX_LOOKUPS:]:
        file, line, _ = rest[0][1]
        number = sum(each[2] for _, each in rest)
        found.append(Problem(file, line, None, f"{number:,} more reviews are not judged, for {len(rest):,} lookups"))
    return found


def _manifests(
    asked: _Asked,
    options: Options,
    access: Sequence[AccessRule],
    sides: tuple[Side, Side],
    bar: ProgressBar,
    said: tuple[list[Problem], list[Problem], list[str]],
) -> Corpus:
    from webhook.documents.document import Problem
    from webhook.impact.corpus import Manifests
    from webhook.offline import leftout, manifests

    files = count(1)
    rendered = manifests.NOTHING_IS_RENDERED
    if asked.render:
        from webhook.offline.rendering import Rendering, renderers

        rendered = renderers(Rendering(asked.render, asked.values, asked.namespace))
    read = manifests.read(
        asked.paths,
        sys.stdin.buffer if sys.stdin is not None else None,
        lambda _: bar.step("reading", next(files)),
        exclude=asked.exclude,
        strict=asked.strict,
        crds=[value for side in sides for value in side.policies.objects],
        renderers=rendered,
        packed=True,
    )
    problems, warnings, notes = said
    problems += read.problems
    if not (read.documents or read.problems or read.left_out):
        where = asked.paths[0] if len(asked.paths) == 1 else f"{asked.paths[0]} and {len(asked.paths) - 1} more"
        problems.append(Problem("<stdin>" if where == "-" else where, None, None, "no objects in it to judge"))
    warnings += read.warnings
    notes += leftout.notes(read.left_out, read.kept, verbose=asked.verbose)
    return Manifests(read.documents, options, access)

"""The options of `impact`, and what they name: the two policy trees, and the corpora that are judged by both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from webhook.cli.options import Color
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    imported,
    is_bundle,
    pulled,
    trees,
)
from webhook.impact.failing import FailOn
from webhook.versions import Version

if TYPE_CHECKING:
    from webhook.access import AccessRule
    from webhook.cli.progress import ProgressBar
    from webhook.documents.document import Problem
    from webhook.documents.ignoring import Ignoring
    from webhook.impact.corpus import Corpus
    from webhook.impact.sameness import Comparison
    from webhook.impact.trees import Side, Trees
    from webhook.offline.requests import Options


class Written(StrEnum):
    """The operation of the requests."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"


class Asked(Struct, frozen=True, kw_only=True):
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


def require(asked: Asked) -> None:
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


def sides(asked: Asked, target: Version) -> tuple[Side, Side]:
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


def _read(asked: Asked) -> Trees:
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


def corpora(
    asked: Asked,
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


def _manifests(
    asked: Asked,
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

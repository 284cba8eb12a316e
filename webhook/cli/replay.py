"""`gatewright replay`: decide recorded reviews again, and show which verdicts differ."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace as struct_replace

from webhook.cli.options import (
    FAILED,
    Color,
    Colors,
    KubernetesVersion,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    VerifyKey,
    colored,
    fail,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    loaded,
    refuse,
    trees,
)
from webhook.cli.reporting import Outputs
from webhook.versions import NEWEST_TEXT, parse_version

if TYPE_CHECKING:
    from webhook.cli.report.writing import Target
    from webhook.policy.policyset import PolicySet
    from webhook.recordings.replaying import Replayed


def replay(
    recording: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that serve --record has written, or a file of it.")
    ],
    policies: PolicyTrees = None,
    tree_first: Annotated[
        bool,
        typer.Option("--tree-objects", help="Objects in the policy tree, such as params, go before recorded ones."),
    ] = False,
    output: Outputs = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    color: Colors = Color.AUTO,
) -> None:
    """Decide recorded reviews again, with this tree and this version of Gatewright, and show each verdict that differs.

    Lookups of policies find the objects recorded with the review, else those of the policy tree.

    Exit code: **0** all verdicts are the recorded ones, **1** some differ, **2** the run itself failed: a bad policy,
    a bad option, no review, lines that cannot be read, reviews that cannot be decided again as the recording lacks
    what a policy looks up.
    """
    bundles = Bundles(registry_ca, registry_plain_http, verify_key)
    raise typer.Exit(_replay(recording, trees(policies), tree_first, output, version, policy_imports, bundles, color))


def _replay(
    recording: Path,
    named: tuple[str, ...],
    tree_first: bool,
    output: list[str] | None,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and errors in options do not wait for it.
    from webhook.cli.report import writing
    from webhook.documents.reader import Problem
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.recordings.reading import NO_REVIEWS, NoRecording, recorded
    from webhook.recordings.replaying import Replay, Replayed

    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}", color)
    try:
        targets = writing.targets(output or ())
        if any(each.format == "yaml" for each in targets):
            raise ValueError("yaml is no format of replay; json says the same")
    except ValueError as error:
        return fail(f"--output: {error}", color)
    try:
        policy_set, _ = loaded(named, target, policy_imports, bundles)
    except NotGiven as error:
        return refuse(error, color)
    except PolicyTreeError as error:
        return fail_with(error.problems, color)
    replayed = Replayed(Replay(policy_set, tree_first=tree_first))
    try:
        for found in recorded(recording):
            if isinstance(found, Problem):
                replayed.problems.append(found)
            else:
                replayed.add(found)
    except NoRecording as error:
        return fail(str(error), color)
    if not replayed.count and not replayed.problems:
        replayed.problems.append(Problem(str(recording), None, None, NO_REVIEWS))
    if replayed.problems and not writing.says_all(targets):
        fail_with(replayed.problems, color)
    written = True
    for each in sorted(targets, key=lambda target: not target.file):  # files first
        written &= _written(replayed, each, policy_set, color)
    if not written or replayed.problems or replayed.undecided:
        return FAILED
    return 1 if replayed.different else 0


def _written(replayed: Replayed, target: Target, policies: PolicySet, color: Color) -> bool:
    """Write the report in one format to its place. Returns False if that cannot be done; the error is on stderr."""
    from webhook.cli.report import replayed as reported
    from webhook.cli.report import replayjson, replaytext, writing
    from webhook.cli.report.checked import rules
    from webhook.cli.report.model import fingerprinted
    from webhook.cli.report.style import Style
    from webhook.cli.streams import put
    from webhook.visible import no_commands

    pieces: Iterable[str]
    if target.format == "json":
        pieces = [replayjson.report(replayed)]
    elif target.format == writing.TEXT:
        # Of nothing there is no text but the problems.
        style = Style(not target.file and colored(color, sys.stdout))
        pieces = [no_commands(replaytext.report(replayed, style))] if replayed.count else []
    else:
        made = reported.report(replayed, rules(policies))
        pieces = writing.pieces(struct_replace(made, findings=list(fingerprinted(made.findings))), target.format)
    return writing.to_file(pieces, target.file) if target.file else put(pieces)

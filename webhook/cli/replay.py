"""`gatewright replay`: decide recorded reviews again, and show which verdicts differ."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from webhook.cli.options import (
    FAILED,
    Bundles,
    Color,
    Colors,
    Format,
    KubernetesVersion,
    NotGiven,
    Output,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    VerifyKey,
    colored,
    fail,
    fail_with,
    loaded,
    refuse,
    trees,
)
from webhook.versions import NEWEST_TEXT, parse_version


def replay(
    recording: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that serve --record has written, or a file of it.")
    ],
    policies: PolicyTrees = None,
    tree_first: Annotated[
        bool,
        typer.Option("--tree-objects", help="Objects in the policy tree, such as params, go before recorded ones."),
    ] = False,
    output: Output = Format.TEXT,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    color: Colors = Color.AUTO,
) -> None:
    """Decide recorded reviews again, with this tree and this version of Gatewright, and show each verdict that differs.

    What policies look up is what was recorded with the review; what is not recorded is taken from the policy tree.

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
    output: Format,
    version: str,
    policy_imports: str,
    bundles: Bundles,
    color: Color,
) -> int:
    # Imported here so that `gatewright --help` and wrong options answer at once.
    from webhook.cli.report import replayjson, replaytext
    from webhook.cli.report.style import Style
    from webhook.cli.streams import put
    from webhook.documents.reader import Problem
    from webhook.policy.load.loading import PolicyTreeError
    from webhook.recordings.reading import NO_REVIEWS, NoRecording, recorded
    from webhook.recordings.replaying import Replay, Replayed

    try:
        target = parse_version(version)
    except ValueError as error:
        return fail(f"--kubernetes-version: {error}, got {version!r}", color)
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
    if not replayed.count:
        replayed.problems.append(Problem(str(recording), None, None, NO_REVIEWS))
    if output is Format.JSON:
        written = put(replayjson.report(replayed))
    elif not replayed.count:
        return fail_with(replayed.problems, color)
    else:
        if replayed.problems:
            fail_with(replayed.problems, color)
        written = put(replaytext.report(replayed, Style(colored(color, sys.stdout))))
    if not written or replayed.problems or replayed.undecided:
        return FAILED
    return 1 if replayed.different else 0

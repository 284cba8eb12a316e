"""`gatewright rollout`: the next step of each binding from Audit to Warn and from Warn to Deny, if the evidence allows
it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from webhook.cli.options import (
    FAILED,
    Format,
    KubernetesVersion,
    Output,
    PolicyImports,
    PolicyTrees,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    is_bundle,
    trees,
)
from webhook.cli.reporting import PASSED
from webhook.cli.rollout import inputs
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from webhook.rollout.reports import Saved
    from webhook.rollout.steps import Step

_MOST_DAYS: Final = 366


def rollout(
    audit: Annotated[
        list[str] | None,
        typer.Option("--audit", metavar="REPORT", help="A report of today from audit with -o json; may be repeated."),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="FILE", help="A file of the API server's audit log; may be repeated."),
    ] = None,
    recording: Annotated[
        list[str] | None,
        typer.Option(
            "--recording",
            metavar="DIR",
            help="Reviews that serve --record has written, decided by today's tree; may be repeated.",
        ),
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metrics", metavar="FILE", help="A saved scrape of /metrics of a server; may be repeated."),
    ] = None,
    ring: Annotated[
        list[str] | None,
        typer.Option(
            "--ring",
            metavar="LABELS",
            help="Take each step first in namespaces with these labels, such as env=dev; may be repeated, in order.",
        ),
    ] = None,
    days: Annotated[
        int,
        typer.Option("--days", metavar="N", help="The days without a hit that a step needs, with logs of each day."),
    ] = 14,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="NAME", help="Only this policy; may be repeated.")
    ] = None,
    patch: Annotated[
        Path | None, typer.Option("--patch", metavar="FILE", help="Write the changes of the bindings, for git apply.")
    ] = None,
    output: Output = Format.TEXT,
    policies: PolicyTrees = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
) -> None:
    """Propose the next step of each binding: from Audit to Warn, from Warn to Deny.

    A step is ready if no object of the cluster and no request of the period violated the policy, the evidence covers
    the whole period, and the policy and its binding did not change in it. Hits are listed with their owners, and the
    exceptions counted that they would need. By ring, a step is a binding of its own for the namespaces of the ring.

    Exit code: **0**, **2** the run itself failed, and nothing is written: a bad policy, a bad option, a bad report.
    """

    def run() -> int:
        from webhook.rollout.rings import parse_all

        if bundles := [each for each in trees(policies) if is_bundle(each)]:
            raise NotGiven(f"--policies: {bundles[0]}: a bundle has no files to change; name the folder it is made of")
        if not 1 <= days <= _MOST_DAYS:
            raise NotGiven(f"--days: expected a number from 1 to {_MOST_DAYS}, got {days}")
        try:
            in_order = parse_all(ring or ())
        except ValueError as error:
            raise NotGiven(f"--ring: {error}") from None
        tree = inputs.tree(policies, version, policy_imports, Bundles())
        if unknown := sorted({*(policy or ())} - tree.names):
            raise NotGiven(f"--policy: the policy tree has no policy {unknown[0]!r}")
        now = datetime.fromtimestamp(time.time(), UTC)
        reports = _audits(audit or (), now)

        from webhook.cli.rollout import stepstext
        from webhook.cli.streams import put_text
        from webhook.recordings.reading import NoRecording
        from webhook.rollout import evidence, ringsteps, steps
        from webhook.rollout.recorded import judged
        from webhook.rollout.scraped import ScrapeError, scraped
        from webhook.rollout.waiving import needed
        from webhook.schema import Kinds

        since = now - timedelta(days=days)
        try:
            found = evidence.evidence(reports, log or (), since, judged(recording or (), tree, since))
        except NoRecording as error:
            raise NotGiven(f"--recording: {error}") from None
        try:
            counted = scraped(metrics, since, now) if metrics else None
        except ScrapeError as error:
            raise NotGiven(f"--metrics {error}") from None
        found.namespaces.written(tree.objects)
        for problem in (*found.problems, *found.unread):
            inputs.say(str(problem))
        judging = steps.judging(found, now, days, steps.history(), bool(log), counted)
        every = ringsteps.ring_steps(tree, judging, in_order) if in_order else steps.steps(tree, judging)
        shown = [each for each in every if not policy or each.binding.policy in policy]
        text = "" if patch is None else _patched(shown)
        by_ring = bool(in_order)
        kinds = Kinds.builtin(tree.target).with_crds(tree.objects)
        needs = [needed(each, tree, kinds) for each in shown]
        if output is Format.JSON:
            written = stepstext.as_json(shown, needs, by_ring=by_ring, metrics=counted)
        else:
            written = stepstext.as_text(shown, needs, by_ring=by_ring)
        if not put_text(written):
            return FAILED
        return PASSED if patch is None else _written(text, patch)

    raise typer.Exit(inputs.code(run))


def _audits(files: Sequence[str], now: datetime) -> list[Saved]:
    """The reports, each of a whole audit, and not older than a day. Raises NotGiven."""
    reports = inputs.saved(files)
    for file, report in zip(files, reports, strict=True):
        if report.of_log:
            raise NotGiven(f"--audit {file}: is a report on audit logs; give the logs themselves with --log")
        if report.command != "audit":
            raise NotGiven(f"--audit {file}: expected a report of audit, got one of {report.command}")
        if report.errors:
            raise NotGiven(f"--audit {file}: the audit could not read everything: {report.errors[0].message}")
        if report.left_out:
            raise NotGiven(f"--audit {file}: does not tell of {report.left_out}; expected a report of everything")
        if file != "-":
            written = datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
            if now - written > timedelta(days=1):
                raise NotGiven(f"--audit {file}: it was written on {written.date()}; today's step needs a new one")
    return reports


def _patched(found: Sequence[Step]) -> str:
    """The patch of the steps that are ready. Raises NotGiven."""
    from webhook.git.arguments import folder_of, place_of
    from webhook.git.repository import GitError, Repository
    from webhook.rollout.patching import NotWritten, patch

    ready = [each for each in found if each.state == "ready"]
    paths: dict[str, str] = {}
    try:
        for each in ready:
            file = each.binding.file
            top = Repository.of(folder_of([str(Path(file).parent)])).top
            paths[file] = place_of(top, [file]).below[0]
        return patch(ready, paths)
    except (GitError, NotWritten) as error:
        raise NotGiven(f"--patch: {error}") from None


def _written(text: str, file: Path) -> int:
    from webhook.cli.report.writing import to_file

    if not text:
        inputs.say(f"no step is ready, so {file} is not written")
        return PASSED
    if not to_file([text], str(file)):
        return FAILED
    inputs.say(f"apply the steps: git apply {file}")
    return PASSED

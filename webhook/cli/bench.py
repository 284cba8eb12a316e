"""`gatewright bench`: the time and cost of each policy on the user's own objects."""

from __future__ import annotations

import gc
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.inputs import asked_of, excluding
from webhook.cli.options import (
    FAILED,
    AsGroups,
    AsUser,
    Authorizations,
    Color,
    Colors,
    Exclude,
    Format,
    KubernetesVersion,
    Manifests,
    Namespace,
    Output,
    PlainRegistry,
    PolicyImports,
    PolicyTrees,
    RegistryCA,
    SettingsFile,
    VerifyKey,
    colored,
    fail,
    fail_with,
)
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    given,
    refuse,
    trees,
    workloads_of,
)
from webhook.versions import NEWEST_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from webhook.documents.document import Problem
    from webhook.offline.measured import Change, Saved
    from webhook.offline.measuring import Figures, Measuring

_RUNS = 3  # at most, while a time is over its threshold


def bench(
    ctx: typer.Context,
    paths: Manifests = None,
    policies: PolicyTrees = None,
    recording: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Measure on the reviews that serve --record has written, in place of PATH."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures to this file, for --compare.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Compare with the figures that --save has written.")
    ] = None,
    threshold: Annotated[
        str, typer.Option(metavar="PERCENT", help="By how much the cost of a policy may rise: 20%.")
    ] = "0%",
    time_threshold: Annotated[
        str,
        typer.Option(
            metavar="PERCENT",
            help="By how much the median of a policy's times may rise; times are not compared unless it is given.",
        ),
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How often each evaluation is timed.")] = 5,
    namespace: Namespace = "default",
    user: AsUser = "",
    groups: AsGroups = None,
    settings: SettingsFile = None,
    output: Output = Format.TEXT,
    exclude: Exclude = None,
    version: KubernetesVersion = NEWEST_TEXT,
    policy_imports: PolicyImports = "",
    verify_key: VerifyKey = None,
    registry_ca: RegistryCA = None,
    registry_plain_http: PlainRegistry = False,
    authorizations: Authorizations = None,
    color: Colors = Color.AUTO,
) -> None:
    """Measure each policy on manifests or recorded reviews: its time here, and its cost in the API server.

    Exit code: **0**, **1** a policy costs more than `--threshold` allows, or takes longer than `--time-threshold`
    does, **2** the run itself failed: a bad policy, a bad file, a bad option.
    """
    try:
        allowed = _share("--threshold", threshold)
        allowed_time = _share("--time-threshold", time_threshold) if time_threshold else None
        if bool(paths) == (recording is not None):
            raise NotGiven("name manifests to measure on, or a recording with --recording; one of both")
        before = None if compare is None else _saved(compare)
        run = given(
            trees(policies),
            version,
            user,
            groups or [],
            authorizations,
            policy_imports,
            Bundles(registry_ca, registry_plain_http, verify_key),
        )
        measure: Callable[[], Measuring]
        from webhook.cluster.manifestsview import ManifestsView
        from webhook.offline import measuring

        if recording is not None:
            reviews, problems = _reviews(recording)

            def measure() -> Measuring:
                found = measuring.Measuring(run.policies, rounds)
                for each in reviews:
                    found.recorded(each)
                return found

        else:
            from webhook.offline.inputs import Inputs
            from webhook.offline.lookedup import looked_up
            from webhook.offline.requests import Options

            options = Options(namespace, run.user, "CREATE", False, workloads_of(settings), run.policies.target)
            asked = asked_of(Inputs(paths or [], exclude=excluding(ctx, exclude)), options, run.policies)
            problems = asked.problems
            if asked.empty:
                problems.append(asked.nothing(paths or [], "measure policies on"))

            def measure() -> Measuring:
                view = ManifestsView(
                    looked_up(run.policies.objects, asked.planned.objects),
                    asked.planned.kinds,
                    assume_namespaces=True,
                    access_rules=run.access,
                )
                found = measuring.Measuring(asked.policies, rounds)
                found.planned(asked.requests, view)
                return found

        if problems:  # figures of some of the objects would be compared with those of all
            raise typer.Exit(fail_with(problems, color))
        found, figures = _measured(measure)
    except NotGiven as error:
        raise typer.Exit(refuse(error, color)) from None
    changes, notes = None, list[str]()
    if before is not None:
        figures, changes, notes = _compared(before, figures, measure, allowed, allowed_time)
    if save is not None and (wrong := _written(save, figures)):
        raise typer.Exit(fail(f"--save {save}: {wrong}", color))
    raise typer.Exit(_shown(found.objects, figures, changes, notes, output, color))


def _share(option: str, text: str) -> float:
    """The share that a text such as `20%` names. Raises NotGiven."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%?", text.strip())
    if found is None:
        raise NotGiven(f"{option}: expected a percentage such as 20%, got {text!r}")
    return float(found[1]) / 100


def _saved(file: Path) -> list[Saved]:
    from webhook.offline.measured import NotSaved, read

    try:
        return read(file)
    except NotSaved as error:
        raise NotGiven(f"--compare {file}: {error}") from None


def _reviews(recording: Path) -> tuple[list[Any], list[Problem]]:
    """The recorded reviews, and the problems of those that cannot be read. Raises NotGiven."""
    from webhook.documents.document import Problem
    from webhook.recordings.reading import NO_REVIEWS, NoRecording, recorded

    reviews, problems = [], list[Problem]()
    try:
        for each in recorded(recording):
            if isinstance(each, Problem):
                problems.append(each)
            elif each.unread is None:  # else no policy was evaluated
                reviews.append(each)
    except NoRecording as error:
        raise NotGiven(f"--recording: {error}") from None
    if not reviews and not problems:
        problems.append(Problem(str(recording), None, None, NO_REVIEWS))
    return reviews, problems


def _measured(measure: Callable[[], Measuring]) -> tuple[Measuring, list[Figures]]:
    gc.collect()
    gc.disable()  # it would add to the time of some policy
    try:
        found = measure()
    finally:
        gc.enable()
    return found, found.figures()


def _compared(
    before: list[Saved],
    figures: list[Figures],
    measure: Callable[[], Measuring],
    allowed: float,
    allowed_time: float | None,
) -> tuple[list[Figures], list[Change], list[str]]:
    """The figures, their changes, and notes. While a time is over its threshold, it is measured again: other processes
    can only add to times."""
    from webhook.offline.measured import compared

    changes, notes = compared(before, figures, allowed, allowed_time)
    for _ in range(_RUNS - 1):
        if not any(each.over and each.what == "p50" for each in changes):
            break
        _, again = _measured(measure)
        figures = [
            min(pair, key=lambda each: each.micros(0.5) if each.took else 0)
            for pair in zip(figures, again, strict=True)
        ]
        changes, notes = compared(before, figures, allowed, allowed_time)
    return figures, changes, notes


def _written(file: Path, figures: list[Figures]) -> str:
    """Write the figures. Returns why it failed, "" if it did not."""
    from webhook.offline.measured import saved

    try:
        file.write_bytes(saved(figures))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _shown(
    objects: int, figures: list[Figures], changes: list[Change] | None, notes: list[str], output: Format, color: Color
) -> int:
    from webhook.cli.report import benchjson, benchtext
    from webhook.cli.report.style import Style
    from webhook.cli.streams import put, put_text

    if output is Format.JSON:
        written = put(benchjson.report(figures, changes, objects, notes))
    else:
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        written = put_text(benchtext.report(figures, changes, objects, Style(colored(color, sys.stdout))))
    if not written:
        return FAILED
    return 1 if any(each.over for each in changes or ()) else 0

"""Scores as lines of text, as Markdown and as JSON. The whole comes first, then the worst namespaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from webhook.cli.report.scores import FULL, Score, Scores
from webhook.cli.report.style import BOLD, DIM, ERROR, GREEN, Style
from webhook.visible import visible

MOST: Final = 20
"""The namespaces that text and Markdown show, beside those that fail; of these, ten times as many."""

WHOLE: Final = "all objects"
WITHOUT: Final = "(cluster-scoped)"


def named(scores: Scores) -> Iterator[tuple[str, Score]]:
    """The scores with their names."""
    yield WHOLE, scores.cluster
    yield from ((each.namespace or WITHOUT, each) for each in scores.namespaces)


def _shown(scores: Scores) -> tuple[list[tuple[str, Score]], int]:
    """The scores that are shown, and the number of those left out."""
    failing = sum(each.failed for each in scores.namespaces)
    most = 1 + max(MOST, min(failing, 10 * MOST))
    found = list(named(scores))
    return found[:most], len(found[most:])


def lines(scores: Scores, style: Style) -> Iterator[str]:
    """The scores as lines of text, a blank one at the end."""
    shown, more = _shown(scores)
    width = max(len(visible(name)) for name, _ in shown)
    demanded = f" (gate: {visible(scores.gate)})" if scores.gate else ""
    yield style(BOLD, f"scores, of {FULL}{demanded}")
    for name, each in shown:
        verdict = ""
        if each.failed:
            verdict = f"  {style(ERROR, 'fails')}: {visible('; '.join(each.whys()))}"
        elif each.tenths is not None and (each.threshold.least is not None or each.threshold.vetoes):
            verdict = f"  {style(GREEN, 'passes')}"
        yield f"  {visible(name):<{width}}  {_of_100(each):>5}  {_counts(each)}{verdict}"
    if more:
        yield style(DIM, f"  … and {more:,} more")
    for name in scores.unmet:
        yield f"{style(DIM, 'note:')} the gate's environment {visible(name)} has no namespace"
    yield ""


def _of_100(score: Score) -> str:
    return "none" if score.value is None else f"{score.value:.1f}"


def _counts(score: Score) -> str:
    errors = f", {score.errors:,} error{'s'[: score.errors != 1]}" if score.errors else ""
    return f"{score.violating:,} of {score.objects:,} violating{errors}"


def blocks(scores: Scores, code: Callable[[str], str]) -> Iterator[str]:
    """The scores as a table of Markdown. code: writes a text as a code span."""
    shown, more = _shown(scores)
    yield "| scores | of 100 | least | violating | objects | |\n|---|---:|---:|---:|---:|---|\n"
    for name, each in shown:
        cell = name if name in (WHOLE, WITHOUT) else code(name).replace("|", "\\|")
        least = "" if each.threshold.least is None else str(each.threshold.least)
        why = f"⛔ {code('; '.join(each.whys()))}".replace("|", "\\|") if each.failed else ""
        yield f"| {cell} | {_of_100(each)} | {least} | {each.violating:,} | {each.objects:,} | {why} |\n"
    yield "\n"
    if more:
        yield f"… and {more:,} more\n\n"
    if scores.unmet:
        yield "".join(f"- the gate's environment {code(each)} has no namespace\n" for each in scores.unmet) + "\n"


def value(scores: Scores) -> dict[str, Any]:
    """The scores as JSON."""
    return {
        "gate": scores.gate or None,
        "passed": not scores.failed,
        "cluster": _score(scores.cluster),
        "namespaces": [{"namespace": each.namespace, **_score(each)} for each in scores.namespaces],
        "unmet": list(scores.unmet),
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "score": score.value,
        "least": score.threshold.least,
        "environment": score.threshold.environment or None,
        "objects": score.objects,
        "violating": score.violating,
        "errors": score.errors,
        "lost": score.lost,
        "passed": not score.failed,
        "vetoes": [
            {"name": each.name, "findings": each.count, "policies": list(each.policies)} for each in score.vetoed
        ],
    }

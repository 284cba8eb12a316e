"""What is not checked of the files that a command names, and what of it is checked all the same; the notes on both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from webhook.counts import counted

NOTHING: Final = "no object"
BINARY: Final = "binary"
PATCH: Final = "patch"
TEMPLATE: Final = "template"
CHART: Final = "chart"
KUSTOMIZATION: Final = "kustomization"
EXCLUDED: Final = "excluded"
MAX_NAMES: Final = 3
"""Files that a note names, unless it names all."""


class LeftOut(Struct, frozen=True):
    """A file or folder that is not checked, and why: "no object", "binary", "patch", "template", "chart",
    "kustomization" or "excluded". `command`: what renders a chart or kustomization; `by`: what excludes it, or names it
    as a patch."""

    file: str
    reason: str
    command: str = ""
    by: str = ""


def notes(left_out: Sequence[LeftOut], kept: Sequence[LeftOut] = (), *, verbose: bool = False) -> Iterator[str]:
    """What was left out, a line for each reason.

    kept: what a kustomization or a pattern says to leave out, and is checked. verbose: names every file.
    """
    by_reason: dict[str, list[LeftOut]] = {}
    for each in left_out:
        by_reason.setdefault(each.reason, []).append(each)
    for reason, tool in ((CHART, "Helm chart"), (KUSTOMIZATION, "kustomization")):
        if these := by_reason.get(reason):
            one = len(these) == 1
            others = "" if one else f" (and {', '.join(each.file for each in these[1:])})"
            what = f"{counted(len(these), tool)} {'is' if one else 'are'} not rendered"
            yield f"{what}; check what {'it makes' if one else 'they make'}: {these[0].command}{others}"
    if these := by_reason.get(TEMPLATE):
        yield f"{counted(len(these), 'template')} left out: {_names(these, verbose)}"
    if these := by_reason.get(PATCH):
        yield f"{counted(len(these), 'patch', 'patches')} of kustomizations left out: {_names(these, verbose)}"
    if these := by_reason.get(NOTHING):
        yield f"{counted(len(these), 'file')} without Kubernetes objects left out: {_names(these, verbose)}"
    if these := by_reason.get(BINARY):
        yield f"{counted(len(these), 'binary file')} left out, no YAML and no JSON: {_names(these, verbose)}"
    for by, these in _by(by_reason.get(EXCLUDED, ())):
        yield f"{counted(len(these), 'entry', 'entries')} excluded by {by}: {_names(these, verbose)}"
    if these := [each for each in kept if each.reason == PATCH]:
        yield (
            f"{counted(len(these), 'file')} that kustomizations name as patches or parts hold whole objects, which "
            f"`kubectl apply -f` would create, and are checked: {_names(these, verbose)}; --exclude leaves them out"
        )
    for by, these in _by([each for each in kept if each.reason == EXCLUDED]):
        yield (
            f"{counted(len(these), 'path')} checked although {by} excludes {'it' if len(these) == 1 else 'them'}: "
            f"{_names(these, verbose)}; patterns leave out what is below a path that is named, not the path itself"
        )


def _by(left_out: Sequence[LeftOut]) -> Iterator[tuple[str, list[LeftOut]]]:
    """What is left out by each, sorted."""
    for by in sorted({each.by for each in left_out}):
        yield by, [each for each in left_out if each.by == by]


def _names(left_out: Sequence[LeftOut], verbose: bool) -> str:
    names = list(dict.fromkeys(each.file for each in left_out))
    if verbose or len(names) <= MAX_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMES])} and {len(names) - MAX_NAMES} more"

"""Removes duplicates among the findings on a document: a finding on a workload and the same one on the Pod of its
template count once, and so do findings that several params give at one place in the same words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from webhook.paths import Path, render

if TYPE_CHECKING:
    from webhook.admission.decision import Finding
    from webhook.offline.verdicts import Located


class Deduplication:
    """The findings on one document, each once."""

    def __init__(self) -> None:
        self._findings: list[Located] = []
        self._params: list[list[Any]] = []  # for each finding, the param objects of its duplicates
        self._same: dict[tuple[object, ...], list[int]] = {}  # binding, place and message -> findings that read so
        self._of: dict[tuple[object, ...], list[int]] = {}  # binding, and whether of a Pod -> findings

    def add(self, located: Located) -> None:
        """Add a finding. Of two duplicates, the one with the more precise place is kept."""
        param = param_of(located.finding)
        binding = _binding_of(located)
        same = self._same.setdefault((*binding, located.of_template, located.message, located.path), [])
        others = self._of.get((*binding, not located.of_template), ())
        for index in sorted([*same[:1], *others]):
            earlier, params = self._findings[index], self._params[index]
            if located.of_template != earlier.of_template and not (
                any(param is each for each in params) and is_of_both(located, earlier)
            ):
                continue
            params.append(param)
            if (_is_placed(located), len(located.path or ())) > (_is_placed(earlier), len(earlier.path or ())):
                self._findings[index] = located
            return
        same.append(len(self._findings))
        self._of.setdefault((*binding, located.of_template), []).append(len(self._findings))
        self._findings.append(located)
        self._params.append([param])

    def in_order(self) -> tuple[Located, ...]:
        """The findings, in the order of the file."""
        return tuple(sorted(self._findings, key=lambda located: (located.line, located.column)))


def _is_of_one_binding(one: Located, other: Located) -> bool:
    """Whether two findings have the same policy, binding and action."""
    return _binding_of(one) == _binding_of(other)


def _binding_of(located: Located) -> tuple[str, str, str, str]:
    finding = located.finding
    return finding.policy, finding.binding, finding.action, finding.kind


def is_of_both(later: Located, earlier: Located) -> bool:
    """Whether a finding on the Pod of a workload repeats one on the workload, with the same param object."""
    one, other = later.finding, earlier.finding
    if later.of_template == earlier.of_template or not _is_of_one_binding(later, earlier) or one.error != other.error:
        return False
    if _is_placed(later) and _is_placed(earlier):
        if later.path == earlier.path:
            return True
        if not _within(later.path or (), earlier.path or ()):
            return False
    moved = later.moved or earlier.moved
    if _of_pod(later.message, moved) == _of_pod(earlier.message, moved):
        return True
    if one.expression is not None or other.expression is not None:
        return one.expression == other.expression
    # Python policies and exceeded budgets have no expression: the index decides, unless both have a place.
    return not (_is_placed(later) and _is_placed(earlier)) and one.index == other.index


def _is_placed(located: Located) -> bool:
    """Whether the finding has a place inside the object. Its kind and apiVersion do not count."""
    return located.known and located.path not in (("kind",), ("apiVersion",))


def param_of(finding: Finding) -> Any:
    """The param object of the evaluation that gave a finding; None without one."""
    return finding.evaluated.param if finding.evaluated is not None else None


def _within(one: Path, other: Path) -> bool:
    """Whether one of two places is within the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _of_pod(message: str, moved: tuple[tuple[Path, Path], ...]) -> str:
    """The message with the paths of the workload in it as those of its Pod: spec.template.spec.x is spec.x."""
    for inside, outside in sorted(moved, key=lambda pair: -len(pair[1])):
        if not outside:
            continue
        path, pod = render(outside), render(inside)
        if inside:
            message = message.replace(path, pod)
        else:
            message = re.sub(rf"\b{re.escape(path)}\.(?=spec\b|metadata\b)", "", message)
    return message

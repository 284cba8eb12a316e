"""The report of `gatewright convert`, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from webhook.convert.model import Note, Outcome, Status, TestResult
from webhook.convert.whole import Converted
from webhook.counts import counted
from webhook.visible import encodable, no_commands_in_json, visible

_SAID: Final[dict[Status, str]] = {
    "whole": "converted whole",
    "differences": "converted, with differences",
    "part": "converted in part",
    "unfinished": "to be finished: a policy in Python denies until it is",
    "not": "not converted",
}
_ORDER: Final = tuple(_SAID)
_REPEATED: Final = 3  # times
_LONG: Final = 40  # characters: a shorter text is as short as its number


def whole(found: Converted) -> bool:
    """Whether everything is converted, and its tests pass."""
    made = all(each.status in ("whole", "differences") for each in found.outcomes)
    return made and not found.problems and all(test.passed for each in found.outcomes for test in each.tests)


def text(found: Converted, out: str) -> str:
    """The report for people. out: the tree, quoted for a shell. Policies are sorted by how completely they are
    converted, so that a terminal shows those that need work last. A text that applies to several policies is written
    once, below them.
    """
    tests = [test for each in found.outcomes for test in each.tests]
    differences = [note.message for each in found.outcomes for note in each.differences]
    footnotes = _Footnotes([*map(_of_any_rule, differences), *(test.reason for test in tests if not test.passed)])
    lines: list[str] = []
    for each in sorted(found.outcomes, key=_rank):
        lines += _of_policy(each, footnotes)
    lines += footnotes.lines()
    lines += [visible(str(each)) for each in found.problems]
    lines += _notes([*found.notes, *found.others])
    if found.beside:
        names = Counter(Path(each).name for each in found.beside)
        shown = ", ".join(f"{name} ({number})" if number > 1 else name for name, number in names.most_common(3))
        more = f" and {len(names) - 3} more names" if len(names) > 3 else ""
        count = counted(len(found.beside), "file")
        lines.append(visible(f"{count} without Kubernetes objects: {shown}{more}"))
    numbers = Counter(each.status for each in found.outcomes)
    parts = [f"{numbers[status]} {_SAID[status].partition(':')[0]}" for status in _ORDER if numbers[status]]
    summary = (
        f"{counted(len(found.outcomes), 'policy', 'policies')}: {', '.join(parts)}"
        if parts
        else "no policies were found"
    )
    if tests:
        summary += f"; {_of_tests(tests)}"
    lines += ["", summary]
    if found.written:
        then = f"run their tests: gatewright test --policies {out}"
        if not any(each.cases for each in found.outcomes):
            then = f"no tests came with them; try the policies: gatewright check --policies {out} PATH"
        lines.append(f"{len(found.written)} files written; {then}")
    return "\n".join(lines) + "\n"


def _rank(outcome: Outcome) -> tuple[int, bool]:
    """Where a policy stands in the report: the less it is converted, the later, and with tests that fail later."""
    return _ORDER.index(outcome.status), any(test.run and not test.passed for test in outcome.tests)


def _of_policy(each: Outcome, footnotes: _Footnotes) -> list[str]:
    place = f"{each.document.stream}:{each.document.line}"
    lines = [f"{visible(place)}: {visible(each.kind)} {visible(each.name or '(without a name)')}: {_SAID[each.status]}"]
    if each.made and each.made != [each.name]:
        lines.append(f"  becomes: {', '.join(each.made)}")
    lines += [f"  not converted: {visible(str(note))}" for note in each.refused]
    lines += [f"  to be finished: {visible(str(note))}" for note in each.unfinished]
    for note in each.differences if each.status != "not" else ():
        common = _of_any_rule(note.message)
        before = note.message.removesuffix(common)
        lines.append(visible(f"  differs: {note.file}:{note.line}: {before}{footnotes.of(common)}"))
    if not each.tests:
        return lines
    if each.status == "not":  # which the reasons above say
        return [*lines, f"  {counted(len(each.tests), 'test of it is', 'tests of it are')} not run"]
    lines.append(f"  {sum(test.passed for test in each.tests)} of {len(each.tests)} of its own tests pass")
    for test in each.tests:
        if not test.passed:
            said = "test fails" if test.run else "test not run"
            lines.append(visible(f"  {said}: {test.file}:{test.line}: {test.name}: {footnotes.of(test.reason)}"))
    return lines


def _of_any_rule(message: str) -> str:
    """A difference without the rule that it is about."""
    rule, _, rest = message.partition(": ")
    return rest if rule.startswith("rule ") and rest else message


class _Footnotes:
    """Texts that stand in the report several times: a number for each, and the text once."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}
        for each, count in Counter(texts).items():
            if count >= _REPEATED and len(each) >= _LONG:
                self._numbers[each] = len(self._numbers) + 1

    def of(self, each: str) -> str:
        """The text, or the number of its footnote."""
        return f"[{self._numbers[each]}]" if each in self._numbers else each

    def lines(self) -> list[str]:
        """The footnotes."""
        return (
            ["", *(visible(f"[{number}] {each}") for each, number in self._numbers.items()), ""]
            if self._numbers
            else []
        )


def _notes(notes: Sequence[Note]) -> list[str]:
    """Notes; of those with the same text the first, and how many more there are."""
    found: dict[str, list[Note]] = {}
    for each in notes:
        found.setdefault(each.message, []).append(each)
    lines: list[str] = []
    for alike in found.values():
        if len(alike) < _REPEATED:
            lines += [visible(str(each)) for each in alike]
        else:
            lines.append(visible(f"{alike[0]} ({len(alike) - 1} more like this)"))
    return lines


def _of_tests(tests: Sequence[TestResult]) -> str:
    """How many tests pass, and of the others how many were not run."""
    unrun = sum(not test.run for test in tests)
    passed = f"{sum(test.passed for test in tests)} of {len(tests)} tests pass"
    return f"{passed}, {unrun} are not run" if unrun else passed


def json_text(found: Converted) -> str:
    """The report for programs."""
    value: dict[str, Any] = {
        "version": 1,
        "policies": [_policy(each) for each in found.outcomes],
        "problems": [{"file": each.file, "line": each.line, "message": each.message} for each in found.problems],
        "notes": [_note(each) for each in (*found.notes, *found.others)],
        "beside": found.beside,
        "written": [str(each) for each in found.written],
    }
    return no_commands_in_json(orjson.dumps(encodable(value), option=orjson.OPT_INDENT_2).decode()) + "\n"


def _policy(each: Outcome) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "name": each.name,
        "file": each.document.stream,
        "line": each.document.line,
        "status": each.status,
        "folder": each.folder if each.made else "",
        "policies": each.made,
        "notConverted": [_note(note) for note in each.refused],
        "unfinished": [_note(note) for note in each.unfinished],
        "differences": [_note(note) for note in each.differences],
        "tests": {
            "passed": sum(test.passed for test in each.tests),
            "total": len(each.tests),
            "failures": [
                {"file": test.file, "line": test.line, "name": test.name, "run": test.run, "reason": test.reason}
                for test in each.tests
                if not test.passed
            ],
        },
    }


def _note(note: Any) -> dict[str, Any]:
    return {"file": note.file, "line": note.line, "message": note.message}

"""The report of `gatewright convert`, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import orjson

from webhook.convert.model import Outcome, Status
from webhook.convert.whole import Converted
from webhook.counts import counted
from webhook.visible import encodable, visible

_SAID: Final[dict[Status, str]] = {
    "whole": "converted whole",
    "differences": "converted, with differences",
    "part": "converted in part",
    "unfinished": "to be finished: a policy in Python denies until it is",
    "not": "not converted",
}
_ORDER: Final = tuple(_SAID)


def whole(found: Converted) -> bool:
    """Whether everything is converted, and its tests pass."""
    made = all(each.status in ("whole", "differences") for each in found.outcomes)
    return made and not found.problems and all(test.passed for each in found.outcomes for test in each.tests)


def text(found: Converted, out: str) -> str:
    """The report for people. out: the tree, as a shell takes it."""
    lines: list[str] = []
    for each in found.outcomes:
        place = f"{each.document.stream}:{each.document.line}"
        lines.append(
            f"{visible(place)}: {visible(each.kind)} {visible(each.name or '(without a name)')}: {_SAID[each.status]}"
        )
        if each.made and each.made != [each.name]:
            lines.append(f"  becomes: {', '.join(each.made)}")
        lines += [f"  not converted: {visible(str(note))}" for note in each.refused]
        lines += [f"  to be finished: {visible(str(note))}" for note in each.unfinished]
        lines += [f"  differs: {visible(str(note))}" for note in each.differences]
        if each.tests:
            passed = sum(test.passed for test in each.tests)
            lines.append(f"  {passed} of {len(each.tests)} of its own tests pass")
            lines += [
                f"  {'test fails' if test.run else 'test not run'}: "
                f"{visible(f'{test.file}:{test.line}: {test.name}: {test.reason}')}"
                for test in each.tests
                if not test.passed
            ]
    lines += [f"{visible(str(each))}" for each in found.problems]
    lines += [f"{visible(str(each))}" for each in (*found.notes, *found.others)]
    numbers = Counter(each.status for each in found.outcomes)
    parts = [f"{numbers[status]} {_SAID[status].partition(':')[0]}" for status in _ORDER if numbers[status]]
    tests = [test for each in found.outcomes for test in each.tests]
    summary = (
        f"{counted(len(found.outcomes), 'policy', 'policies')}: {', '.join(parts)}"
        if parts
        else "no policies were found"
    )
    if tests:
        summary += f"; {sum(test.passed for test in tests)} of {len(tests)} tests pass"
    lines += ["", summary]
    if found.written:
        then = f"run their tests: gatewright test --policies {out}"
        if not tests:
            then = f"no tests came with them; try the policies: gatewright check --policies {out} PATH"
        lines.append(f"{len(found.written)} files written; {then}")
    return "\n".join(lines) + "\n"


def json_text(found: Converted) -> str:
    """The report for programs."""
    value: dict[str, Any] = {
        "version": 1,
        "policies": [_policy(each) for each in found.outcomes],
        "problems": [{"file": each.file, "line": each.line, "message": each.message} for each in found.problems],
        "notes": [_note(each) for each in (*found.notes, *found.others)],
        "written": [str(each) for each in found.written],
    }
    return orjson.dumps(encodable(value), option=orjson.OPT_INDENT_2).decode() + "\n"


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

"""Runs `gatewright check -o json` over the cases and compares the lines that it reports with those that are marked."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.lines.corpus import Case
from webhook.cli.commands import app

_OBJECT = re.compile(r'\s*(?:-\s+|\{\s*)?"?(?:kind|apiVersion)"?\s*:')


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the command reported on one case: the line of each finding, and its path as the report has it."""

    case: Case
    found: tuple[int, ...]
    paths: tuple[str | None, ...]
    trouble: str = ""  # what kept the command from checking

    @property
    def hit(self) -> bool:
        """Whether there is one finding for each marked line, and none elsewhere."""
        wanted = sorted(self.case.expected)
        if self.case.others:
            return len(self.found) == 1 and self.found[0] in (*wanted, *self.case.others)
        return sorted(self.found) == wanted

    @property
    def at_the_object(self) -> bool:
        """Whether a finding stands at the first line, `kind:` or `apiVersion:`, and does not belong there."""
        right = (*self.case.expected, *self.case.others)
        astray = [number for number in self.found if number not in right]
        return any(number == 1 or _OBJECT.match(self.case.lines[number - 1]) for number in astray)

    def __str__(self) -> str:
        case = self.case
        wanted = [case.line(number) for number in case.expected]
        wanted += [f"or {case.line(number)}" for number in case.others]
        found = [
            f"{case.line(number)}  ({path or 'no path'})" for number, path in zip(self.found, self.paths, strict=True)
        ]
        lines = [case.name, *(f"  expected  {each}" for each in wanted), *(f"  found     {each}" for each in found)]
        if not found:
            lines.append(f"  found     nothing{': ' + self.trouble if self.trouble else ''}")
        return "\n".join(lines)


def run(case: Case, folder: Path) -> Outcome:
    """The report of the command on the files of one case, which are written into the (empty) folder."""
    policies = folder / "policies"
    policies.mkdir()
    (policies / "policy.yaml").write_text(case.policy, encoding="utf-8")
    if case.beside:
        (policies / "beside.yaml").write_text(case.beside, encoding="utf-8")
    manifest = folder / case.file
    manifest.write_text("\n".join(case.lines) + "\n", encoding="utf-8")
    try:
        result = CliRunner().invoke(
            app, ["check", str(manifest), "--policies", str(policies), "-o", "json", *case.options]
        )
    finally:  # the command is the end of its process, and leaves the collector off
        gc.unfreeze()
        gc.enable()
    try:
        report: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        return Outcome(case, (), (), f"exit code {result.exit_code}: {result.stderr or result.exception!r}")
    findings = report["findings"]
    return Outcome(
        case,
        tuple((finding["rendered"] or finding)["line"] for finding in findings),
        tuple(finding["path"] for finding in findings),
        "; ".join(problem["message"] for problem in report["errors"]),
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """The score, and each miss with what was expected and what was found."""
    misses = [outcome for outcome in outcomes if not outcome.hit]
    hits = len(outcomes) - len(misses)
    astray = sum(outcome.at_the_object for outcome in outcomes)
    families: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        families.setdefault(outcome.case.family, []).append(outcome)
    by_family = (f"{name} {sum(each.hit for each in those)}/{len(those)}" for name, those in families.items())
    return "\n".join(
        [
            *(f"\n{miss}" for miss in misses),
            "",
            f"by family: {', '.join(by_family)}",
            f"{hits} of {len(outcomes)} lines hit ({hits / len(outcomes):.1%}); {astray} astray at line 1 or `kind:`",
        ]
    )

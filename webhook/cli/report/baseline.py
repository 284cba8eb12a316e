"""Baselines: files with findings that are known, so that only new ones fail a run.

A baseline is JSON, with one finding a line in a stable order, so that a diff of it can be read. A fingerprint
identifies a finding; the other fields are for people.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from webhook.cli.report.model import MUTANT, Finding, Report, Suppression
from webhook.cli.report.plain import about
from webhook.visible import encodable, visible

if TYPE_CHECKING:
    from webhook.mutants.running import Mutated

VERSION: Final = 1

MAX_SIZE: Final = 64 << 20
"""Bytes of a file: some 200,000 findings."""


class BaselineError(ValueError):
    """A file that is no baseline, with the reason."""


class Baseline(Struct, frozen=True):
    """The fingerprints of the findings that are known. `name`: the file's, as it was given."""

    name: str
    fingerprints: frozenset[str]

    def divided(self, findings: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
        """The findings that are new, and those that are known, each with its suppression."""
        new: list[Finding] = []
        known: list[Finding] = []
        for each in findings:
            if each.fingerprint in self.fingerprints:
                known.append(replace(each, suppression=Suppression("baseline", self.name)))
            else:
                new.append(each)
        return new, known


def read(file: str) -> Baseline:
    """Read a baseline. Raises BaselineError."""
    try:
        size = os.stat(file).st_size  # noqa: PTH116  # as it was given
        if size > MAX_SIZE:
            raise BaselineError(f"{file}: more than {MAX_SIZE >> 20} MiB")
        value = orjson.loads(Path(file).read_bytes())
    except OSError as error:
        hint = "; --write-baseline writes it" if isinstance(error, FileNotFoundError) else ""
        raise BaselineError(f"{file}: cannot be read: {error.strerror}{hint}") from None
    except orjson.JSONDecodeError as error:
        raise BaselineError(f"{file}: not JSON: {error}; --write-baseline writes it anew") from None
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise BaselineError(f"{file}: expected a baseline of version {VERSION}, found {str(version)[:40]}")
    found = value.get("findings")
    if not isinstance(found, list):
        raise BaselineError(f"{file}: expected a list of findings")
    prints: list[str] = []
    for index, each in enumerate(found):
        fingerprint = each.get("fingerprint") if isinstance(each, dict) else None
        if not isinstance(fingerprint, str):
            raise BaselineError(f"{file}: findings[{index}].fingerprint: expected text")
        prints.append(fingerprint)
    return Baseline(file, frozenset(prints))


def marked(report: Report, known: Iterable[Finding]) -> Report:
    """The report with the cases and mutants marked that known findings are about."""
    of_cases, of_mutants = set[tuple[str, str, str]](), set[tuple[str, str]]()
    for each in known:
        if each.kind == MUTANT:
            of_mutants.add((each.rule, each.anchor))
        else:
            of_cases.add((each.rule, str(each.place), each.anchor))
    cases = [
        replace(each, known=not each.passed and (each.policy, str(each.place), each.name) in of_cases)
        for each in report.cases
    ]
    mutated = None if report.mutated is None else [_marked(each, of_mutants) for each in report.mutated]
    return replace(report, cases=cases, mutated=mutated)


def _marked(mutated: Mutated, known: Collection[tuple[str, str]]) -> Mutated:
    outcomes = [
        replace(each, status="known") if each.status == "survived" and (mutated.name, each.mutant.id) in known else each
        for each in mutated.outcomes
    ]
    return replace(mutated, outcomes=tuple(outcomes), known=(mutated.name, "") in known)


def written(findings: Iterable[Finding]) -> Iterator[str]:
    """The text of a baseline with these findings, in pieces."""
    yield f'{{\n  "version": {VERSION},\n  "findings": ['
    separator = "\n"
    for _, value in sorted(((_order(each), _entry(each)) for each in findings), key=lambda pair: pair[0]):
        yield f"{separator}    {orjson.dumps(encodable(value)).decode()}"
        separator = ",\n"
    yield "\n  ]\n}\n"


def _order(finding: Finding) -> tuple[str, ...]:
    return finding.rule, about(finding), finding.level, finding.fingerprint


def _entry(finding: Finding) -> dict[str, Any]:
    where = about(finding) or visible(finding.place.file)
    return {
        "fingerprint": finding.fingerprint,
        "rule": finding.rule,
        "level": finding.level,
        "about": where,
        "message": finding.message,
    }

"""The report as SARIF 2.1.0, which code scanning of GitHub, Azure DevOps, GitLab and editors read.

Rules are in the tool's driver, with their help; a finding that an exception, a baseline or a comment covers has a
suppression. Problems with inputs are notifications of the invocation, which then was not successful.
Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
Limits: https://docs.github.com/en/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from msgspec.structs import replace

from webhook.cli.report.itself import version
from webhook.cli.report.jsonformat import dumped, identity
from webhook.cli.report.model import SEVERITIES, Finding, Fix, Place, Report, Rule, Severity, Suppression, merged
from webhook.cli.report.plain import lines_of, placed, placed_problems, said, why_suppressed
from webhook.visible import visible

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

MOST_RESULTS: Final = 25_000
"""GitHub refuses a file with more results as a whole, and shows the 5,000 gravest."""

_ROOT: Final = "The folder in which gatewright ran."

FINGERPRINT: Final = "gatewright/v1"
"""The name of the fingerprint; another one if what goes into it changes."""


def text(report: Report) -> Iterator[str]:
    """The report in pieces: a result is written before the next one is made."""
    rules = _rules(report)
    index = {each["id"]: number for number, each in enumerate(rules)}
    results, left = _bounded([each for found in (report.findings, report.suppressed) for _, each in merged(found)])
    driver = {
        "name": "Gatewright",
        "semanticVersion": version(),
        "rules": rules,
    }
    yield f'{{\n"$schema": {dumped(SCHEMA)},\n"version": "2.1.0",\n"runs": [\n{{\n'
    yield f'"tool": {dumped({"driver": driver})},\n'
    yield f'"originalUriBaseIds": {dumped({"%SRCROOT%": {"description": {"text": _ROOT}}})},\n'
    yield f'"automationDetails": {dumped({"id": f"gatewright/{report.command}/"})},\n'
    yield f'"columnKind": "unicodeCodePoints",\n"invocations": [{dumped(_invocation(report, left))}],\n"results": ['
    separator = "\n"
    for each in results:
        yield f"{separator}{dumped(_result(each, index, report))}"
        separator = ",\n"
    yield "\n]\n}\n]\n}\n"


def _bounded(found: Sequence[Finding]) -> tuple[Sequence[Finding], int]:
    """The gravest MOST_RESULTS findings in their order, and how many are left out."""
    if len(found) <= MOST_RESULTS:
        return found, 0
    grave = sorted(
        range(len(found)),
        key=lambda each: (found[each].suppression is not None, SEVERITIES.index(found[each].severity)),
    )
    return [found[each] for each in sorted(grave[:MOST_RESULTS])], len(found) - MOST_RESULTS


def _rules(report: Report) -> list[dict[str, Any]]:
    """All rules, those of findings alone too, with the level of their gravest finding."""
    used = {each.rule: each for found in (report.suppressed, report.findings) for each in found}
    rules = {**report.rules, **{name: Rule(name, each.kind) for name, each in used.items() if name not in report.rules}}
    gravest: dict[str, Severity] = {}
    for each in report.findings:
        gravest[each.rule] = min(each.severity, gravest.get(each.rule, "note"), key=SEVERITIES.index)
    return [_rule(each, gravest.get(each.id, "error")) for each in rules.values()]


def _rule(rule: Rule, level: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": visible(rule.id),
        "shortDescription": {"text": _unlinked(visible(rule.title or rule.id))},
        "defaultConfiguration": {"level": level},
        "properties": {"kind": visible(rule.kind), "tags": ["kubernetes", "policy"]},
    }
    if rule.name:
        made["name"] = visible(rule.name)
    if rule.help:
        made["fullDescription"] = {"text": _unlinked(lines_of(rule.help))}
        made["help"] = {"text": _unlinked(lines_of(rule.help))}
        if rule.kind == "lint":  # its own pages; a policy's description may come with the pull request that is judged
            made["help"]["markdown"] = lines_of(rule.help)
    if rule.url.startswith(("https://", "http://")):
        made["helpUri"] = quote(rule.url, safe="/:#?&=%~+,;@")
    return made


def _invocation(report: Report, left: int) -> dict[str, Any]:
    said_of_inputs: list[dict[str, Any]] = [
        {
            "level": level,
            "message": {"text": _unlinked(message) or "unreadable"},
            "locations": [_location(Place(file, line, column))],
        }
        for level, file, line, column, message in placed_problems(report)
    ]
    notes = [{"level": "note", "message": {"text": _unlinked(visible(note)) or "note"}} for note in report.notes]
    if left:
        text = f"{left:,} results are left out: readers take at most {MOST_RESULTS:,} of a run; -o json has all"
        said_of_inputs.append({"level": "warning", "message": {"text": text}})
    return {
        "executionSuccessful": not report.problems,
        "toolExecutionNotifications": [*said_of_inputs, *notes],
    }


def _result(finding: Finding, index: Mapping[str, int], report: Report) -> dict[str, Any]:
    file, message = placed(report, finding.place, said(finding))
    location = _location(replace(finding.place, file=file))
    if finding.object is not None:
        name = f"{finding.object.namespace}/{finding.object.name}".removeprefix("/")
        whole = f"{finding.object.kind} {name}" + (f": {finding.path}" if finding.path else "")
        location["logicalLocations"] = [
            {"name": visible(name), "kind": "resource", "fullyQualifiedName": visible(whole)}
        ]
    made: dict[str, Any] = {
        "ruleId": visible(finding.rule),
        "ruleIndex": index[visible(finding.rule)],
        "level": finding.severity,
        "message": {"text": _unlinked(message)},
        "locations": [location],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": _properties(finding),
    }
    if finding.rendered is not None:
        made["relatedLocations"] = [
            {
                **_location(replace(finding.rendered, file=placed(report, finding.rendered, "")[0])),
                "id": 1,
                "message": {"text": "where it is in what was rendered"},
            }
        ]
    if finding.suppression is not None:
        made["suppressions"] = [_suppression(finding.suppression)]
    if finding.fix is not None:
        made["fixes"] = [_fix(finding.fix)]
    return made


def _properties(finding: Finding) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "level": finding.level,
        "object": identity(finding.object) if finding.object is not None else None,
        "owner": finding.owner,
        "operation": finding.operation,
        "path": finding.path,
        "policy": finding.policy,
        "binding": finding.binding,
        "change": finding.change,
        "error": finding.error,
        "asides": list(finding.asides),
        "diff": "\n".join(finding.diff),
    }
    return {key: value for key, value in fields.items() if value not in (None, "", False, [])}


def _suppression(covered: Suppression) -> dict[str, Any]:
    kind = "inSource" if covered.kind == "comment" else "external"
    return {"kind": kind, "status": "accepted", "justification": why_suppressed(covered)}


def _fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for each in fix.edits:
        edit = {"deletedRegion": _region(each.place), "insertedContent": {"text": each.text}}
        changes.setdefault(each.place.file, []).append(edit)
    artifacts = [{"artifactLocation": _artifact(file), "replacements": edits} for file, edits in changes.items()]
    return {"description": {"text": _unlinked(visible(fix.description))}, "artifactChanges": artifacts}


def _location(place: Place) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), "region": _region(place)}}


def _region(place: Place) -> dict[str, int]:
    """The region; of a place without a line the first line, as readers demand one."""
    region = {"startLine": place.line or 1}
    if place.line and place.column:
        region["startColumn"] = place.column
        if place.end_column is not None and (place.end_line or place.end_column > place.column):
            region["endColumn"] = place.end_column
    if place.line and place.end_line:
        region["endLine"] = place.end_line
    return region


def _artifact(file: str) -> dict[str, str]:
    """The file as a URI: relative ones to the root of the sources, in which the command ran."""
    name = visible(file)
    if PurePosixPath(name).is_absolute():
        return {"uri": f"file://{quote(name)}"}
    # The first segment of a relative reference has no colon, as REV:FILE and a drive would.
    return {"uri": quote(os.path.normpath(name), safe="/"), "uriBaseId": "%SRCROOT%"}


def _unlinked(message: str) -> str:
    """The text without the form of SARIF's links, [text](target), which no message is trusted with."""
    return message.replace("](", "] (")

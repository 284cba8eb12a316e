"""Findings as the contents of report objects: a few objects a namespace, of bounded size, the gravest results first.

Reports have findings, and those that exceptions cover; objects that pass are left out, so the number and size of
reports depend on the violations and not on the number of objects. A namespace in which nothing is found has no report.

| finding | result |
|---|---|
| under Deny | `fail` |
| under Warn or Audit: it is not enforced | `warn`, not scored |
| a policy that could not be evaluated | `error` |
| covered by an exception | `skip` |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct

from webhook.cli.report.model import LEVELS, Finding, Rule, merged
from webhook.cli.report.plain import lines_of
from webhook.visible import encodable, visible

if TYPE_CHECKING:
    from webhook.cli.report.scores import Scores
    from webhook.offline.requests import Identity

SOURCE: Final = "gatewright"
NAME: Final = "gatewright-audit"
LOG_NAME: Final = "gatewright-audit-log"
"""Of the reports of audit logs, which say what was found in requests and not in what there is."""

MOST_RESULTS: Final = 1000
MOST_BYTES: Final = 768 << 10
"""Of the results of a report. etcd takes 1.5 MiB of an object."""

OBJECTS: Final = 2
"""The report objects of a namespace, at most, and as many without one."""

MANAGED: Final = "app.kubernetes.io/managed-by"
SET: Final = "gatewright.dev/report"
SCORE: Final = "gatewright.dev/score"
LEFT_OUT: Final = "gatewright.dev/results-left-out"
INCOMPLETE: Final = "gatewright.dev/incomplete"
FINGERPRINT: Final = "fingerprint"
"""The property of a result that is the same in every audit: by it the time of the first is kept."""

_LONG: Final = 1024  # characters of a message
_PROPERTY: Final = 256  # characters of a property
_RESULTS: Final = ("fail", "error", "warn", "skip")
_GRAVEST_FIRST: Final = ("critical", "high", "medium", "low", "")

Result = dict[str, Any]


class Content(Struct, frozen=True):
    """The content of a report object. `namespace`: "" for cluster-scoped objects. `results`: without times."""

    namespace: str
    name: str
    results: Sequence[Result]
    summary: Mapping[str, int]
    annotations: Mapping[str, str]


class Bounds(Struct, frozen=True):
    """The most that is written: objects a namespace, results and bytes an object."""

    objects: int = OBJECTS
    results: int = MOST_RESULTS
    size: int = MOST_BYTES


DEFAULT: Final = Bounds()


def contents(
    findings: Iterable[Finding],
    suppressed: Iterable[Finding],
    rules: Mapping[str, Rule],
    *,
    scores: Scores | None = None,
    incomplete: bool = False,
    bounds: Bounds = DEFAULT,
    name: str = NAME,
) -> list[Content]:
    """The reports of findings, by namespace. The findings have fingerprints; those about no object are left out.
    incomplete: whether something could not be read or judged, which each report then states.
    """
    by_namespace: dict[str, list[tuple[tuple[Any, ...], Result]]] = {}
    for each in (*(finding for _, finding in merged(findings)), *(finding for _, finding in merged(suppressed))):
        of = each.object
        if of is not None:
            result = _result(each, of, rules.get(each.rule))
            by_namespace.setdefault(of.namespace, []).append((_order(each, of, result), result))
    values = {} if scores is None else {each.namespace: each for each in scores.namespaces}
    found: list[Content] = []
    for namespace in sorted(by_namespace):
        results = [result for _, result in sorted(by_namespace[namespace], key=lambda pair: pair[0])]
        said = {INCOMPLETE: "true"} if incomplete else {}
        score = values.get(namespace)
        if score is not None and score.value is not None:
            said[SCORE] = f"{score.value:.1f}"
        found += _split(namespace, name, results, said, bounds)
    return found


def _split(
    namespace: str, name: str, results: Sequence[Result], said: Mapping[str, str], bounds: Bounds
) -> Iterator[Content]:
    parts: list[list[Result]] = [[]]
    size = 0
    taken = 0
    for each in results:
        bytes_of = len(orjson.dumps(each))
        if parts[-1] and (len(parts[-1]) >= bounds.results or size + bytes_of > bounds.size):
            if len(parts) == bounds.objects:
                break
            parts.append([])
            size = 0
        parts[-1].append(each)
        size += bytes_of
        taken += 1
    beyond = results[taken:]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        yield Content(
            namespace,
            name if index == 0 else f"{name}-{index + 1}",
            part,
            _summary([*part, *beyond] if last else part),
            {**said, LEFT_OUT: str(len(beyond))} if last and beyond else dict(said),
        )


def _summary(results: Iterable[Result]) -> dict[str, int]:
    counts = {"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": 0}
    for each in results:
        counts[each["result"]] += 1
    return counts


def _result(finding: Finding, of: Identity, rule: Rule | None) -> Result:
    result = outcome(finding)
    kind = of.kind.partition("/")[0]  # without the subresource, which logs name
    subject = {"apiVersion": of.api_version, "kind": kind, "name": of.name, "namespace": of.namespace}
    covered = finding.suppression
    properties = {
        FINGERPRINT: finding.fingerprint,
        "binding": finding.binding,
        "action": finding.action,
        "path": finding.path,
        "owner": finding.owner,
        "reason": finding.reason,
        "request": finding.request,
        "suppressedBy": covered.by if covered is not None else "",
        "until": covered.until if covered is not None else "",
    }
    made: Result = {
        "source": SOURCE,
        "policy": visible(finding.rule),
        "result": result,
        "scored": result in ("fail", "error"),
        "resources": [{key: visible(text) for key, text in subject.items() if text}],
        "message": _cut(lines_of(finding.message.strip()[: 2 * _LONG + 2]), _LONG),  # \r\n becomes one character
        "properties": {
            key: _cut(visible(text[: _PROPERTY + 1]), _PROPERTY) for key, text in properties.items() if text
        },
    }
    if rule is not None and rule.category:
        made["category"] = rule.category
    if rule is not None and rule.severity:
        made["severity"] = rule.severity
    encoded: Result = encodable(made)
    return encoded


def outcome(finding: Finding) -> str:
    """The result that stands for a finding: `fail`, `warn`, `error` or `skip`."""
    if finding.suppression is not None:
        return "skip"
    if finding.error:
        return "error"
    return "fail" if finding.level == "deny" else "warn"


def _order(finding: Finding, of: Identity, result: Result) -> tuple[Any, ...]:
    """The key of the order: the gravest first, then stable while the findings stay the same."""
    return (
        _RESULTS.index(result["result"]),
        _GRAVEST_FIRST.index(result.get("severity", "")),
        LEVELS.index(finding.level),
        of.kind,
        of.name,
        finding.rule,
        finding.binding,
        finding.path,
        finding.fingerprint,
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

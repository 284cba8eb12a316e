"""The report as one page of HTML that needs nothing else: findings by rule, level, namespace and owner, with search,
charts and the line of the file, light and dark.

The findings are data within the page, which its script shows as text and nothing else. A Content-Security-Policy allows
this script and this style, and no request to anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

import orjson
from msgspec.structs import replace

from webhook.cli.report import history, scoreviews
from webhook.cli.report.itself import version
from webhook.cli.report.model import Case, Finding, Report, Rule, merged
from webhook.cli.report.naming import object_name
from webhook.cli.report.plain import lines_of, place_of, problems_of, why_suppressed
from webhook.cli.report.scores import Scores
from webhook.cli.report.style import Style
from webhook.cli.report.text import scope, summary
from webhook.excerpts import Excerpt
from webhook.library.metadata import MOST_SHOWN
from webhook.pages.assets import asset, content_policy
from webhook.visible import encodable, no_commands_in_json, visible

_SCRIPTS: Final = ("findings.js", "trend.js", "tables.js", "report.js")


def text(report: Report) -> Iterator[str]:
    """The page in pieces: a finding is written before the next one is made."""
    style, script = asset("shared.css"), "".join(map(asset, _SCRIPTS))
    policy = content_policy(style, script)
    title = f"gatewright {report.command}"
    said = escape(summary(replace(report, scope={}), Style(False)))
    yield "<!doctype html>\n"
    yield f'<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}: {said}</title>\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
    yield f"<style>{style}</style>\n</head>\n<body>\n"
    yield f'<header><p class="brand">Gatewright <span>{escape(report.command)}</span></p>'
    when = f"{report.at[:16].replace('T', ' ')} UTC" if report.at else ""
    about = ", ".join(filter(None, (scope(report) if report.scope else "", when)))
    looked_at = f"<p>{escape(about)}</p>" if about else ""
    yield f"<h1>{said}</h1>{looked_at}</header>\n"
    yield '<main id="main"><noscript><p>The findings are shown by the script of this page, which is turned off here.'
    yield "</p></noscript></main>\n"
    yield f"<footer>Gatewright {escape(version())}</footer>\n"
    yield '<script type="application/json" id="report">'
    yield from _data(report)
    yield f"</script>\n<script>{script}</script>\n</body>\n</html>\n"


def _data(report: Report) -> Iterator[str]:
    """The findings as JSON, without any sign that ends a script."""
    fixed: dict[str, Any] = {
        "command": report.command,
        "scope": dict(report.scope),
        "rules": rules_of(report.rules.values()),
        "problems": [
            {"level": level, "place": f"{file}:{line}" if line else file, "message": message}
            for level, file, line, _, message in problems_of(report)
        ],
        "notes": [visible(note) for note in report.notes],
        **({"scores": score_rows(report.scores)} if report.scores is not None else {}),
        **({"history": history.values(report.history)} if report.history else {}),
        **({"standing": {**report.standing, "at": report.at}} if report.standing else {}),
        "diffs": [[visible(line) for line in each.lines] for each in report.diffs],
    }
    yield f'{{"report":{_dumped(fixed)},"findings":['
    separator = ""
    for each in _rows(report):
        yield f"{separator}{_dumped(each)}"
        separator = ",\n"
    yield "]}"


def rules_of(rules: Iterable[Rule]) -> dict[str, Any]:
    """The rules that the page describes, by id: policies, and what else findings refer to."""
    return {
        each.id: {
            "title": visible(each.title),
            "name": visible(each.name),
            "kind": visible(each.kind),
            "url": _web(each.url),
            "severity": visible(each.severity),
            "controls": [visible(control) for control in each.controls[:MOST_SHOWN]],
        }
        for each in rules
    }


def score_rows(scores: Scores) -> list[dict[str, Any]]:
    """The scores as rows of a table: the whole first, then the namespaces, the worst first."""
    return [
        {
            "name": visible(name),
            "value": each.value,
            "least": each.threshold.least,
            "demanded": each.threshold.least is not None or bool(each.threshold.vetoes),
            "objects": each.objects,
            "violating": each.violating,
            "errors": each.errors,
            "whys": [visible(why) for why in each.whys()],
        }
        for name, each in scoreviews.named(scores)
    ]


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    for levels, each in merged(report.findings):
        if each.kind != "test":
            yield row(each, list(levels))
    for _, each in merged(report.suppressed):
        if each.kind != "test":
            yield row(each, [each.level])
    for case in report.cases:
        yield _case(case)


def row(finding: Finding, levels: list[Any]) -> dict[str, Any]:
    """The fields of a finding that are not empty, under short names; findings.js says what each is."""
    made: dict[str, Any] = {
        "rule": visible(finding.rule),
        "levels": levels,
        "error": finding.error,
        "place": place_of(finding),
        "file": visible(finding.place.file),
        "message": lines_of(finding.message.strip()),
        "object": object_name(finding.object) if finding.object is not None else "",
        "path": visible(finding.path),
        "namespace": visible(finding.namespace),
        "owner": visible(finding.owner),
        "operation": visible(finding.operation),
        "binding": visible(finding.binding) if finding.binding != finding.policy else "",
        "change": visible(finding.change),
        "excerpt": _excerpt(finding.excerpt) if finding.excerpt is not None else None,
        "asides": [
            *([visible(str(finding.looked_for))] if finding.looked_for is not None else []),
            *([f"rendered: {visible(str(finding.rendered))}"] if finding.rendered is not None else []),
            *map(visible, (*finding.asides, *finding.traceback)),
        ],
        "diff": [visible(line) for line in finding.diff],
        "why": [visible(line) for line in finding.why or _why(finding)],
        "fix": visible(finding.fix.description) if finding.fix is not None else "",
        "suppressed": why_suppressed(finding.suppression) if finding.suppression is not None else "",
    }
    return {key: value for key, value in made.items() if value}


def _why(finding: Finding) -> list[str]:
    """The lines of the explanation, if it is shown."""
    if finding.explained is None:
        return []
    from webhook.cli.report import explaintree  # where it is asked for

    return list(explaintree.why(finding.explained, explaintree.Look(Style(False), explaintree.PIPED_WIDTH)))


def _excerpt(excerpt: Excerpt) -> list[Any]:
    """The line with a sign in place of each character that is not printable, so that columns stay."""
    shown = "".join(each if each == "\t" or visible(each) == each else "\ufffd" for each in excerpt.text)
    return [excerpt.line, shown, excerpt.column, excerpt.end or excerpt.column + 1]


def _case(case: Case) -> dict[str, Any]:
    lines = [
        *case.failures,
        *(f"found: {each}" for each in case.texts),
        *(f"not matched: {each.why}" for each in case.unmatched),
    ]
    made: dict[str, Any] = {
        "rule": visible(case.policy),
        "levels": ["pass" if case.passed else "error"],
        "place": visible(str(case.place)),
        "file": visible(case.place.file),
        "object": visible(case.name),
        "message": lines_of("\n".join(lines)),
        "asides": [visible(line) for line in case.notes],
        "suppressed": "known" if case.known else "",
    }
    return {key: value for key, value in made.items() if value}


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _dumped(value: Any) -> str:
    return no_commands_in_json(orjson.dumps(encodable(value)).decode()).replace("<", "\\u003c")

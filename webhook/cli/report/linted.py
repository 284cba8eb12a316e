"""Alarms of `lint` → findings of the report's model (webhook.cli.report.model)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from webhook.cli.report.itself import SITE
from webhook.cli.report.model import Edit, Finding, Fix, Place, Rule, Suppression
from webhook.excerpts import Excerpt
from webhook.lint.alarms import Alarm
from webhook.lint.table import RULES, page_of
from webhook.offline.requests import Identity

_KIND: Final = "lint"


def finding(alarm: Alarm) -> Finding:
    """The finding of an alarm; one that a comment silences has its suppression."""
    rule = RULES[alarm.rule]
    fix = None
    if alarm.edits:
        edits = (
            Edit(Place(each.file, each.start.line, each.start.column, each.end.line, each.end.column), each.text)
            for each in alarm.edits
        )
        fix = Fix(f"{alarm.remedy} (--fix does)", tuple(edits))
    return Finding(
        rule=alarm.rule,
        level=rule.severity,
        message=alarm.message,
        place=Place(alarm.file, alarm.line, alarm.column, None, alarm.end),
        excerpt=_underlined(alarm),
        path=alarm.path,
        object=Identity("", alarm.kind, "", alarm.name) if alarm.name else None,
        kind=_KIND,
        suppression=None if alarm.reason is None else Suppression("comment", "", "", alarm.reason),
        fix=fix,
    )


def rules() -> Mapping[str, Rule]:
    """All rules, by id."""
    return {
        each.id: Rule(
            each.id,
            _KIND,
            each.title,
            f"{each.title}\n\nRule `{each.name}`, with examples: `{page_of(each.id)}` of Gatewright's documentation.",
            f"{SITE}{page_of(each.id).removesuffix('.md')}",
            name=each.name,
        )
        for each in RULES.values()
    }


def _underlined(alarm: Alarm) -> Excerpt | None:
    """The alarm's excerpt, with all that it is about marked."""
    excerpt = alarm.excerpt
    if excerpt is None or excerpt.end is not None or alarm.end is None or alarm.column is None:
        return excerpt
    return replace(excerpt, end=excerpt.column + alarm.end - alarm.column)  # of a long line it is a part

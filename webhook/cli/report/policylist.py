"""Policies of the library as people and programs read them: a table, JSON, a page of one policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from webhook.cli.report.plain import aligned
from webhook.counts import counted
from webhook.library.catalog import README, Entry
from webhook.policy.written.policykinds import MUTATING
from webhook.visible import no_commands_in_json, visible

_COLUMNS: Final = ("NAME", "SEVERITY", "CATEGORY", "BOUND", "TITLE")


def as_text(entries: Sequence[Entry], states: Mapping[str, str | None]) -> str:
    """A table. states: how the policy tree binds each, as webhook.library.placing.state says."""
    rows = [_COLUMNS]
    for each in entries:
        about, state = each.metadata, states[each.name]
        bound = "" if state is None else state.capitalize() or "no"
        rows.append((each.name, about.severity, about.category, bound, about.title))
    count = counted(len(entries), "policy", "policies")
    in_force = sum(bool(states[each.name]) for each in entries)
    return "\n".join([*map(visible, aligned(rows)), "", f"{count}, {in_force} bound in the policy tree"]) + "\n"


def as_json(entries: Sequence[Entry], states: Mapping[str, str | None]) -> str:
    """A list of objects. `bound`: the action, "" if it is not bound; null if it is not in the policy tree."""
    listed = [_object(each, states[each.name]) for each in entries]
    return no_commands_in_json(json.dumps(listed, indent=2, ensure_ascii=False)) + "\n"


def page(entry: Entry) -> str:
    """The description of a policy, and its README."""
    about = entry.metadata
    bindings = ", ".join(each.capitalize() for each in entry.actions) or "none"
    lines = [
        f"{entry.name}: {about.title}",
        "",
        about.description,
        "",
        f"severity     {about.severity}",
        f"category     {about.category}",
        f"written in   {entry.language}",
        f"bindings     {bindings}",
        *([f"params       {entry.folder / 'params.yaml'}"] if entry.has_params else []),
        *(f"{'controls' if not index else '':13}{control}" for index, control in enumerate(about.controls)),
        "",
        f"Why: {about.rationale}",
        f"What to do: {about.remediation}",
        "",
    ]
    readme = entry.folder / README
    text = readme.read_text(encoding="utf-8", errors="replace") if readme.is_file() else ""
    return "\n".join(map(visible, [*lines, *text.splitlines()])) + "\n"


def _object(entry: Entry, state: str | None) -> dict[str, Any]:
    about = entry.metadata
    return {
        "name": entry.name,
        "title": about.title,
        "description": about.description,
        "category": about.category,
        "severity": about.severity,
        "rationale": about.rationale,
        "remediation": about.remediation,
        "controls": list(map(str, about.controls)),
        "language": entry.language,
        "validates": entry.validating,
        "mutates": MUTATING in entry.kinds,
        "params": entry.has_params,
        "actions": [each.capitalize() for each in entry.actions],
        "bound": state if state is None else state.capitalize(),
    }

"""The figures of `bench` as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from webhook.offline.measured import Change
from webhook.offline.measuring import BUDGET, Figures, Took
from webhook.visible import encodable, no_commands_in_json


def report(figures: Sequence[Figures], changes: Sequence[Change] | None, objects: int, notes: Sequence[str]) -> str:
    """One JSON object, indented. Times are in microseconds, costs in the API server's units."""
    value = {
        "objects": objects,
        "budget": BUDGET,
        "policies": [_policy(each) for each in figures],
        "changes": None if changes is None else [_change(each) for each in changes],
        "notes": list(notes),
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return no_commands_in_json(orjson.dumps(encodable(value), option=options).decode())


def _policy(each: Figures) -> dict[str, Any]:
    policy, dearest = each.policy, each.dearest
    found: dict[str, Any] = {
        "name": policy.name,
        "kind": policy.kind,
        "language": policy.language,
        "evaluations": len(each.took),
        "time": None,
        "cost": None,
    }
    if each.took:
        shares = {"p50": 0.5, "p95": 0.95, "worst": 1.0}
        found["time"] = {**{name: each.micros(share) for name, share in shares.items()}, "at": _place(each.slowest)}
    if dearest is not None:
        found["cost"] = {"worst": dearest.cost, "shareOfBudget": dearest.share, "at": _place(dearest)}
        found["cost"]["total"] = sum(each.costs.values())
    return found


def _place(took: Took) -> dict[str, Any]:
    return {"file": took.place.file, "line": took.place.line, "object": took.place.name}


def _change(each: Change) -> dict[str, Any]:
    return {
        "policy": each.name,
        "kind": each.kind,
        "figure": each.what,
        "before": each.before,
        "after": each.after,
        "objects": each.objects,
        "over": each.over,
    }

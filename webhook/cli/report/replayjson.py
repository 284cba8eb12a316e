"""The report of `replay` as JSON."""

from __future__ import annotations

from typing import Any

import orjson

from webhook.recordings.reading import Found
from webhook.recordings.replaying import Different, Replayed, Verdict
from webhook.visible import encodable, no_commands_in_json


def report(replayed: Replayed) -> str:
    """One JSON object, indented."""
    value = {
        "reviews": replayed.count,
        "differ": len(replayed.different),
        "verdicts": sum(each.turned for each in replayed.different),
        "differences": [_different(each) for each in replayed.different],
        "undecided": [{"file": each.file, "line": each.line, "lookup": each.lookup} for each in replayed.undecided],
        "notSeen": [{"object": name, "reviews": count} for name, count in sorted(replayed.not_seen.items())],
        "problems": [{"file": each.file, "line": each.line, "message": each.message} for each in replayed.problems],
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return no_commands_in_json(orjson.dumps(encodable(value), option=options).decode())


def _different(each: Different) -> dict[str, Any]:
    asked = each.asked
    return {
        "file": each.file,
        "line": each.line,
        "time": each.time,
        "path": each.path,
        "operation": asked.operation,
        "group": asked.group,
        "version": asked.version,
        "resource": asked.resource,
        "subresource": asked.subresource,
        "namespace": asked.namespace,
        "name": asked.name,
        "user": asked.user,
        "old": _verdict(each.old),
        "new": _verdict(each.new),
        "gone": list(map(_found, each.gone)),
        "come": list(map(_found, each.come)),
        "redacted": list(each.redacted),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.word,
        "code": verdict.code,
        "reason": verdict.reason,
        "message": verdict.message,
        "warnings": list(verdict.warnings),
        "auditAnnotations": dict(verdict.annotations),
        "changedBy": list(verdict.changed),
        "patch": list(verdict.patch),
    }


def _found(found: Found) -> dict[str, Any]:
    return {
        "policy": found.policy,
        "binding": found.binding,
        "action": found.action,
        "message": found.message,
        "error": found.error,
    }

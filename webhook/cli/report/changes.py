"""The changes of mutation as a unified diff of the object's YAML. Of Secrets only keys are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from webhook.cli.report.naming import object_name
from webhook.offline.secrets import masked
from webhook.offline.verdicts import Change
from webhook.paths import render
from webhook.visible import visible


def unified(change: Change) -> Iterator[str]:
    """The lines of the diff, without line ends."""
    before, after = masked(change.before, change.after, change.redaction)
    what = object_name(change.identity)
    if change.template:
        what = f"Pod of {what} ({render(change.template)})"
    policies = ", ".join(change.policies)
    lines = difflib.unified_diff(
        yaml_lines(before),
        yaml_lines(after),
        f"{change.file}:{change.line} {what}",
        f"mutated by {policies}",
        lineterm="",
    )
    return (visible(line) for line in lines)


def yaml_lines(value: Any) -> list[str]:
    """The lines of a value as YAML."""
    from webhook.documents.yamlwriting import dumped  # for a diff only

    return dumped(value, wrapped=False).splitlines()

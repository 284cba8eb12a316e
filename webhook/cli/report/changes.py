"""What mutation would change, as a unified diff of the object's YAML. Of Secrets only keys are shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from webhook.cli.report.naming import object_name
from webhook.offline.secrets import masked
from webhook.offline.verdicts import Change
from webhook.paths import render
from webhook.visible import visible

_UNWRAPPED: Final = 2**31 - 1  # characters a line; libyaml takes no more


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


def yaml_text(value: Any) -> str:
    """A value as YAML, without anchors, and without breaks in long lines."""
    import yaml  # for a diff only

    text: str = yaml.dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=_UNWRAPPED)
    return text


def yaml_lines(value: Any) -> list[str]:
    """The lines of `yaml_text`."""
    return yaml_text(value).splitlines()


@cache
def _dumper() -> Any:
    """PyYAML's C dumper, but writing repeated values out: kubectl writes no anchors."""
    import yaml

    class Dumper(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Dumper

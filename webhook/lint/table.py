"""The table of rules: the modules with rules, and all rules by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from webhook.lint import silences
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.rules import (
    bindings,
    constants,
    containers,
    exceptions,
    loading,
    matching,
    messages,
    nullobjects,
    params,
    pythoncode,
    startup,
    upkeep,
    versions,
)
from webhook.lint.subject import Subject

Check = Callable[[Subject], Iterator[Alarm]]

ON_ALL: Final = (loading, exceptions, pythoncode)
"""The modules that also run on a tree that does not load."""

ON_LOADED: Final = (
    matching,
    startup,
    versions,
    nullobjects,
    constants,
    messages,
    containers,
    params,
    bindings,
    upkeep,
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        rule.id: rule
        for rule in sorted(
            (rule for module in (silences, *ON_ALL, *ON_LOADED) for rule in module.RULES), key=lambda each: each.id
        )
    }
)
"""All rules by id, in order."""


def page_of(rule: str) -> str:
    """The path of a rule's page in the documentation."""
    return f"docs/lint/{rule}.md"

"""The changes of a policy object outside of its expressions: its rules, its selectors, its failurePolicy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from webhook.paths import Path

_LISTS: Final = ("operations", "resources", "apiGroups", "apiVersions", "resourceNames")
_OTHER_OPERATION: Final = {"CREATE": "UPDATE", "UPDATE": "CREATE", "DELETE": "CREATE", "CONNECT": "CREATE"}
_MATCH: Final = ("spec", "matchConstraints")


class Removed:
    """In place of a value: the field or item is removed."""


REMOVED: Final = Removed()


class Change(Struct, frozen=True):
    """A change of a document: the value at `path` becomes `value`, or is removed. `before`, `after`: for people."""

    path: Path
    value: Any
    change: str
    before: str
    after: str

    def applied(self, document: Any) -> Any:
        """The changed document. What does not change is shared with it."""
        return _changed(document, self.path, self.value)


def _changed(holder: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    step, rest = path[0], path[1:]
    made: Any = dict(holder) if isinstance(holder, dict) else list(holder)
    if not rest and value is REMOVED:
        del made[step]
    else:
        made[step] = _changed(made.get(step) if isinstance(made, dict) else made[step], rest, value)
    return made


def changes(document: Mapping[str, Any]) -> Iterator[Change]:
    """The changes of a policy object. An entry is removed where others are left, so that the rule stays a rule; the one
    operation of a rule is exchanged. Documents are as the loader accepts them."""
    spec = document["spec"]
    match = spec.get("matchConstraints") or {}
    for field in ("resourceRules", "excludeResourceRules"):
        rules = match.get(field) or []
        for index, rule in enumerate(rules):
            at = (*_MATCH, field, index)
            yield from _of_rule(rule, at)
            if len(rules) > 1 or field == "excludeResourceRules":
                what = ", ".join(rule.get("resources") or [])
                yield Change(at, REMOVED, "rule", f"{field}[{index}] ({what})", "")
    for field in ("namespaceSelector", "objectSelector"):
        if match.get(field):
            yield Change((*_MATCH, field), REMOVED, "selector", field, "")
    failure_policy = spec.get("failurePolicy") or "Fail"
    other = "Ignore" if failure_policy == "Fail" else "Fail"
    yield Change(("spec", "failurePolicy"), other, "failurePolicy", failure_policy, other)


def _of_rule(rule: Mapping[str, Any], at: Path) -> Iterator[Change]:
    for field in _LISTS:
        items = rule.get(field) or []
        if len(items) > 1:
            for index, item in enumerate(items):
                yield Change((*at, field, index), REMOVED, field, str(item) or '""', "")
    operations = rule.get("operations") or []
    if len(operations) == 1 and operations[0] in _OTHER_OPERATION:
        other = _OTHER_OPERATION[operations[0]]
        yield Change((*at, "operations", 0), other, "operations", operations[0], other)
    if (rule.get("scope") or "*") != "*":
        yield Change((*at, "scope"), "*", "scope", rule["scope"], "*")

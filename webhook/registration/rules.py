"""Atoms → the fewest webhook rules that match the same requests, and the same rules as a CEL expression."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from webhook.policy.matching import Scope
from webhook.policy.request import OPERATIONS
from webhook.registration.atoms import ANY, Atom


class WebhookRule(Struct, frozen=True):
    """A rule of a webhook; each list is sorted."""

    groups: tuple[str, ...]
    versions: tuple[str, ...]
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    scope: Scope

    @property
    def has_wildcard(self) -> bool:
        """Whether it matches all groups, or all resources of one."""
        return ANY in self.groups or any(text.startswith(ANY) for text in self.resources)

    def value(self) -> dict[str, Any]:
        """The rule as JSON. The default scope is left out."""
        value: dict[str, Any] = {
            "apiGroups": list(self.groups),
            "apiVersions": list(self.versions),
            "operations": list(self.operations),
            "resources": list(self.resources),
        }
        return value if self.scope == ANY else {**value, "scope": self.scope}


class _Part(NamedTuple):
    """A rule under construction: an atom whose fields have become sets."""

    groups: frozenset[str]
    versions: frozenset[str]
    operations: frozenset[str]
    resources: frozenset[str]
    scope: Scope


def merged(atoms: Iterable[Atom]) -> tuple[WebhookRule, ...]:
    """The rules that match what the atoms match. Their order does not depend on the order of the atoms.

    Parts that differ only in the operation are joined first, then those that differ only in the resource, the version,
    and the group.
    """
    parts = {
        _Part(
            frozenset((atom.group,)),
            frozenset((atom.version,)),
            frozenset((atom.operation,)),
            frozenset((f"{atom.resource}/{atom.subresource}" if atom.subresource else atom.resource,)),
            atom.scope,
        )
        for atom in pruned(atoms)
    }
    parts = _joined(parts, "operations", lambda part: (part.groups, part.versions, part.resources, part.scope))
    parts = _joined(parts, "resources", lambda part: (part.groups, part.versions, part.operations, part.scope))
    parts = _joined(parts, "versions", lambda part: (part.groups, part.operations, part.resources, part.scope))
    parts = _joined(parts, "groups", lambda part: (part.versions, part.operations, part.resources, part.scope))
    rules = (
        WebhookRule(
            _listed(part.groups),
            _listed(part.versions),
            _operations(part.operations),
            _listed(part.resources),
            part.scope,
        )
        for part in parts
    )
    return tuple(
        sorted(rules, key=lambda rule: (rule.groups, rule.versions, rule.resources, rule.operations, rule.scope))
    )


def pruned(atoms: Iterable[Atom]) -> frozenset[Atom]:
    """The atoms that no other atom covers."""
    every = frozenset(atoms)
    return frozenset(atom for atom in every if not any(other != atom and other.covers(atom) for other in every))


def _joined(parts: set[_Part], field: str, key: Callable[[_Part], Hashable]) -> set[_Part]:
    found: dict[Hashable, _Part] = {}
    for part in parts:
        same = found.get(key(part))
        found[key(part)] = (
            part if same is None else part._replace(**{field: getattr(part, field) | getattr(same, field)})
        )
    return set(found.values())


def _listed(items: frozenset[str]) -> tuple[str, ...]:
    return (ANY,) if ANY in items and not any("/" in item for item in items) else tuple(sorted(items))


def _operations(operations: frozenset[str]) -> tuple[str, ...]:
    if len(operations) == len(OPERATIONS):
        return (ANY,)
    return tuple(operation for operation in OPERATIONS if operation in operations)


# In CEL


def in_cel(rules: Iterable[WebhookRule], operations: frozenset[str]) -> str:
    """A CEL expression for matchConditions of a webhook: whether the unconverted request matches one of the rules.

    `operations`: those of the webhook's own rules. The expression does not test for others.
    """
    return " || ".join(f"({_rule(rule, operations)})" for rule in rules)


def _rule(rule: WebhookRule, operations: frozenset[str]) -> str:
    tests = []
    if rule.operations != (ANY,) and not operations <= set(rule.operations):
        tests.append(_one_of("request.operation", rule.operations))
    if rule.groups != (ANY,):
        tests.append(_one_of("request.resource.group", rule.groups))
    if rule.versions != (ANY,):
        tests.append(_one_of("request.resource.version", rule.versions))
    resources = _resources(rule.resources)
    if resources:
        tests.append(resources)
    if rule.scope != ANY:
        # A request for a Namespace is cluster-scoped, but its `namespace` is the Namespace's own name.
        namespaced = "(has(request.namespace) && request.resource.resource != 'namespaces')"
        tests.append(namespaced if rule.scope == "Namespaced" else f"!{namespaced}")
    return " && ".join(tests) or "true"


def _resources(resources: Sequence[str]) -> str:
    if "*/*" in resources:
        return ""
    tests = []
    plain = [text for text in resources if "*" not in text]
    if plain and not any("/" in text for text in plain):
        tests.append(f"!has(request.subResource) && {_one_of('request.resource.resource', plain)}")
    elif plain:
        name = "(request.resource.resource + (has(request.subResource) ? '/' + request.subResource : ''))"
        tests.append(_one_of(name, plain))
    for text in resources:
        resource, slash, subresource = text.partition("/")
        if text == ANY:
            tests.append("!has(request.subResource)")
        elif resource == ANY:
            tests.append(f"has(request.subResource) && request.subResource == {_text(subresource)}")
        elif slash and subresource == ANY:
            tests.append(f"request.resource.resource == {_text(resource)}")
    return tests[0] if len(tests) == 1 else "(" + " || ".join(f"({test})" for test in tests) + ")"


def _one_of(what: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{what} == {_text(values[0])}"
    return f"{what} in [{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """The text as a CEL literal: resources and groups in a policy may be any text."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + "'"

"""Finds the policies that are the same in two trees, so that their verdicts on an object are the same, too.

A verdict of a policy depends on how the policy is written (of one in Python, on its whole file), on its bindings and
exceptions, on the objects that it looks up, on the kinds that are defined, and on the object, which mutating policies
have changed before. Only what is equal in all of this is the same; what is compared is written text, not its meaning,
so two spellings of one policy count as different, which costs time and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from webhook.documents import reader
from webhook.impact.trees import Side
from webhook.policy import conditions
from webhook.policy.load.treefiles import Tree
from webhook.policy.needed import lookups_of
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.written import policykinds
from webhook.policy.written.policykinds import MUTATING, VALIDATING

Key = tuple[str, str]
"""The kind and the name of a policy."""

Part = Literal["added", "removed", "policy", "bindings", "exceptions", "objects", "kinds"]
"""What of a policy differs. "objects": those that it looks up, such as params; "kinds": CustomResourceDefinitions, or
objects that the API server itself looks up, on which everything may depend."""

_LOOKED_UP_BY_POLICIES_ONLY: Final = frozenset({("v1", "ConfigMap"), ("v1", "Secret")})


class Comparison(Struct, frozen=True):
    """What differs between two trees.

    `policies`: the policies that differ, each with what of them differs. `apart`: requests and views are not the same
    on both sides, so that nothing is. `secrets`: a policy reads Secrets: what it has read is hidden in the messages of
    all others, so that all are evaluated.
    """

    policies: Mapping[Key, tuple[Part, ...]]
    apart: bool = False
    secrets: bool = False

    def evaluated(self, policy: Policy[Any]) -> bool:
        """Whether the policy has to be evaluated on both sides."""
        return self.apart or self.secrets or (policy.kind, policy.name) in self.policies


def compared(old: Side, new: Side) -> Comparison:
    """Compare two trees that are loaded for the same version of Kubernetes."""
    were, are = _Written(old), _Written(new)
    objects = _differing(old.policies.objects, new.policies.objects)
    apart = old.policies.target != new.policies.target or any(not _is_only_looked_up(each) for each in objects)
    found: dict[Key, tuple[Part, ...]] = {}
    before, now = _by_key(old.policies), _by_key(new.policies)
    for key in sorted({*before, *now}):
        if key not in before or key not in now:
            found[key] = ("removed",) if key in before else ("added",)
            continue
        parts: list[Part] = []
        if were.policy(before[key]) != are.policy(now[key]) or old.tree.imports != new.tree.imports:
            parts.append("policy")
        if were.bindings.get(key) != are.bindings.get(key):
            parts.append("bindings")
        if were.exceptions.get(key[1]) != are.exceptions.get(key[1]):
            parts.append("exceptions")
        if _looks_up(before[key], objects) or _looks_up(now[key], objects):
            parts.append("objects")
        if parts:
            found[key] = tuple(parts)
    return Comparison(found, apart, old.policies.reads_secrets or new.policies.reads_secrets)


class _Written:
    """The texts of a tree. A text is bytes that are equal only for what is written equally."""

    def __init__(self, side: Side) -> None:
        self._policies: dict[Key, bytes] = {}
        self._files: dict[str, bytes] = {}
        self.bindings: dict[Key, list[bytes]] = {}
        self.exceptions: dict[str, list[bytes]] = {}
        for value in _values(side.tree, self._files):
            self._add(value)
        for found in (*self.bindings.values(), *self.exceptions.values()):
            found.sort()

    def policy(self, policy: Policy[Any]) -> bytes:
        """The text of a policy: its object, or its whole Python file."""
        if policy.language == "python":
            return self._files[policy.file]
        return self._policies[policy.kind, policy.name]

    def _add(self, value: dict[str, Any]) -> None:
        kind, metadata, spec = value["kind"], value.get("metadata") or {}, value.get("spec") or {}
        name = metadata.get("name") or ""
        if kind in (VALIDATING, MUTATING):
            self._policies[kind, name] = _text([value["apiVersion"], spec])
        elif kind in (f"{VALIDATING}Binding", f"{MUTATING}Binding"):
            key = (kind.removesuffix("Binding"), spec.get("policyName") or "")
            conditioned = (metadata.get("annotations") or {}).get(conditions.ANNOTATION)
            self.bindings.setdefault(key, []).append(_text([value["apiVersion"], name, spec, conditioned]))
        elif kind == policykinds.EXCEPTION and policykinds.is_own(value["apiVersion"]):
            for each in spec.get("policies") or ():
                self.exceptions.setdefault(each.get("name") or "", []).append(_text([name, spec]))


def _values(tree: Tree, python: dict[str, bytes]) -> Iterable[dict[str, Any]]:
    """The objects of a tree. Adds the Python files, by name."""
    for file in tree.files:
        if file.name.endswith(".py"):
            python[file.name] = file.content
            continue
        documents, _ = reader.objects(reader.parse(file.content, file.name)[0])
        yield from (document.value for document in documents)


def _by_key(policies: PolicySet) -> dict[Key, Policy[Any]]:
    return {(policy.kind, policy.name): policy for policy in policies.policies}


_Object = tuple[str, str, str]
"""apiVersion, kind and name."""


def _differing(old: Iterable[dict[str, Any]], new: Iterable[dict[str, Any]]) -> frozenset[_Object]:
    """The objects that only one side has, or that differ."""
    sides: list[dict[tuple[_Object, str], bytes]] = []
    for values in (old, new):
        found: dict[tuple[_Object, str], bytes] = {}
        for value in values:
            metadata = value.get("metadata") or {}
            name = (value["apiVersion"], value["kind"], metadata.get("name") or "")
            key = (name, metadata.get("namespace") or "")
            found[key] = found.get(key, b"") + _text(value)
        sides.append(found)
    return frozenset(key[0] for key in {*sides[0], *sides[1]} if sides[0].get(key) != sides[1].get(key))


def _is_only_looked_up(each: _Object) -> bool:
    """Whether an object can matter only to policies that look it up: it is a ConfigMap, a Secret or a custom one."""
    api_version, kind, _ = each
    group = api_version.rpartition("/")[0]
    custom = "." in group and not group.endswith(".k8s.io")
    return (api_version, kind) in _LOOKED_UP_BY_POLICIES_ONLY or (custom and kind != "CustomResourceDefinition")


def _looks_up(policy: Policy[Any], objects: frozenset[_Object]) -> bool:
    """Whether a policy may look up one of the objects, in whatever namespace."""
    targets = lookups_of(PolicySet([policy])).targets if objects else ()
    return any(
        (target.api_version, target.kind) == (api_version, kind) and target.name in ("", name)
        for target in targets
        for api_version, kind, name in objects
    )


def _text(value: Any) -> bytes:
    """Equal only for equal values, with keys in the same order."""
    return json.dumps(value).encode()  # which writes every number as it is, also those that orjson refuses

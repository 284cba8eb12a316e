"""GW303: bindings without effect. GW304: policies without a binding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Subject, key_of
from webhook.paths import Path, lookup
from webhook.registration.atoms import asked

IDLE: Final = "GW303"
UNBOUND: Final = "GW304"

RULES: Final = (
    Rule(IDLE, "binding-without-effect", "warning", "a binding, or a part of it, has no effect"),
    Rule(UNBOUND, "unbound-policy", "note", "a policy has no binding, so it never runs"),
)

_PARAMS: Final[Path] = ("spec", "paramRef")


def check(subject: Subject) -> Iterator[Alarm]:
    for policy in subject.policies.policies:
        if not policy.bindings and not subject.tree.waits(policy.file):
            message = f"{policy.kind} '{policy.name}' has no binding, so it never runs"
            yield subject.of_policy(UNBOUND, policy, ("metadata", "name"), message)
        seen: dict[bytes, str] = {}
        matching = {id(unit.binding) for unit in asked((policy,))}
        for binding in policy.bindings:
            document = subject.document(binding)
            if document is None:
                continue
            name = key_of(document)[1]
            if id(binding) not in matching:
                message = (
                    f"the binding matches nothing: no request meets both its rules and those of '{policy.name}', or "
                    "the API server asks nobody about them"
                )
                yield subject.alarm(IDLE, document, ("spec", "matchResources"), message)
            if binding.param_ref is not None and policy.param_kind is None:
                message = f"paramRef is ignored: '{policy.name}' has no paramKind"
                yield subject.alarm(IDLE, document, _PARAMS, message)
            what = _content(document.value)
            if what in seen:
                message = f"the binding repeats what '{seen[what]}' says"
                yield subject.alarm(IDLE, document, ("metadata", "name"), message)
            seen.setdefault(what, name)


def _content(value: Any) -> bytes:
    """The content of a binding, without its name."""
    annotations = lookup(value, ("metadata", "annotations"))
    return orjson.dumps([value.get("spec"), annotations], option=orjson.OPT_SORT_KEYS)

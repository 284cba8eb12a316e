"""Policies and exceptions as JSON values: for /policies, and with what policies say of themselves for pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from webhook.library.metadata import CATEGORY, CONTROLS, SEVERITY, TITLE, controls_of
from webhook.policy.policyset import Policy, PolicySet
from webhook.visible import visible

MOST: Final = 1000
"""Policies, and exceptions, that a page lists."""

_MAX_TEXT = 500
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def listing(
    policies: PolicySet,
    isolated: Mapping[str, dict[str, Any]] = _NOTHING,
    not_sent: Mapping[str, str] = _NOTHING,
) -> dict[str, Any]:
    """The body of /policies. It includes policies without a binding, which never run.

    isolated: the state of Python policies, by kind and name; see Isolation.listing. not_sent: see State.
    """
    return {
        "revision": policies.revision,
        "policies": [
            {
                "name": policy.name,
                "kind": policy.kind,
                "language": policy.language,
                "description": policy.description,
                "failurePolicy": policy.failure_policy,
                "file": policy.file,
                "line": policy.line,
                "isolation": isolated.get(f"{policy.kind}/{policy.name}"),
                "notSent": not_sent.get(f"{policy.kind}/{policy.name}"),
                "bindings": [
                    {"name": bound.name, "actions": list(bound.actions), "file": bound.file, "line": bound.line}
                    for bound in policy.bindings
                ],
            }
            for policy in policies.policies
        ],
        "exceptions": [
            {
                "name": exception.name,
                "policies": sorted(
                    {
                        policy.name
                        for policy in policies.policies
                        if any(exempt.exception is exception for exempt in policy.exceptions)
                    }
                ),
                "expires": exception.until,
                "inForce": time.time() < exception.expires,
                "reason": exception.reason,
                "approvedBy": exception.approved_by,
                "file": exception.file,
                "line": exception.line,
            }
            for exception in policies.exceptions
        ],
    }


def described(
    policies: PolicySet,
    listed: dict[str, Any],
    counted: Callable[[str, str, str], Mapping[str, int]],
    used: Mapping[str, float],
) -> dict[str, Any]:
    """What `listing` made, as pages show it: at most MOST of each, with `notShown`, and texts cut.

    counted: (kind, policy, binding) -> what was counted there, by name. used: how often each exception covered
    something.
    """
    about: Mapping[tuple[str, str], Policy[Any]] = {(each.kind, each.name): each for each in policies.policies}
    shown = []
    for each in listed["policies"][:MOST]:
        said = dict(about[each["kind"], each["name"]].annotations)
        for binding in each["bindings"]:
            binding["counted"] = dict(counted(each["kind"], each["name"], binding["name"]))
        each["title"] = said.get(TITLE, "")
        each["severity"] = said.get(SEVERITY, "")
        each["category"] = said.get(CATEGORY, "")
        each["controls"] = [str(control) for control in controls_of(said.get(CONTROLS, ""))]
        shown.append(each)
    excepted = listed["exceptions"][:MOST]
    for each in excepted:
        each["used"] = int(used.get(each["name"], 0))
    return {
        "policies": bounded(shown),
        "exceptions": bounded(excepted),
        "notShown": max(0, len(listed["policies"]) - MOST) + max(0, len(listed["exceptions"]) - MOST),
    }


def bounded(value: Any) -> Any:
    """A JSON value whose texts are cut, and have no control characters."""
    if isinstance(value, str):
        return visible(value[:_MAX_TEXT]) + ("…" if len(value) > _MAX_TEXT else "")
    if isinstance(value, dict):
        return {key: bounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [bounded(each) for each in value]
    return value

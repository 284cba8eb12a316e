"""The values of a Kyverno test: fields of requests that it sets by resource, rule and policy, or for all requests.

Keys are paths with dots (`request.operation`), or maps in each other. Source: the documentation of Kyverno's command.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, field

from webhook.convert.foreigntests.expected import Expected
from webhook.convert.model import JSONObject

Key = tuple[str, ...]

_WITH_OLD: Final = ("UPDATE", "DELETE")
_USER: Final = ("username", "groups", "uid")
_IGNORED: Final = {("request", "mode"), ("request", "name"), ("request", "uid"), ("request", "dryRun")}
"""Values that every request has anyway, or that no policy can read."""


class Values(Struct):
    """The values of a test, and its user. own: (policy, rule, resource) -> values, with "" for any of the three."""

    own: dict[tuple[str, str, str], dict[Key, Any]] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    user: JSONObject = field(default_factory=dict)
    subresources: bool = False

    def read(self, spec: object) -> None:
        """Add the values of a file, or of the test itself."""
        given = _map(spec)
        self._add("", "", "", given.get("globalValues"))
        for each in _maps(given.get("namespaceSelector") or given.get("namespaceSelectors")):
            self.namespaces[str(each.get("name"))] = dict(_map(each.get("labels")))
        self.subresources = self.subresources or bool(given.get("subresources"))
        for policy in _maps(given.get("policies")):
            name = str(policy.get("name")).rpartition("/")[2]
            for each in _maps(policy.get("resources")):
                self._add(name, "", str(each.get("name")), each.get("values"))
            for rule in _maps(policy.get("rules")):
                self._add(name, str(rule.get("name")), "", rule.get("values"))
                self._add(name, str(rule.get("name")), "", rule.get("foreachValues"))
                for each in _maps(rule.get("resources")):
                    self._add(name, str(rule.get("name")), str(each.get("name")), each.get("values"))

    def read_user(self, value: JSONObject) -> None:
        """Take the user of a file, which Kyverno documents in two forms."""
        info = _map(value.get("userInfo")) or _map(value.get("requestInfo"))
        self.user = _map(info.get("userInfo")) or info

    def _add(self, policy: str, rule: str, resource: str, values: object) -> None:
        self.own.setdefault((policy, rule, resource), {}).update(_flat(_map(values)))

    def of(self, policy: str, rule: str, resource: str) -> dict[Key, Any]:
        """The values for a rule and a resource. More specific values override less specific ones."""
        found: dict[Key, Any] = {}
        for key in (("", "", ""), (policy, rule, ""), (policy, "", resource), (policy, rule, resource)):
            found |= self.own.get(key, {})
        return found

    def set(self, one: Expected, policy: str, rule: str, resource: str) -> None:
        """Set the request of an expectation. A value that has no place in a request is a reason not to run it."""
        given = self.of(policy, rule, resource)
        for key in _IGNORED:
            given.pop(key, None)
        operation = str(given.pop(("request", "operation"), ""))
        changed = _changed(one.object, given, "object")
        if operation:
            one.operation = operation
        one.old = _changed(one.object, given, "oldObject") if operation in _WITH_OLD else None
        one.object = None if operation == "DELETE" else changed
        user = {key: value for key, value in self.user.items() if key in _USER}
        user |= {key: given.pop(("request", "userInfo", key)) for key in _USER if ("request", "userInfo", key) in given}
        if account := given.pop(("serviceAccountName",), ""):
            space = given.pop(("serviceAccountNamespace",), "default")
            user["username"] = f"system:serviceaccount:{space}:{account}"
        one.user = user
        metadata = (one.object or one.old or {}).get("metadata") or {}
        space = str(metadata.get("namespace") or "default")
        if given.get(("request", "namespace")) == space:
            del given["request", "namespace"]
        one.namespace_labels = self.namespaces.get(space, {})
        data = {key[2]: str(given.pop(key)) for key in list(given) if len(key) == 3 and key[1] == "data"}
        if data:
            one.params = {"data": data}
        if given:
            one.unrun = f"the test sets {'.'.join(sorted(given)[0])[:120]}, which has no place in a request"
        elif self.subresources and (one.object or one.old or {}).get("kind") == "Scale":
            one.unrun = "the object of a subresource"


def _changed(value: JSONObject | None, given: dict[Key, Any], name: str) -> JSONObject | None:
    """The object with the fields that the values set. These are removed from the values."""
    keys = [key for key in given if key[:2] == ("request", name) and len(key) > 2]
    if value is None or not keys:
        return value
    changed = copy.deepcopy(value)
    for key in keys:
        within: Any = changed
        for part in key[2:-1]:
            within = within.setdefault(part, {}) if isinstance(within, dict) else None
        if isinstance(within, dict):
            within[key[-1]] = given.pop(key)
    return changed


def _flat(values: JSONObject, within: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Each value with its path: a key has dots at the top, and is one name within."""
    for key, value in values.items():
        path = (*within, key) if within else tuple(str(key).split("."))
        if isinstance(value, dict) and value and len(path) < 20:
            yield from _flat(value, path)
        else:
            yield path, value


def _map(value: object) -> JSONObject:
    return value if isinstance(value, dict) else {}


def _maps(value: object) -> list[JSONObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

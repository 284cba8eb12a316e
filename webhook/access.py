"""Access checks: may a user do something? CEL's `authorizer` and Python policies ask, a ClusterView answers.

The attributes are those of Kubernetes' SubjectAccessReview (k8s.io/api/authorization/v1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Access(NamedTuple):
    """An access check: a user, a verb, and either an HTTP `path` or a resource.

    The core group is "". Empty `namespace` and `name` stand for all. The selectors are the policy's text, unparsed.
    `extra`: (key, values).
    """

    user: str
    verb: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""

    def __str__(self) -> str:
        """For messages: user 'ann', verb 'get', resource 'pods', namespace 'shop'."""
        if self.path:
            return f"user '{self.user}', verb '{self.verb}', path '{self.path}'"
        resource = f"{self.group}/{self.resource}" if self.group else self.resource
        text = f"user '{self.user}', verb '{self.verb}', resource '{resource}'"
        for word, value in (
            ("subresource", self.subresource),
            ("namespace", self.namespace),
            ("name", self.name),
            ("fieldSelector", self.field_selector),
            ("labelSelector", self.label_selector),
        ):
            if value:
                text += f", {word} '{value}'"
        return text


class AccessDecision(NamedTuple):
    """The result of an access check: true if access is allowed.

    `error`: an error of the authorizer, which may have allowed access nevertheless.
    """

    allowed: bool
    reason: str = ""
    error: str = ""

    def __bool__(self) -> bool:
        return self.allowed


class AccessUnknown(LookupError):
    """The access check cannot be answered. str(error) names the check, and how to provide an answer."""


class AccessRule(NamedTuple):
    """A declared decision. A field that is None matches anything; the user must have all `groups`."""

    decision: AccessDecision
    user: str | None = None
    groups: frozenset[str] = frozenset()
    verb: str | None = None
    path: str | None = None
    group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None

    def covers(self, access: Access) -> bool:
        """Whether the rule applies to the access check."""
        return self.groups.issubset(access.groups) and all(
            wanted is None or wanted == asked
            for wanted, asked in (
                (self.user, access.user),
                (self.verb, access.verb),
                (self.path, access.path),
                (self.group, access.group),
                (self.resource, access.resource),
                (self.subresource, access.subresource),
                (self.namespace, access.namespace),
                (self.name, access.name),
            )
        )


def declared(access: Access, rules: Iterable[AccessRule]) -> AccessDecision:
    """The decision of the first rule that covers the access check. Raises AccessUnknown if none does."""
    for rule in rules:
        if rule.covers(access):
            return rule.decision
    raise AccessUnknown(
        f"no answer is declared for the authorizer: {access}; declare one in `authorizations` "
        "(of the case of a PolicyTest, or of the file of check --authorizations)"
    )


Authorize = Callable[[Access], AccessDecision]
"""Answers an access check. Raises AccessUnknown."""

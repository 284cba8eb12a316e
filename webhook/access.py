"""Questions about access: may this user do that? What CEL's authorizer asks, and whoever knows the cluster answers.

The attributes are those of Kubernetes' SubjectAccessReview (k8s.io/api/authorization/v1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Access(NamedTuple):
    """Who would do what. With a `path` it is about that HTTP path, else about a resource.

    The core group is the empty string. Empty `namespace` and `name` stand for all of them. The selectors are as the
    policy wrote them, unparsed. `extra` has (key, values).
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
        """As a person asks: user 'ann', verb 'get', resource 'pods' in namespace 'shop'."""
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
    """The answer: true if access is allowed.

    `error`: what went wrong while deciding, which need not mean that access is refused.
    """

    allowed: bool
    reason: str = ""
    error: str = ""

    def __bool__(self) -> bool:
        return self.allowed


class AccessUnknown(LookupError):
    """Nobody here can tell. str(error) says what was asked and how an answer is given."""


@dataclass(frozen=True, slots=True)
class AccessRule:
    """A declared answer. A field that is None covers anything; `groups` must all be among the user's."""

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
        """Whether the rule answers the question."""
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
    """The decision of the first rule that covers the question. Raises AccessUnknown if none does."""
    for rule in rules:
        if rule.covers(access):
            return rule.decision
    raise AccessUnknown(
        f"no answer is declared for the authorizer: {access}; declare one in `authorizations` "
        "(of the case of a PolicyTest, or of the file of check --authorizations)"
    )


Authorize = Callable[[Access], AccessDecision]
"""Answers a question. Raises AccessUnknown."""

"""Declared answers to the authorizer, for dry runs and policy tests: nobody there knows what a user may do.

    authorizations:
    - user: ann
      verb: use
      resource: widgets
      allowed: true
    - allowed: false

The first that covers a question answers it. What an entry does not name, it covers: the last one above answers
everything else. A question that none covers is an evaluation error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webhook.access import AccessDecision, AccessRule
from webhook.documents import reader
from webhook.documents.reader import Problem
from webhook.paths import Path, render
from webhook.policy.written import model


class Authorization(model.Model):
    """One declared answer.

    `user`: the username, of a service account `system:serviceaccount:NAMESPACE:NAME`. `groups`: all of them are the
    user's. `group`: the API group, "" for the core group. `path`: of a check of an HTTP path. `allowed` must be given;
    `reason` and `error` are what the functions of these names return.
    """

    user: str | None = None
    groups: list[str] = []
    verb: str | None = None
    path: str | None = None
    group: str | None = None
    resource: str | None = None
    subresource: str | None = None
    namespace: str | None = None
    name: str | None = None
    allowed: bool | None = None
    reason: str = ""
    error: str = ""


class _File(model.Model):
    authorizations: list[Authorization] = []


def faults(authorizations: Iterable[Authorization], at: Path) -> Iterator[model.Fault]:
    """What is wrong with a list of them, which stands at a place."""
    for index, each in enumerate(authorizations):
        path = (*at, index)
        if each.allowed is None:
            yield (*path, "allowed"), "expected true or false"
        if each.path is not None and (each.group, each.resource, each.subresource) != (None, None, None):
            yield (*path, "path"), "a check is of a path or of a resource, not of both"
        if each.resource is not None and "/" in each.resource:
            yield (*path, "resource"), f"expected a plural such as pods, found '{each.resource}'; give subresource too"


def rules(authorizations: Iterable[Authorization]) -> tuple[AccessRule, ...]:
    """The rules that they declare."""
    return tuple(
        AccessRule(
            AccessDecision(each.allowed is True, each.reason, each.error),
            user=each.user,
            groups=frozenset(each.groups),
            verb=each.verb,
            path=each.path,
            group=each.group,
            resource=each.resource,
            subresource=each.subresource,
            namespace=each.namespace,
            name=each.name,
        )
        for each in authorizations
    )


def read(file: str) -> tuple[tuple[AccessRule, ...], list[Problem]]:
    """The rules of a YAML or JSON file with the one key `authorizations`, and what is wrong with it."""
    found, problems = reader.read([file])
    if problems:
        return (), problems
    if len(found) != 1 or not isinstance(found[0].value, dict):
        return (), [Problem(file, None, None, "expected one mapping with the key authorizations")]
    (document,) = found
    decoded, wrong = model.decode(_File, document.value)
    wrong = [*wrong, *([] if wrong else faults(decoded.authorizations, ("authorizations",)))]
    if not wrong and not decoded.authorizations:
        wrong = [((), "expected a list of answers under authorizations")]
    told = [document.problem(path, f"{render(path)}: {message}" if path else message) for path, message in wrong]
    return ((), told) if told else (rules(decoded.authorizations), [])

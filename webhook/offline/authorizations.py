"""Declared answers of the authorizer, for dry runs and policy tests, which have no cluster to ask.

    authorizations:
    - user: ann
      verb: use
      resource: widgets
      allowed: true
    - allowed: false

The first entry that matches a check answers it. A field that an entry does not set matches any value, so the last entry
above answers every other check. A check that no entry matches is an evaluation error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from webhook.access import AccessDecision, AccessRule
from webhook.documents import reader
from webhook.documents.reader import Problem
from webhook.paths import Path, render
from webhook.policy.written import model


class Authorization(model.Model, frozen=True):
    """One declared answer.

    `user`: the username; `system:serviceaccount:NAMESPACE:NAME` for a service account. `groups`: the user must be in
    all of them. `group`: the API group, "" for the core group. `path`: the HTTP path, for checks of paths. `allowed` is
    required. `reason` and `error`: the results of the CEL functions of these names.
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


class _File(model.Model, frozen=True):
    authorizations: list[Authorization] = []


def faults(authorizations: Iterable[Authorization], at: Path) -> Iterator[model.Fault]:
    """The faults of a list of authorizations. at: the path of the list, which prefixes the paths of the faults."""
    for index, each in enumerate(authorizations):
        path = (*at, index)
        if each.allowed is None:
            yield (*path, "allowed"), "expected true or false"
        if each.path is not None and (each.group, each.resource, each.subresource) != (None, None, None):
            yield (*path, "path"), "a check has either a path or a resource, not both"
        if each.resource is not None and "/" in each.resource:
            yield (*path, "resource"), f"expected a plural such as pods, found '{each.resource}'; give subresource too"


def rules(authorizations: Iterable[Authorization]) -> tuple[AccessRule, ...]:
    """The access rules that the authorizations declare."""
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
    """The rules of a YAML or JSON file with the single key `authorizations`, and the file's problems."""
    documents, problems = reader.read([file])
    if problems:
        return (), problems
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        return (), [Problem(file, None, None, "expected one mapping with the key authorizations")]
    (document,) = documents
    decoded, wrong = model.decode(_File, document.value)
    wrong = [*wrong, *([] if wrong else faults(decoded.authorizations, ("authorizations",)))]
    if not wrong and not decoded.authorizations:
        wrong = [((), "expected a list of answers under authorizations")]
    problems = [document.problem(path, f"{render(path)}: {message}" if path else message) for path, message in wrong]
    return ((), problems) if problems else (rules(decoded.authorizations), [])

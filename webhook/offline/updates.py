"""The requests that change what was there before into what the manifests say: creations, updates and deletions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from webhook.apiserver import completion
from webhook.offline.requests import Plan, PlannedRequest, options_of
from webhook.paths import ROOT
from webhook.policy.request import CREATE, DELETE, UPDATE

if TYPE_CHECKING:
    from webhook.documents.document import Document, Problem

Key = tuple[str, str, str, str]
"""Group, kind, namespace and name: what makes an object the same in another version of its API."""


def compared(requests: Iterable[PlannedRequest], before: Plan) -> list[PlannedRequest]:
    """The requests against the objects of another plan, whose requests are deletions (Options.operation DELETE).

    An object that both have is updated, even if nothing differs; one that only `before` has is deleted, and its
    document is the old one. Requests for the Pods of workloads and recorded requests do not change.
    """
    were = (each for each in before.requests if not each.prefix)
    # What cannot be decoded, so that not even its name is known, was never there.
    left = {key_of(each): each for each in were if each.identity.name or not each.unreadable}
    made: list[PlannedRequest] = []
    for planned in requests:
        was = None if planned.of_template or planned.prefix else left.pop(key_of(planned), None)
        if was is None:
            made.append(planned)
            continue
        made.append(updated(planned, was))
    return [*made, *(replace(each, problems=()) for each in left.values())]


def updated(planned: PlannedRequest, was: PlannedRequest) -> PlannedRequest:
    """The update from the object of a deletion to that of a creation."""
    request = replace(
        planned.request,
        operation=UPDATE,
        object=_existing(planned),
        old_object=was.request.old_object,
        options=options_of(UPDATE),
    )
    return replace(planned, request=request)


def _existing(planned: PlannedRequest) -> dict[str, Any] | None:
    """The new object, with what the API server has set when it was created."""
    value = planned.request.object
    if value is None or planned.server is None or planned.resource is None or planned.creation is None:
        return value
    return completion.created(value, planned.resource, planned.creation)


def counted(requests: Iterable[PlannedRequest]) -> str:
    """How many objects are created, updated and deleted, as text."""
    operations = [each.request.operation for each in requests if not each.of_template and not each.prefix]
    names = ((CREATE, "created"), (UPDATE, "updated"), (DELETE, "deleted"))
    return ", ".join(f"{operations.count(operation):,} {what}" for operation, what in names)


def defined_twice(requests: Iterable[PlannedRequest]) -> Iterator[Problem]:
    """A warning for each object that stands further up in the same file, or in what one tool rendered, already.

    Of several files, each may be for a cluster of its own.
    """
    return DefinedTwice().warnings(requests)


class DefinedTwice:
    """The objects that stand in each file, or what a tool rendered, so far. Of all but the first it keeps nothing."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, Key], Document] = {}

    def warnings(self, requests: Iterable[PlannedRequest]) -> Iterator[Problem]:
        """See `defined_twice`, for the requests that follow."""
        for planned in requests:
            if planned.of_template or planned.prefix or not planned.request.name:
                continue
            document = planned.document
            key = document.stream, key_of(planned)
            before = self._first.get(key)
            if before is None:
                self._first[key] = document
                continue
            name = "/".join(filter(None, (planned.identity.namespace, planned.identity.name)))
            where = f"{document.stream}:{before.line}"
            text = f"{planned.identity.kind} {name} is also defined at {where}; a cluster keeps what is applied last"
            yield document.problem(ROOT, text)


def key_of(planned: PlannedRequest) -> Key:
    identity = planned.identity
    return identity.api_version.rpartition("/")[0], identity.kind, identity.namespace, identity.name

"""Whom the policies of today hit in reviews that the webhook recorded, whatever was bound then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from webhook.documents.document import Problem
from webhook.policy.policyset import PolicySet
from webhook.recordings.reading import recorded
from webhook.recordings.replaying import Replay
from webhook.recordings.view import NotRecorded


class Judged(Struct, frozen=True):
    """What a binding finds in a recorded review. `kind`: see kind_of."""

    policy: str
    binding: str
    kind: str
    namespace: str
    name: str
    time: str
    message: str


class Undecided(Struct, frozen=True):
    """A review that cannot be decided: the recording does not have what a policy looks up."""

    lookup: str


def kind_of(group: str, resource: str, subresource: str) -> str:
    """What a request is about, as kubectl names it: configmaps, deployments.apps, deployments.apps/scale."""
    kind = f"{resource}.{group}" if group else resource
    return f"{kind}/{subresource}" if subresource else kind


def judged(folders: Iterable[str], policies: PolicySet, since: datetime) -> Iterator[Judged | Undecided | Problem]:
    """What these policies find in each review that was answered from `since` on, and what cannot be read or decided.

    folders: what `serve --record` has written. Raises NoRecording.
    """
    replay = Replay(policies)
    first = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for folder in folders:
        for each in recorded(Path(folder)):
            if isinstance(each, Problem):
                yield each
                continue
            if each.phase != "validate" or each.time < first:  # times are in UTC, so texts are in order
                continue
            try:
                verdict = replay.decided(each)
            except NotRecorded as error:
                yield Undecided(error.lookup)
                continue
            request = each.request
            kind = kind_of(request.resource.group, request.resource.resource, request.subresource)
            for found in verdict.findings:
                yield Judged(
                    found.policy, found.binding, kind, request.namespace, request.name, each.time, found.message
                )

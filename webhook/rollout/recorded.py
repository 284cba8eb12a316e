"""Evaluates recorded reviews with the current policies, whatever was bound when they were recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from webhook.cluster.view import Answer
from webhook.documents.document import Problem
from webhook.policy.matching import labels_of
from webhook.policy.policyset import PolicySet
from webhook.policy.request import CREATE, UPDATE
from webhook.recordings.reading import Recorded, recorded
from webhook.recordings.replaying import Replay
from webhook.recordings.view import NotRecorded


class Judged(Struct, frozen=True):
    """A finding of a binding in a recorded review. `kind`: see kind_of."""

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


class SeenNamespace(Struct, frozen=True):
    """A Namespace that a review looked up, or that it created or changed, with the labels that it had."""

    name: str
    labels: Mapping[str, Any]


Said = Judged | Undecided | SeenNamespace | Problem
"""The item type of a recording."""


def kind_of(group: str, resource: str, subresource: str) -> str:
    """The resource of a request, as kubectl names it: configmaps, deployments.apps, deployments.apps/scale."""
    kind = f"{resource}.{group}" if group else resource
    return f"{kind}/{subresource}" if subresource else kind


def judged(folders: Iterable[str], policies: PolicySet, since: datetime) -> Iterator[Said]:
    """The Namespaces, then the findings, of each review that was answered from `since` on, and the reviews that cannot
    be read or decided.

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
            yield from _namespaces(each)
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


def _namespaces(each: Recorded) -> Iterator[SeenNamespace]:
    """The Namespaces of a review, without those whose labels may be redacted."""
    if any("labels" in path or path.endswith(("metadata", "*")) for path in each.redact):
        return
    for lookup, answer in each.answers.items():
        named = lookup[0] == "namespace" or lookup[:3] == ("get", "v1", "Namespace")
        if named and isinstance(answer, Answer) and isinstance(answer.value, dict):
            yield SeenNamespace(str(answer.value.get("metadata", {}).get("name")), labels_of(answer.value))
    request = each.request
    of_namespaces = (request.resource.group, request.resource.resource, request.subresource) == ("", "namespaces", "")
    if of_namespaces and each.allowed and request.operation in (CREATE, UPDATE):
        yield SeenNamespace(request.name, labels_of(request.object))

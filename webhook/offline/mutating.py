"""What mutating policies make of manifests, as manifests again: what they change, and the rest as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from webhook.admission.decision import MUTATING, SCHEMA
from webhook.admission.redaction import SecretsSeen
from webhook.admission.review import KIND as REVIEW
from webhook.cluster.view import ClusterView
from webhook.offline.requests import PlannedRequest, by_document
from webhook.offline.verdicts import Located, decided
from webhook.policy.policyset import PolicySet


class Mutation(Struct, frozen=True):
    """What became of a document. `value`: the object; None if the API server or a mutating policy refuses it.

    `changed`: whether policies changed it. `pods`: the Pods that its controllers will create, after mutation.
    `refused`: why there is no object.
    """

    value: dict[str, Any] | None
    changed: bool = False
    pods: tuple[dict[str, Any], ...] = ()
    refused: tuple[Located, ...] = ()


def mutations(requests: Iterable[PlannedRequest], policies: PolicySet, cluster: ClusterView) -> Iterator[Mutation]:
    """What becomes of each document, in order. Validating policies are not asked.

    requests: as they are planned (webhook.offline.requests); those of one document must follow each other. Recorded
    reviews are left out.
    """
    mutating = policies.where(lambda policy: policy.kind == MUTATING)
    watched = SecretsSeen(cluster)
    for group in by_document(requests):
        written = group[0].document.value
        if written["kind"] == REVIEW:
            continue
        value: dict[str, Any] | None = written
        changed = False
        pods: list[dict[str, Any]] = []
        refused: list[Located] = []
        for each in decided(group, mutating, watched):
            refused += [located for located in each.findings if located.finding.kind in (MUTATING, SCHEMA)]
            before, change = each.planned.request.object, next(iter(each.changes), None)
            after = change.after if change is not None else before
            if each.planned.of_template:
                pods += [after] if after is not None else []
            elif change is not None:
                value, changed = overlaid(written, change.before, change.after), True
        yield Mutation(None, refused=tuple(refused)) if refused else Mutation(value, changed, tuple(pods))


def overlaid(written: Any, before: Any, after: Any) -> Any:
    """The value as it is written, with what differs between `before` and `after`.

    before: the same value as the API server reads it, with defaults and in its own forms. What did not change stays as
    it is written; so does a default that is not written.
    """
    if isinstance(written, dict) and isinstance(before, dict) and isinstance(after, dict):
        made: dict[str, Any] = {}
        for key, value in written.items():
            if key in after:
                same = key in before and before[key] == after[key]
                made[key] = value if same else overlaid(value, before.get(key), after[key])
            elif key not in before:  # the API server has dropped it; that is no change by a policy
                made[key] = value
        added = (key for key in after if key not in written and (key not in before or before[key] != after[key]))
        return {**made, **{key: _pruned(before.get(key), after[key]) for key in added}}
    if (
        isinstance(written, list)
        and isinstance(before, list)
        and isinstance(after, list)
        and len(written) == len(before)
    ):
        rest = list(zip(written, before, strict=True))
        return [_element(rest, index, each, len(after) == len(before)) for index, each in enumerate(after)]
    return after


def _element(pairs: list[tuple[Any, Any]], index: int, after: Any, aligned: bool) -> Any:
    """An item of a list after mutation, as it was written before: the equal one, that of the same name, or of the same
    index where the list is as long as it was."""
    for written, before in pairs:
        if before == after:
            return written
    if isinstance(after, dict) and isinstance(after.get("name"), str):
        for written, before in pairs:
            if isinstance(before, dict) and before.get("name") == after["name"]:
                return overlaid(written, before, after)
    elif aligned:
        return overlaid(*pairs[index], after)
    return after


def _pruned(before: Any, after: Any) -> Any:
    """What is new in a value that is not written but has defaults."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {key: _pruned(before.get(key), value) for key, value in after.items() if before.get(key) != value}
    return after

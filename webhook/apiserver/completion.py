"""What the API server sets and removes in an object besides defaults: metadata, and the changes of a kind's strategy.

Both functions take objects as they are written (webhook.apiserver.encoding), and return others; they modify nothing.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from webhook.apiserver import strategies
from webhook.schema import Resource
from webhook.versions import NEWEST, Version

SUFFIX: Final = "x" * 5
"""What generated names end in here: as many characters as the API server appends to a generateName."""

UID: Final = "00000000-0000-0000-0000-000000000000"
"""The uid of every object that the API server creates here."""

_LONGEST_PREFIX: Final = 58  # characters of a generateName that are kept
_SET_BY_THE_SERVER: Final = (
    *("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"),
    "managedFields",  # which the API server computes anew; who applies what is not known here
)


class Creation(NamedTuple):
    """The circumstances of a creation. `now`: as metav1.Time is written. The user is that of the request.

    `target`: the Kubernetes version.
    """

    now: str
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = {}  # never modified
    target: Version = NEWEST


def sent(value: dict[str, Any], *, namespaced: bool, namespace: str) -> dict[str, Any]:
    """An object that is to be created, as mutating admission sees it: in its namespace, without what the server sets.

    namespace: of objects that name none. A name that is to be generated is not there yet.
    """
    metadata = {name: each for name, each in (value.get("metadata") or {}).items() if name not in _SET_BY_THE_SERVER}
    if not namespaced:
        metadata.pop("namespace", None)
    elif not metadata.get("namespace"):
        metadata["namespace"] = namespace
    return {**value, "metadata": metadata}


def created(value: dict[str, Any], resource: Resource, creation: Creation) -> dict[str, Any]:
    """The object as validating admission sees it: with name, uid and time, and as the strategy of its kind made it."""
    metadata = dict(value.get("metadata") or {})
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated(metadata["generateName"])
    if (resource.group, resource.kind) != ("", "Binding"):  # which is not stored
        metadata["uid"] = UID
        metadata["creationTimestamp"] = creation.now
    return strategies.prepared({**value, "metadata": metadata}, resource, creation)


def generated(prefix: str) -> str:
    """The name that the API server generates of a generateName, with SUFFIX for the random part."""
    return prefix[:_LONGEST_PREFIX] + SUFFIX

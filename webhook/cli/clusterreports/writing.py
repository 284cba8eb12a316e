"""Writes report objects: only those that change, each with one server-side apply, and deletes those that are stale.

Present reports are compared with the wanted ones, so an audit without changes writes nothing. The time of a result is
that of the audit that found it first. Several audits at once do no harm: each writes whole objects by the same names,
the last one stays, and nothing is deleted that has changed since it was read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson
from msgspec import Struct, field

from webhook.cli.clusterreports.dialects import DIALECTS, OWNER, Dialect
from webhook.cli.clusterreports.results import FINGERPRINT, MANAGED, NAME, SET, SOURCE, Content
from webhook.cluster.connection import APIError, Unreachable
from webhook.cluster.discovery import discover
from webhook.counts import counted

if TYPE_CHECKING:
    from webhook.cluster.connection import Connection, Object

MANAGER: Final = "gatewright-audit"
"""The field manager of server-side apply."""

TIMEOUT: Final = 30.0
"""Seconds that a request may take."""

_PATIENCE: Final = 10  # seconds that are waited in all for a server that is busy (429), as it is after new definitions
_PAGE: Final = 20  # reports of up to 1 MiB each
_SHOWN: Final = 5  # failures that are named one by one
_PREFIX: Final = "gatewright.dev/"

Key = tuple[str, str]
"""Namespace ("" for none) and name."""


class ReportsError(Exception):
    """Reports cannot be written. str(error): the reason, and what to do."""


class Written(Struct):
    """The result for the reports of a dialect. `failures`: the reports that could not be written, as plain text."""

    dialect: Dialect
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def said(self) -> str:
        """A summary, on one line."""
        return (
            f"{self.dialect.api_version}: {counted(self.written, 'report')} written, {self.unchanged:,} unchanged, "
            f"{self.deleted:,} deleted"
        )


class _Known(Struct, frozen=True):
    """A present report. `times`: the times of its results, by fingerprint, in seconds since the epoch."""

    digest: bytes
    uid: str
    version: str
    times: Mapping[str, int]


def chosen(connection: Connection, wanted: str) -> list[Dialect]:
    """The dialects to write. wanted: the name of one, `both`, or `auto` for the first that the cluster serves.

    Raises ReportsError if the cluster serves none of them, or not the kind that is wanted; APIError, Unreachable.
    """
    among = [each for each in DIALECTS if wanted in (each.name, "both", "auto")]
    served = [
        each
        for each in among
        if all(discover(connection, each.api_version, kind) for kind in (each.kind, each.cluster_kind))
    ]
    missing = [each for each in among if each not in served]
    if not served or (missing and wanted != "auto"):
        lacking = " nor ".join(each.api_version for each in missing)
        raise ReportsError(
            f"the cluster does not serve {lacking}: install the CustomResourceDefinitions of the reports first "
            "(github.com/openreports/reports-api), or leave --write-reports out"
        )
    return served[:1] if wanted == "auto" else served


def write(
    connection: Connection,
    contents: Sequence[Content],
    dialect: Dialect,
    *,
    now: int,
    delete: bool = True,
    mine: Callable[[str], bool] = lambda _: True,
    name: str = NAME,
    pause: Callable[[], object] = lambda: None,
) -> Written:
    """Make the reports of the cluster those of `contents`.

    now: seconds since the epoch, the time of results that are new. delete: whether reports that nothing stands for any
    more are deleted; False after an audit that did not see everything. mine: whether the reports of a namespace ("" for
    none) are this audit's; it leaves those of other shards alone. name: of the set. pause: is called before each
    request, and may wait. Raises APIError or Unreachable if not even the reports that are there can be listed.
    """
    done = Written(dialect)
    known = {key: each for key, each in _known(connection, dialect, name, pause) if mine(key[0])}
    owner = _owner(connection, pause)
    times: dict[str, dict[str, int]] = {}
    for (namespace, _), each in known.items():
        times.setdefault(namespace, {}).update(each.times)
    try:
        for content in contents:
            pause()
            value = _object(content, dialect, name, owner, times.get(content.namespace, {}), now)
            there = known.pop((content.namespace, content.name), None)
            if there is not None and there.digest == _digest(value):
                done.unchanged += 1
            else:
                _apply(connection, value, dialect, done)
        for (namespace, stale), each in known.items():
            if delete:
                pause()
                _delete(connection, dialect, namespace, stale, each, done)
            else:
                done.unchanged += 1
    except Unreachable as error:
        done.failures.append(
            f"the cluster cannot be reached any more, and the remaining reports were not written: {error}"
        )
    if len(done.failures) > _SHOWN:
        done.failures[_SHOWN:] = [f"… and {len(done.failures) - _SHOWN:,} more reports"]
    return done


def _apply(connection: Connection, value: Object, dialect: Dialect, done: Written) -> None:
    namespace, name = value["metadata"].get("namespace", ""), value["metadata"]["name"]
    try:
        patiently(partial(connection.apply, _path(dialect, namespace, name), value, MANAGER, TIMEOUT))
    except APIError as error:
        # The Namespace went while its objects were judged: there is nothing left to report on.
        if namespace and (error.status == 404 or "being terminated" in str(error)):
            done.notes.append(f"the Namespace {namespace} is gone, and has no report")
            return
        done.failures.append(f"{_called(dialect, namespace, name)} cannot be written: {error}")
        return
    done.written += 1


def _delete(connection: Connection, dialect: Dialect, namespace: str, name: str, each: _Known, done: Written) -> None:
    conditions = {"preconditions": {"uid": each.uid, "resourceVersion": each.version}}
    try:
        patiently(partial(connection.delete, _path(dialect, namespace, name), conditions, TIMEOUT))
    except APIError as error:
        if error.status in (404, 409):  # another audit was faster, or has written it anew
            return
        done.failures.append(f"{_called(dialect, namespace, name)} cannot be deleted: {error}")
        return
    done.deleted += 1


def _known(
    connection: Connection, dialect: Dialect, name: str, pause: Callable[[], object]
) -> Iterator[tuple[Key, _Known]]:
    """The present reports of the set."""
    for plural in (dialect.plural, dialect.cluster_plural):
        token = ""
        while True:
            pause()
            query = [("labelSelector", f"{SET}={name}"), ("limit", str(_PAGE))]
            asked = [*query, ("continue", token)] if token else query
            page = patiently(partial(connection.get, f"/apis/{dialect.api_version}/{plural}", asked, TIMEOUT))
            for each in page.get("items") or ():
                metadata = each["metadata"]
                yield (
                    (metadata.get("namespace", ""), metadata["name"]),
                    _Known(_digest(each), metadata["uid"], metadata["resourceVersion"], dict(_times(each))),
                )
            token = (page.get("metadata") or {}).get("continue", "")
            if not token:
                break


def patiently(request: Callable[[], Object]) -> Object:
    """The answer to a request, which is sent again while the server is busy. Raises like Connection."""
    waited = 0
    while True:
        try:
            return request()
        except APIError as error:
            if error.status != 429 or waited >= _PATIENCE:
                raise
        waited += 1
        time.sleep(1)


def _times(report: Object) -> Iterator[tuple[str, int]]:
    """The time of each result; those that others have added may have no fingerprint."""
    for each in report.get("results") or ():
        fingerprint = (each.get("properties") or {}).get(FINGERPRINT)
        seconds = (each.get("timestamp") or {}).get("seconds")
        if isinstance(fingerprint, str) and isinstance(seconds, int):
            yield fingerprint, seconds


def owned(connection: Connection) -> Object:
    """The metadata of an object that the audit writes: our labels, and its owner if that may be read. Raises APIError,
    Unreachable.
    """
    owner = _owner(connection, lambda: None)
    return {"labels": {MANAGED: SOURCE}, **({"ownerReferences": [owner]} if owner is not None else {})}


def _owner(connection: Connection, pause: Callable[[], object]) -> Object | None:
    """The reference to the ClusterRole that owns the reports; None if it does not exist, or may not be read."""
    pause()
    try:
        role = patiently(
            partial(connection.get, f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{OWNER}", None, TIMEOUT)
        )
    except APIError as error:
        if error.status in (403, 404):
            return None
        raise
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "name": OWNER,
        "uid": role["metadata"]["uid"],
    }


def _object(
    content: Content, dialect: Dialect, name: str, owner: Object | None, times: Mapping[str, int], now: int
) -> Object:
    metadata: Object = {
        "name": content.name,
        "labels": {MANAGED: SOURCE, SET: name},
        "annotations": dict(content.annotations),
    }
    if content.namespace:
        metadata["namespace"] = content.namespace
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    results = [
        {**each, "timestamp": {"seconds": times.get(each["properties"][FINGERPRINT], now), "nanos": 0}}
        for each in content.results
    ]
    value = {
        "apiVersion": dialect.api_version,
        "kind": dialect.kind if content.namespace else dialect.cluster_kind,
        "metadata": metadata,
        "summary": dict(content.summary),
        "results": results,
    }
    return {**value, "source": SOURCE} if dialect.sourced else value


def _digest(report: Object) -> bytes:
    """The digest of our part of a report, without labels and annotations that others set."""
    metadata = report["metadata"]
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    said = {
        "labels": [labels.get(MANAGED), labels.get(SET)],
        "annotations": {key: text for key, text in annotations.items() if key.startswith(_PREFIX)},
        "owners": [each.get("uid") for each in metadata.get("ownerReferences") or () if each.get("name") == OWNER],
        "summary": report.get("summary"),
        "results": report.get("results") or [],
        "source": report.get("source"),
    }
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def _path(dialect: Dialect, namespace: str, name: str) -> str:
    within = f"namespaces/{quote(namespace, safe='')}/{dialect.plural}" if namespace else dialect.cluster_plural
    return f"/apis/{dialect.api_version}/{within}/{quote(name, safe='')}"


def _called(dialect: Dialect, namespace: str, name: str) -> str:
    return f"{dialect.kind} {namespace}/{name}" if namespace else f"{dialect.cluster_kind} {name}"


def seconds_now() -> int:
    """Seconds since the epoch."""
    return int(time.time())

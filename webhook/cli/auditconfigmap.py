"""`audit --configmap`: the report as a ConfigMap, which Pods of the server mount for their page (docs/page.md).

A ConfigMap holds at most 1 MiB, so the report is compressed, and a long one has only the gravest findings. The
ConfigMap also keeps the results of the last audits, since a Job has no disk for `--history`.

Each shard of a sharded audit has a key of its own, and is the field manager of it, so that shards which write at the
same time do not disturb each other; who reads makes one report of the parts (webhook.cli.auditsaved). The shard that
finds all parts newer than the last audit in the history adds one to it.
"""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec.structs import replace

from webhook.audit.shards import WHOLE, Shard
from webhook.cli.auditsaved import HISTORY, REPORT, part_name, part_of
from webhook.cli.auditshards import INDEX
from webhook.cli.readoptions import NotGiven
from webhook.policy.written.names import is_subdomain

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Past, Report
    from webhook.cluster.connection import Connection

MOST_PACKED: Final = 768 << 10
"""Bytes of the report, compressed: the API server takes a MiB of a ConfigMap in all."""

MOST_SHARED: Final = 480 << 10
"""Bytes of all parts of a sharded audit: those of another number of shards may be beside them for a while."""

MOST_SHARDS: Final = 16
"""Shards that share a ConfigMap."""

MOST_TEXT: Final = 32 << 20
"""Bytes of the report before compression, so that a reader may refuse a file that unpacks to more."""

RUN: Final = "gatewright.dev/run-of-shard-"
"""With the number of a shard: the annotation with the Job that wrote its part."""

_PATIENCE: Final = 30.0  # seconds that a request may take

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

IntoConfigMap = Annotated[
    str,
    typer.Option(
        "--configmap",
        metavar="NAMESPACE/NAME",
        help="Write the report into this ConfigMap, for the page of servers that mount it; keep the last audits there.",
    ),
]


def place_of(text: str) -> tuple[str, str] | None:
    """The namespace and the name of `--configmap`; None without it. Raises NotGiven."""
    if not text:
        return None
    namespace, _, name = text.partition("/")
    if not is_subdomain(namespace) or "." in namespace or not is_subdomain(name):
        raise NotGiven(f"--configmap: expected NAMESPACE/NAME, got {text!r}")
    return namespace, name


def published(
    report: Report, place: tuple[str, str], connection: Connection, source: str, shard: Shard = WHOLE
) -> Report:
    """Write the report into the ConfigMap. Returns the report with the result as a note or problem; the report of a
    whole cluster also with the last audits if it lacks them. source: the cluster's name in the report. shard: the
    shard that the report is of.
    """
    from webhook.cluster.connection import APIError, Unreachable
    from webhook.documents.document import Problem

    there = _ConfigMap(connection, *place)
    try:
        if shard.number > 1:
            content, left, note = _part(report, shard, there)
        else:
            report, content, left, note = _whole(report, there)
    except (APIError, Unreachable, TooLarge) as error:
        problem = Problem(source, None, None, f"--configmap: {there.called} cannot be written: {error}")
        return replace(report, problems=[*report.problems, problem])
    some = f", without the {left:,} least grave findings" if left else ""
    notes = [*([note] if note else ()), f"{there.called}: written, {-(-len(content) >> 10):,} KiB{some}"]
    return replace(report, notes=[*report.notes, *notes])


class _ConfigMap:
    """The ConfigMap in the cluster, as it is read and written. `called`: in texts. `runs`: the Jobs of parts, by shard.
    Its methods raise APIError and Unreachable."""

    def __init__(self, connection: Connection, namespace: str, name: str) -> None:
        self.called = f"ConfigMap {namespace}/{name}"
        self._connection = connection
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._metadata = {"namespace": namespace, "name": name}
        self._owned: dict[str, Any] | None = None
        self._text = ""
        self.keys: dict[str, str] = {}
        self.runs: dict[int, str] = {}

    def read(self) -> None:
        """Take its present content: `keys` are those of binaryData, with base64."""
        from webhook.cli.clusterreports.writing import patiently
        from webhook.cluster.connection import APIError

        try:
            there = patiently(lambda: self._connection.get(self._path, None, _PATIENCE))
        except APIError as error:
            if error.status != 404:
                raise
            there = {}
        data, binary = there.get("data"), there.get("binaryData")
        text = data.get(HISTORY) if isinstance(data, dict) else None
        self._text = text if isinstance(text, str) else ""
        self.keys = {key: each for key, each in (binary or {}).items() if isinstance(each, str)}
        annotations = (there.get("metadata") or {}).get("annotations") or {}
        self.runs = {
            index: run for index in range(MOST_SHARDS) if isinstance(run := annotations.get(f"{RUN}{index}"), str)
        }

    def history(self) -> tuple[Sequence[Past], str]:
        """The last audits; and why it has none that can be read, or ""."""
        from webhook.cli.report import history

        try:
            return history.parsed(self._text.encode(), f"{self.called}, {HISTORY}"), ""
        except (history.HistoryError, UnicodeEncodeError) as error:
            return (), f"the history begins anew: {error}"

    def apply(
        self,
        manager: str,
        contents: dict[str, bytes],
        audits: Sequence[Past] = (),
        annotations: Mapping[str, str] = _NONE,
    ) -> None:
        """Make these keys and annotations those of a field manager; the ones that it had before are gone."""
        from webhook.cli.clusterreports.writing import owned, patiently
        from webhook.cli.report import history

        if self._owned is None:
            self._owned = owned(self._connection)
        value: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {**self._metadata, **self._owned},
        }
        if annotations:
            value["metadata"]["annotations"] = dict(annotations)
        if audits:
            value["data"] = {HISTORY: "".join(history.text(audits))}
        if contents:
            value["binaryData"] = {key: base64.b64encode(content).decode() for key, content in contents.items()}
        patiently(lambda: self._connection.apply(self._path, value, manager, _PATIENCE))


def _whole(report: Report, there: _ConfigMap) -> tuple[Report, bytes, int, str]:
    """Write the report of everything. Returns it with its history, what was written, how many findings are left out,
    and a note, or "". Raises APIError, Unreachable, TooLarge."""
    from webhook.cli.clusterreports.writing import MANAGER
    from webhook.cli.report import history

    note = ""
    there.read()
    if not report.history:
        before, note = there.history()
        report = replace(report, history=(*before, history.past(report))[-history.MOST :])
    content, left = packed(report)
    for shard in {of[0] for key in there.keys if (of := part_of(key)) is not None}:
        there.apply(_manager(shard), {})
    there.apply(MANAGER, {REPORT: content}, report.history)
    return report, content, left, note


def _part(report: Report, shard: Shard, there: _ConfigMap) -> tuple[bytes, int, str]:
    """Write the part of a shard; the rest as `_whole`."""
    from webhook.cli import auditsaved
    from webhook.cli.clusterreports.writing import MANAGER
    from webhook.cli.report import history

    own = [each for each in report.namespaces if shard.has(each.name)]
    content, left = packed(replace(report, namespaces=own), MOST_SHARED // shard.number)
    there.read()
    audits, note = there.history()
    if REPORT in there.keys:  # of an audit without shards
        there.apply(MANAGER, {}, audits)
    # A part of more shards than there are now. The others are replaced by those whose they are.
    for index in {of[0] for key in there.keys if (of := part_of(key)) is not None and of[0] >= shard.number}:
        there.apply(_manager(index), {})
    run = run_of(shard)
    named = {f"{RUN}{shard.index}": run} if run else {}
    there.apply(_manager(shard.index), {part_name(shard.index, shard.number): content}, annotations=named)
    there.read()
    packs = [there.keys.get(part_name(index, shard.number)) for index in range(shard.number)]
    if not all(packs) or len({there.runs.get(index) for index in range(shard.number)}) > 1:
        return content, left, note
    try:
        parts = [auditsaved.parsed(base64.b64decode(each or "")) for each in packs]
        last = audits[-1].at if audits else ""
        if all(each.at > last for each in parts):
            whole = auditsaved.whole_of(dict(enumerate(parts)), shard.number)
            one = replace(auditsaved.past(whole), at=max(each.at for each in parts))
            there.apply(MANAGER, {}, (*audits, one)[-history.MOST :])
    except (auditsaved.ReportError, ValueError) as error:
        note = f"the history is left as it is, as a part of the report cannot be read: {error}"
    return content, left, note


def run_of(shard: Shard, environment: Mapping[str, str] = os.environ) -> str:
    """The Job whose Pod this is: the hostname that Kubernetes gives the Pods of an Indexed Job, without their number.
    "" if it is no such Pod."""
    index = str(shard.index)
    run, hyphen, last = environment.get("HOSTNAME", "").rpartition("-")
    return run if hyphen and last == index == environment.get(INDEX) else ""


def _manager(index: int) -> str:
    """The field manager of a shard."""
    from webhook.cli.clusterreports.writing import MANAGER

    return f"{MANAGER}-shard-{index}"


def refuse_shards(shard: Shard) -> None:
    """Raises NotGiven if there are more shards than a ConfigMap has room for."""
    if shard.number > MOST_SHARDS:
        raise NotGiven(f"--configmap: of at most {MOST_SHARDS} shards, got {shard.number}")


class TooLarge(Exception):
    """Even without findings the report is larger than a ConfigMap."""

    def __str__(self) -> str:
        return "the report is too large even without findings"


def packed(report: Report, most: int = MOST_PACKED) -> tuple[bytes, int]:
    """The JSON report as gzip, in at most `most` bytes, and the number of findings left out. Its sums include these,
    and `hidden` counts them. Raises TooLarge.
    """
    from webhook.cli.report import jsonformat
    from webhook.cli.report.model import fingerprinted

    report = replace(
        report, findings=list(fingerprinted(report.findings)), suppressed=list(fingerprinted(report.suppressed))
    )
    found = _by_gravity(report)
    keep = len(found)
    while True:
        less, left = report, len(found) - keep
        if left:
            kept = set(map(id, found[:keep]))
            less = replace(
                report,
                findings=[each for each in report.findings if id(each) in kept],
                suppressed=[each for each in report.suppressed if id(each) in kept],
                namespaces=(),
                hidden=report.hidden + left,
            )
        content = _compressed(jsonformat.text(less, sums=report), most)
        if content is not None:
            return content, left
        if not keep:
            raise TooLarge
        keep //= 2


def _by_gravity(report: Report) -> list[Finding]:
    """The findings, the gravest first; suppressed ones come last."""
    from webhook.cli.report.model import LEVELS
    from webhook.library.metadata import SEVERITIES

    def grave(each: Finding) -> tuple[int, int]:
        rule = report.rules.get(each.rule)
        severity = SEVERITIES.index(rule.severity) if rule is not None and rule.severity in SEVERITIES else -1
        return LEVELS.index(each.level), -severity

    return [*sorted(report.findings, key=grave), *report.suppressed]


def _compressed(pieces: Iterable[str], most: int) -> bytes | None:
    """The pieces as gzip, the same bytes for the same text; None if they are too large."""
    packing = zlib.compressobj(9, wbits=31)
    made, size = bytearray(), 0
    for piece in _gathered(pieces):
        size += len(piece)
        made += packing.compress(piece)
        if size > MOST_TEXT or len(made) > most:
            return None
    made += packing.flush()
    return bytes(made) if len(made) <= most else None


def _gathered(pieces: Iterable[str]) -> Iterator[bytes]:
    from webhook.visible import encodable

    for piece in pieces:
        yield encodable(piece).encode()

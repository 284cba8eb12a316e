"""`audit --configmap`: the report as a ConfigMap, which Pods of the server mount for their page (docs/page.md).

A ConfigMap holds at most 1 MiB, so the report is compressed, and a long one has only the gravest findings. The
ConfigMap also keeps the results of the last audits, since a Job has no disk for `--history`.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec.structs import replace

from webhook.cli.options import NotGiven
from webhook.policy.written.names import is_subdomain

if TYPE_CHECKING:
    from webhook.cli.report.model import Finding, Past, Report
    from webhook.cluster.connection import Connection

REPORT: Final = "audit.json.gz"
"""The key of the report: what `audit -o json` writes, as gzip."""

HISTORY: Final = "history.jsonl"
"""The key of the last audits, as `--history` writes them."""

MOST_PACKED: Final = 768 << 10
"""Bytes of the report, compressed: the API server takes a MiB of a ConfigMap in all."""

MOST_TEXT: Final = 32 << 20
"""Bytes of the report before compression, so that a reader may refuse a file that unpacks to more."""

_PATIENCE: Final = 30.0  # seconds that a request may take

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


def published(report: Report, place: tuple[str, str], connection: Connection, source: str) -> Report:
    """Write the report into the ConfigMap. Returns the report with the result as a note or problem, and with the last
    audits if it lacks them. source: the cluster's name in the report.
    """
    from webhook.cli.clusterreports.writing import MANAGER, owned, patiently
    from webhook.cli.report import history
    from webhook.cluster.connection import APIError, Unreachable
    from webhook.documents.document import Problem

    namespace, name = place
    path, called = f"/api/v1/namespaces/{namespace}/configmaps/{name}", f"ConfigMap {namespace}/{name}"
    try:
        if not report.history:
            before, note = _before(connection, path, called)
            report = replace(
                report,
                history=(*before, history.past(report))[-history.MOST :],
                notes=[*report.notes, *([note] if note else ())],
            )
        content, left = packed(report)
        value: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"namespace": namespace, "name": name, **owned(connection)},
            "data": {HISTORY: "".join(history.text(report.history))},
            "binaryData": {REPORT: base64.b64encode(content).decode()},
        }
        patiently(lambda: connection.apply(path, value, MANAGER, _PATIENCE))
    except (APIError, Unreachable, TooLarge) as error:
        problem = Problem(source, None, None, f"--configmap: {called} cannot be written: {error}")
        return replace(report, problems=[*report.problems, problem])
    some = f", without the {left:,} least grave findings" if left else ""
    return replace(report, notes=[*report.notes, f"{called}: written, {-(-len(content) >> 10):,} KiB{some}"])


def _before(connection: Connection, path: str, called: str) -> tuple[Sequence[Past], str]:
    """The audits in the ConfigMap; and the reason why they cannot be read, or "". Raises APIError, Unreachable."""
    from webhook.cli.clusterreports.writing import patiently
    from webhook.cli.report import history
    from webhook.cluster.connection import APIError

    try:
        there = patiently(lambda: connection.get(path, None, _PATIENCE))
    except APIError as error:
        if error.status != 404:
            raise
        return (), ""
    data = there.get("data")
    text = data.get(HISTORY) if isinstance(data, dict) else None
    try:
        return history.parsed(text.encode() if isinstance(text, str) else b"", f"{called}, {HISTORY}"), ""
    except (history.HistoryError, UnicodeEncodeError) as error:
        return (), f"the history begins anew: {error}"


class TooLarge(Exception):
    """Even without findings the report is larger than a ConfigMap."""

    def __str__(self) -> str:
        return "the report is too large even without findings"


def packed(report: Report) -> tuple[bytes, int]:
    """The JSON report as gzip, in at most MOST_PACKED bytes, and the number of findings left out. Its sums include
    these, and `hidden` counts them. Raises TooLarge.
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
        content = _compressed(jsonformat.text(less, sums=report))
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


def _compressed(pieces: Iterable[str]) -> bytes | None:
    """The pieces as gzip, the same bytes for the same text; None if they are too large."""
    packing = zlib.compressobj(9, wbits=31)
    made, size = bytearray(), 0
    for piece in _gathered(pieces):
        size += len(piece)
        made += packing.compress(piece)
        if size > MOST_TEXT or len(made) > MOST_PACKED:
            return None
    made += packing.flush()
    return bytes(made) if len(made) <= MOST_PACKED else None


def _gathered(pieces: Iterable[str]) -> Iterator[bytes]:
    from webhook.visible import encodable

    for piece in pieces:
        yield encodable(piece).encode()

"""The report as YAML: the same shape as JSON (webhook.cli.report.jsonformat)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.cli.report.jsonformat import fields
from webhook.cli.report.model import Report
from webhook.documents.yamlwriting import dumped
from webhook.visible import encodable


def text(report: Report) -> Iterator[str]:
    """The report in pieces: a finding is written before the next one is made."""
    for key, value in fields(report):
        if isinstance(value, list | dict | str):
            yield dumped({key: encodable(value)}, wrapped=False)
            continue
        nothing = True
        for each in value:
            yield f"{key}:\n{_item(each)}" if nothing else _item(each)
            nothing = False
        if nothing:
            yield f"{key}: []\n"


def _item(value: Any) -> str:
    return dumped([encodable(value)], wrapped=False)

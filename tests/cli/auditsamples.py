"""The samples of a file of metrics, as both parsers read them."""

from __future__ import annotations

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics


def samples(written: str) -> dict[tuple[str, ...], float]:
    """Name and values of labels -> the value, as both parsers read it."""
    plain, strict = (
        [sample for family in read(written) for sample in family.samples]
        for read in (parser.text_string_to_metric_families, openmetrics.text_string_to_metric_families)
    )
    assert [(each.name, each.labels, each.value) for each in plain] == [
        (each.name, each.labels, each.value) for each in strict
    ]
    return {(each.name.removeprefix("gatewright_audit_"), *each.labels.values()): each.value for each in plain}

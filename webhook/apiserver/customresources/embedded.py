"""Resources within custom resources: their apiVersion, kind and metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from webhook.apiserver.customresources import objectmeta
from webhook.apiserver.customresources.objectmeta import MetadataError
from webhook.apiserver.customresources.structural import Schema
from webhook.apiserver.fielderrors import FieldError, Key, invalid, required
from webhook.apiserver.validation import metadata
from webhook.apiserver.validation.names import dns_1035_label, path_segment, path_segment_prefix
from webhook.paths import Path


def embedded_refusals(value: Any, schema: Schema | None, *, root: bool = False) -> list[FieldError]:
    """The refusals of embedded resources at any depth. root: the value is one itself."""
    return list(_refusals(value, schema, (), embedded=root))


def _refusals(value: Any, schema: Schema | None, path: Path, *, embedded: bool = False) -> Iterator[FieldError]:
    if schema is None:
        return
    if isinstance(value, dict):
        if embedded or schema.embedded:
            yield from _resource(value, path)
        for key, item in value.items():
            field = schema.properties.get(key)
            if field is not None:
                yield from _refusals(item, field, (*path, key))
            elif schema.values is not None:
                yield from _refusals(item, schema.values, (*path, Key(key)))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _refusals(item, schema.items, (*path, place))


def _resource(value: dict[str, Any], path: Path) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if name not in value:
            yield required((*path, name))
            continue
        text, here = value[name], (*path, name)
        if not isinstance(text, str):
            yield invalid(here, text, "must be a string")
        elif not text:
            yield invalid(here, text, "must not be empty")
        elif name == "apiVersion" and text.count("/") > 1:
            yield invalid(here, text, f"unexpected GroupVersion string: {text}")
        elif name == "kind":
            faults = dns_1035_label(text.lower())
            if faults:
                words = f"may have mixed case, but should otherwise match: {','.join(faults)}"
                yield invalid(here, text, words)
    if "metadata" not in value:
        return
    here = (*path, "metadata")
    try:
        known, _ = objectmeta.decoded(value["metadata"])
    except MetadataError as error:
        yield invalid(here, value["metadata"], str(error))
        return
    yield from metadata.of_created(
        {"name": "fakename", **known},
        path_segment,
        namespaced=bool(known.get("namespace")),
        prefix=path_segment_prefix,
        path=here,
    )

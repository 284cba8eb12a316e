"""The metadata of a custom resource, or of a resource within one, as Go's ObjectMeta holds it."""

from __future__ import annotations

from typing import Any

from webhook.apiserver import decoding, encoding
from webhook.paths import Path

_UNKNOWN = "unknown field"


class MetadataError(Exception):
    """The API server's text for metadata that it cannot decode. `path`: the field, from the metadata on."""

    def __init__(self, text: str, path: Path = ()) -> None:
        super().__init__(text)
        self.path = path


def decoded(value: Any) -> tuple[dict[str, Any], list[Path]]:
    """The metadata without what goes, and the paths of its unknown fields, from the metadata on.

    Raises MetadataError.
    """
    found = decoding.decode_metadata(value)
    unknown: list[Path] = []
    for problem in found.problems:
        if not problem.message.startswith(_UNKNOWN):
            raise MetadataError(problem.message, problem.path[1:])
        unknown.append(problem.path[1:])
    return encoding.encode_metadata(found.object), unknown

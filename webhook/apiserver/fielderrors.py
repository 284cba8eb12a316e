"""Refusals of fields, with the API server's texts (k8s.io/apimachinery, pkg/util/validation/field)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.apiserver.goshown import json_text, shown
from webhook.apiserver.gotext import quote
from webhook.paths import Path

OMITTED: Final = object()
"""A value that the text does not show."""

REQUIRED: Final = "Required value"
INVALID: Final = "Invalid value"
DUPLICATE: Final = "Duplicate value"
UNSUPPORTED: Final = "Unsupported value"
FORBIDDEN: Final = "Forbidden"
TOO_LONG: Final = "Too long"
TOO_MANY: Final = "Too many"
NOT_FOUND: Final = "Not found"
INTERNAL: Final = "Internal error"

_WITHOUT_VALUE = frozenset({REQUIRED, FORBIDDEN, TOO_LONG, INTERNAL})


class Key(str):
    """A step of a path that the API server writes as a subscript: the key of a map, `labels[app]`."""

    __slots__ = ()


class FieldError(Struct, frozen=True):
    """A refused field.

    path: of the field, in the object as it was sent. kind: one of the constants above. body: the text after the
    field's name. field: the API server's name of the field if it is not that of the path. wrong_type: the value has
    another type than the schema's.
    """

    path: Path
    kind: str
    body: str
    field: str | None = None
    wrong_type: bool = False

    @property
    def text(self) -> str:
        """The API server's text: `spec.replicas: Invalid value: 0: must be greater than 0`."""
        return f"{named(self.path) if self.field is None else self.field}: {self.body}"


def named(path: Path) -> str:
    """A path as the API server writes it: spec.containers[0].image, metadata.labels[app]; <nil> for the root."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int | Key):
            parts.append(f"[{step}]")
        else:
            parts.append(f".{step}" if parts else step)
    return "".join(parts) or "<nil>"


def made(path: Path, kind: str, value: Any, detail: str = "", *, wrong_type: bool = False) -> FieldError:
    """A refusal of any kind. value: a JSON value, or OMITTED."""
    body = kind
    if kind not in _WITHOUT_VALUE and value is not OMITTED:
        body += f": {shown_value(value)}"
    return FieldError(path, kind, f"{body}: {detail}" if detail else body, wrong_type=wrong_type)


def shown_value(value: Any) -> str:
    """A value in a refusal."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int | float):
        return shown(value)
    return json_text(value)


def required(path: Path, detail: str = "") -> FieldError:
    """The field must be there, and not be empty."""
    return made(path, REQUIRED, OMITTED, detail)


def invalid(path: Path, value: Any, detail: str) -> FieldError:
    """The value is wrong."""
    return made(path, INVALID, value, detail)


def invalid_pointer(path: Path, text: str, detail: str) -> FieldError:
    """The text is wrong. It is a pointer in Go, which the API server shows as JSON."""
    return FieldError(path, INVALID, f"{INVALID}: {json_text(text)}: {detail}")


def forbidden(path: Path, detail: str) -> FieldError:
    """The field must not be there, or not have this value here."""
    return made(path, FORBIDDEN, OMITTED, detail)


def duplicate(path: Path, value: Any) -> FieldError:
    """The value must be unique."""
    return made(path, DUPLICATE, value)


def not_supported(path: Path, value: Any, supported: Sequence[str]) -> FieldError:
    """The value is none of those that the field takes."""
    return made(path, UNSUPPORTED, value, f"supported values: {', '.join(map(quote, supported))}" if supported else "")


def not_found(path: Path, value: Any) -> FieldError:
    """The value names what does not exist."""
    return made(path, NOT_FOUND, value)


def too_long(path: Path, most: int) -> FieldError:
    """The text has more bytes than `most`."""
    detail = f"may not be more than {most} byte{'' if most == 1 else 's'}" if most >= 0 else "value is too long"
    return made(path, TOO_LONG, OMITTED, detail)


def too_many(path: Path, found: int, most: int) -> FieldError:
    """There are more items than `most`."""
    return made(path, TOO_MANY, found, f"must have at most {most} item{'' if most == 1 else 's'}")


def each(path: Path, value: Any, details: Iterable[str]) -> list[FieldError]:
    """A refusal of the value for each detail."""
    return [invalid(path, value, detail) for detail in details]

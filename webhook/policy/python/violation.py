"""`Violation`: a reason of a Python policy to refuse a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from webhook import paths
from webhook.paths import Path

MAX_MESSAGE = 5 * 1024
"""The most characters of a message. A longer one is cut."""

Reason = Literal["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"]
REASONS: tuple[str, ...] = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")


class Violation:
    """One reason to refuse a request.

    `message` is shown to the user who sent the request. Line breaks in it become spaces. `path` is the offending field
    of the object, as text (`spec.containers[0].image`, `metadata.labels['a.b/c']`) or as a tuple of keys and indexes.
    `reason` is the API status of a denial: Invalid (422, the default), Forbidden (403), RequestEntityTooLarge (413) or
    Unauthorized (401).

    Raises TypeError or ValueError if an argument is not valid.
    """

    # Written out: the module `dataclasses` takes as long to import as all of `gatewright`.
    __slots__ = __match_args__ = ("message", "path", "reason")

    if TYPE_CHECKING:  # read-only

        @property
        def message(self) -> str: ...
        @property
        def path(self) -> Path | None: ...
        @property
        def reason(self) -> Reason: ...

    def __init__(self, message: str, path: str | Path | None = None, reason: Reason | None = None) -> None:
        if not isinstance(message, str):
            raise TypeError(f"Violation: message must be text, not {type(message).__name__}")
        line = message.strip()
        if "\n" in line or "\r" in line:
            line = " ".join(filter(None, map(str.strip, re.split(r"[\r\n]+", line))))
        if not line:
            raise ValueError("Violation: message must not be blank")
        if reason is not None and reason not in REASONS:
            raise ValueError(f"Violation: reason must be one of {', '.join(REASONS)}, not {reason!r}")
        object.__setattr__(self, "message", line[:MAX_MESSAGE])
        object.__setattr__(self, "path", _path(path))
        object.__setattr__(self, "reason", reason or "Invalid")

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}(message={self.message!r}, path={self.path!r}, reason={self.reason!r})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete field {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Violation, self._fields()

    def _fields(self) -> tuple[str, Path | None, Reason]:
        return self.message, self.path, self.reason


def _path(path: str | Path | None) -> Path | None:
    if path is None:
        return None
    if isinstance(path, str):
        return paths.parse(path)
    if isinstance(path, tuple) and all(type(step) in (str, int) for step in path):
        return path
    raise TypeError("Violation: path must be text such as spec.containers[0].image, or a tuple of keys and indexes")

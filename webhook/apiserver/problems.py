"""What the API server refuses of an object before any policy sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webhook.frozen import maker
from webhook.nearest import nearest
from webhook.paths import Path

Reason = Literal["BadRequest", "Invalid", "NotFound", "Forbidden"]
"""Why the API server refuses: the object cannot be decoded, it is invalid, its kind is not served, or a plugin of the
server forbids it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One reason why the API server refuses an object.

    `path`: the field; it may be absent from the object, as a missing required field is. `message`: the API server's
    text. `known`: the names that the field at `path` may have, if it has none of them.
    """

    path: Path
    message: str
    reason: Reason = "BadRequest"
    known: tuple[str, ...] = ()

    @property
    def hint(self) -> str:
        """The known name that is nearest to the field's, for `did you mean`; "" if there is none."""
        return (nearest(str(self.path[-1]), self.known) or "") if self.known and self.path else ""


problem = maker(FieldProblem)
"""A fast constructor of FieldProblem."""

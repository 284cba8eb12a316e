"""What the API server refuses of an object before any policy sees it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from webhook.nearest import nearest
from webhook.paths import Path

Reason = Literal["BadRequest", "Invalid", "NotFound", "Forbidden"]
"""Why the API server refuses: the object cannot be decoded, it is invalid, its kind is not served, or a plugin of the
server forbids it."""


class FieldProblem(Struct, frozen=True):
    """One reason why the API server refuses an object.

    `path`: the field; it may be absent from the object, as a missing required field is. `message`: the API server's
    text. `known`: the names that the field at `path` may have, if it has none of them. `advice`: what is right instead.
    `strict`: the API server refuses the object only if the client asks for strict field validation, as kubectl does.
    """

    path: Path
    message: str
    reason: Reason = "BadRequest"
    known: tuple[str, ...] = ()
    advice: str = ""
    strict: bool = False

    @property
    def hint(self) -> str:
        """What is right instead, for `did you mean`: the known name that is nearest to the field's; "" if none is."""
        if self.advice or not self.known or not self.path:
            return self.advice
        return nearest(str(self.path[-1]), self.known) or ""

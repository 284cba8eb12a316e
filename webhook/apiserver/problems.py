"""What the API server refuses of an object before any policy sees it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from webhook.nearest import nearest
from webhook.paths import Path
from webhook.schema.spans import Lifetime
from webhook.versions import Version, shown

Reason = Literal["BadRequest", "Invalid", "NotFound", "Forbidden"]
"""Why the API server refuses: the object cannot be decoded, it is invalid, its kind is not served, or a plugin of the
server forbids it."""


class FieldProblem(Struct, frozen=True):
    """One reason why the API server refuses an object.

    `path`: the field; it may be absent from the object, as a missing required field is. `message`: the API server's
    text. `known`: the names that the field at `path` may have, if it has none of them. `advice`: the right way to write
    it. `words`: of a value in a wrong form, in plain words, what is expected and what it is. `strict`: the API server
    refuses the object only if the client asks for strict field validation, as kubectl does. `versions`: which other
    Kubernetes versions know the field or kind (`in_other_versions`), if one does.
    """

    path: Path
    message: str
    reason: Reason = "BadRequest"
    known: tuple[str, ...] = ()
    advice: str = ""
    words: str = ""
    strict: bool = False
    versions: str = ""

    @property
    def hint(self) -> str:
        """What is right instead, for `did you mean`: the known name that is nearest to the field's; "" if none is."""
        if self.advice or self.versions or not self.known or not self.path:
            return self.advice
        return nearest(str(self.path[-1]), self.known) or ""

    @property
    def afterword(self) -> str:
        """What is said after the message, with what separates it: other versions and the hint, or a value in a wrong
        form in plain words; or ""."""
        hint = f"; did you mean {self.hint}?" if self.hint else ""
        return (f"; {self.versions}" if self.versions else "") + (hint or (f"; {self.words}" if self.words else ""))


def in_other_versions(lifetime: Lifetime | None, target: Version, word: str = "known") -> str:
    """Which versions beside the target know something, in words; "" if none does.

    word: what they do with it.
    """
    if lifetime is None:
        return ""
    when = [f"until {shown(lifetime.until)}"] if lifetime.until is not None else []
    when += [f"since {shown(lifetime.since)}"] if lifetime.since is not None else []
    return f"{word} {' and '.join(when)}, and the target is Kubernetes {shown(target)} (--kubernetes-version)"

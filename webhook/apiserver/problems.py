"""What the API server refuses of an object before any policy sees it."""

from __future__ import annotations

import re
from typing import Final, Literal

from msgspec import Struct

from webhook.lazypatterns import lazily
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
    text. `known`: the names that the field at `path` may have, if it has none of them. `advice`: what is right instead.
    `strict`: the API server refuses the object only if the client asks for strict field validation, as kubectl does.
    `versions`: which other Kubernetes versions know the field or kind (`in_other_versions`), if one does.
    """

    path: Path
    message: str
    reason: Reason = "BadRequest"
    known: tuple[str, ...] = ()
    advice: str = ""
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
        """What is said after the message, with what separates it: other versions and the hint, or a wrong type in
        plain words; or ""."""
        if self.versions or self.hint:
            hint = f"; did you mean {self.hint}?" if self.hint else ""
            return (f"; {self.versions}" if self.versions else "") + hint
        found = _WRONG_TYPE.match(self.message)
        expected = _expected(found["type"]) if found else ""
        if found is None or not expected or found["found"] not in _FOUND:
            return ""
        quoted = ": quote it" if expected == "text" and found["found"] in ("number", "bool") else ""
        return f"; {expected} is expected, and this is {_FOUND[found['found']]}{quoted}"


def in_other_versions(lifetime: Lifetime | None, target: Version, word: str = "known") -> str:
    """Which versions beside the target know something, in words; "" if none does.

    word: what they do with it.
    """
    if lifetime is None:
        return ""
    when = [f"until {shown(lifetime.until)}"] if lifetime.until is not None else []
    when += [f"since {shown(lifetime.since)}"] if lifetime.since is not None else []
    return f"{word} {' and '.join(when)}, and the target is Kubernetes {shown(target)} (--kubernetes-version)"


_WRONG_TYPE: Final = lazily(r"json: cannot unmarshal (?P<found>\w+)(?: \S+)? into Go .* of type (?P<type>\S+)$")
_FOUND: Final = {
    "string": "text",
    "number": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _expected(go: str) -> str:
    """A Go type in the words of YAML; "" for one with a name, which may be anything."""
    if go.startswith("[]"):
        return "a list" if go != "[]uint8" else ""
    if go.startswith("map["):
        return "a mapping"
    if re.fullmatch(r"u?int\d*", go):
        return "a whole number"
    return {"bool": "true or false", "string": "text"}.get(go, "")

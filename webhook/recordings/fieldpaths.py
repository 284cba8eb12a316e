"""Paths of fields that are to be redacted: `spec.containers[*].env[*].value`.

A path begins at each object of a review: the object, the old object, and what policies looked up. With `request.` in
front it begins at the request: `request.userInfo.extra`. Steps are separated by dots; a key with a dot stands in
brackets and quotes: `metadata.annotations['example.com/token']`. `[*]` and `*` are every element or key, `**` is any
number of steps. Everything below the field is redacted.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from webhook.lazypatterns import lazily

MAX_STEPS: Final = 32
"""The most steps of a path."""

ANY: Final = "*"
DEEP: Final = "**"

_STEP: Final = lazily(
    r"""\.?(?:(?P<name>\*\*|\*|[^\s.\[\]'"*]+)|\[(?:(?P<index>\*|[0-9]{1,9})|'(?P<single>[^']*)'|"(?P<double>[^"]*)")\])"""
)
_REQUEST: Final = "request"


class BadFieldPath(ValueError):
    """The path cannot be read; the text says where, and what was expected."""


class FieldPath(Struct, frozen=True):
    """steps: keys and indices as text, ANY or DEEP. of_request: it begins at the request, not at each object.

    quoted: the indices of steps that are keys, whatever they look like.
    """

    text: str
    steps: tuple[str, ...]
    of_request: bool = False
    quoted: frozenset[int] = frozenset()

    def wild(self, index: int, sign: str) -> bool:
        """Whether this step is ANY or DEEP."""
        return self.steps[index] == sign and index not in self.quoted


def parse(text: str) -> FieldPath:
    """The path that is written so. Raises BadFieldPath."""
    steps: list[str] = []
    quoted: set[int] = set()
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (at == 0 and text[0] == ".") or (at and match["name"] and text[at] != "."):
            raise BadFieldPath(
                f"{text[:200]!r}: column {at + 1}: expected a field such as .name, .*, [*], ['a.key'] or **"
            )
        if match["single"] is not None or match["double"] is not None:
            quoted.add(len(steps))
        steps.append(next(each for each in match.groups() if each is not None))
        at = match.end()
    of_request = bool(steps) and steps[0] == _REQUEST and 0 not in quoted
    if of_request:
        steps = steps[1:]
        quoted = {each - 1 for each in quoted}
    if not steps or (steps[-1] == DEEP and len(steps) - 1 not in quoted):
        raise BadFieldPath(f"{text[:200]!r}: expected the path of a field, such as spec.token")
    if len(steps) > MAX_STEPS:
        raise BadFieldPath(f"{text[:200]!r}: expected at most {MAX_STEPS} steps, got {len(steps)}")
    return FieldPath(text, tuple(steps), of_request, frozenset(quoted))

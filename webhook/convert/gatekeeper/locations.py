"""The paths of Gatekeeper's mutators: spec.containers[name: *].securityContext."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from webhook.convert.model import Unsupported
from webhook.lazypatterns import lazily
from webhook.paths import Path

_STEP = lazily(
    r"""(?:(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|"(?P<double>[^"\\]{1,253})"|'(?P<single>[^'\\]{1,253})')"""
    r"""(?:\[ *(?P<key>[A-Za-z_][A-Za-z0-9_]*) *: *"""
    r"""(?P<value>\*|"[^"\\]{1,253}"|'[^'\\]{1,253}'|[A-Za-z0-9_./-]{1,253}) *\])?"""
)
_MOST: Final = 24  # steps


class Step(Struct, frozen=True):
    """A field. If it is a list: the key that identifies its elements, and the value of that key, or `*`."""

    key: str
    list_key: str = ""
    list_value: str | None = None

    @property
    def text(self) -> str:
        return f"{self.key}[{self.list_key}:{self.list_value}]" if self.list_key else self.key


def parse(text: str, at: Path) -> list[Step]:
    """The steps of a location. Raises Unsupported."""
    steps: list[Step] = []
    offset = 0
    while len(steps) < _MOST:
        found = _STEP.match(text, offset)
        if found is None:
            break
        key = found["name"] or found["double"] or found["single"]
        value = found["value"]
        steps.append(Step(key, found["key"] or "", value.strip("\"'") if value else None))
        offset = found.end()
        if offset == len(text):
            return steps
        if text[offset] != ".":
            break
        offset += 1
    raise Unsupported(f"the location {text[:80]!r} does not parse at character {offset + 1}", at)

"""Paths in a mutated object → the same places in the object as it was sent, which is the one that the file holds."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from webhook.paths import Path


class Mutated(Struct, frozen=True):
    """An object before and after mutation."""

    before: dict[str, Any]
    after: dict[str, Any]

    def origin(self, path: Path) -> Path:
        """The path, in the object before, of what is at `path` in the object after.

        An element of a list may have another index there. An element that mutation added has none: the path is that of
        the list. Below what mutation added to an object the path stays as it is; it leads to nothing in the file.
        """
        before: Any = self.before
        after: Any = self.after
        found: list[str | int] = []
        for depth, step in enumerate(path):
            if isinstance(step, int) and isinstance(after, list) and isinstance(before, list) and step < len(after):
                index = _index_before(before, after, step)
                if index is None:
                    return tuple(found)
                found.append(index)
                before, after = before[index], after[step]
            elif isinstance(step, str) and isinstance(after, dict) and isinstance(before, dict) and step in before:
                found.append(step)
                before, after = before[step], after.get(step)
            else:
                return (*found, *path[depth:])
        return tuple(found)


def _index_before(before: list[Any], after: list[Any], index: int) -> int | None:
    """Where an element of the list after stood before: the equal one, the one of the same name, or the same index."""
    element = after[index]
    if index < len(before) and before[index] == element:
        return index
    equal = [place for place, each in enumerate(before) if each == element]
    if equal:
        return equal[0]
    if isinstance(element, dict) and "name" in element:
        named = [
            place for place, each in enumerate(before) if isinstance(each, dict) and each.get("name") == element["name"]
        ]
        return named[0] if named else None
    return index if len(before) == len(after) else None

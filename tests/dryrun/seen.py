"""The requests that the policies in policies/ have seen. They run in this process, and write to this module."""

from __future__ import annotations

from typing import Any


class Seen:
    """`kept[number][phase]` is a request: `name`, `options`, `object`."""

    def __init__(self) -> None:
        self.kept: list[dict[str, dict[str, Any]]] = []
        self._mutation: dict[str, Any] | None = None

    def keep(self, phase: str, name: str, options: Any, value: Any) -> str:
        """Validation follows the mutation of the same request."""
        request = {"name": name, "options": options, "object": value}
        if phase == "mutation":
            self._mutation = request
            return ""
        self.kept.append({"validation": request} | ({"mutation": self._mutation} if self._mutation else {}))
        self._mutation = None
        return f"kept as {len(self.kept) - 1}"


SEEN = Seen()

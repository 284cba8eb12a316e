"""The look of reports on a terminal: the colours and their uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from webhook.cli.report.model import Level

BOLD: Final = "\x1b[1m"
DIM: Final = "\x1b[2m"
RED: Final = "\x1b[31m"
GREEN: Final = "\x1b[32m"
YELLOW: Final = "\x1b[33m"
MAGENTA: Final = "\x1b[35m"  # on light backgrounds yellow is hard to read
CYAN: Final = "\x1b[36m"
_RESET: Final = "\x1b[0m"

ERROR: Final = BOLD + RED
WARNING: Final = BOLD + YELLOW
PASSED: Final = BOLD + GREEN
LEVEL: Final[dict[Level, str]] = {
    "deny": ERROR,
    "warn": WARNING,
    "audit": BOLD + CYAN,
    "error": ERROR,
    "warning": WARNING,
    "note": BOLD + CYAN,
}
DIFF: Final = {"+": GREEN, "-": RED, "@": CYAN}
"""The first character of a line of a unified diff -> the line's style."""


class Style:
    """Text in a style, or as it was where the report has no colours."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{style}{text}{_RESET}" if self._color and style else text

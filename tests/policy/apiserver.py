"""The API server's own evaluator: what it makes of a policy."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from tests import goprograms

SOURCE = Path(__file__).parent / "kubernetes"


@cache
def program() -> Path:
    """The program of `kubernetes/main.go`."""
    return goprograms.built(SOURCE)


def asked(lines: Iterable[dict[str, Any]], *arguments: str) -> list[dict[str, Any]]:
    """The answer to each line."""
    return goprograms.answers(program(), lines, *arguments)

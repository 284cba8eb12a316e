"""The page about the functions is written from their declarations."""

from __future__ import annotations

from pathlib import Path

from webhook.cel.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cel-functions.md"


def test_the_reference_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make docs`"

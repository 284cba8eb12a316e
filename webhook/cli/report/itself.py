"""Gatewright's own version and documentation, for reports."""

from __future__ import annotations

from typing import Final

SITE: Final = "https://gatewright.dev/"
"""Where the documentation is published, by the paths that it has in the repository."""


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import version as installed  # imported here, because it imports the email package

    return installed("gatewright")

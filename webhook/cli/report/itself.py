"""What reports say of Gatewright itself."""

from __future__ import annotations


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import version as installed  # imported here, because it imports the email package

    return installed("gatewright")

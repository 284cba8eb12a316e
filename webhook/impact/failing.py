"""What a run of `impact` is to fail on: the differences that `--fail-on` names."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webhook.impact.differences import Difference


class FailOn(StrEnum):
    """What the exit code 1 stands for."""

    NEWLY_DENIED = "newly-denied"
    NEWLY_ALLOWED = "newly-allowed"
    ANY = "any"
    NEVER = "never"


def fails(difference: Difference, change: str, on: FailOn) -> bool:
    """Whether a change that a policy makes to the verdict on an object is one that a run is to fail on: what counts is
    what becomes of the object under all policies."""
    if on is FailOn.NEWLY_DENIED:
        return difference.is_denied and not difference.was_denied and change in ("newly denied", "error came")
    if on is FailOn.NEWLY_ALLOWED:
        return difference.was_denied and not difference.is_denied and change in ("newly allowed", "error went")
    return on is FailOn.ANY

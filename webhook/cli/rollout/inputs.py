"""The shared input of the roll-out commands: the policies, the saved reports, notes, and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from webhook.cli.options import FAILED, fail, fail_with
from webhook.cli.readoptions import (
    Bundles,
    NotGiven,
    given,
    trees,
    twice,
)

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet
    from webhook.rollout.reports import Saved


def code(run: Callable[[], int]) -> int:
    """The exit code of a run. Errors in options are printed on stderr."""
    try:
        return run()
    except NotGiven as error:
        return fail_with(error.problems) if error.problems else fail(str(error))
    except BrokenPipeError:  # the reader of stderr has closed it
        return FAILED
    except KeyboardInterrupt:
        return 130


def tree(policies: Sequence[str] | None, version: str, imports: str, bundles: Bundles) -> PolicySet:
    """The policies. Raises NotGiven."""
    return given(trees(policies), version, "", (), None, imports, bundles).policies


def saved(files: Iterable[str]) -> list[Saved]:
    """The reports. Raises NotGiven, also if a file is given twice: what it found would be counted twice."""
    from webhook.rollout.reports import ReportError, read

    files = list(files)
    if again := twice(files):
        raise NotGiven(f"{again}: given twice")
    try:
        return [read(each) for each in files]
    except ReportError as error:
        raise NotGiven(str(error)) from None


def say(message: str) -> None:
    """Print a note on stderr."""
    from webhook.cli.report.problems import note_line

    sys.stderr.write(note_line(message, color=False))

"""The environment for programs without coverage: those of others, such as pip and sphinx, and long runs of ours that
other tests cover."""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """The environment of this process, without what makes Python measure coverage in the processes that it starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

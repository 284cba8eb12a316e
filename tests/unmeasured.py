"""The environment for programs that are not ours, such as pip and sphinx: nobody wants to know what they covered."""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """The environment of this process, without what makes Python measure coverage in the processes that it starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

"""The environment for programs of which nobody wants to know what they covered: others', such as pip and sphinx, and
ours where they do nothing that is not covered elsewhere, at length."""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """The environment of this process, without what makes Python measure coverage in the processes that it starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

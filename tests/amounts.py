"""How many generated cases a test tries: a part of them in `make test`, all of them with GATEWRIGHT_TEST_ALL set, as
`make soak` sets it. The part is of the same seed, so what it finds the whole run finds too.
"""

from __future__ import annotations

import os

ALL = "GATEWRIGHT_TEST_ALL" in os.environ


def amount(every: int, part: int) -> int:
    """`every` in a whole run, else `part`."""
    return every if ALL else part

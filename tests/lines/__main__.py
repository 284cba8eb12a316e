"""`python -m tests.lines`: the score, and every miss."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lines.corpus import Case, cases
from tests.lines.scoring import Outcome, run, summary


def _run(case: Case) -> Outcome:
    with TemporaryDirectory() as folder:
        return run(case, Path(folder))


if __name__ == "__main__":
    sys.stdout.write(summary([_run(case) for case in cases()]) + "\n")

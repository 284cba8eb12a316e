"""Asks a real API server about the corpus, and writes tests/dryrun/recorded.json anew.

python -m tests.e2e.dryrun
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.dryrun.answers import RECORDED, record
from tests.dryrun.corpus import files
from tests.e2e.assets import build
from tests.e2e.controlplane import started
from tests.e2e.dryrun.recorder import recording
from tests.e2e.dryrun.sending import answers


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        started(build(), service_accounts=True) as cluster,
        recording(Path(folder)) as recorder,
    ):
        found = answers(cluster, recorder, files())
    record(found)
    print(f"{sum(map(len, found.values()))} answers in {RECORDED}, {RECORDED.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

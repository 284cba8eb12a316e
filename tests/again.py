"""Runs pytest, and the few tests that failed once more, alone: `python -m tests.again`, with pytest's own arguments.

Thousands of tests start real processes on two cores, and one that a busy machine makes fail must not hide what else is
red. A test that passes only then is a fault of the test, or a race in the code: it is named, and has to be mended.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

MOST = 3
"""Where more tests fail, the code is broken: they are not run again."""


def run(arguments: list[str]) -> int:
    """The exit code of pytest: 0 where each test passed, if need be the second time."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={folder}", *arguments]
        code = subprocess.run(command, check=False).returncode
        remembered = Path(folder, "v", "cache", "lastfailed")
        if code != 1 or not remembered.exists():
            return code
        failed = sorted(json.loads(remembered.read_text()))
        if not 0 < len(failed) <= MOST or not all("::" in each for each in failed):
            return code  # without :: it is no test: a module cannot be imported, or a process of pytest ended
        print(f"Run again, alone: {', '.join(failed)}", flush=True)
        alone = ["--last-failed", "--last-failed-no-failures=none", "--numprocesses=0", "--dist=no"]
        if "--cov" in arguments:
            alone.append("--cov-append")
        code = subprocess.run([*command, *alone], check=False).returncode
    if code == 0:
        rule = "#" * 90
        lines = "\n".join(f"##   {each}" for each in failed)
        print(f"{rule}\n## PASSED ONLY WHEN RUN AGAIN, alone; to be mended:\n{lines}\n{rule}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))

"""`make bench`: Gatewright's speed, in comparison with alternatives that are measured in the same run.

python -m bench            every benchmark
python -m bench cel check  only these

A benchmark that fails does not end the run: the others follow, and the exit code is 1. At the end stands a table of the
figures that have a bound. With the variable BENCH_JSON, all figures are written to the file that it names, with their
bounds and the load.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from bench import (
    authors,
    calls,
    check_manifests,
    check_memory,
    expressions,
    figures,
    findings,
    impact,
    instructions,
    library,
    load_tree,
    objects,
    overload,
    page,
    peers,
    policies,
    recording,
    reviews,
    serve,
    startup,
    worst,
)


def _check() -> None:
    startup.main()
    check_manifests.main()


BENCHMARKS = {
    "cel": expressions.main,
    "worst": worst.main,
    "policies": policies.main,
    "authors": authors.main,
    "load": load_tree.main,
    "library": library.main,
    "start": startup.main,
    "check": _check,
    "memory": check_memory.main,
    "peers": peers.main,
    "findings": findings.main,
    "objects": objects.main,
    "page": page.main,
    "impact": impact.main,
    "calls": calls.main,
    "instructions": instructions.main,
    "reviews": reviews.main,
    "serve": serve.main,
    "overload": overload.main,
    "record": recording.main,
}


def main(names: list[str]) -> None:
    unknown = set(names) - BENCHMARKS.keys()
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; expected some of {', '.join(BENCHMARKS)}")
    failed = []
    for name in names or [each for each in BENCHMARKS if each != "start"]:  # it is a part of check
        begun = time.monotonic()
        try:
            BENCHMARKS[name]()
        except (Exception, SystemExit) as error:
            failed.append(name)
            print(f"{name} failed:", error if isinstance(error, SystemExit) else traceback.format_exc(), "\n")
        figures.took(name, time.monotonic() - begun)
        sys.stdout.flush()
        if file := os.environ.get("BENCH_JSON"):
            figures.write(Path(file))  # after each, as a run of all takes a while and may be stopped
    print(figures.table())
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1:])

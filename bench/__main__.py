"""`make bench`: Gatewright's speed, in comparison with alternatives that are measured in the same run.

python -m bench            every benchmark
python -m bench cel check  only these

With the variable BENCH_JSON, the figures are written to the file that it names, with their bounds and the load.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bench import (
    authors,
    calls,
    check_manifests,
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
    for name in names or [each for each in BENCHMARKS if each != "start"]:  # it is a part of check
        BENCHMARKS[name]()
        if file := os.environ.get("BENCH_JSON"):
            figures.write(Path(file))  # after each, as a run of all takes an hour and may be stopped


if __name__ == "__main__":
    main(sys.argv[1:])

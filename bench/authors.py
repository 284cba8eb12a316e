"""The cost of protecting requests from Python policies: the shipped policies over the recorded reviews.

Three variants run in turn, in one process: the ordinary one, where policies that only read get the request's own
objects; with views, which policies that may write get; and unprotected, where all policies share one Request that was
made before. In addition, the CPU time of `import gatewright` in a new process.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import force_setattr, replace

from bench.figures import keep
from webhook.admission import engine, review
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.evaluation import PASSED, Evaluation, Failure
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.python import running
from webhook.policy.python.declaring import Declaration, Proof
from webhook.policy.python.given import given_plain
from webhook.policy.python.running import PythonValidator

ROOT = Path(__file__).parent.parent
REVIEWS = ROOT / "tests/fixtures/reviews"
ROUNDS = 40
TIMES = 40
LIMIT = 1.03
"""The limit of the ordinary variant's time, relative to the unprotected one."""
LIMIT_IMPORT_MS = 30.0

_IMPORT = "import time; t = time.process_time(); import gatewright; print((time.process_time() - t) * 1000)"


def main() -> None:
    library, views, unprotected = (load(ROOT / "policies") for _ in range(3))
    cluster = ManifestsView(library.objects)
    for policies in (views, unprotected):
        for policy in policies.validating:
            if isinstance(policy.evaluator, PythonValidator):
                declared = policy.evaluator.declaration
                declaration = replace(declared, proof=Proven(declared.line) if policies is unprotected else None)
                force_setattr(policy.evaluator, "declaration", declaration)
                if policies is unprotected:
                    force_setattr(policy, "held", Unprotected(declaration))
    requests = [review.parse(path.read_bytes()) for path in sorted(REVIEWS.glob("*-validate-*.json"))]
    requests = [request for request in requests if _is_seen(request, unprotected, cluster)]
    ways = {"unprotected": unprotected, "ordinary: they only read": library, "as views": views}
    best = {way: [inf] * len(requests) for way in ways}
    for _ in range(ROUNDS):
        for number, request in enumerate(requests):
            Unprotected.made = given_plain(request, cluster, frozenset())
            for way, policies in ways.items():  # in turn, because other processes use the machine too
                took = _microseconds(partial(engine.validate, request, policies, cluster))
                best[way][number] = min(best[way][number], took)
    print(f"Python policies: engine.validate on {len(requests)} recorded reviews, the shipped policies\n")
    for way, took_each in best.items():
        total = sum(took_each)
        print(f"{way:26} {total / len(requests):6.2f} µs a review, ratio {total / sum(best['unprotected']):.3f}")
    print(f"wanted: at most {LIMIT} for the ordinary variant\n")
    ratio = sum(best["ordinary: they only read"]) / sum(best["unprotected"])
    keep("policies in Python, beside unprotected ones", ratio, "x", at_most=LIMIT)
    command = [sys.executable, "-c", _IMPORT]
    imports = (subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(7))
    importing = min(map(float, imports))
    print(f"import gatewright: {importing:.1f} ms of CPU time; wanted: at most {LIMIT_IMPORT_MS:.0f}\n")
    keep("import gatewright", importing, "ms", at_most=LIMIT_IMPORT_MS)


class Proven(Proof):
    """Stands for the proof that the policy at a line only reads."""

    def __init__(self, line: int) -> None:
        super().__init__(b"")
        self._lines = frozenset({line})


class Unprotected:
    """A PythonValidator without protection: all policies share one Request, which was made before."""

    made: ClassVar[Any] = None
    sharable: ClassVar[tuple[tuple[str, bytes], ...]] = ()

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration

    def programs(self) -> Iterator[Any]:
        return iter(())

    def prepare(self) -> None:
        pass

    def share(self, repeated: object) -> None:
        pass

    def evaluate(self, _request: object, params: Any, *_: object) -> Evaluation:
        declaration = self.declaration
        failures: list[Failure] = []
        try:
            with running._Limits():  # what `serve` measures as isolation: it is in all variants
                for found in running._found(running._call(declaration, self.made, params)):
                    failures.append(Failure(found.message, found.reason, path=found.path, index=len(failures)))
        except (Exception, SystemExit) as error:
            failures.append(Failure(str(error), error=True, index=len(failures)))
        return Evaluation(failures) if failures else PASSED


def _is_seen(request: Any, policies: PolicySet, cluster: ManifestsView) -> bool:
    """Whether a Python policy is evaluated for the request. If so, it fails here, because `made` is None."""
    Unprotected.made = None
    return any(finding.error for finding in engine.validate(request, policies, cluster).findings)


def _microseconds(call: Callable[[], object]) -> float:
    start = time.process_time_ns()
    for _ in range(TIMES):
        call()
    return (time.process_time_ns() - start) / TIMES / 1000


if __name__ == "__main__":
    main()

"""Policies change under load: no request fails, and each answer is right for the revision that it names.

GATEWRIGHT_TEST_TIMES asks for 50 reloads instead of these (`make soak`), five of them of broken trees.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.load import Clients
from tests.server.running import Running
from tests.server.trees import policy, reload, value, write

SOAK = "GATEWRIGHT_TEST_TIMES" in os.environ
RELOADS = 50 if SOAK else 5
BROKEN_EVERY = 10 if SOAK else 4
POLICIES = 20

PYTHON = """\
from gatewright import Violation, validate


@validate(resources=["v1/pods"], operations=["CREATE"])
def spoken(request):
    yield Violation("number {number}")
"""
BOUND = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: spoken
spec:
  policyName: spoken
  validationActions: [Deny]
"""


def _write(tree: Path, number: int) -> None:
    """A tree whose policies all deny with the number of the tree."""
    files = {f"p{each}_yaml": policy(f"number {number}", f"p{each}") for each in range(POLICIES)}
    write(tree, spoken_py=PYTHON.format(number=number), spoken_yaml=BOUND, **files)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_fails_and_each_answer_is_of_one_revision(
    start: Callable[..., Running], tmp_path: Path, workers: int
) -> None:
    tree = tmp_path / "tree"
    _write(tree, 0)
    server = start("--policies", str(tree), "--workers", str(workers))
    ca = tmp_path / "ca.pem"
    ca.write_bytes(server.ca)
    numbers = {server.get("/policies").json["revision"]: 0}
    broken = 0
    with Clients(
        server.port, ca, keep_alive=4, fresh=2, requests=100, rate=0 if SOAK else 100, only="020", answers=True
    ) as clients:
        for number in range(1, RELOADS + 1):
            _write(tree, number)
            if number % BROKEN_EVERY == 0:
                write(tree, p7_yaml="kind: [", p8_yaml=policy("number -1", "p8"))
                assert reload(server).status == 409
                broken += 1
                continue
            answer = reload(server)
            assert (answer.status, answer.json["changed"]) == (200, True)
            numbers[answer.json["revision"]] = number
        came = clients.end()

    right = {(revision, (str(POLICIES + 1), f"number {number}")) for revision, number in numbers.items()}
    seen = {(revision, tuple(messages)) for (revision, messages), _ in came["answers"]}
    print(
        f"\nreloads under load, {workers} worker(s): {came['requests']} requests in {came['seconds']:.1f} s, "
        f"{came['failed']} failed; {len(numbers) - 1} reloads, {broken} of broken trees, {len(seen)} revisions seen; "
        f"p50 {came['p50']:.1f} ms, p99 {came['p99']:.1f} ms"
    )
    assert came["failures"] == []
    assert seen <= right, seen - right
    assert len(seen) >= len(numbers) // 2
    assert value(server, "gatewright_policy_reloads_total") == len(numbers) - 1
    assert value(server, "gatewright_policy_reload_failures_total") == broken
    assert server.stop() == 0

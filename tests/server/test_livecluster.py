"""A server and the cluster that it may be told of. (With a real one: tests/e2e.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import COMMAND, environment
from webhook.cluster.lookups import Lookups, Target
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.server.livecluster import prepare, unused
from webhook.server.logs import Log
from webhook.server.settings import Settings

ROOT = Path(__file__).parents[2]


def test_without_a_cluster_its_client_is_not_imported() -> None:
    program = (
        "import sys\nfrom webhook.server.process import _prepare\nfrom webhook.server.settings import Settings\n"
        "from webhook.server.logs import Log\n"
        "_prepare(Settings(policies='policies', port=0, plain_port=0), Log())\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('kubernetes', 'urllib3')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, env=environment()
    )
    assert run.stdout.splitlines()[-1] == "[]"


def test_outside_of_a_pod_there_is_none_unless_told() -> None:
    assert prepare(Settings(), PolicySet(), Log()) is None
    assert prepare(Settings(cluster="none"), PolicySet(), Log()) is None


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--cluster", "in-cluster"), "--cluster in-cluster: the service account's token: "),
        (("--cluster", "kubeconfig", "--kubeconfig", "missing"), "--cluster kubeconfig: kubeconfig missing: "),
    ],
)
def test_one_that_cannot_be_found_ends_the_start(flags: tuple[str, ...], told: str) -> None:
    command = [*COMMAND, "serve", "--port", "0", "--plain-port", "0", *flags]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment(), timeout=30)
    assert run.returncode == 2
    assert run.stderr.startswith(told)
    assert "Traceback" not in run.stderr


def test_objects_of_the_tree_that_the_cluster_has_instead_are_named() -> None:
    tree = load(ROOT / "policies")
    config_maps = Lookups((Target("v1", "ConfigMap", "gatewright-system", "replica-bounds"),))
    told = unused(tree, config_maps)
    assert told is not None
    assert told.endswith(
        "ConfigMap gatewright-system/finalizer-enforcement, ConfigMap gatewright-system/protocol-whitelist, "
        "ConfigMap gatewright-system/replica-bounds"
    )
    assert unused(tree, Lookups()) is None

"""What is installed without the extras: check, test, lint and others run, and what needs an extra says which."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POLICIES = "policies/no-host-path"
_HIDING = """
import sys
from importlib.metadata import packages_distributions

kept, hidden = set(sys.argv.pop(1).split(",")), set(sys.argv.pop(1).split(","))
known = {
    package for package, names in packages_distributions().items()
    if hidden & {name.lower().replace("_", "-") for name in names}
    and not kept & {name.lower().replace("_", "-") for name in names}
}

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in known:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hiding())
from webhook.cli.main import main
sys.argv[0] = "gatewright"
main()
"""


def locked(file: str) -> set[str]:
    """The names of the packages in a lock."""
    return {*re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / file).read_text(), re.MULTILINE)}


def gatewright(*arguments: str, without: set[str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as if only the packages of requirements-check.lock were installed, or without some."""
    kept = locked("requirements-check.lock")
    hidden = locked("requirements-dev.lock") - kept if without is None else without
    command = [sys.executable, "-c", _HIDING, ",".join(kept), ",".join(hidden), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "docs/examples/web.yaml", "--policies", POLICIES), "1 denied (2 objects in 1 file, 1 policy)"),
        (("check", "docs/examples/web.yaml", "--policies", POLICIES, "-o", "html"), "<!doctype html>"),
        (("test", "--policies", "policies/add-no-token-automount", "-o", "text"), " passed, 0 failed"),
        (("lint", POLICIES), "nothing found (1 policy "),
        (("explain", "no-host-path", "docs/examples/web.yaml", "--policies", POLICIES), "no-host-path"),
        (("mutate", "docs/examples/web.yaml", "--policies", "policies/add-ttl-to-jobs"), "kind: Deployment"),
        (("manifests", POLICIES, "--no-ca"), "ValidatingWebhookConfiguration"),
        (("serve", "--help"), "Serve the admission webhook"),
    ],
)
def test_commands_of_ci_need_no_extra(arguments: tuple[str, ...], said: str) -> None:
    run = gatewright("--no-settings", *arguments)
    assert run.returncode in (0, 1), run.stderr
    assert "Traceback" not in run.stderr
    assert said in run.stdout


def test_serve_names_its_extra() -> None:
    run = gatewright("serve", "--policies", POLICIES)
    assert run.returncode == 2
    assert re.fullmatch(
        r"error: the server is not installed \(\w+\): pip install 'gatewright\[server\]'\n", run.stderr
    ), run.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--policies", POLICIES, "--cluster", "kubeconfig", "--port", "0", "--plain-port", "0"),
        ("audit", "--policies", POLICIES),
        ("impact", "--cluster", "--since", "HEAD", "--policies", POLICIES),
    ],
)
def test_what_asks_a_cluster_names_its_extra(arguments: tuple[str, ...]) -> None:
    run = gatewright(*arguments, without={"kubernetes"})
    assert run.returncode == 2, run.stdout
    assert "the client of clusters is not installed: pip install 'gatewright[cluster]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_what_reads_metrics_names_its_extra() -> None:
    run = gatewright("rollout", "--policies", POLICIES, "--metrics", "README.md", without={"prometheus-client"})
    assert (run.returncode, run.stdout) == (2, "")
    assert "--metrics needs prometheus_client, which is not installed: pip install 'gatewright[server]'" in run.stderr

"""`gatewright check` beside the commands of Gatekeeper, Kyverno and Checkov, over the same files.

Five rules of the same meaning stand in the dialect of each (`dialects/`, of our own); each must find what breaks them.

Whole processes are measured, in turns in one run: the processor time of each, children included. A command that is not
there is left out, with a line that says so. `make peers` builds those of Gatekeeper and Kyverno of their published
modules, and installs Checkov into an environment of its own, all in the cache; nothing of their sources is read.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from bench import check_manifests, figures
from tests.convert import peers

MANIFESTS: Final = 1000
ROUNDS: Final = 3
SLOW: Final = 10.0
"""Seconds of processor time. What takes longer runs once."""
DIALECTS: Final = Path(__file__).parent / "dialects"
_CHECKOV: Final = "3.3.30"
_BAD: Final[list[dict[str, Any]]] = [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "unnamed", "namespace": "shop"}},
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bad", "namespace": "shop", "labels": {"app.kubernetes.io/name": "bad"}},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "hostNetwork": True,
                    "containers": [
                        {"name": "a", "image": "a:1", "securityContext": {"privileged": True}},
                        {"name": "b", "image": "b:latest"},
                    ],
                },
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "open", "namespace": "shop", "labels": {"app.kubernetes.io/name": "open"}},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    },
]
"""Objects of which each of the five rules refuses one."""
VIOLATIONS: Final = 5


class Peer(Struct, frozen=True):
    """A command. arguments: of the folder with manifests. violations: how many its output has."""

    name: str
    arguments: Callable[[Path], list[str]]
    violations: Callable[[str], int]


def there() -> list[Peer]:
    """Gatewright, and the commands that are there; a line for each that is not."""
    ours = [sys.executable, "-m", "webhook.cli.main", "check", "--policies", str(DIALECTS / "gatewright"), "-o", "json"]
    found = [Peer("gatewright check", lambda folder: [*ours, str(folder)], _of_gatewright)]
    gator, kyverno, checkov = peers.place("gatekeeper"), peers.place("kyverno"), _environment() / "bin" / "checkov"
    policies = str(DIALECTS / "gatekeeper")
    if _is_there(gator):
        test = [str(gator), "test", "-o", "json", "-f", policies, "-f"]
        found.append(Peer("gator test", lambda folder: [*test, str(folder)], lambda text: len(json.loads(text) or [])))
    if _is_there(kyverno):
        apply = [str(kyverno), "apply", str(DIALECTS / "kyverno"), "--resource"]
        found.append(Peer("kyverno apply", lambda folder: [*apply, str(folder)], _of_kyverno))
    if _is_there(checkov):
        scan = [str(checkov), "--framework", "kubernetes", "--external-checks-dir", str(DIALECTS / "checkov")]
        scan += ["--check", "CKV2_OWN_*", "--skip-download", "--quiet", "--compact", "-o", "json", "-d"]
        found.append(Peer("checkov", lambda folder: [*scan, str(folder)], _of_checkov))
    return found


def _is_there(program: Path) -> bool:
    if not program.exists():
        print(f"  {program.name.partition('-')[0]} is not here, and is left out: make peers")
    return program.exists()


def _environment() -> Path:
    """Where Checkov is installed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "gatewright" / "peers" / f"checkov-{_CHECKOV}"


def _of_gatewright(text: str) -> int:
    return sum(each["action"] == "Deny" for each in json.loads(text)["findings"])


def _of_kyverno(text: str) -> int:
    counted = re.search(r"fail: ([0-9]+),", text)
    return int(counted[1]) if counted else 0


def _of_checkov(text: str) -> int:
    failed: int = json.loads(text)["summary"]["failed"]
    return failed


def run(command: list[str]) -> tuple[float, str]:
    """The processor time of a command with its children, in seconds, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def agreed(found: list[Peer], folder: Path) -> None:
    """Exits with an error if one of them does not find the violations."""
    for each in found:
        _, text = run(each.arguments(folder))
        if (number := each.violations(text)) != VIOLATIONS:
            raise SystemExit(f"{each.name} finds {number} violations, expected {VIOLATIONS}: {text[-500:]}")


def measured(found: list[Peer], folder: Path) -> dict[str, float]:
    """The median of the processor times of each, in seconds. They run in turns; those that are slow run once."""
    times: dict[str, list[float]] = {each.name: [] for each in found}
    for _ in range(ROUNDS):
        for each in found:
            if not times[each.name] or times[each.name][0] < SLOW:
                taken, text = run(each.arguments(folder))
                times[each.name].append(taken)
                if violations := each.violations(text):
                    raise SystemExit(f"{each.name} finds {violations} violations where there are none")
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    print(f"peers: five rules over {MANIFESTS} manifests and over one; processor time of whole processes\n")
    found = there()
    with tempfile.TemporaryDirectory() as scratch:
        bad, many, one = Path(scratch, "bad"), Path(scratch, "many"), Path(scratch, "one")
        for folder in (bad, many, one):
            folder.mkdir()
        for number, value in enumerate(_BAD):
            (bad / f"{number}.yaml").write_text(yaml.safe_dump(value))
        check_manifests.generate(many, MANIFESTS)
        check_manifests.generate(one, 1)
        agreed(found, bad)
        print(f"  each finds the {VIOLATIONS} violations that are there\n")
        for folder, what in ((many, f"{MANIFESTS} manifests"), (one, "one manifest")):
            times = measured(found, folder)
            for name, taken in times.items():
                print(f"  {name:18} {what}: {taken:8.2f} s")
            ours = times[found[0].name]
            for name, taken in times.items():
                if name != found[0].name:
                    figures.figure(f"{name}, {what}, beside gatewright check", taken / ours, "x")


def build() -> None:
    """What `make peers` does."""
    environment = _environment()
    if not (environment / "bin" / "checkov").exists():
        venv.create(environment, with_pip=True)
        install = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", f"checkov=={_CHECKOV}"]
        subprocess.run(install, check=True)
    print(f"checkov: {environment / 'bin' / 'checkov'}", flush=True)
    peers.main([])


if __name__ == "__main__":
    build()

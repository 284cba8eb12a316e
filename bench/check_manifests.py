"""`gatewright check` over 1,000 manifests, in comparison with yaml.CSafeLoader reading the same files.

Both run as whole processes, in turn, so the times include start-up, loading of policies, and the report. A second ratio
leaves these out: they are measured with a single manifest, and subtracted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from bench import figures
from bench.deployment import DEPLOYMENT

MANIFESTS = 1000
ROUNDS = 5
POLICIES = Path(__file__).parents[1] / "policies"

LOAD = """
import pathlib, sys, yaml
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    with path.open("rb") as stream:
        for _ in yaml.load_all(stream, Loader=yaml.CSafeLoader):
            pass
"""


def generate(folder: Path, count: int) -> None:
    """Write `count` manifests: Deployments, Services and ConfigMaps in turn."""
    template = {key: value for key, value in DEPLOYMENT.items() if key != "metadata"}
    for number in range(count):
        name = f"app-{number:04d}"
        metadata = {"name": name, "namespace": "shop", "labels": {"app.kubernetes.io/name": name}}
        match number % 3:
            case 0:
                manifest = {**template, "metadata": metadata}
            case 1:
                ports = [{"name": "grpc", "port": 443, "targetPort": 8443, "appProtocol": "grpc"}]
                manifest = {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": metadata,
                    "spec": {"selector": metadata["labels"], "ports": ports},
                }
            case _:
                settings = {f"SETTING_{key}": f"value {key} of {name}" for key in range(12)}
                manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": settings}
        text = yaml.dump(manifest, Dumper=yaml.CSafeDumper, sort_keys=False)
        (folder / f"{name}.yaml").write_text(text)


def seconds(command: list[str]) -> float:
    """The processor time of a command, user and system. Raises if it fails."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        full, empty = Path(scratch, "full"), Path(scratch, "empty")
        full.mkdir()
        empty.mkdir()
        generate(full, MANIFESTS)
        generate(empty, 1)
        check = [sys.executable, "-m", "webhook.cli.main", "check", "--policies", str(POLICIES)]
        load = [sys.executable, "-c", LOAD]
        commands = {
            "gatewright check": [*check, str(full)],
            "yaml.CSafeLoader": [*load, str(full)],
            "gatewright check, one manifest": [*check, str(empty)],
            "yaml.CSafeLoader, one manifest": [*load, str(empty)],
            "gatewright check --as-written": [*check, "--as-written", str(full)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for round_number in range(ROUNDS + 1):
            for name, command in commands.items():
                elapsed = seconds(command)
                if round_number:  # the first round warms the file cache
                    times[name].append(elapsed)
        median = {name: statistics.median(found) for name, found in times.items()}
        size = sum(path.stat().st_size for path in full.iterdir())

    print(f"check: {MANIFESTS} manifests, {size / 1e6:.1f} MB, the shipped policies")
    print(f"CPU of whole processes in turn, median of {ROUNDS}\n")
    for name, value in median.items():
        print(f"  {name:32} {value:7.3f} s")
    names = list(commands)
    whole = median[names[0]] / median[names[1]]
    loaded = (median[names[0]] - median[names[2]]) / (median[names[1]] - median[names[3]])
    print(f"\n  ratio, whole process {whole:.2f}x; without start-up and loading of policies {loaded:.2f}x")
    print("  wanted: at most 2.5x\n")
    figures.keep(f"check of {MANIFESTS} manifests, beside CSafeLoader", whole, "x", at_most=2.5)
    completed = median[names[0]] / median[names[4]]
    print(f"  ratio to the same without decoding, defaults and validation (--as-written) {completed:.2f}x")
    print("  wanted: at most 1.35x\n")
    figures.keep(f"check of {MANIFESTS} manifests, beside --as-written", completed, "x", at_most=1.35)

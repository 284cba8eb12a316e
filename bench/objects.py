"""`gatewright check` on single objects of up to 3 MiB, which is what the API server takes: the time for each step.

`read`: YAML or JSON to values. `judge`: decoding, defaults, validation, a policy. `report`: findings with their lines,
for which the text is walked once more. CPU time in this process, without start-up and loading of policies.

Then the time for reading 3 MiB of many short values, which is what takes longest to read.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import keep
from webhook.cli.report import writing
from webhook.cli.report.checked import Checked
from webhook.cli.report.model import Report
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents import reader
from webhook.offline import manifests
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import verdicts
from webhook.policy.load.loading import load

ROUNDS = 3
POLICIES = Path(__file__).parents[1] / "policies"
Object = dict[str, Any]


def config_map(keys: int = 27_000, key: str = "key-{:06}", size: int = 95, **metadata: Any) -> Object:
    """A ConfigMap with many keys."""
    data = {key.format(number): "x" * size for number in range(keys)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", **metadata}, "data": data}


def pod(containers: int = 4_000, **more: Any) -> Object:
    """A Pod with many containers, each as charts write them."""
    amounts = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    spec = [
        {
            "name": f"c-{number}",
            "image": "registry.example.com/team/app:1.2.3",
            "env": [{"name": "A", "value": "b" * 50}, {"name": "B", "value": "x"}],
            "ports": [{"containerPort": 80, "name": "http"}],
            "resources": amounts,
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
            "securityContext": {"runAsNonRoot": True},
            **more,
        }
        for number in range(containers)
    ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": spec}}


def workload(containers: int = 4_000) -> Object:
    """A Deployment with such a Pod, of which the Pod is judged too."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod(containers)["spec"]}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def labelled(labels: int = 30_000) -> Object:
    """A ConfigMap with labels that are none."""
    return config_map(1, labels={f"bad key {number}": f"-{number}-" for number in range(labels)})


def misspelt(fields: int = 1_000) -> Object:
    """A Pod with fields that there are not."""
    return pod(1, **{f"unknown{number}": number for number in range(fields)})


def custom(items: Any, rules: tuple[str, ...] = (), most: int = 40_000) -> Object:
    """A definition with rules for a list of numbers, and an object of it."""
    checked = [{"rule": rule} for rule in rules]
    numbers = {"type": "array", "maxItems": most, "items": {"type": "integer"}, "x-kubernetes-validations": checked}
    spec = {"type": "object", "properties": {"items": numbers}}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boxes.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    box = {"apiVersion": "example.com/v1", "kind": "Box", "metadata": {"name": "b"}, "spec": items}
    return {"apiVersion": "v1", "kind": "List", "items": [definition, box]}


_QUADRATIC = tuple(f"self.all(x, self.all(y, x + y >= {-number}))" for number in range(10))
OBJECTS = {
    "ConfigMap, 27,000 keys": config_map(),
    "ConfigMap, 27,000 wrong keys": config_map(key="key {:06}"),
    "Pod, 4,000 containers": pod(),
    "Deployment, 4,000 containers": workload(),
    "Pod, 4,000 without an image": pod(image=""),
    "30,000 wrong labels": labelled(),
    "1,000 unknown fields": misspelt(),
    "30,000 unknown fields": misspelt(30_000),
    "custom, 30,000 unknown fields": custom({f"unknown{number}": 1 for number in range(30_000)}),
    "custom, 40,000 wrong types": custom({"items": ["x"] * 40_000}),
    "custom, 40,000 items": custom({"items": [5] * 40_000}, ("self.all(x, x >= 0)",)),
    "custom, 10 rules near their budgets": custom({"items": [5] * 300}, _QUADRATIC, 400),
}


SIZE = 3 << 20
_HEAD = "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: b}\n"
SHORT = {
    "YAML: [1,1,…]": f"{_HEAD}a: [{'1,' * (SIZE // 2)}1]\n",
    "YAML: - 1": f"{_HEAD}a:\n" + "- 1\n" * (SIZE // 4),
    "YAML: a: b": _HEAD + "".join(f"k{number}: b\n" for number in range(SIZE // 11)),
    "YAML: [[[[1]]]]": f"{_HEAD}a: [{'[[[[1]]]],' * (SIZE // 10)}1]\n",
    "YAML: documents": "---\na: b\n" * (SIZE // 9),
    "JSON: [1,1,…]": '{"apiVersion":"example.com/v1","kind":"Box","metadata":{"name":"b"},"a":['
    + "1," * (SIZE // 2)
    + "1]}",
}
"""Texts of 3 MiB that have as many values as they can."""


def _times(file: str) -> Iterator[float]:
    """Seconds for reading, judging, and the report; then the number of findings."""
    policies = load(POLICIES)
    start = time.process_time()
    read = manifests.read([file])
    yield time.process_time() - start
    start = time.process_time()
    planned = plan(read.documents, Options(), policies.objects)
    cluster = ManifestsView([*policies.objects, *planned.objects], planned.kinds, assume_namespaces=True)
    for document in read.documents:
        walk = time.process_time()
        document.position(("metadata", "name"))
        start += time.process_time() - walk  # the text is walked for the first line that is asked for
    found = list(verdicts(planned.requests, policies, cluster))
    yield time.process_time() - start
    start = time.process_time()
    findings = [each for verdict in found for each in Checked().findings(verdict)]
    "".join(writing.pieces(Report(command="check", findings=findings), writing.TEXT))
    yield time.process_time() - start
    yield len(findings)


def main() -> None:
    print("objects: single objects through check, CPU ms, best of", ROUNDS, "\n")
    print(f"  {'':38}{'MB':>6}{'read':>8}{'judge':>8}{'report':>8}{'findings':>10}{'ms/MB':>8}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, value in OBJECTS.items():
            file = Path(scratch, "in.json")
            file.write_text(json.dumps(value))
            gc.disable()  # as the command does
            try:
                best = min((list(_times(str(file))) for _ in range(ROUNDS)), key=lambda times: sum(times[:3]))
            finally:
                gc.enable()
            read, judge, report, findings = (best[0] * 1000, best[1] * 1000, best[2] * 1000, int(best[3]))
            size = file.stat().st_size / 1e6
            keep(f"judging an object and its report: {name}", judge + report, "ms", at_most=100)
            each = f"{(judge + report) / size:8.0f}"
            print(f"  {name:38}{size:6.1f}{read:8.0f}{judge:8.0f}{report:8.0f}{findings:10}{each}", flush=True)
    print("\n  wanted: judge and report at most 100 ms\n")
    print(f"  {'reading many short values':38}{'MiB':>6}{'read':>8}{'ms/MiB':>8}")
    for name, text in SHORT.items():
        milliseconds = min(_reading(text) for _ in range(ROUNDS)) * 1000
        size = len(text) / (1 << 20)
        keep(f"reading many short values, a MiB: {name}", milliseconds / size, "ms")
        print(f"  {name:38}{size:6.1f}{milliseconds:8.0f}{milliseconds / size:8.0f}", flush=True)


def _reading(text: str) -> float:
    """CPU seconds for reading a text."""
    gc.disable()
    try:
        start = time.process_time()
        reader.parsed(text, "in.yaml")
        return time.process_time() - start
    finally:
        gc.enable()

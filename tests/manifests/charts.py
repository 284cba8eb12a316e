"""The objects that Helm renders from manifests/chart.

Helm is built with Go from its published module, once for each content of the folder helm; without Go the tests that
need it are skipped. What it keeps is in a folder of the test's own.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests import goprograms
from tests.manifests.kustomize import ROOT, Object
from tests.timing import HANGING

CHART = ROOT / "manifests" / "chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
NAMESPACE = "gatewright-system"
RELEASE = "gatewright"
HELM_SOURCE = Path(__file__).parent / "helm"
HELM_PACKAGE = "helm.sh/helm/v4/cmd/helm"

Values = Mapping[str, Any]

ENFORCE: Values = {"mode": "enforce"}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
SECRET: dict[str, Any] = {"source": "secret", "secret": "mine", "caBundle": PEM}
GIT: dict[str, Any] = {"source": "gitSync", "gitSync": {"repository": "https://git.example/policies.git"}}
OCI: dict[str, Any] = {"source": "oci", "oci": {"reference": f"oci://registry.example/policies@sha256:{'a' * 64}"}}

VARIANTS: dict[str, Values] = {
    "warn": {},
    "enforce": ENFORCE,
    "off": {"mode": "off"},
    "secret": {**ENFORCE, "certificates": SECRET},
    "clients": {**ENFORCE, "clients": {"secret": "clients"}},
    "configmap": {**ENFORCE, "policies": {"source": "configMap", "configMap": "mine"}},
    "claim": {**ENFORCE, "policies": {"source": "claim", "claim": "mine", "folder": "a/b"}},
    "git": {**ENFORCE, "policies": GIT},
    "git-ssh": {
        **ENFORCE,
        "policies": {"source": "gitSync", "gitSync": {"repository": "git@git.example:p.git", "secret": "key"}},
    },
    "oci": {**ENFORCE, "policies": OCI},
    "oci-signed": {
        **ENFORCE,
        "policies": {**OCI, "oci": {**OCI["oci"], "keys": "keys", "credentials": "login", "authority": "ca"}},
    },
    "image": {**ENFORCE, "policies": {"source": "image"}},
    "autoscaling": {**ENFORCE, "autoscaling": {"enabled": True, "queueAge": "20m"}},
    "audit": {**ENFORCE, "audit": {"enabled": True}},
    "audit-page": {**ENFORCE, "audit": {"enabled": True}, "settings": {"page": True}},
    "audit-git": {**ENFORCE, "audit": {"enabled": True, "shards": 4}, "policies": GIT},
    "issuer": {**ENFORCE, "certificates": {"issuer": {"name": "corporate", "kind": "ClusterIssuer"}}},
}

EXTREMES: dict[str, Values] = {
    "all at once": {
        **ENFORCE,
        "failurePolicy": "Ignore",
        "image": {
            "repository": "registry.example/gatewright",
            "tag": "1",
            "digest": f"sha256:{'b' * 64}",
            "pullPolicy": "Always",
            "pullSecrets": ["login"],
        },
        "policies": {
            "source": "gitSync",
            "folder": "a/b",
            "gitSync": {
                "image": "registry.example/git-sync:4",
                "repository": "https://git.example/policies.git",
                "ref": "v1",
                "period": "5m",
                "secret": "key",
            },
        },
        "certificates": {
            "namespace": "certs",
            "issuer": {"name": "i", "kind": "ClusterIssuer", "group": "pki.example"},
        },
        "clients": {"secret": "clients", "names": ["kube-apiserver", "other"]},
        "replicas": 3,
        "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        "priorityClassName": "high",
        "spread": {"nodes": "ScheduleAnyway", "zones": "DoNotSchedule"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "podAnnotations": {"a": "b"},
        "environment": {"OTEL_SERVICE_NAME": "gatewright"},
        "settings": {"shutdown_idle": 95, "traces": True, "page": True},
        "recording": {"enabled": True, "size": "2Gi"},
        "audit": {
            "enabled": True,
            "schedule": "0 * * * *",
            "shards": 4,
            "qps": 5,
            "reports": "both",
            "deadline": 60,
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
        },
        "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 9, "cpu": "1", "queueAge": "20m"},
        "networkPolicy": {"reviewsFrom": ["10.0.0.0/28"], "metricsFrom": "monitoring", "egressPorts": [16443]},
    },
    "what can be switched off": {
        **ENFORCE,
        "policies": {"rollout": False},
        "quota": False,
        "disruptionBudget": False,
        "networkPolicy": {"enabled": False},
        "priorityClassName": "",
    },
}
"""Values that nobody gives together. With VARIANTS they give each value of the chart once."""


def helm(*arguments: str, home: Path, check: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Helm with `home` for what it keeps. With `check`, it must succeed."""
    program = goprograms.built(HELM_SOURCE, HELM_PACKAGE)
    done = subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGING,
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ.get("PATH", ""), **variables},
    )
    assert not check or done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
    return done


@functools.cache
def tree(service: str = f"{NAMESPACE}/{RELEASE}", *options: str) -> str:
    """The values of the shipped policies, as the command writes them."""
    from tests.cli import running

    arguments = ("policies", "--helm-values", "--all", "--service", service, "--exempt-namespace", "kube-system")
    done = running.gatewright("manifests", *arguments, *options, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def shipped() -> dict[str, Any]:
    """The same as an object."""
    found: dict[str, Any] = yaml.safe_load(tree())["tree"]
    return found


def template(
    values: Values, *arguments: str, check: bool = True, without: str = ""
) -> subprocess.CompletedProcess[str]:
    """`helm template` with values over those of the shipped policies, of which one key of `tree` may be left out."""
    with tempfile.TemporaryDirectory(prefix="gatewright-chart-") as folder:
        home = Path(folder)
        kept = {key: value for key, value in shipped().items() if key != without}
        (home / "tree.yaml").write_text(json.dumps({"tree": kept}) if without else tree())
        (home / "values.yaml").write_text(json.dumps(values))
        files = ("--values", "tree.yaml", "--values", "values.yaml")
        command = ("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *files, *arguments)
        return helm(*command, home=home, check=check)


@functools.cache
def _rendered(values: str) -> subprocess.CompletedProcess[str]:
    return template(json.loads(values), check=False)


def text(values: Values) -> str:
    done = _rendered(json.dumps(values, sort_keys=True))
    assert done.returncode == 0, done.stderr
    return done.stdout


def renders(values: Values) -> bool:
    """Whether the values are taken."""
    return _rendered(json.dumps(values, sort_keys=True)).returncode == 0


@functools.cache
def _objects(text: str) -> bytes:
    return pickle.dumps([each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each])


def objects(values: Values, *, tests: bool = False) -> list[Object]:
    """The rendered objects: the caller's own. `tests`: those of `helm test` too."""
    found: list[Object] = pickle.loads(_objects(text(values)))
    return [each for each in found if tests or "helm.sh/hook" not in each["metadata"].get("annotations", {})]


def one(values: Values, kind: str, name: str = RELEASE) -> Object:
    (found,) = (each for each in objects(values) if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pod(values: Values) -> Object:
    spec: Object = one(values, "Deployment")["spec"]["template"]["spec"]
    return spec


def audit(values: Values) -> Object | None:
    """The spec of the Job of audits, if there is one."""
    found = [each for each in objects(values) if each["kind"] == "CronJob"]
    return dict(found[0]["spec"]) if found else None


def container(values: Values) -> Object:
    (found,) = pod(values)["containers"]
    return dict(found)


def environment(values: Values) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(values)["env"]}


def leaves(schema: Mapping[str, Any] = SCHEMA, path: str = "") -> dict[str, dict[str, Any]]:
    """Every value of the schema by its path, such as `image.digest`."""
    found: dict[str, dict[str, Any]] = {}
    for name, each in schema["properties"].items():
        inner = f"{path}{name}"
        found |= leaves(each, f"{inner}.") if "properties" in each else {inner: each}
    return found

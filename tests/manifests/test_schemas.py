"""The rendered manifests against the real types: Kubernetes' own, and cert-manager's definitions."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests import kustomize, schemas
from tests.manifests.kustomize import BASE, OVERLAYS
from tests.timing import HANGING

CERT_MANAGER = "github.com/cert-manager/cert-manager@v1.18.2"
ENFORCING = OVERLAYS[0]

everywhere = pytest.mark.parametrize("folder", [BASE, *OVERLAYS])


def built_in(folder: str) -> list[dict[str, Any]]:
    return [each for each in kustomize.objects(folder) if not each["apiVersion"].startswith("cert-manager.io/")]


@everywhere
def test_kubernetes_knows_every_field(folder: str) -> None:
    assert {each["kind"]: found for each in built_in(folder) if (found := schemas.problems(each))} == {}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("spec", "replica"), 2, "Deployment.spec.replica: unknown field"),
        (("spec", "replicas"), "2", "Deployment.spec.replicas: expected int, found '2'"),
        (("spec", "selector"), None, "Deployment.spec.selector: null"),
        (("spec", "paused"), 1, "Deployment.spec.paused: expected bool, found 1"),
        (("metadata", "labels", "app"), 1, "Deployment.metadata.labels.app: expected str, found 1"),
    ],
)
def test_a_wrong_field_would_be_found(path: tuple[str, ...], value: Any, problem: str) -> None:
    deployment = copy.deepcopy(kustomize.one(BASE, "Deployment"))
    place = deployment
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert problem in schemas.problems(deployment)


def test_a_missing_field_would_be_found() -> None:
    webhooks = copy.deepcopy(kustomize.one(BASE, "ValidatingWebhookConfiguration"))
    del webhooks["webhooks"][0]["sideEffects"]
    assert "sideEffects\n  Field required" in schemas.problems(webhooks)[0]


@pytest.fixture(scope="module")
def definitions() -> dict[str, Any]:
    """cert-manager's CustomResourceDefinitions, by kind, from its Go module."""
    if shutil.which("go") is None:
        pytest.skip("Go is not here: cert-manager's definitions cannot be fetched")
    command = ["go", "mod", "download", "-json", CERT_MANAGER]
    got = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=HANGING)
    if got.returncode:
        pytest.skip(f"cert-manager's definitions cannot be fetched: {got.stdout.strip()[-300:]}")
    folder = Path(json.loads(got.stdout)["Dir"]) / "deploy" / "crds"
    found = [yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader) for file in folder.glob("*.yaml")]
    return {each["spec"]["names"]["kind"]: each for each in found}


@everywhere
def test_cert_manager_knows_every_field(folder: str, definitions: dict[str, Any]) -> None:
    custom = [each for each in kustomize.objects(folder) if each["apiVersion"].startswith("cert-manager.io/")]
    assert len(custom) == (4 if folder not in (BASE, "overlays/development") else 0)
    assert {each["kind"]: each for each in custom if schemas.custom_problems(each, definitions[each["kind"]])} == {}


def test_a_wrong_certificate_would_be_found(definitions: dict[str, Any]) -> None:
    certificate = copy.deepcopy(kustomize.one(ENFORCING, "Certificate"))
    certificate["spec"]["usages"].append("server")
    certificate["spec"]["dnsName"] = "x"
    del certificate["spec"]["secretName"]
    found = schemas.custom_problems(certificate, definitions["Certificate"])
    assert len(found) == 3, found

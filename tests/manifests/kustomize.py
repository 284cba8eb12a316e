"""The objects that `kubectl kustomize` renders from manifests/."""

from __future__ import annotations

import functools
import os.path
import pickle
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.timing import HANGING

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
BASE = "base"
OVERLAYS = ("overlays/enforcing", "overlays/warn-only", "overlays/development")
NEEDED = 5  # the first major version of kustomize that supports all features used in manifests/

Object = dict[str, Any]


@functools.cache
def _missing() -> str:
    """The reason why nothing can be rendered on this machine; "" if it can."""
    if shutil.which("kubectl") is None:
        return "kubectl is not installed: the manifests cannot be rendered"
    output = subprocess.run(["kubectl", "version", "--client"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"Kustomize Version: v(\d+)", output)
    if version is None or int(version[1]) < NEEDED:
        return f"kubectl is too old: it has kustomize {version[1] if version else '?'}, the manifests need {NEEDED}"
    return ""


@functools.cache
def text(folder: str) -> str:
    """The rendered YAML of a folder of manifests/. Skips the test without a suitable kubectl."""
    if missing := _missing():
        pytest.skip(missing)
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(MANIFESTS / folder)], capture_output=True, text=True, check=False, timeout=HANGING
    )
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stderr == ""  # no deprecation warnings
    return rendered.stdout


def text_with(folder: str, components: str | list[str], tmp_path: Path) -> str:
    """The rendered YAML of a folder of manifests/ with one more component, or several in this order."""
    text(folder)  # skips the test without a suitable kubectl
    more = [components] if isinstance(components, str) else components
    paths = [os.path.relpath(MANIFESTS / each, tmp_path.resolve()) for each in (folder, *more)]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": paths[:1], "components": paths[1:]}))
    command = ["kubectl", "kustomize", str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANGING).stdout


@functools.cache
def _objects(folder: str) -> bytes:
    return pickle.dumps(list(yaml.load_all(text(folder), Loader=yaml.CSafeLoader)))


def objects(folder: str) -> list[Object]:
    """The rendered objects: the caller's own."""
    found: list[Object] = pickle.loads(_objects(folder))
    return found


def one(folder: str, kind: str, name: str = "gatewright") -> Object:
    """The one object of that kind and name. The name may have the hash suffix that kustomize appends."""
    (found,) = (
        each
        for each in objects(folder)
        if each["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", each["metadata"]["name"])
    )
    return found


def kinds(folder: str) -> list[str]:
    return [each["kind"] for each in objects(folder)]


def pod(folder: str) -> Object:
    spec: Object = one(folder, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(folder: str) -> Object:
    (found,) = pod(folder)["containers"]
    return dict(found)


def environment(folder: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(folder)["env"]}


def policies(folder: str) -> dict[str, str]:
    """The data of the policies' ConfigMap, found by the name under which the Deployment mounts it."""
    (name,) = (volume["configMap"]["name"] for volume in pod(folder)["volumes"] if volume["name"] == "policies")
    (found,) = (each for each in objects(folder) if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name)
    return dict(found["data"])


VALIDATING, MUTATING = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"


def webhooks(kind: str, folder: str = OVERLAYS[0]) -> list[dict[str, Any]]:
    """Those with rules: the others only keep the set of webhooks the same."""
    return [webhook for webhook in one(folder, kind)["webhooks"] if webhook.get("rules")]


def mounted(files: dict[str, str], folder: Path) -> Path:
    """A volume as the kubelet lays it out: a folder of the content, `..data` that leads there, a link for each file."""
    content = folder / "..2026_11_21_08_04_09.1029384756"
    content.mkdir(parents=True)
    for name, text in files.items():
        (content / name).write_text(text)
        (folder / name).symlink_to(Path("..data") / name)
    (folder / "..data").symlink_to(content.name)
    return folder

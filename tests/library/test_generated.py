"""The index of the library and the components for kustomize are current, and say what the library has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.library import libraries
from tests.manifests import kustomize
from tests.timing import HANGING
from webhook.library import catalog, generated

ROOT = Path(__file__).parents[2]


def test_what_is_generated_is_current() -> None:
    made = generated.files(ROOT / "policies", ROOT / "docs")
    outdated = [str(file.relative_to(ROOT)) for file, text in made.items() if not _is(file, text)]
    outdated += [str(file.relative_to(ROOT)) for file in generated.stale(ROOT / "policies", made)]
    assert outdated == [], "run `make docs` and commit what it writes"


def _is(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def test_the_index_has_each_policy_once_by_category_and_severity(tmp_path: Path) -> None:
    library = libraries.small(tmp_path)
    (library / "no-tokens" / "_binding.deny.yaml").rename(library / "no-tokens" / "binding.yaml")
    text = generated.index(catalog.entries(library))
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    names = ["known-images", "pinned-images", "no-tokens", "label-pods"]
    assert [row.split("]")[0].removeprefix("| [") for row in rows] == names
    assert (
        rows[1] == "| [pinned-images](../policies/pinned-images/README.md) | Well | high | CIS 5.5.1, PCI-DSS 6.3.3 |"
    )
    assert "Well (in force)" in rows[2]
    assert "Well (changes objects, Python)" in rows[3]
    assert "| 5.1.6 | no-tokens |\n| 5.5.1 | pinned-images |\n| 5.5.10 | known-images |\n" in text
    assert "| 2.2.6 | label-pods |\n| 6.3.3 | pinned-images |\n" in text


def test_bundles_are_of_frameworks_and_categories(tmp_path: Path) -> None:
    found = {
        name: [each.name for each in members]
        for name, (_, members) in generated.bundles(catalog.entries(libraries.small(tmp_path))).items()
    }
    assert found == {
        "images": ["known-images", "pinned-images"],
        "access": ["no-tokens"],
        "cis": ["known-images", "no-tokens", "pinned-images"],
        "pci-dss": ["pinned-images"],
    }


def test_a_component_that_is_generated_no_more_is_stale(tmp_path: Path) -> None:
    library = libraries.small(tmp_path / "policies")
    made = generated.files(library, tmp_path)
    for file in (library / "gone", library / "_bundles" / "storage"):
        file.mkdir(parents=True)
        (file / "kustomization.yaml").write_text("")
    assert [file.parent.name for file in generated.stale(library, made)] == ["storage", "gone"]


@pytest.mark.parametrize("chosen", [("cis",), ("pod-security", "workloads")])  # categories share no policies
def test_a_bundle_binds_its_policies_with_warn(tmp_path: Path, chosen: tuple[str, ...]) -> None:
    """As kubectl renders it, from a folder beside the library."""
    kustomize.text(kustomize.BASE)  # skips the test without a suitable kubectl
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"components": [f"policies/_bundles/{each}" for each in chosen]})
    )
    command = ["kubectl", "kustomize", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGING)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    entries = {each.name: each for each in catalog.entries(ROOT / "policies")}
    of_bundles = generated.bundles(entries.values())
    expected = {each.name for bundle in chosen for each in of_bundles[bundle][1]}
    policies = [each for each in objects if each["kind"].endswith("AdmissionPolicy")]
    assert {each["metadata"]["name"] for each in policies} == expected
    bound = [each for each in objects if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert {each["spec"]["policyName"] for each in bound} == {each for each in expected if entries[each].validating}
    assert not any("Deny" in each["spec"]["validationActions"] for each in bound)
    params = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    assert params == {
        each["spec"]["paramRef"]["name"]
        for each in objects
        if each["kind"].endswith("Binding") and "paramRef" in each["spec"]
    }


@pytest.mark.parametrize("wrong", ["gatewright.dev/controls", "gatewright.dev/severity"])
def test_metadata_with_faults_is_indexed_as_far_as_it_is_valid(tmp_path: Path, wrong: str) -> None:
    libraries.add(tmp_path, "a", **{wrong.removeprefix("gatewright.dev/"): "nothing"})
    assert "| [a](../policies/a/README.md) | Well |" in generated.index(catalog.entries(tmp_path))

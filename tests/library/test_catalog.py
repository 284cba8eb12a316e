"""What is in a library, and what of it is selected."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.library import libraries
from webhook.library import catalog
from webhook.library.catalog import LibraryError, UnknownPolicy


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return libraries.small(tmp_path / "library")


def test_the_library_that_ships_is_the_one_of_this_checkout() -> None:
    assert catalog.shipped() == Path(__file__).parents[2] / "policies"


def test_each_folder_is_a_policy(library: Path) -> None:
    (library / "_bundles").mkdir()
    (library / "notes").mkdir()
    found = {each.name: each for each in catalog.entries(library)}
    assert list(found) == ["known-images", "label-pods", "no-tokens", "pinned-images"]
    cel, python = found["no-tokens"], found["label-pods"]
    assert (cel.language, cel.validating, cel.actions) == ("CEL", True, ("deny", "warn", "audit"))
    assert (python.language, python.validating, python.actions) == ("Python", False, ("mutate",))
    assert (cel.metadata.category, python.metadata.category) == ("access", "mutation")
    assert cel.problems == python.problems == ()
    assert not cel.has_params


def test_the_binding_of_what_is_in_force_is_one_of_its_bindings(library: Path) -> None:
    folder = library / "no-tokens"
    (folder / "_binding.deny.yaml").rename(folder / "binding.yaml")
    assert catalog.entry(folder).actions == ("deny", "warn", "audit")
    assert catalog.binding(folder, "deny") == folder / "binding.yaml"
    assert catalog.binding(folder, "mutate") is None


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("policy.yaml", "", "expected one policy, found 0"),
        ("policy.yaml", "a: [", "YAML"),
        ("policy.py", "import nothing_of_this_name\n", "nothing_of_this_name"),
    ],
)
def test_what_cannot_be_read_is_named(library: Path, file: str, text: str, problem: str) -> None:
    (library / "no-tokens" / file).write_text(text)
    with pytest.raises(LibraryError) as error:
        catalog.entries(library)
    assert str(library / "no-tokens" / file) in str(error.value)
    assert problem in str(error.value)


def test_a_folder_without_policies_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"has no policies; expected folders with policy\.yaml or policy\.py"):
        catalog.entries(tmp_path)
    with pytest.raises(LibraryError, match="no such folder"):
        catalog.entries(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["known-images", "label-pods", "no-tokens", "pinned-images"]),
        ({"controls": ["CIS"]}, ["known-images", "no-tokens", "pinned-images"]),
        ({"controls": ["cis 5.5"]}, ["known-images", "pinned-images"]),
        ({"controls": ["CIS 5.5.1"]}, ["pinned-images"]),  # and not 5.5.10
        ({"controls": ["CIS 5.5.10", "PCI-DSS"]}, ["known-images", "label-pods", "pinned-images"]),
        ({"severity": "high"}, ["known-images", "pinned-images"]),
        ({"severity": "critical"}, ["known-images"]),
        ({"categories": ["access", "mutation"]}, ["label-pods", "no-tokens"]),
        ({"controls": ["CIS"], "categories": ["access"], "severity": "low"}, ["no-tokens"]),
        ({"controls": ["MITRE-ATTACK"]}, []),
    ],
)
def test_selected(library: Path, options: dict[str, list[str]], expected: list[str]) -> None:
    found = catalog.selected(catalog.entries(library), **options)  # type: ignore[arg-type]
    assert [each.name for each in found] == expected


@pytest.mark.parametrize(
    ("control", "advice"),
    [("PCI", "did you mean PCI-DSS?"), ("CSI 5", "did you mean CIS?"), ("", "expected one of CIS, NSA-CISA")],
)
def test_a_control_of_no_framework_is_no_selection(library: Path, control: str, advice: str) -> None:
    with pytest.raises(ValueError, match="is no framework; ") as error:
        list(catalog.selected(catalog.entries(library), controls=[control]))
    assert advice in str(error.value)


def test_named(library: Path) -> None:
    entries = catalog.entries(library)
    found = catalog.named(entries, ["pinned-images", "no-tokens", "pinned-images"])
    assert [each.name for each in found] == ["pinned-images", "no-tokens"]
    with pytest.raises(UnknownPolicy, match=r"'no-token' in the library; did you mean no-tokens\?"):
        catalog.named(entries, ["no-token"])
    with pytest.raises(UnknownPolicy, match="`gatewright policies list` shows them"):
        catalog.named(entries, ["x"])


def test_what_a_file_of_bindings_does(tmp_path: Path) -> None:
    file = tmp_path / "binding.yaml"
    for text, action in (
        (libraries.bindings("a", "Audit", "Warn"), "warn"),
        (libraries.bindings("a", "Audit") + "---\n" + libraries.bindings("b", "Deny"), "deny"),
        (yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}), ""),
    ):
        file.write_text(text)
        assert catalog.action_of(file) == action

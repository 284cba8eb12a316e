"""Policies of a library get into a policy tree, are enabled and disabled there, and what somebody wrote is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.library import libraries
from webhook.library import catalog, placing
from webhook.library.placing import NotPlaced
from webhook.policy.load.loading import load


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return libraries.small(tmp_path / "library")


@pytest.fixture
def tree(tmp_path: Path, library: Path) -> Path:
    """A tree with two policies of the library."""
    for name in ("no-tokens", "label-pods"):
        placing.add(catalog.entry(library / name), tmp_path / "tree")
    return tmp_path / "tree"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_is_added_is_not_in_force(library: Path, tmp_path: Path) -> None:
    tree = tmp_path / "a" / "tree"
    (library / "no-tokens" / "__pycache__").mkdir()
    (library / "no-tokens" / "kustomization.yaml").write_text("kind: Component\n")
    placed = placing.add(catalog.entry(library / "no-tokens"), tree)
    assert {file.name for file in placed.files} == set(contents(tree / "no-tokens"))
    assert contents(tree / "no-tokens") == {
        file.name: file.read_bytes()
        for file in (library / "no-tokens").iterdir()
        if file.name not in ("__pycache__", "kustomization.yaml")
    }
    policies = load(tree)
    assert (policies.bindings, policies.notes) == ((), ())
    assert placing.state(tree, "no-tokens") == ""
    assert placing.state(tree, "pinned-images") is None


def test_what_ships_with_a_binding_is_not_in_force_either(library: Path, tmp_path: Path) -> None:
    folder = library / "no-tokens"
    (folder / "_binding.deny.yaml").rename(folder / "binding.yaml")
    placing.add(catalog.entry(folder), tmp_path / "tree")
    assert (tmp_path / "tree" / "no-tokens" / "_binding.deny.yaml").read_bytes() == (
        folder / "binding.yaml"
    ).read_bytes()
    assert load(tmp_path / "tree").bindings == ()


def test_nothing_is_overwritten_unasked(library: Path, tree: Path) -> None:
    entry = catalog.entry(library / "no-tokens")
    placing.enable(tree, "no-tokens", "audit")
    (tree / "no-tokens" / "policy.yaml").write_text("changed")
    (tree / "no-tokens" / "mine.md").write_text("mine")
    with pytest.raises(NotPlaced, match=r"--force writes its files anew, but for binding\.yaml and params\.yaml"):
        placing.add(entry, tree)
    assert (tree / "no-tokens" / "policy.yaml").read_text() == "changed"
    placing.add(entry, tree, force=True)
    assert (tree / "no-tokens" / "policy.yaml").read_bytes() == (library / "no-tokens" / "policy.yaml").read_bytes()
    assert (tree / "no-tokens" / "mine.md").read_text() == "mine"
    assert placing.state(tree, "no-tokens") == "audit"


def test_params_that_were_changed_are_kept(library: Path, tree: Path) -> None:
    folder, entry = tree / "no-tokens", catalog.entry(library / "no-tokens")
    (library / "no-tokens" / "params.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    assert folder / "params.yaml" in placing.add(entry, tree, force=True).files
    (folder / "params.yaml").write_text("mine")
    placing.enable(tree, "no-tokens", "deny")
    (folder / "binding.yaml").write_text("mine too")
    placed = placing.add(entry, tree, force=True)
    assert placed.said == (f"{folder / 'params.yaml'}: is kept, and differs from the library's",)
    assert folder / "params.yaml" not in placed.files
    assert (folder / "params.yaml").read_text() == "mine"
    assert (folder / "binding.yaml").read_text() == "mine too"


def test_the_librarys_own_folder_is_not_copied_onto_itself(library: Path) -> None:
    for force in (False, True):
        with pytest.raises(NotPlaced, match="is the library's own; `gatewright policies enable no-tokens`"):
            placing.add(catalog.entry(library / "no-tokens"), library, force=force)


def test_an_adding_that_did_not_end_is_named(library: Path, tree: Path) -> None:
    (tree / ".pinned-images.new").mkdir()
    with pytest.raises(NotPlaced, match=r"\.pinned-images\.new: another run"):
        placing.add(catalog.entry(library / "pinned-images"), tree)
    assert not (tree / "pinned-images").exists()


@pytest.mark.parametrize("action", ["deny", "warn", "audit"])
def test_enabled_with_an_action(tree: Path, action: str) -> None:
    placed = placing.enable(tree, "no-tokens", action)
    assert placed.files == (tree / "no-tokens" / "binding.yaml",)
    assert placing.state(tree, "no-tokens") == action
    (binding,) = load(tree).bindings
    assert binding.actions[0].lower() == action
    again = placing.enable(tree, "no-tokens", action)
    assert (again.files, again.said) == ((), (f"{binding.file}: no-tokens is bound so already",))


def test_a_policy_that_changes_objects_has_one_way_to_be_bound(tree: Path) -> None:
    with pytest.raises(NotPlaced, match=r"no binding for Warn, _binding\.warn\.yaml; it has them for Mutate"):
        placing.enable(tree, "label-pods", "warn")
    placing.enable(tree, "label-pods", "mutate")
    assert [each.kind for each in load(tree).bindings] == ["MutatingAdmissionPolicyBinding"]


def test_another_binding_is_replaced_only_if_asked(tree: Path) -> None:
    placing.enable(tree, "no-tokens", "deny")
    with pytest.raises(NotPlaced, match=r"binding\.yaml: already exists, with Deny; --force replaces it"):
        placing.enable(tree, "no-tokens", "warn")
    before = contents(tree / "no-tokens")
    assert placing.enable(tree, "no-tokens", "warn", force=True).said == ()
    after = contents(tree / "no-tokens")
    assert after.pop("binding.yaml") == after["_binding.warn.yaml"]
    before.pop("binding.yaml")
    assert after == before


@pytest.mark.parametrize("takes", ["enable", "disable"])
def test_a_binding_that_somebody_wrote_is_kept(tree: Path, takes: str) -> None:
    folder = tree / "no-tokens"
    own = libraries.bindings("no-tokens", "Deny") + "# for the shop\n"
    (folder / "binding.yaml").write_text(own)
    placed = (
        placing.disable(tree, "no-tokens")
        if takes == "disable"
        else placing.enable(tree, "no-tokens", "warn", force=True)
    )
    assert placed.said == (f"{folder / '_binding.own.yaml'}: what binding.yaml was",)
    assert (folder / "_binding.own.yaml").read_text() == own
    (folder / "binding.yaml").write_text(own + "# and the bank\n")
    again = placing.disable(tree, "no-tokens")
    assert again.said == (f"{folder / '_binding.own-2.yaml'}: what binding.yaml was",)
    assert (folder / "_binding.own.yaml").read_text() == own
    assert (folder / "_binding.own-2.yaml").read_text() == own + "# and the bank\n"
    assert not (folder / "binding.yaml").exists()


def test_the_only_binding_for_an_action_is_kept_as_such(tree: Path) -> None:
    """As of the policies that are in force as they ship."""
    folder = tree / "no-tokens"
    (folder / "_binding.deny.yaml").rename(folder / "binding.yaml")
    deny = (folder / "binding.yaml").read_bytes()
    placing.enable(tree, "no-tokens", "audit", force=True)
    assert (folder / "_binding.deny.yaml").read_bytes() == deny
    placing.enable(tree, "no-tokens", "deny", force=True)
    assert (folder / "binding.yaml").read_bytes() == deny


def test_disabled(tree: Path) -> None:
    before = contents(tree / "no-tokens")
    placing.enable(tree, "no-tokens", "deny")
    assert placing.disable(tree, "no-tokens").said == ()
    assert contents(tree / "no-tokens") == before
    again = placing.disable(tree, "no-tokens")
    assert (again.files, again.said) == ((), (f"{tree / 'no-tokens'}: no-tokens is not bound",))


@pytest.mark.parametrize("name", ["no-token", "../tree/no-tokens", "", ".", "x" * 1000])
def test_only_folders_of_the_tree_are_touched(tree: Path, name: str) -> None:
    for do in (lambda: placing.enable(tree, name, "warn"), lambda: placing.disable(tree, name)):
        with pytest.raises(NotPlaced, match="has no folder"):
            do()  # type: ignore[no-untyped-call]


def test_a_tree_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotPlaced, match="no such folder; `gatewright policies add` makes it"):
        placing.enable(tmp_path / "tree", "no-tokens", "warn")

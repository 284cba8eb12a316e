"""The manifests of both revisions: names, exclusions, and what is not taken to be deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git.repositories import Made
from webhook.documents.ignoring import Ignoring
from webhook.git import checkout
from webhook.git.repository import GitError
from webhook.offline.revisions import Reading, Sides, read

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\n"
SOURCE = "---\n# Source: web/templates/a.yaml\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    return made


def files(sides: Sides) -> tuple[list[str], list[str]]:
    return [each.file for each in sides.new.documents], [each.file for each in sides.old.documents]


def test_files_have_one_name_on_both_sides(made: Made) -> None:
    made.commit({"deploy/a.yaml": CONFIG.format("a"), "deploy/rendered.yaml": SOURCE + CONFIG.format("b")})
    sides = read(["deploy"], "HEAD", "", Reading())
    shown = ["deploy/a.yaml", "web/templates/a.yaml"]
    assert files(sides) == (shown, ["HEAD:deploy/a.yaml", "HEAD:web/templates/a.yaml"])
    assert sides.old.documents[1].stream == "HEAD:deploy/rendered.yaml"
    assert [sides.file(each) for each in sides.old.documents] == [each.stream for each in sides.new.documents]
    assert sides.between.startswith("HEAD (") and sides.between.endswith(") and the work tree")


def test_from_outside_names_begin_at_the_top(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.commit({"deploy/a.yaml": CONFIG.format("a")})
    monkeypatch.chdir(tmp_path)
    for path in (str(made.folder / "deploy"), "repository/deploy"):
        assert files(read([path], "HEAD", "", Reading())) == (["deploy/a.yaml"], ["HEAD:deploy/a.yaml"])
    with pytest.raises(GitError, match="is not in the repository"):
        read([str(made.folder), str(tmp_path)], "HEAD", "", Reading())


def test_exclusions_are_those_of_each_side(made: Made) -> None:
    first = made.commit({"d/a.yaml": CONFIG.format("a"), "d/b.yaml": CONFIG.format("b"), ".gatewrightignore": "a.yaml"})
    second = made.commit({".gatewrightignore": "b.yaml"})
    assert files(read(["d"], first, second, Reading())) == (["d/a.yaml"], [f"{first}:d/b.yaml"])
    assert files(read(["d"], first, second, Reading(exclude=Ignoring(["d/*"], "--exclude")))) == ([], [])


def test_what_is_no_whole_object_now_is_not_taken_to_be_deleted(made: Made) -> None:
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1"
    whole = ", selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: []}}}\n"
    made.commit({"d/patch.yaml": deployment + whole, "d/gone.yaml": CONFIG.format("gone")})
    patches = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{path: patch.yaml}]\n"
    made.commit({"d/patch.yaml": deployment + "}\n", "d/kustomization.yaml": patches, "d/gone.yaml": "values: 1\n"})
    assert files(read(["d"], "HEAD~1", "HEAD", Reading())) == ([], ["HEAD~1:d/gone.yaml"])


def test_files_that_kustomizations_name_are_read_whatever_their_suffix(made: Made) -> None:
    kustomization = "kind: Kustomization\nresources: [web.txt]\n"
    made.commit({"d/kustomization.yaml": kustomization, "d/web.txt": CONFIG.format("a")})
    assert files(read(["d"], "HEAD", "HEAD", Reading())) == (["d/web.txt"], ["HEAD:d/web.txt"])
    made.commit({"d/web.txt": CONFIG.format("b")})
    assert files(read(["d"], "HEAD~1", "", Reading())) == (["d/web.txt"], ["HEAD~1:d/web.txt"])


def test_a_path_that_only_one_side_has(made: Made) -> None:
    made.commit({"old.yaml": CONFIG.format("a")})
    (made.folder / "old.yaml").rename(made.folder / "new.yaml")
    sides = read(["old.yaml", "new.yaml"], "HEAD", "", Reading())
    assert files(sides) == (["new.yaml"], ["HEAD:old.yaml"])
    assert sides.new.problems == []


def test_a_file_that_was_too_large_is_said_and_what_it_holds_now_is_new(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.commit({"d/a.yaml": CONFIG.format("a") + "#" * 1000, "d/b.yaml": CONFIG.format("b")})
    (made.folder / "d/a.yaml").write_text(CONFIG.format("a"))
    monkeypatch.setattr(checkout, "MAX_FILE", 999)
    sides = read(["d"], "HEAD", "", Reading())
    assert files(sides) == (["d/a.yaml", "d/b.yaml"], ["HEAD:d/b.yaml"])
    (warning,) = sides.warnings
    assert warning.file == "HEAD:d/a.yaml"
    assert warning.message.startswith("larger than 0 MiB; what is in this file now is taken to be new")

"""The file that an object which kustomize makes is from, where the output does not say so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from webhook.offline import kustomizedfrom
from webhook.offline.kustomizedfrom import Taken, root_file

BASE = {
    "base/kustomization.yaml": "resources: [web.yaml, more]\n",
    "base/web.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n",
    "base/more/kustomization.yml": "resources: [all.txt]\n",
    "base/more/all.txt": "apiVersion: v1\nkind: Service\nmetadata: {name: more, namespace: own}\n---\n- no object\n",
    "prod/kustomization.yaml": "resources: [../base, https://example.com/x]\n",
}
SETS = {"prod/kustomization.yaml": "resources: [../base]\nnamespace: shop\n"}


def service(name: str, namespace: str = "", version: str = "v1") -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": "Service",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
    }


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def taken(folder: str, files: Mapping[str, str]) -> Taken:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    return Taken(folder)


def test_the_one_file_with_an_object_of_this_identity() -> None:
    found = taken("prod", BASE)
    assert found.source(service("web")) == "base/web.yaml"
    assert found.source(service("more", "own")) == "base/more/all.txt"
    for other in (
        service("web", "shop"),
        service("more"),
        service("web", version="serving.knative.dev/v1"),
        service("x"),
    ):
        assert found.source(other) == "", other
    none: list[Any] = [None, [], {}, {"metadata": {"name": 1}}, {"metadata": {}}]
    assert [found.source(each) for each in none] == [""] * 5


def test_a_namespace_that_a_kustomization_sets_is_not_that_of_the_file() -> None:
    found = taken("prod", BASE | SETS)
    assert found.source(service("web", "shop")) == "base/web.yaml"
    assert found.source(service("web", "other")) == ""


def test_two_candidates_are_none() -> None:
    two = {"base/web.yaml": BASE["base/web.yaml"], "base/other.yaml": BASE["base/web.yaml"]}
    found = taken("base", {**BASE, **two, "base/kustomization.yaml": "resources: [web.yaml, other.yaml]\n"})
    assert found.source(service("web")) == ""


@pytest.mark.parametrize(
    "renames",
    [
        "namePrefix: a-",
        "nameSuffix: -a",
        "transformers: [t.yaml]",
        "replacements: [{path: r.yaml}]",
        "patches: [{path: p.yaml, options: {allowNameChange: true}}]",
    ],
)
@pytest.mark.parametrize("where", ["prod/kustomization.yaml", "base/more/kustomization.yml"])
def test_where_names_change_nothing_is_said(where: str, renames: str) -> None:
    found = taken("prod", {**BASE, where: f"{BASE[where]}{renames}\n"})
    assert found.source(service("web")) == ""


def test_kustomizations_that_take_in_each_other_and_names_that_are_none_end() -> None:
    circle = "resources: [../base, ., ../prod, 'a\\0b', absent.yaml, web.yaml, /etc]\n".replace("'a\\0b'", '"a\\0b"')
    found = taken("prod", {**BASE, "base/kustomization.yaml": circle})
    assert found.source(service("web")) == "base/web.yaml"


def test_nothing_outside_of_the_current_folder_and_the_rendered_one_is_read(here: Path) -> None:
    (here.parent / "out.yaml").write_text(BASE["base/web.yaml"])
    resources = "resources: [../../out.yaml, link.yaml]\n"
    taken("base", {"base/kustomization.yaml": resources})
    Path("base/link.yaml").symlink_to(here.parent / "out.yaml")
    assert Taken("base").source(service("web")) == ""
    Path("base/link.yaml").unlink()
    Path("base/link.yaml").write_text(BASE["base/web.yaml"])
    assert Taken("base").source(service("web")) == "base/link.yaml"


@pytest.mark.parametrize(("bound", "most"), [("MAX_FILES", 2), ("MAX_BYTES", 40)])
def test_many_files_are_not_looked_into(bound: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert taken("prod", BASE).source(service("web")) == "base/web.yaml"
    monkeypatch.setattr(kustomizedfrom, bound, most)
    assert Taken("prod").source(service("web")) == ""


def test_the_file_of_a_folder() -> None:
    taken("prod", BASE)
    assert root_file("./prod") == "prod/kustomization.yaml"
    assert root_file("base/more") == "base/more/kustomization.yml"
    assert root_file("absent") == "absent"

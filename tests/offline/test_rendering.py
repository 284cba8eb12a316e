"""Charts and kustomizations, rendered by the real tools; and tools that are missing, fail, hang, or do not end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import goprograms
from tests.git.repositories import Made
from tests.manifests.charts import HELM_PACKAGE, HELM_SOURCE
from tests.server.running import wait_for
from webhook.documents.tree import KUSTOMIZATIONS
from webhook.offline import rendering
from webhook.offline.manifests import Manifests, read
from webhook.offline.rendering import HELM, KUSTOMIZE, Rendering, rendered, renderers
from webhook.offline.revisions import Reading, Sides
from webhook.offline.revisions import read as read_both

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: REPLICAS
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: []}}
"""
CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    "charts/web/values.yaml": "replicas: 2\n",
    "charts/web/crds/c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n",
    "charts/web/templates/d.yaml": DEPLOYMENT.replace("REPLICAS", "{{ .Values.replicas }}").replace(
        "NAME", "{{ .Release.Name }}-{{ .Release.Namespace }}"
    ),
}
OVERLAY = {
    "base/kustomization.yaml": "resources: [web.txt]\n",
    "base/web.txt": DEPLOYMENT.replace("REPLICAS", "2").replace("NAME", "web"),
    "overlays/prod/kustomization.yaml": "resources: [../../base]\nnamePrefix: prod-\n"
    "patches: [{path: patch.yaml}]\nbuildMetadata: [originAnnotations]\n",
    "overlays/prod/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 5}\n",
    "alone.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: alone}\n",
}


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Programs of the test's own, by name: what the PATH has, beside a shell's commands."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def make(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)

    return make


@pytest.fixture
def helm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = goprograms.built(HELM_SOURCE, HELM_PACKAGE)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/helm").symlink_to(program)
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}")
    for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def kustomize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    made = Made(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    return made


def names(found: Manifests) -> dict[str, tuple[str, int | None]]:
    """File and replicas of each object, by its name."""
    return {
        each.value["metadata"]["name"]: (each.file, each.value.get("spec", {}).get("replicas"))
        for each in found.documents
    }


def test_a_chart_is_rendered_and_none_of_its_files_is_checked_by_itself(made: Made, helm: None) -> None:
    made.commit({**CHART, "values-prod.yaml": "replicas: 7\n"})
    how = Rendering(frozenset({HELM}), ("values-prod.yaml",), "shop")
    found = read(["."], renderers=renderers(how))
    assert (found.problems, found.left_out[1:]) == ([], [])  # the file with values alone
    assert names(found) == {
        "web-shop": ("charts/web/templates/d.yaml", 7),
        "first": ("charts/web/crds/c.yaml", None),
    }
    assert {each.stream for each in found.documents} == {"charts/web"}


def test_a_kustomization_is_rendered_and_what_it_takes_in_is_not_checked_by_itself(made: Made, kustomize: None) -> None:
    made.commit(OVERLAY)
    found = read(["."], renderers=renderers(Rendering(frozenset({KUSTOMIZE}))))
    assert (found.problems, found.left_out) == ([], [])
    assert names(found) == {"prod-web": ("base/web.txt", 5), "alone": ("alone.yaml", None)}


def test_without_annotations_of_the_origin_a_file_of_a_kustomization_is_named(made: Made, kustomize: None) -> None:
    overlay = "resources: [../../base]\nnamespace: shop\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n"
    for name in KUSTOMIZATIONS:
        base = {each: text for each, text in OVERLAY.items() if each.startswith("base/")}
        made.commit({**base, f"{name}/prod/{name}": overlay})
        found = read([f"{name}/prod"], renderers=renderers(Rendering(frozenset({KUSTOMIZE}))))
        assert found.problems == []
        files = {each.value["kind"]: each.file for each in found.documents}
        assert files == {"Deployment": "base/web.txt", "ConfigMap": f"{name}/prod/{name}"}
        assert {each.stream for each in found.documents} == {f"{name}/prod"}


def test_output_of_helm_without_sources_is_of_the_chart(
    program: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charts/web").mkdir(parents=True)
    (tmp_path / "charts/web/Chart.yaml").write_text(CHART["charts/web/Chart.yaml"])
    program("helm", "echo 'apiVersion: v1'; echo 'kind: ConfigMap'; echo 'metadata: {name: a}'")
    (document,) = rendered(HELM, "charts/web", Rendering()).documents
    assert (document.file, document.stream) == ("charts/web/Chart.yaml", "charts/web")


def test_both_revisions_are_rendered(made: Made, helm: None, kustomize: None) -> None:
    first = made.commit({**CHART, **OVERLAY})
    made.commit({"charts/web/values.yaml": "replicas: 3\n", "base/web.txt": OVERLAY["base/web.txt"].replace("2", "3")})
    how = Reading(rendering=Rendering(frozenset({HELM, KUSTOMIZE}), namespace="shop"))
    for until in ("", "HEAD"):
        sides = read_both(["overlays", "charts"], first, until, how)
        assert (sides.new.problems, sides.warnings) == ([], [])
        assert names(sides.new)["web-shop"][1] == 3
        assert names(sides.old)["web-shop"] == (f"{first}:charts/web/templates/d.yaml", 2)
        assert sides.elsewhere[f"{first}:charts/web/templates/d.yaml"] == "charts/web/templates/d.yaml"
        assert {each.stream for each in sides.old.documents} == {f"{first}:overlays/prod", f"{first}:charts/web"}
        assert {sides.file(each) for each in sides.old.documents} == {"overlays/prod", "charts/web"}


def test_a_root_that_could_not_be_rendered_before(made: Made, helm: None) -> None:
    first = made.commit({**CHART, "charts/web/templates/d.yaml": "{{ nope }}"})
    made.commit(CHART)
    sides: Sides = read_both(["charts"], first, "", Reading(rendering=Rendering(frozenset({HELM}))))
    assert len(sides.new.documents) == 2
    (warning,) = sides.warnings
    assert warning.file == f"{first}:charts/web"
    assert 'function "nope" not defined' in warning.message


@pytest.mark.parametrize(
    ("tool", "message"),
    [(HELM, "helm is not installed"), (KUSTOMIZE, "neither kustomize nor kubectl is installed")],
)
def test_no_tool(program: Callable[[str, str], None], tool: str, message: str) -> None:
    (problem,) = rendered(tool, "web", Rendering()).problems
    assert (problem.file, problem.message) == ("web", f"cannot be rendered: {message}")


def test_a_tool_that_fails_is_quoted(program: Callable[[str, str], None]) -> None:
    program("kustomize", "echo first line >&2; echo second >&2; exit 3")
    (problem,) = rendered(KUSTOMIZE, "a b", Rendering()).problems
    expected = "cannot be rendered: kustomize build -- 'a b' failed with exit code 3: first line; second"
    assert problem.message == expected
    program("helm", "exit 1")
    (problem,) = rendered(HELM, "web", Rendering()).problems
    assert problem.message.endswith("failed with exit code 1: it says nothing")


def test_a_tool_that_does_not_end_is_ended_with_what_it_started(
    program: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1.0)
    program("kubectl", f"sleep 1000 & echo $! > {tmp_path / 'child'}; wait")
    (problem,) = rendered(KUSTOMIZE, "web", Rendering()).problems
    assert problem.message == "cannot be rendered: kubectl kustomize -- web took more than 1 s"
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    wait_for(lambda: ended(child))


def ended(stat: Path) -> bool:
    """Whether the process with that /proc/PID/stat has ended, be it not yet waited for."""
    try:
        return ") Z " in stat.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_tool_that_prints_without_end(program: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MAX_OUTPUT", 1 << 20)
    program("helm", "while :; do echo 'a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; done")
    (problem,) = rendered(HELM, "web", Rendering()).problems
    assert "printed more than 1 MiB" in problem.message


def test_a_program_that_cannot_be_run(program: Callable[[str, str], None], tmp_path: Path) -> None:
    (tmp_path / "bin/helm").write_bytes(b"\x7fELF")
    (tmp_path / "bin/helm").chmod(0o755)
    (problem,) = rendered(HELM, "web", Rendering()).problems
    assert "helm" in problem.message
    assert problem.message.startswith("cannot be rendered: ")


def test_names_of_folders_are_no_options_and_names_of_releases(program: Callable[[str, str], None]) -> None:
    program("helm", "for each; do echo \"- '$each'\"; done")
    for folder, release in (
        ("--post-renderer=x", "post-renderer-x"),
        ("Web_Ä", "web"),
        ("x" * 80, "x" * 53),
        ("_", "release"),
    ):
        made = rendered(HELM, folder, Rendering())
        arguments = made.documents[0].value if made.documents else []
        assert arguments[-3:] == ["--", release, folder]

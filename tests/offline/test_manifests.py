from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from tests.offline.repositories import CHART, CONFIG, DEPLOYMENT, KUSTOMIZATION, POD, REPOSITORIES, write
from webhook.documents.ignoring import Ignoring
from webhook.documents.reader import objects
from webhook.offline.leftout import notes
from webhook.offline.manifests import Manifests, read
from webhook.offline.rendering import Rendered

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "cases"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(found: Manifests) -> list[str]:
    good, _ = objects(found.documents)
    return [f"{document.value['kind']} {document.value['metadata']['name']}" for document in good]


def reasons(found: Manifests) -> dict[str, str]:
    return {each.file: each.reason for each in found.left_out}


def problems(found: Manifests) -> list[str]:
    return [*map(str, found.problems), *map(str, objects(found.documents)[1])]


# Whole repositories


@pytest.mark.parametrize("name", list(REPOSITORIES))
def test_the_root_of_a_repository_is_read_without_an_error(name: str, folder: Path) -> None:
    write(folder, REPOSITORIES[name])
    found = read(["."])
    assert problems(found) == []
    assert found.warnings == []
    assert found.documents != []


@pytest.mark.parametrize("name", list(REPOSITORIES))
def test_a_pod_that_kubectl_would_create_is_never_left_out(name: str, folder: Path) -> None:
    """Under each name of each repository, in each folder, alone and after what stands there."""
    files = REPOSITORIES[name]
    for file in [each for each in files if each.endswith((".yaml", ".yml", ".json"))]:
        write(folder, files)
        (folder / file).write_text(POD)
        assert "Pod sneaky" in names(read(["."])), file
        (folder / file).write_text(f"{files[file]}\n---\n{POD}")
        assert "Pod sneaky" in names(read(["."])), file
        (folder / file).write_text(files[file])


def test_what_a_developer_reads_of_a_repository(folder: Path) -> None:
    write(folder, REPOSITORIES["a kustomization with overlays"])
    found = read(["."])
    assert names(found) == ["Deployment app", "Service app", "ConfigMap app"]
    assert list(notes(found.left_out, found.kept)) == [
        "2 kustomizations are not rendered; check what they make: gatewright check --render kustomize overlays/dev "
        "(and overlays/prod)",
        "2 patches of kustomizations left out: components/tls/ingress.yaml, overlays/prod/replicas.yaml",
        "3 files without Kubernetes objects left out: overlays/prod/op.yaml, overlays/prod/replace.yaml, "
        "overlays/prod/settings.yaml",
    ]
    write(folder, REPOSITORIES["a web application"])
    note = next(each for each in notes(read(["."]).left_out) if "without" in each)
    assert note == (
        "13 files without Kubernetes objects left out: .eslintrc.json, .github/dependabot.yml, "
        ".github/workflows/ci.yaml and 10 more"
    )
    assert "package.json, " in next(each for each in notes(read(["."]).left_out, verbose=True) if "without" in each)


def test_binary_files_are_named_whatever_their_bytes_look_like(folder: Path) -> None:
    write(folder, {"d/a.yaml": POD})
    contents = {
        "d/bytes.yaml": b"\0\1\2",
        "d/braces.json": b"\0{{ }} {%",  # of which a template would be left out, too
        "d/later.yaml": b"\x89PNG\n\0",  # a line, of which kubectl reads something
        "d/hiding.yaml": b"\0kind: Pod\napiVersion: v1\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    found = read(["d"])
    assert names(found) == ["Pod sneaky"]
    assert reasons(found) == {"d/bytes.yaml": "binary", "d/braces.json": "binary"}
    said = "binary, not YAML or JSON (it contains a NUL byte)"
    assert problems(found) == [f"d/hiding.yaml:1: {said}", f"d/later.yaml:2: {said}"]
    strict = read(["d"], strict=True)
    assert sorted(problems(strict)) == sorted(f"{each}:{2 if 'later' in each else 1}: {said}" for each in contents)


def test_nothing_to_render_is_a_problem(folder: Path) -> None:
    """Neither a folder that is mostly the wrong one nor a file is said to be checked, if it was to be rendered."""
    write(folder, {"d/a.yaml": POD, "e/README": ""})
    rendering = {"chart": lambda _: Rendered([], [], [])}
    said = "so --render renders nothing; name the folder of one, or leave --render out"
    found = read(["d", "d/a.yaml", "e"], renderers=rendering)
    assert names(found) == ["Pod sneaky"]
    assert problems(found) == [
        "e: no *.yaml, *.yml or *.json files in this folder",
        f"d: there is no Helm chart in it, {said}",
        f"d/a.yaml: there is no Helm chart in it, {said}",
    ]
    both = read(["d"], renderers={**rendering, "kustomization": rendering["chart"]})
    assert problems(both) == [f"d: there is no Helm chart and no kustomization in it, {said}"]
    write(folder, {"d/web/Chart.yaml": "name: web\n"})
    assert problems(read(["d", "d/a.yaml"], renderers=rendering)) == []


@pytest.mark.parametrize("name", list(REPOSITORIES))
def test_check_exits_with_zero_or_one(name: str, tmp_path: Path) -> None:
    write(tmp_path, REPOSITORIES[name])
    run = gatewright("check", ".", "--policies", ROOT / "policies", cwd=tmp_path)
    assert run.returncode in (0, 1), run.stderr
    assert "error" not in run.stderr
    assert all(line.startswith("note: ") for line in run.stderr.splitlines())
    assert len(run.stderr.splitlines()) <= 8


# What is read


def test_the_cases_that_failed(folder: Path) -> None:
    left_out = CASES / "files-left-out" / "folder"
    if not left_out.is_dir():
        pytest.skip("the cases are not here")
    assert names(read([str(left_out)])) == [
        *("Pod sneaky-web", "Pod sneaky-web", "Pod sneaky-kustomization", "ConfigMap plain"),
    ]
    more = CASES / "items-of-any-kind"
    assert names(read([str(more)])).count("Pod sneaky") == 4


def test_a_key_twice_is_a_warning_where_something_is_checked(folder: Path) -> None:
    twice = "data: {a: b}\ndata: {c: d}\n"
    write(folder, {"values.yaml": f"image: a\n{twice}", "map.yaml": f"{CONFIG}{twice}"})
    assert [each.file for each in read(["."]).warnings] == ["map.yaml", "map.yaml"]
    assert [each.file for each in read(["values.yaml"]).warnings] == ["values.yaml"]


def test_a_named_file_is_read_whatever_it_is(folder: Path) -> None:
    write(folder, {"package.json": '{"name": "x"}', "_pod.txt": POD, "x.yaml": "a: {{ b }}\n"})
    found = read(["package.json", "_pod.txt", "x.yaml"])
    assert names(found) == ["Pod sneaky"]
    assert [each.partition(" ")[0] for each in problems(found)] == ["x.yaml:1:5:", "package.json:1:1:"]
    assert found.left_out == []


def test_a_named_kustomization_is_no_error(folder: Path) -> None:
    write(folder, {"k/kustomization.yaml": KUSTOMIZATION})
    found = read(["k/kustomization.yaml"])
    assert (problems(found), reasons(found)) == ([], {"k": "kustomization"})
    assert found.left_out[0].command == "gatewright check --render kustomize k"


def test_standard_input_is_all_objects(folder: Path) -> None:
    found = read(["-"], io.BytesIO(f"{POD}---\na: 1\n".encode()))
    assert names(found) == ["Pod sneaky"]
    assert problems(found)[0].startswith("<stdin>:8:1: not a Kubernetes object")


@pytest.mark.parametrize(
    "text",
    [
        "kind: Deployment\nmetadata: {name: a}\nspec: {}\n",
        "apiVersion: apps/v1\nmetadata: {name: a}\nspec: {}\n",
        "metadata: {name: a}\nspec: {}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n",
        "kind: List\nitems: {a: b}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: " + "[" * 300 + "]" * 300 + "\n",
        CONFIG + "---\njust: text\n",
        CONFIG + "---\nkind: ConfigMap\nmetadata:\n  name: {{ name }}\napiVersion: {{ v }}\n",
    ],
)
def test_what_is_likely_meant_as_an_object_is_an_error(text: str, folder: Path) -> None:
    from webhook.offline.requests import Options, plan

    write(folder, {"a.yaml": text, "b.yaml": CONFIG})
    found = read(["."])
    assert len([*found.problems, *plan(found.documents, Options()).problems]) == 1
    assert found.left_out == []


def test_a_known_kind_without_a_name_is_checked_and_refused(folder: Path) -> None:
    write(folder, {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "b.yaml": CONFIG})
    found = read(["."])
    assert ([each.file for each in found.documents], found.problems, found.left_out) == (
        ["a.yaml", "b.yaml"],
        [],
        [],
    )


def test_values_of_a_chart_have_any_form(folder: Path) -> None:
    values = "kind: DaemonSet\nmetadata: {labels: {}}\nrules: []\n"
    write(folder, {"c/Chart.yaml": "name: c\n", "c/values.yaml": values, "c/ci/values.yaml": values, "a.yaml": CONFIG})
    write(folder, {"c/templates/a.yaml": values, "values.yaml": "kind: DaemonSet\nreplicas: 2\n"})
    found = read(["."])
    assert reasons(found) == {"c": "chart"} | dict.fromkeys(
        ("c/Chart.yaml", "c/values.yaml", "c/ci/values.yaml", "values.yaml"), "no object"
    )
    assert names(found) == ["ConfigMap app"]
    assert problems(found) == ["c/templates/a.yaml:1:1: not a Kubernetes object: apiVersion is missing"]


def test_templates_of_any_tool_are_left_out(folder: Path) -> None:
    jinja = "{% if app %}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ app }}\n{% endif %}\n"
    write(folder, {"roles/app/templates/cm.yaml": jinja, "deploy/cm.yaml": CONFIG})
    found = read(["."])
    assert (names(found), problems(found)) == (["ConfigMap app"], [])
    assert reasons(found) == {"roles/app/templates/cm.yaml": "template"}
    assert problems(read(["roles/app/templates/cm.yaml"])) != []


def test_a_list_without_an_apiversion_is_one_to_kubectl(folder: Path) -> None:
    write(folder, {"a.yaml": "kind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n"})
    assert names(read(["."])) == ["Pod p"]


def test_a_chart_is_named_with_what_renders_it_and_its_plain_objects_are_checked(folder: Path) -> None:
    files = {f"my chart/{name}": text for name, text in CHART.items()}
    write(folder, {**files, "my chart/crds/c.yaml": CONFIG, "my chart/templates/pod.yaml": POD})
    found = read(["."])
    assert names(found) == ["ConfigMap app", "Pod sneaky"]
    chart = next(each for each in found.left_out if each.reason == "chart")
    assert (chart.file, chart.command) == ("my chart", "gatewright check --render helm 'my chart'")
    templates = [file for file, reason in reasons(found).items() if reason == "template"]
    assert templates == ["my chart/templates/deployment.yaml", "my chart/templates/service.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        POD.replace("metadata: {", "metadata: {annotations: {x: '{{ .Values.x }}'}, "),
        "# {{ if .Values.x }}\n" + POD,
        POD + "...\n{{- end }}\n",
        json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sneaky"}}) + "\n{{- end }}\n",
        "{{- if .Values.x }}\na: 1\n---\n" + POD,
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: '{{ x }}'}\nrules: []\n",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a, namespace: '{{ x }}'}\n",
    ],
)
def test_a_template_that_kubectl_would_create_from_is_checked(text: str, folder: Path) -> None:
    write(folder, {"Chart.yaml": "name: x\n", "templates/a.yaml": text})
    assert len(read(["."]).documents) == 1


@pytest.mark.parametrize("text", ["# {{ x }}\nkind: Pod\na: *b\n", "---\n# {{ x }}\n\ufeffkind: Pod\napiVersion: v1\n"])
def test_what_kubectl_alone_may_read_of_a_template_is_an_error(text: str, folder: Path) -> None:
    write(folder, {"Chart.yaml": "name: x\n", "templates/a.yaml": text, "b.yaml": CONFIG})
    found = read(["."])
    assert len(found.problems) + len([each for each in found.documents if each.file == "templates/a.yaml"]) >= 1
    assert "template" not in reasons(found).values()


def test_a_patch_is_no_object_unless_it_is_a_whole_one(folder: Path) -> None:
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {replicas: 3}\n"
    write(
        folder,
        {
            "kustomization.yaml": "patches: [{path: p.yaml}, {path: q.yaml}]\nresources: [d.yaml]\n",
            "p.yaml": patch,
            "q.yaml": POD,
            "d.yaml": DEPLOYMENT,
            "e.yaml": patch.replace("app}", "other}"),
        },
    )
    found = read(["."])
    assert names(found) == ["Deployment app", "Deployment other", "Pod sneaky"]
    assert reasons(found) == {"p.yaml": "patch", ".": "kustomization"}
    assert "hold whole objects" in list(notes(found.left_out, found.kept))[-1]


def test_what_a_kustomization_reads_is_read_whatever_its_suffix_but_nothing_beyond_its_folder(folder: Path) -> None:
    (folder / "outside.txt").write_text(POD)
    write(
        folder,
        {
            "k/Kustomization": "resources: [pod.txt, sub/x, ../outside.txt, missing.txt, https://example.com/x]\n",
            "k/pod.txt": POD,
            "k/sub/x": CONFIG,
        },
    )
    assert names(read(["k"])) == ["Pod sneaky", "ConfigMap app"]


# What is left out on purpose


def test_exclude_and_the_ignore_file(folder: Path) -> None:
    write(
        folder,
        {
            ".gatewrightignore": "# not ours\nvendor/\n*.test.yaml\n!keep.test.yaml\n",
            "vendor/a.yaml": POD,
            "b.test.yaml": POD,
            "keep.test.yaml": CONFIG,
            "old/c.yaml": POD,
        },
    )
    found = read(["."], exclude=Ignoring(["/old"], "--exclude"))
    assert names(found) == ["ConfigMap app"]
    assert reasons(found) == {"b.test.yaml": "excluded", "vendor/": "excluded", "old/": "excluded"}
    assert list(notes(found.left_out, found.kept)) == [
        "1 entry excluded by --exclude: old/",
        "2 entries excluded by .gatewrightignore: b.test.yaml, vendor/",
    ]
    assert names(read(["vendor/a.yaml", "old"])) == ["Pod sneaky", "Pod sneaky"]


def test_an_ignore_file_further_down_excludes_nothing(folder: Path) -> None:
    """Or whoever owns a folder could take it out of the check."""
    write(folder, {"team/.gatewrightignore": "*\n", "team/pod.yaml": POD})
    assert names(read(["."])) == ["Pod sneaky"]
    found = read(["team"])
    assert problems(found) == ["team: everything in this folder is excluded, by team/.gatewrightignore"]


def test_patterns_are_relative_to_the_current_folder_too(folder: Path) -> None:
    write(folder, {"deploy/old/a.yaml": POD, "deploy/b.yaml": CONFIG, ".gatewrightignore": "/deploy/old\n"})
    assert names(read(["deploy"])) == ["ConfigMap app"]
    write(folder, {".gatewrightignore": ""})
    assert names(read(["deploy"], exclude=Ignoring(["deploy/old/"], "--exclude"))) == ["ConfigMap app"]


def test_a_bad_pattern_is_named(folder: Path) -> None:
    write(folder, {".gatewrightignore": "a\n" + "b" * 5000, "c.yaml": CONFIG})
    assert problems(read(["."])) == [".gatewrightignore: line 2: a pattern of more than 4,096 characters"]


def test_what_is_named_is_read_and_said_to_be_excluded(folder: Path) -> None:
    write(folder, {"deploy/web/a.yaml": POD, "b.yaml": CONFIG, "c.yaml": CONFIG, ".gatewrightignore": "/e/\n"})
    settings = Ignoring(["deploy/", "/b.yaml"], "exclude in the settings")
    for path, by in (("deploy", "exclude in the settings"), ("deploy/web", "exclude in the settings")):
        found = read([path], exclude=settings)
        assert names(found) == ["Pod sneaky"]
        assert [(each.file, each.reason, each.by) for each in found.kept] == [(path, "excluded", by)]
    found = read(["deploy/web/a.yaml", "b.yaml", "c.yaml", "."], exclude=settings)
    assert names(found) == ["Pod sneaky", "ConfigMap app", "ConfigMap app"]
    assert [each.file for each in found.kept] == ["deploy/web/a.yaml", "b.yaml"]
    write(folder, {"e/d.yaml": CONFIG})
    assert [each.by for each in read(["e"]).kept] == [".gatewrightignore"]
    assert read(["deploy"], exclude=Ignoring(["/web", "deploy/*.yaml"], "--exclude")).kept == []


# Strictly


def test_strictly_whatever_is_not_checked_is_an_error(folder: Path) -> None:
    write(folder, {f"chart/{name}": text for name, text in CHART.items()})
    write(
        folder,
        {
            "package.json": "{}",
            "k/kustomization.yaml": "patches: [{path: p.yaml}]\n",
            "k/p.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\n",
            "a.yaml": CONFIG,
            "skip.yaml": "a: 1\n",
        },
    )
    found = read(["."], strict=True, exclude=Ignoring(["skip.yaml"], "--exclude"))
    assert names(found) == ["ConfigMap app"]
    assert reasons(found) == {"skip.yaml": "excluded"}
    told = problems(found)
    assert "package.json:1:1: not a Kubernetes object: apiVersion is missing and kind is missing" in told
    assert "chart: a Helm chart, not manifests; render it first: gatewright check --render helm chart" in told
    assert "k: a kustomization, no object; render it: gatewright check --render kustomize k" in told
    assert "k/p.yaml:1:1: a patch of k/kustomization.yaml, no whole object; it is checked once it is rendered" in told
    assert "chart/templates/service.yaml:3:1: a template of a chart; it is checked once rendered" in told
    assert len(told) == 10


# Nothing to check


def test_a_folder_with_nothing_to_check_is_an_error(folder: Path) -> None:
    write(folder, {f"chart/{name}": text for name, text in CHART.items()})
    write(folder, {"texts/a.yaml": "a: 1\n", "empty/b.txt": "", "k/kustomization.yaml": "resources: [../x]\n"})
    assert problems(read(["chart", "texts", "empty", "k"])) == [
        "chart: a Helm chart; render it first: gatewright check --render helm chart",
        "texts: no Kubernetes objects in this folder",
        "empty: no *.yaml, *.yml or *.json files in this folder",
        "k: nothing in this folder can be checked as it is; render it first: gatewright check --render kustomize k",
    ]


# Size


def test_an_object_that_no_request_can_hold_is_an_error_and_the_rest_is_read(folder: Path) -> None:
    big = json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"a": "x" * (3 << 20)}}
    )
    write(folder, {"a.yaml": f"{big}\n---\n{CONFIG}"})
    found = read(["a.yaml"])
    told = "a.yaml:1:1: larger than 3 MiB as JSON, which the API server refuses (Request entity too large)"
    assert problems(found) == [told]
    assert names(found) == ["ConfigMap app"]


def test_a_large_list_of_small_objects_is_read(folder: Path) -> None:
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"n{i}"}} for i in range(50_000)]
    write(folder, {"a.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": items})})
    found = read(["a.json"])
    assert (len(found.documents), problems(found)) == (50_000, [])

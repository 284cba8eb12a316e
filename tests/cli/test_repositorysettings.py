"""The settings of a repository are data: they say what is read, and nothing that is run, downloaded or trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhook.cli.repositorysettings import NONE, read


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    here = Path.cwd()
    inner = tmp_path / "repository"
    inner.mkdir()
    os.chdir(inner)
    yield inner
    os.chdir(here)


def problems() -> list[str]:
    return [str(each) for each in read()[1]]


WHOLE = """\
policies = ["policies", "more"]
paths = "deploy"
exclude = ["deploy/vendor/"]
kubernetes-version = "1.34"
owner-label = "team"
rings = ["env=dev", "env=prod,tier=canary"]

[{prefix}pod-templates]
"pipelines.shop.example" = ["spec.steps[*].template", "spec.last"]
"""


@pytest.mark.parametrize("file", [".gatewright.toml", "pyproject.toml"])
def test_all_settings_are_read(file: str, folder: Path) -> None:
    text = WHOLE.format(prefix="")
    if file == "pyproject.toml":
        head = '[project]\nname = "shop"\n\n[tool.gatewright]\n'
        text = head + WHOLE.format(prefix="tool.gatewright.")
    (folder / file).write_text(text)
    found, wrong = read()
    assert wrong == []
    assert (found.file, found.policies, found.paths) == (file, ("policies", "more"), ("deploy",))
    assert (found.exclude, found.kubernetes_version, found.owner_label) == (("deploy/vendor/",), "1.34", "team")
    assert found.rings == ("env=dev", "env=prod,tier=canary")
    workload = found.workloads.of("pipelines", "shop.example")
    assert workload is not None
    assert workload.places == ("spec.steps[*].template", "spec.last")


def test_a_folder_without_settings_has_none(folder: Path) -> None:
    assert read() == (NONE, [])
    (folder / "pyproject.toml").write_text('[project]\nname = "about-gatewright"\n')
    assert read() == (NONE, [])
    (folder / "pyproject.toml").write_text("not TOML, and none of ours")
    assert read() == (NONE, [])


@pytest.mark.parametrize(
    "text",
    [
        "[tool.gatewright]\nowner-label = 'team'\n",
        "[ tool . 'gatewright' ]\nowner-label = 'team'\n",
        '["tool"."gatewright"]\nowner-label = "team"\n',
        "tool.gatewright.owner-label = 'team'\n",
        "[tool]\ngatewright = {owner-label = 'team'}\n",
        "[ 'tool' ]  # of others too\ngatewright.owner-label = 'team'\n",
        "tool = {gatewright = {owner-label = 'team'}}\n",
        'tool."gatewright".owner-label = "team"\n',
    ],
)
def test_the_table_is_found_in_every_form(text: str, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(text)
    found, wrong = read()
    assert (found.owner_label, wrong) == ("team", [])


def test_a_project_that_only_needs_gatewright_is_not_parsed(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\ndependencies = ['gatewright==1.0']\n[tool.x]\nnot TOML\n")
    assert read() == (NONE, [])


def test_both_files_are_one_too_many(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.gatewright]\n")
    (folder / ".gatewright.toml").write_text("")
    assert problems() == [".gatewright.toml: there is [tool.gatewright] in pyproject.toml too; keep one of them"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = [\n", ": not TOML: "),
        ("\na b\n", ":2:3: not TOML: Expected '=' after a key"),
        ("paths = ['a']\npaths = ['b']\n", ":2:14: not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 5000, ": not TOML: nested too deeply"),
        ("\n\npath = ['a']\n", ":3: unknown setting 'path'; did you mean paths?"),
        ("zzzzzz = 1\n", ":1: unknown setting 'zzzzzz'; there are policies, paths, exclude, kubernetes-version"),
        ("paths = 5\n", ":1: paths: expected a list of texts"),
        ("paths = ['a', 5]\n", ":1: paths: expected a list of texts"),
        ("exclude = ['']\n", ":1: exclude: expected a pattern, got nothing"),
        ("kubernetes-version = 1.30\n", ":1: kubernetes-version: expected a text in quotes, got float"),
        ("kubernetes-version = '9.1'\n", ":1: kubernetes-version: expected a version of Kubernetes from 1.26 to"),
        ("owner-label = ''\n", ":1: owner-label: expected the key of a label"),
        ("rings = ['=prod']\n", ":1: rings: expected labels of namespaces, such as env=prod, env=prod,tier=canary or"),
        ("pod-templates = 5\n", ":1: pod-templates: expected a table of PLURAL.GROUP"),
        ("[pod-templates]\nrollouts = 'spec'\n", ":2: 'rollouts': expected PLURAL.GROUP"),
        ("[pod-templates]\n'a.b' = 'spec..x'\n", ":2: a.b: expected a path of fields"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, problem: str, folder: Path) -> None:
    (folder / ".gatewright.toml").write_text(text)
    (found,) = problems()
    assert found.startswith(f".gatewright.toml{problem}")


def test_a_line_within_pyproject_is_found(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[project]\nname = 'a'\n\n[tool.gatewright]\nowner-label = 5\n")
    assert problems() == ["pyproject.toml:5: owner-label: expected a text in quotes, got int"]
    (folder / "pyproject.toml").write_text("[tool]\ngatewright = 5\n")
    assert problems() == ["pyproject.toml: [tool.gatewright]: expected a table"]


@pytest.mark.parametrize("key", ["policies", "paths"])
@pytest.mark.parametrize("path", ["/etc", "../other", "a/../../other", "-", "", "oci://ghcr.io/a/b:1", "out", "a\x00b"])
def test_nothing_outside_of_the_repository_is_named(key: str, path: str, folder: Path) -> None:
    (folder / "out").symlink_to("/etc")
    quoted = path.replace("\x00", "\\u0000")
    (folder / ".gatewright.toml").write_text(f'{key} = ["{quoted}"]\n')
    (found,) = problems()
    assert found.startswith(f".gatewright.toml:1: {key}: {path!r}: ")


@pytest.mark.parametrize(
    "key", ["render", "values", "verify-key", "registry-ca", "policy-imports", "authorizations", "settings", "user"]
)
def test_what_runs_downloads_or_trusts_is_no_setting(key: str, folder: Path) -> None:
    (folder / ".gatewright.toml").write_text(f"{key} = ['x']\n")
    assert len(problems()) == 1
    assert read()[0].file == ".gatewright.toml"


def test_a_link_is_not_followed(folder: Path) -> None:
    secret = folder.parent / "token"
    secret.write_text("S3CR3T")
    (folder / ".gatewright.toml").symlink_to(secret)
    assert problems() == [".gatewright.toml: is a link; expected a file"]
    (folder / ".gatewright.toml").unlink()
    (folder / "pyproject.toml").symlink_to(secret)
    assert problems() == []
    (folder / ".gatewright.toml").mkdir()
    assert problems() == [".gatewright.toml: expected a file"]


def test_a_huge_file_is_not_parsed(folder: Path) -> None:
    (folder / ".gatewright.toml").write_text("#" * (1 << 20) + "\n")
    assert problems() == [".gatewright.toml: cannot be read: larger than 1 MiB"]
    (folder / ".gatewright.toml").write_bytes(b"paths = ['\xff']\n")
    assert problems() == [".gatewright.toml: not TOML: byte 10 is not UTF-8"]

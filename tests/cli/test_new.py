"""`gatewright new policy`: what it writes loads, passes its tests, `check` and `lint`, and leaves no mutant."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.running import gatewright
from tests.timing import HANGING

KINDS = {
    "cel": ["--cel"],
    "python": ["--python"],
    "mutating": ["--mutating"],
    "python-mutating": ["--python", "--mutating"],
}
BARE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1"}]}}
"""
LABELLED = BARE.replace("{name: web}\nspec", "{name: web, labels: {team: shop}}\nspec")


def files(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


@pytest.mark.parametrize("name", ["1e3", "y", "007"])
def test_a_name_may_read_as_a_number_or_true(name: str, tmp_path: Path) -> None:
    assert gatewright("new", "policy", name, "--cel", cwd=tmp_path).returncode == 0
    tested = gatewright("test", cwd=tmp_path)
    assert (tested.returncode, tested.stderr) == (0, "")
    assert f"pass {name}: " in tested.stdout


@pytest.mark.parametrize("options", KINDS.values(), ids=list(KINDS))
def test_what_is_written_passes_everything(options: list[str], tmp_path: Path) -> None:
    done = gatewright("new", "policy", "team-label", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    policy = "policy.py" if "--python" in options else "policy.yaml"
    expected = ["README.md", "binding.yaml", "params.yaml", policy, "tests.yaml"]
    assert files(tmp_path) == [f"policies/team-label/{name}" for name in sorted(expected)]
    assert done.stdout.splitlines()[:5] == files(tmp_path)
    # The command that it names is the one that works.
    assert done.stdout.splitlines()[-1] == "Run its tests: gatewright test -k team-label"

    tested = gatewright("test", "-k", "team-label", "--require-tests", cwd=tmp_path)
    assert (tested.returncode, tested.stderr) == (0, "")
    linted = gatewright("lint", cwd=tmp_path)
    assert (linted.returncode, linted.stdout) == (0, "nothing found (1 policy in 4 files)\n")
    mutated = gatewright("test", "--mutate", cwd=tmp_path)
    assert mutated.returncode == 0, mutated.stdout
    assert "0 survived" in mutated.stdout

    (tmp_path / "bare.yaml").write_text(BARE)
    (tmp_path / "labelled.yaml").write_text(LABELLED)
    checked = gatewright("check", "--diff", "bare.yaml", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    shown = "+  team: unknown" if "--mutating" in options else "audit team-label"
    assert shown.replace("+  ", "") in checked.stdout
    assert "team-label" not in gatewright("check", "--diff", "labelled.yaml", cwd=tmp_path).stdout
    for text in (each.read_text() for each in (tmp_path / "policies").rglob("*") if each.is_file()):
        assert "@" not in text.replace("@validate(", "").replace("@mutate(", "")


def test_the_roll_out_of_the_readme_holds_its_tests(tmp_path: Path) -> None:
    gatewright("new", "policy", "team-label", cwd=tmp_path)
    folder = tmp_path / "policies" / "team-label"
    (tmp_path / "bare.yaml").write_text(BARE)
    for was, now, first, last, code in (
        ("[Audit]", "[Warn, Audit]", "audit", "warn", 0),
        ("[Warn, Audit]", "[Deny]", "warn", "deny", 1),
    ):
        binding, tests = folder / "binding.yaml", folder / "tests.yaml"
        binding.write_text(binding.read_text().replace(f"Actions: {was}", f"Actions: {now}"))
        assert gatewright("test", cwd=tmp_path).returncode == 1
        tests.write_text(tests.read_text().replace(f"&finding {first}", f"&finding {last}"))
        assert gatewright("test", cwd=tmp_path).returncode == 0
        assert gatewright("check", "bare.yaml", cwd=tmp_path).returncode == code
        assert gatewright("lint", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Team"], "'Team': expected at most 63 lower-case letters, digits and dashes"),
        (["../up"], "'../up': expected"),
        (["a/b"], "'a/b': expected"),
        (["-a"], "No such option"),
        (["--", "-a"], "'-a': expected"),
        (["a-"], "'a-': expected"),
        (["a" * 64], "expected at most 63"),
        (["a\n"], "'a\\n': expected"),
        (["class", "--python"], "class cannot be its name"),
        (["2fa", "--python"], "2fa cannot be its name"),
        (["validate", "--python"], "validate cannot be its name"),
        (["a", "--cel", "--python"], "--cel and --python"),
        (["a", "--policies", "x", "--policies", "y"], "expected one folder"),
        (["a", "--policies", "oci://r/a:1"], "expected one folder"),
        (["a", "--policies", "file"], "file is no folder"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_there(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = gatewright("new", "policy", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split()).replace("│ ", "")
    assert files(tmp_path) == ["file"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "policies" / "mine"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("keep")
    done = gatewright("new", "policy", "mine", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: policies/mine: already exists; choose another name, or remove it first\n"
    (tmp_path / "policies" / "gone").symlink_to("/nowhere")
    assert gatewright("new", "policy", "gone", cwd=tmp_path).returncode == 2
    assert files(tmp_path) == ["policies/mine/notes.txt"]


def test_a_name_that_a_policy_of_the_tree_has_is_refused(tmp_path: Path) -> None:
    gatewright("new", "policy", "mine", cwd=tmp_path)
    (tmp_path / "policies" / "mine").rename(tmp_path / "policies" / "elsewhere")
    done = gatewright("new", "policy", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: policies/elsewhere/policy.yaml:2: ValidatingAdmissionPolicy 'mine' already exists"
    )
    (tmp_path / "policies" / "elsewhere" / "policy.yaml").write_text("kind: [\n")  # a tree that does not load
    assert gatewright("new", "policy", "mine", cwd=tmp_path).returncode == 0


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    done = gatewright("new", "policy", "mine", "--policies", "/proc/tree", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: /proc/tree: cannot be written: ")


def test_it_goes_to_the_tree_that_is_named(tmp_path: Path) -> None:
    done = gatewright("new", "policy", "mine", "--policies", "my tree", cwd=tmp_path)
    assert done.stdout.endswith("gatewright test --policies 'my tree' -k mine\n")
    environment = {**os.environ, "GATEWRIGHT_POLICIES": "other"}
    assert gatewright("new", "policy", "two", cwd=tmp_path, env=environment).returncode == 0
    assert {each.partition("/")[0] for each in files(tmp_path)} == {"my tree", "other"}


def test_the_python_that_is_written_is_formatted_and_without_a_fault_for_ruff(tmp_path: Path) -> None:
    for name in ("python", "python-mutating"):
        gatewright("new", "policy", name, *KINDS[name], cwd=tmp_path)
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check", "--select", "E,F,W,I,UP,B,C4,SIM,RUF,PL,S,TRY,PTH,D1"], ["format", "--check"]):
        command += ["--isolated", "--config", "line-length = 120", "policies"]
        subprocess.run([str(ruff), *command], cwd=tmp_path, check=True, timeout=HANGING)


def test_the_templates_are_packed(tmp_path: Path) -> None:
    """tests/project/test_release.py builds the wheel; this names the files that it must take."""
    import tomllib

    root = Path(__file__).parents[2]
    packed = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert packed["webhook.scaffold"] == ["templates/**/*.txt"]
    templates = [each for each in (root / "webhook/scaffold/templates").rglob("*") if each.is_file()]
    assert len(templates) == 12
    assert {each.suffix for each in templates} == {".txt"}
    for each in templates:
        if ".yaml" in each.name:
            assert list(yaml.safe_load_all(each.read_text().replace("@NAME@", "x")))

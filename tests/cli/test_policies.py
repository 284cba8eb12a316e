"""`gatewright policies`: listed, shown, added, enabled, disabled; errors name what was wrong and the nearest name."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli import running
from tests.library import libraries

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    libraries.small(tmp_path / "library")
    return tmp_path


def policies(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = ["--library", "library"] if arguments[0] in ("list", "show", "add") else []
    return running.gatewright("policies", *arguments, *own, cwd=here)


def done(here: Path, *arguments: str) -> str:
    run = policies(here, *arguments)
    assert (run.returncode, run.stderr) == (0, ""), run
    return run.stdout


def refused(here: Path, *arguments: str) -> str:
    run = policies(here, *arguments)
    assert run.returncode == 2
    assert run.stderr.startswith("error: "), run.stderr
    return run.stderr.removeprefix("error: ").rstrip("\n")


def test_the_list_says_what_is_bound(here: Path) -> None:
    done(here, "add", "no-tokens", "pinned-images")
    done(here, "enable", "no-tokens", "--action", "Audit")
    assert done(here, "list").splitlines() == [
        "NAME           SEVERITY  CATEGORY  BOUND  TITLE",
        "known-images   critical  images           Well",
        "label-pods     medium    mutation         Well",
        "no-tokens      medium    access    Audit  Well",
        "pinned-images  high      images    no     Well",
        "",
        "4 policies, 1 bound in the policy tree",
    ]


@pytest.mark.parametrize("options", [[], ["--control", "MITRE-ATTACK"], ["--severity", "high", "-o", "json"]])
def test_without_a_command_the_policies_are_listed(options: list[str], here: Path) -> None:
    run = running.gatewright("policies", *options, "--library", "library", cwd=here)
    expected = policies(here, "list", *options)
    assert (run.returncode, run.stdout, run.stderr) == (expected.returncode, expected.stdout, expected.stderr)


def test_options_before_a_command_are_refused(here: Path) -> None:
    """They would be passed over: the command has its own."""
    run = running.gatewright("policies", "--severity", "high", "enable", "no-tokens", cwd=here)
    assert (run.returncode, run.stdout) == (2, "")
    assert "options of a command stand behind it: gatewright policies enable …" in run.stderr


def names(listed: str) -> list[str]:
    return [each["name"] for each in json.loads(listed)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--control", "PCI-DSS"], ["label-pods", "pinned-images"]),
        (["--control", "CIS 5.5", "--severity", "critical"], ["known-images"]),
        (["--category", "access", "--category", "mutation"], ["label-pods", "no-tokens"]),
        (["--enabled"], ["no-tokens"]),
        (["--disabled"], ["known-images", "label-pods", "pinned-images"]),
    ],
)
def test_the_list_is_filtered(here: Path, options: list[str], expected: list[str]) -> None:
    done(here, "add", "no-tokens", "pinned-images", "--to", "tree")
    done(here, "enable", "no-tokens", "--policies", "tree")
    assert names(done(here, "list", *options, "--policies", "tree", "-o", "json")) == expected


def test_json_has_all_that_a_policy_says_of_itself(here: Path) -> None:
    done(here, "add", "no-tokens")
    found = {each["name"]: each for each in json.loads(done(here, "list", "-o", "json"))}
    assert found["no-tokens"] == {
        "name": "no-tokens",
        "title": "Well",
        "description": "All is well.",
        "category": "access",
        "severity": "medium",
        "rationale": "It is better.",
        "remediation": "Mend it.",
        "controls": ["CIS 5.1.6"],
        "language": "CEL",
        "validates": True,
        "mutates": False,
        "params": False,
        "actions": ["Deny", "Warn", "Audit"],
        "bound": "",
    }
    assert found["label-pods"]["bound"] is None
    assert (found["label-pods"]["validates"], found["label-pods"]["mutates"]) == (False, True)


def test_a_policy_is_shown_with_its_readme(here: Path) -> None:
    (here / "library" / "no-tokens" / "params.yaml").write_text("")
    text = done(here, "show", "no-tokens")
    assert text.startswith("no-tokens: Well\n\nAll is well.\n")
    for line in ("bindings     Deny, Warn, Audit", "controls     CIS 5.1.6", "Why: It is better.", "# no-tokens"):
        assert line in text.splitlines()
    assert "params       library/no-tokens/params.yaml" in text
    assert r"Read \x1b[31mthis." in text  # nothing of a library reaches the terminal unescaped


def test_from_the_library_into_force(here: Path) -> None:
    """What is added is not in force, what is enabled is, with the action that was asked for."""
    (here / "pod.yaml").write_text(POD)
    text = done(here, "add", "pinned-images")
    assert text.splitlines()[-1] == "Next: gatewright policies enable pinned-images --action Warn"
    assert (
        done(here, "add", "label-pods").splitlines()[-1]
        == "Next: gatewright policies enable label-pods --action Mutate"
    )
    assert running.gatewright("check", "pod.yaml", cwd=here).returncode == 0
    text = done(here, "enable", "pinned-images", "--action", "Warn")
    assert text.splitlines()[0] == "policies/pinned-images/binding.yaml"
    assert "gatewright check PATH… shows the findings; gatewright manifests policies --all" in text
    checked = running.gatewright("check", "pod.yaml", cwd=here)
    assert (checked.returncode, "warning" in checked.stdout) == (0, True)
    done(here, "enable", "pinned-images", "--action", "Deny", "--force")
    assert running.gatewright("check", "pod.yaml", cwd=here).returncode == 1
    done(here, "disable", "pinned-images")
    assert running.gatewright("check", "pod.yaml", cwd=here).returncode == 0


def test_a_bundle_by_one_option(here: Path) -> None:
    done(here, "add", "--control", "PCI-DSS", "--control", "CIS", "no-tokens")
    assert sorted(each.name for each in (here / "policies").iterdir()) == [
        "known-images", "label-pods", "no-tokens", "pinned-images",
    ]  # fmt: skip
    done(here, "enable", "--control", "PCI-DSS")
    assert names(done(here, "list", "--enabled", "-o", "json")) == ["pinned-images"]  # the other one changes objects
    done(here, "enable", "--category", "mutation", "--action", "Mutate")
    done(here, "enable", "--severity", "critical", "--action", "Deny")
    bound = {each["name"]: each["bound"] for each in json.loads(done(here, "list", "-o", "json"))}
    assert bound == {"known-images": "Deny", "label-pods": "Mutate", "no-tokens": "", "pinned-images": "Warn"}


def test_without_an_action_a_policy_warns_or_changes(here: Path) -> None:
    done(here, "add", "label-pods", "no-tokens")
    done(here, "enable", "label-pods", "no-tokens")
    bound = {each["name"]: each["bound"] for each in json.loads(done(here, "list", "--enabled", "-o", "json"))}
    assert bound == {"label-pods": "Mutate", "no-tokens": "Warn"}


def test_one_that_fails_leaves_the_others(here: Path) -> None:
    done(here, "add", "no-tokens")
    run = policies(here, "add", "no-tokens", "pinned-images")
    assert run.returncode == 2
    assert run.stderr == (
        "error: policies/no-tokens: already exists; "
        "--force writes its files anew, but for binding.yaml and params.yaml\n"
    )
    assert "policies/pinned-images/policy.yaml" in run.stdout
    run = policies(here, "enable", "nothing", "pinned-images", "--action", "Audit")
    assert (run.returncode, "policies/pinned-images/binding.yaml" in run.stdout) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "no-token"], "there is no policy 'no-token' in the library; did you mean no-tokens?"),
        (["add", "no-tokens", "xyz"], "there is no policy 'xyz' in the library; `gatewright policies list` shows them"),
        (["add"], "expected names of policies, or --control, --severity or --category"),
        (["add", "--control", "MITRE-ATTACK"], "no policy has that control, severity and category;"),
        (["list", "--control", "PCI"], "--control: 'PCI' is no framework; did you mean PCI-DSS?"),
        (["list", "--category", "image"], "--category: 'image' is unknown; did you mean images?"),
        (["list", "--category", "x"], "--category: 'x' is unknown; expected one of pod-security, workloads"),
        (["add", "no-tokens", "--to", "a", "--to", "b"], "--to: expected one folder, got a, b"),
        (["enable", "no-tokens", "--policies", "oci://r/p:1"], "--policies: expected one folder, got oci://r/p:1"),
        (["enable", "no-tokens"], "policies: no such folder; `gatewright policies add` makes it"),
        (["enable", "no-tokens", "--policies", "file"], "--policies: file is no folder"),
        (
            ["disable", "no-token", "--policies", "library"],
            "library: has no folder no-token with a policy; did you mean",
        ),
        (
            ["enable", "label-pods", "--action", "Warn", "--policies", "library"],
            "library/label-pods: has no binding for",
        ),
        (["enable", "--control", "x", "--policies", "library"], "--control: 'x' is no framework"),
    ],
)
def test_errors(here: Path, arguments: list[str], expected: str) -> None:
    (here / "file").write_text("")
    assert refused(here, *arguments).startswith(expected)
    assert not (here / "policies").exists()


def test_a_library_that_cannot_be_read(here: Path) -> None:
    (here / "library" / "no-tokens" / "policy.yaml").write_text("a: [")
    run = policies(here, "list")
    assert run.returncode == 2
    assert "library/no-tokens/policy.yaml" in run.stderr
    run = running.gatewright("policies", "list", "--library", "nowhere", cwd=here)
    assert (run.returncode, "nowhere: no such folder; expected a library of policies" in run.stderr) == (2, True)


def test_a_folder_that_cannot_be_written(here: Path) -> None:
    (here / "policies").mkdir()
    (here / "policies" / "no-tokens").mkdir()
    (here / "policies" / "no-tokens" / "policy.yaml").mkdir()
    run = policies(here, "add", "no-tokens", "--force")
    assert run.returncode == 2
    assert "policies/no-tokens" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_tree_is_the_one_of_the_settings(here: Path) -> None:
    (here / ".gatewright.toml").write_text('policies = ["guard"]\n')
    done(here, "add", "no-tokens")
    assert (here / "guard" / "no-tokens").is_dir()
    done(here, "enable", "no-tokens")
    assert names(done(here, "list", "--enabled", "-o", "json")) == ["no-tokens"]


def test_the_library_that_ships_is_there(tmp_path: Path) -> None:
    run = running.gatewright("policies", "list", "-o", "json", cwd=tmp_path)
    assert {"no-host-path", "pod-security-restricted"} <= set(names(run.stdout))
    run = running.gatewright("policies", "add", "pod-security-restricted", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    run = running.gatewright("policies", "enable", "pod-security-restricted", "--action", "Deny", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert running.gatewright("test", cwd=tmp_path).returncode == 0


def test_only_what_is_enabled_is_shipped(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for words in (
        ["policies", "add", "no-host-path", "replica-bounds", "pod-security-baseline"],
        ["policies", "enable", "replica-bounds", "--action", "Deny"],
        ["manifests", "policies", "--no-ca", "--all", "--write", "out"],
    ):
        run = running.gatewright(*words, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
    assert "no-host-path" not in run.stderr
    assert "is not shipped" not in run.stderr
    shipped = yaml.safe_load((tmp_path / "policies" / "kustomization.yaml").read_text())
    assert shipped["resources"] == ["replica-bounds/params.yaml"]
    files = [name for each in shipped["configMapGenerator"] for name in each["files"]]
    assert files
    assert not [name for name in files if "replica-bounds" not in name]
    registered = (tmp_path / "out" / "webhookconfigurations.yaml").read_text()
    assert "daemonsets" not in registered
    assert "Namespace" not in (tmp_path / "out" / "rbac.yaml").read_text().replace("Namespaces", "")

"""`gatewright convert`: sources, the tree that is written, the report, exit codes."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.cli.running import gatewright

LABELLED = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: owner}
spec:
  validationFailureAction: Enforce
  rules:
  - name: r
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate: {message: set owner, pattern: {metadata: {labels: {owner: "?*"}}}}
"""
SIGNED = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: signed}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [Pod]}}]}
    verifyImages: []
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path


def test_a_policy_becomes_a_tree_that_denies(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED)
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert (done.returncode, done.stdout) == (
        0,
        "in/p.yaml:1: ClusterPolicy owner: converted whole\n\n1 policy: 1 converted whole\n"
        "2 files written; no tests came with them; try the policies: gatewright check --policies tree PATH\n",
    )
    (folder / "m.yaml").write_text(CONFIG_MAP)
    checked = gatewright("check", "--policies", "tree", "m.yaml", cwd=folder)
    assert checked.returncode == 1
    assert "set owner" in checked.stdout


def test_other_names_are_said(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED.replace("name: owner", "name: Owner.Label"))
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.stdout.splitlines()[:2] == [
        "in/p.yaml:1: ClusterPolicy Owner.Label: converted whole",
        "  becomes: owner-label",
    ]


def test_a_text_that_reads_as_a_number_stays_a_text(folder: Path) -> None:
    """kubectl takes 1e3 for a number, and refuses it as the name of anything."""
    (folder / "in" / "p.yaml").write_text(LABELLED.replace("name: owner", "name: '1e3'"))
    assert gatewright("convert", "in", "--out", "tree", cwd=folder).returncode == 0
    assert "  name: '1e3'\n" in (folder / "tree" / "1e3" / "policy.yaml").read_text()


def test_nothing_is_overwritten_without_force(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED)
    (folder / "tree" / "owner").mkdir(parents=True)
    (folder / "tree" / "owner" / "policy.yaml").write_text("mine")
    (folder / "tree" / "owner" / "README.md").write_text("mine too")
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 2
    assert "tree/owner: is there already; nothing is written (--force replaces it)" in done.stderr
    assert (folder / "tree" / "owner" / "policy.yaml").read_text() == "mine"
    assert gatewright("convert", "in", "--out", "tree", "--force", cwd=folder).returncode == 0
    assert "ClusterPolicy owner" in (folder / "tree" / "owner" / "policy.yaml").read_text()
    assert (folder / "tree" / "owner" / "README.md").read_text() == "mine too"
    assert sorted(each.name for each in (folder / "tree").iterdir()) == ["owner"]


def test_what_is_foreign_to_a_second_run_is_taken_out(folder: Path) -> None:
    """A file that an earlier conversion wrote, and this one does not, would be a second policy."""
    unfinished = LABELLED.replace(
        "{message: set owner, pattern", "{deny: {conditions: [{key: '{{ images.x }}', operator: Equals, value: a}]}} #"
    )
    (folder / "in" / "p.yaml").write_text(unfinished)
    assert gatewright("convert", "in", "--out", "tree", cwd=folder).returncode == 1
    assert (folder / "tree" / "owner" / "policy.py").exists()
    (folder / "in" / "p.yaml").write_text(LABELLED)
    assert gatewright("convert", "in", "--out", "tree", "--force", cwd=folder).returncode == 0
    assert sorted(each.name for each in (folder / "tree" / "owner").iterdir()) == ["binding.yaml", "policy.yaml"]


def test_what_is_not_converted_is_named_and_the_rest_is(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(f"{LABELLED}---\n{SIGNED}---\n{CONFIG_MAP}---\nnot: an object\n")
    (folder / "in" / "helm.yaml").write_text("a: b\nkind: {{ .Values.kind }}\n")
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 1
    assert "in/p.yaml:18: rule r: image verification (verifyImages)" in done.stdout
    assert "in/p.yaml:20: ConfigMap (v1) is no policy that is known" in done.stdout
    assert "in/p.yaml:24:1: not a Kubernetes object" in done.stdout
    assert "in/helm.yaml:2: a Helm template, not a policy; render it first" in done.stdout
    assert (folder / "tree" / "owner" / "policy.yaml").exists()


@pytest.mark.parametrize("text", [SIGNED, CONFIG_MAP, "", "a: [", LABELLED.replace("owner", "'{{ .Values.name }}'", 1)])
def test_nothing_converted_is_returncode_2_and_no_tree(folder: Path, text: str) -> None:
    (folder / "in" / "p.yaml").write_text(text)
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 2
    assert not (folder / "tree").exists()


def test_a_report_for_programs(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(f"{LABELLED}---\n{SIGNED}")
    done = gatewright("convert", "in", "--out", "tree", "-o", "json", cwd=folder)
    value = orjson.loads(done.stdout)
    assert [(each["name"], each["status"], each["line"]) for each in value["policies"]] == [
        ("owner", "whole", 1),
        ("signed", "not", 11),
    ]
    assert value["policies"][1]["notConverted"] == [
        {"file": "in/p.yaml", "line": 18, "message": "rule r: image verification (verifyImages)"}
    ]
    assert value["written"] == ["tree/owner/binding.yaml", "tree/owner/policy.yaml"]


def test_wrong_options(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED)
    (folder / "file").write_text("")
    assert gatewright("convert", "in", "--out", "tree", "--kubernetes-version", "x", cwd=folder).returncode == 2
    assert "file is no folder" in gatewright("convert", "in", "--out", "file", cwd=folder).stderr
    (folder / "tree").mkdir()
    (folder / "tree" / "owner").symlink_to(folder / "in")
    assert "is no folder of a policy" in gatewright("convert", "in", "--out", "tree", "--force", cwd=folder).stderr


def test_a_large_file_is_no_policy(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED + "# " + "x" * (1 << 20))
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 2
    assert "in/p.yaml: larger than 1 MiB" in done.stdout


def test_an_override_that_is_lost_is_not_success(folder: Path) -> None:
    """What was refused in some namespaces is audited only: the run says so, and its exit code too."""
    audited = LABELLED.replace(
        "Action: Enforce",
        'Action: Audit\n  validationFailureActionOverrides: [{action: Enforce, namespaces: ["prod-*"]}]',
    )
    (folder / "in" / "p.yaml").write_text(audited)
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 1
    assert "not converted: in/p.yaml:6: rule r: the override of the action for prod-* is left out" in done.stdout


def test_settings_of_an_engine_are_named_beside_tests_too(folder: Path) -> None:
    (folder / "in" / "p.yaml").write_text(LABELLED)
    (folder / "in" / "t.yaml").write_text(
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\nresults: []\n"
    )
    (folder / "in" / "c.yaml").write_text(
        "apiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\nmetadata: {name: e}\n"
        "---\napiVersion: new.gatekeeper.sh/v9\nkind: Moon\nmetadata: {name: m}\n"
    )
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 1
    assert "in/c.yaml:1: expansion: objects that make others" in done.stdout
    assert "in/c.yaml:5: the kind Moon of new.gatekeeper.sh" in done.stdout

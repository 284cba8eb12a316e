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
    assert "tree/owner: already exists; nothing is written (--force replaces it)" in done.stderr
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
    assert "in/p.yaml:20: ConfigMap (v1) is not a known kind of policy" in done.stdout
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


def test_a_rule_with_an_override_that_cannot_be_said_is_not_converted(folder: Path) -> None:
    """Else what was refused in some namespaces would be audited only: the run says so, and its exit code too."""
    audited = LABELLED.replace(
        "Action: Enforce",
        'Action: Audit\n  validationFailureActionOverrides: [{action: Enforce, namespaces: ["prod-*"], '
        "namespaceSelector: {matchExpressions: [{key: a, operator: Near}]}}]",
    )
    (folder / "in" / "p.yaml").write_text(audited)
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert done.returncode == 2
    assert "rule r: " in done.stdout and "Near" in done.stdout
    assert not (folder / "tree").exists()


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


UNSCOPED = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: NAME}
spec:
  rules:
  - name: r
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate: {deny: {conditions: {any: [{key: "{{ request.object.metadata.name }}", operator: Equals, value: a}]}}}
"""


def test_a_report_about_many_ends_with_what_needs_a_person(folder: Path) -> None:
    """A text that holds for several policies is written once; files without Kubernetes objects are no problem."""
    (folder / "in" / "a.yaml").write_text(SIGNED)
    (folder / "in" / "b.yaml").write_text("---\n".join(UNSCOPED.replace("NAME", f"u{each}") for each in range(3)))
    (folder / "in" / "c.yaml").write_text(LABELLED)
    for name in ("x", "y"):
        (folder / "in" / name).mkdir()
        (folder / "in" / name / "artifacthub-pkg.yml").write_text("name: x\n")
    (folder / "in" / "mkdocs.yml").write_text("site_name: x\n")
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    lines = done.stdout.splitlines()
    assert lines[0] == "in/c.yaml:1: ClusterPolicy owner: converted whole"
    assert lines[1::2][:3] == [
        f"in/b.yaml:{at}: ClusterPolicy u{n}: converted, with differences" for n, at in enumerate((1, 10, 19))
    ]
    assert lines[2::2][:3] == [f"  differs: in/b.yaml:{at}: rule r: [1]" for at in (7, 16, 25)]
    assert lines[7:9] == [
        "in/a.yaml:1: ClusterPolicy signed: not converted",
        "  not converted: in/a.yaml:8: rule r: image verification (verifyImages)",
    ]
    assert lines[10].startswith("[1] deletions are not judged.")
    assert lines[12:15] == [
        "3 files without Kubernetes objects: artifacthub-pkg.yml (2), mkdocs.yml",
        "",
        "5 policies: 1 converted whole, 3 converted, with differences, 1 not converted",
    ]
    assert done.returncode == 1
    (folder / "in" / "a.yaml").unlink()
    assert gatewright("convert", "in", "--out", "other", cwd=folder).returncode == 0
    said = orjson.loads(gatewright("convert", "in", "--out", "json", "-o", "json", cwd=folder).stdout)
    assert said["beside"] == ["in/mkdocs.yml", "in/x/artifacthub-pkg.yml", "in/y/artifacthub-pkg.yml"]
    assert said["policies"][0]["differences"][0]["message"].startswith("rule r: deletions are not judged.")


def test_tests_of_what_is_not_converted_are_counted_and_like_notes_are_said_once(folder: Path) -> None:
    scripts = "".join("    - script: {content: rm}\n" for _ in range(3))
    (folder / "in" / "chainsaw-test.yaml").write_text(
        "apiVersion: chainsaw.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\nspec:\n  steps:\n  - try:\n"
        f"    - apply: {{file: p.yaml}}\n{scripts}    - apply: {{file: o.yaml}}\n"
    )
    (folder / "in" / "p.yaml").write_text(f"{SIGNED}---\n{LABELLED}")
    (folder / "in" / "o.yaml").write_text(CONFIG_MAP)
    (folder / "in" / "kyverno-test.yaml").write_text(
        "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\npolicies: [p.yaml]\n"
        "resources: [o.yaml]\nresults: [{policy: signed, resources: [a], result: pass}]\n"
    )
    done = gatewright("convert", "in", "--out", "tree", cwd=folder)
    assert "  1 test of it is not run\n" in done.stdout
    note = "in/chainsaw-test.yaml:8: the operation script of a chainsaw test is not run (2 more like this)\n"
    assert note in done.stdout
    assert "; 0 of 2 tests pass, 1 are not run\n" in done.stdout

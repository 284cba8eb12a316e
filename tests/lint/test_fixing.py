"""Edits: where they are made, and what is never written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lint.pages import NOW
from webhook.documents.reader import Position
from webhook.lint import fixing
from webhook.lint.alarms import Alarm, Edit
from webhook.lint.linting import lint, loaded
from webhook.policy.load.treefiles import Packed, Tree, read_tree
from webhook.versions import NEWEST

POLICY = """\
# A comment   with spaces
apiVersion: admissionregistration.k8s.io/v1
kind:   ValidatingAdmissionPolicy
metadata: {name: p, annotations: {kubernetes.io/description: "ü 漢"}}   # kept
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [ "" ], apiVersions: [v1], operations: [CREATE],  resources: [ Pod, "SVC", configmaps ]}
    - apiGroups:
      - core   # not a group
      apiVersions: ['v1']
      operations: [CREATE]
      resources:
      - 'pods'
    - {apiGroups: [apps], apiVersions: [apps/v1], operations: [CREATE], resources: [deployments/scale]}
  validations:
  - expression: >-
      object.metadata.name
      != 'a'
    message: not so
"""
FIXED = (
    POLICY.replace("[ Pod, ", "[ pods, ")
    .replace('"SVC"', '"services"')
    .replace("- core ", "- '' ")
    .replace("[apps/v1]", "[v1]")
)


def problems(tree: Tree) -> int:
    return len(loaded(tree, NEWEST)[1])


def fix(tree: Tree, loads: Callable[[Tree], int] = problems) -> list[str]:
    return fixing.write(tree, fixing.fixed(tree, lint(tree, now=NOW).alarms), loads)


@pytest.mark.parametrize("encoded", [str.encode, lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()])
def test_only_the_spelling_changes(tmp_path: Path, encoded: Callable[[str], bytes]) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(encoded(POLICY))
    file.chmod(0o640)
    assert fix(read_tree(tmp_path)) == [str(file)]
    assert file.read_bytes() == encoded(FIXED)
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["policy.yaml"]  # noqa: PTH208
    assert not [each for each in lint(read_tree(tmp_path), now=NOW).alarms if each.rule in ("GW101", "GW102")]
    assert fix(read_tree(tmp_path)) == []


def test_texts_are_put_in_quotes_until_the_tree_loads(tmp_path: Path) -> None:
    text = POLICY.replace(">-\n      object.metadata.name\n      != 'a'", "!has(object.metadata.labels)")
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    assert fix(read_tree(tmp_path)) == [str(file)]
    assert "expression: '!has(object.metadata.labels)'\n" in file.read_text()
    file.write_text(POLICY.replace("message: not so", "message: not: so, 'or' so"))
    assert fix(read_tree(tmp_path)) == [str(file)]
    assert "message: 'not: so, ''or'' so'\n" in file.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "message: not: so # or: so",  # what is text and what is a comment?
        "message: not: so\n      or so",  # it goes on below
        "message: [a] so",
    ],
)
def test_a_text_whose_end_is_not_certain_is_left_alone(tmp_path: Path, line: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.replace("message: not so", line))
    assert fix(read_tree(tmp_path)) == []


def test_what_may_mean_two_things_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.replace('apiGroups: [ "" ]', 'apiGroups: ["", apps]'))
    fix(read_tree(tmp_path))
    assert "[ Pod, " in file.read_text()


def test_a_file_that_has_changed_is_not_written(tmp_path: Path) -> None:
    file, other = tmp_path / "policy.yaml", tmp_path / "other.yaml"
    file.write_text(POLICY)
    other.write_text(POLICY.replace("name: p", "name: q"))
    tree = read_tree(tmp_path)
    file.write_text(f"{POLICY}# changed\n")
    with pytest.raises(fixing.NotFixed, match="has changed since it was read"):
        fix(tree)
    assert file.read_text() == f"{POLICY}# changed\n"
    assert "Pod" in other.read_text()  # all or nothing
    file.unlink()
    with pytest.raises(fixing.NotFixed, match="cannot be read"):
        fix(tree)


def test_a_file_that_changes_while_the_edits_are_prepared_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    tree = read_tree(tmp_path)
    after = fixing.fixed(tree, lint(tree, now=NOW).alarms)

    def meddling(of: Tree) -> int:
        file.write_text("# another\n")
        return 0

    with pytest.raises(fixing.NotFixed, match="has changed"):
        fixing.write(tree, after, meddling)
    assert file.read_text() == "# another\n"
    assert os.listdir(tmp_path) == ["policy.yaml"]  # noqa: PTH208


@pytest.mark.parametrize("lasting", [False, True])
def test_if_the_second_file_cannot_be_replaced_the_first_is_as_it_was(
    lasting: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(POLICY)
    (tmp_path / "b.yaml").write_text(POLICY.replace("name: p", "name: q"))
    tree = read_tree(tmp_path)
    after = fixing.fixed(tree, lint(tree, now=NOW).alarms)
    replace, calls = os.replace, []

    def failing(name: str, target: Path) -> None:
        calls.append(target.name)
        if len(calls) == 2 or (lasting and len(calls) > 2):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(name, target)

    monkeypatch.setattr(os, "replace", failing)
    said = "only .*a.yaml is written" if lasting else "nothing was written"
    with pytest.raises(fixing.NotFixed, match=f"b.yaml: .*No space left on device; {said}"):
        fixing.write(tree, after, lambda _: 0)
    assert calls == ["a.yaml", "b.yaml", "a.yaml"]
    assert ("Pod" in (tmp_path / "a.yaml").read_text()) != lasting
    assert "Pod" in (tmp_path / "b.yaml").read_text()
    assert sorted(os.listdir(tmp_path)) == ["a.yaml", "b.yaml"]  # noqa: PTH208


def test_links_stay_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "_kept.yaml").write_text(POLICY)
    (tree / "policy.yaml").symlink_to("_kept.yaml")
    assert fix(read_tree(tree)) == [str(tree / "policy.yaml")]
    assert (tree / "policy.yaml").is_symlink()
    assert (tree / "_kept.yaml").read_text() == FIXED


def test_a_link_that_leads_out_of_the_tree_by_now_is_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside.yaml"
    tree.mkdir()
    file = tree / "policy.yaml"
    file.write_text(POLICY)
    outside.write_text(POLICY)
    read = read_tree(tree)
    file.unlink()
    file.symlink_to(outside)
    with pytest.raises(fixing.NotFixed, match="not a regular file of the tree"):
        fix(read)
    assert outside.read_text() == POLICY


def test_a_bundle_is_not_written(tmp_path: Path) -> None:
    packed = {"oci://r/p:1": Packed("r/p@1", (("policy.yaml", POLICY.encode()),), "0" * 16)}
    tree = read_tree("oci://r/p:1", packed=packed)
    after = fixing.fixed(tree, lint(tree, now=NOW).alarms)
    assert after.alarms == ()
    assert after.left
    assert fixing.write(tree, after, problems) == []


def test_nothing_is_written_if_the_tree_would_not_load(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    tree = read_tree(tmp_path)
    wrong = Edit(str(file), Position(3, 1), Position(3, 5), "knd")
    after = fixing.fixed(tree, [Alarm(rule="GW101", message="", file=str(file), edits=(wrong,))])
    with pytest.raises(fixing.NotFixed, match="would no longer load"):
        fixing.write(tree, after, problems)
    assert file.read_text() == POLICY


def test_edits_that_overlap_are_made_once(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    tree = read_tree(tmp_path)
    one = Edit(str(file), Position(1, 3), Position(1, 4), "The")
    two = Edit(str(file), Position(1, 1), Position(1, 9), "# Other")
    alarms = [
        Alarm(rule="GW101", message=text, file=str(file), edits=(edit,))
        for text, edit in (("a", one), ("b", two), ("c", one))
    ]
    after = fixing.fixed(tree, alarms)
    assert [each.message for each in after.alarms] == ["a", "c"]
    assert [each.message for each in after.left] == ["b"]
    assert after.tree.files[0].content.startswith(b"# The comment")


def test_text_in_utf_16_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(POLICY.encode("utf-16"))
    tree = read_tree(tmp_path)
    after = fixing.fixed(tree, lint(tree, now=NOW).alarms)
    assert after.alarms == ()
    assert after.left


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(fixing.NotFixed, match="Permission denied"):
            fix(read_tree(tmp_path))
    finally:
        tmp_path.chmod(0o700)

"""Impact on recorded reviews: each is judged by the policies of its path, with what was looked up then."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import gatewright
from tests.recordings import making
from tests.recordings.making import record, review, stamping, tree, validating
from webhook.cluster.manifestsview import ManifestsView
from webhook.impact.deciding import MAX_LOOKUPS, Counted
from webhook.policy.load.loading import load
from webhook.recordings.reading import recorded
from webhook.recordings.replaying import Replay

IGNORED = "failurePolicy: Ignore"


def value(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}


def config(name: str) -> bytes:
    return review(value(name))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An old tree, and reviews that it decided."""
    old = stamping(tmp_path / "old")
    policies = tree(
        old,
        fails=validating("fails", "object == null || object.metadata.name != 'bad'"),
        ignored=validating("ignored", "object == null || object.metadata.name != 'odd'", more=IGNORED),
    )
    calls = [(f"/validate/{only}", config(name)) for name in ("bad", "odd", "good") for only in ("fail", "ignore")]
    calls.append(("/validate/fail", review(None, operation="DELETE", old=value("gone"))))
    calls += [("/mutate", config(name)) for name in ("bad", "good")]
    record(tmp_path / "rec", policies, calls)
    new = tmp_path / "new"
    new.mkdir()
    for file in old.iterdir():
        (new / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change(root: Path, file: str, old: str, new: str) -> None:
    making.change(root / "new" / file, old, new)


def impact(root: Path, *more: str) -> tuple[int, dict[str, Any]]:
    run = gatewright("impact", "--old", "old", "--new", "new", "--recordings", "rec", "-o", "json", *more, cwd=root)
    return run.returncode, json.loads(run.stdout)


def shown(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["policy"], each["change"], each["object"]["name"]) for each in found["findings"]}


def test_nothing_differs_between_equal_trees(root: Path) -> None:
    code, found = impact(root, "--fail-on", "any")
    assert (code, found["findings"], found["errors"]) == (0, [], [])
    assert found["summary"]["objects"] == 9


def test_a_review_is_judged_by_the_policies_of_its_path_as_replay_judges_it(root: Path) -> None:
    change(root, "fails.yaml", "'bad'", "'good'")
    change(root, "ignored.yaml", "'odd'", "'good'")
    code, found = impact(root, "--fail-on", "newly-denied")
    assert code == 1
    assert shown(found) == {
        ("fails", "newly denied", "good"),
        ("fails", "newly allowed", "bad"),
        ("ignored", "newly denied", "good"),
        ("ignored", "newly allowed", "odd"),
    }
    assert len(found["findings"]) == 4  # each on one path only
    replay = Replay(tree(root / "new"))
    differ = {
        f"{each.file}:{each.line}"
        for each in recorded(root / "rec")
        if replay.compared(each).differs  # type: ignore[arg-type]
    }
    assert {f"{root / each['file']}:{each['line']}" for each in found["findings"]} == differ


def test_mutation_is_judged_on_the_reviews_before_it(root: Path) -> None:
    change(root, "stamp.py", '"yes"', '"no"')
    code, found = impact(root)
    assert code == 0
    assert shown(found) == {("stamp", "patch changed", "bad"), ("stamp", "patch changed", "good")}


def test_a_deletion_is_judged_by_its_old_object(root: Path) -> None:
    change(root, "fails.yaml", "object == null ||", "object == null ? oldObject.metadata.name != 'gone' :")
    assert shown(impact(root)[1]) == {("fails", "newly denied", "gone")}


def test_what_a_recording_has_no_answer_to_is_a_problem_and_the_rest_is_judged(root: Path) -> None:
    change(root, "ignored.yaml", "'odd'", "'good'")
    change(root, "fails.yaml", "object.metadata.name != 'bad'", "authorizer.path('/x').check('get').allowed()")
    code, found = impact(root)
    assert code == 2
    (problem,) = found["errors"]
    assert problem["line"] == 2
    assert (
        "the review is not judged, and 2 more, as the recording has no answer to what a policy looks up: "
        in (problem["message"])
    )
    assert {each["policy"] for each in found["findings"]} == {"ignored"}
    assert found["summary"]["objects"] == 6  # 9 were sent, and three of them cannot be judged


def test_lookups_without_an_answer_are_named_up_to_a_number(root: Path) -> None:
    asked = "authorizer.path('/' + (object == null ? 'x' : object.metadata.name)).check('get').allowed()"
    change(root, "fails.yaml", "object == null || object.metadata.name != 'bad'", asked)
    code, found = impact(root)
    assert (code, len(found["errors"])) == (2, 4)
    counted = Counted(unknown={f"lookup {number}": ("r", number + 1, 2) for number in range(MAX_LOOKUPS + 3)})
    *named, rest = counted.not_judged()
    assert len(named) == MAX_LOOKUPS
    assert str(rest) == f"r:{MAX_LOOKUPS + 1}: 6 more reviews are not judged, for 3 lookups"


def test_lines_that_cannot_be_read_are_named_once(root: Path) -> None:
    (file,) = (root / "rec").iterdir()
    text = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(text + b"{\n" + b'{"path": "/validate/fail"}\n'))
    code, found = impact(root)
    assert code == 2
    assert [each["line"] for each in found["errors"]] == [11, 12]
    assert found["summary"]["objects"] == 9


def test_params_of_each_tree_stand_for_recorded_ones(tmp_path: Path) -> None:
    policy = validating(
        "limits",
        "object.metadata.name != params.data.forbidden",
        more="paramKind: {apiVersion: v1, kind: ConfigMap}",
        bound=", paramRef: {name: limits, namespace: conf, parameterNotFoundAction: Deny}",
    )
    params = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: conf}\ndata: {forbidden: NAME}\n"
    policies = tree(tmp_path / "old", limits=policy, params=params.replace("NAME", "other"))
    limits = {**value("limits"), "data": {"forbidden": "nothing"}}
    limits["metadata"]["namespace"] = "conf"
    record(tmp_path / "rec", policies, [("/validate", config("web"))], cluster=ManifestsView([limits]))
    tree(tmp_path / "new", limits=policy, params=params.replace("NAME", "web"))
    assert shown(impact(tmp_path)[1]) == {("limits", "newly denied", "web")}


def test_a_review_whose_objects_could_not_be_read_is_left_out_and_said(root: Path) -> None:
    marked = json.loads(review({**value("deep"), "x": "MARK"}))
    deep = json.dumps(marked, separators=(",", ":")).replace('"MARK"', "[" * 300 + "]" * 300)
    calls = [("/validate/fail", each) for each in (deep.encode(), config("bad"))]
    for file in (root / "rec").iterdir():
        file.unlink()
    record(root / "rec", load(root / "old"), calls)
    code, found = impact(root)
    assert (code, found["summary"]["objects"], found["findings"]) == (0, 1, [])
    said = "1 review is left out, as the server could not read the objects: every policy that may match fails on them"
    assert said in found["notes"]


@pytest.mark.parametrize("lines", [0, 1])
def test_a_recording_without_a_review_is_a_problem(root: Path, lines: int) -> None:
    folder = root / "empty"
    folder.mkdir()
    header = '{"recording": 1, "gatewright": "1"}\n'
    (folder / "reviews-1-1.ndjson").write_text(header * lines)
    run = gatewright("impact", "--old", "old", "--new", "new", "--recordings", "empty", cwd=root)
    assert run.returncode == 2
    said = "no reviews in this recording; expected one at least"
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [
        f"error: empty: {said}" if lines else "error: empty/reviews-1-1.ndjson:1: no recording: the file is empty"
    ]


def test_no_recording_is_a_wrong_option(root: Path) -> None:
    run = gatewright("impact", "--old", "old", "--new", "new", "--recordings", "new", cwd=root)
    assert run.returncode == 2
    assert "--recordings: new: no recorded reviews in this folder" in run.stderr

"""Recorded reviews as the corpus of `impact`: each is judged as the server was asked, with what was looked up then."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import gatewright
from tests.recordings.making import record, review, tree, validating
from webhook.cluster.manifestsview import ManifestsView
from webhook.impact import recordedcorpus
from webhook.impact.recordedcorpus import contents
from webhook.schema import Kinds

LONG = validating("long", "object == null || size(object.metadata.name) < 9", "object.metadata.name + ' is long'")
MUTATOR = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: labels}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'tier': 'gold'}}}"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: labels}
spec: {policyName: labels}
"""
READS_PARAMS = validating(
    "bounds",
    "size(object.metadata.name) <= int(params.data.most)",
    more="failurePolicy: Fail\n  paramKind: {apiVersion: v1, kind: ConfigMap}",
    bound=", paramRef: {name: bounds, namespace: shop, parameterNotFoundAction: Deny}",
)
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "red"}}}


def config(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, **more}


def bounds(most: str) -> dict[str, Any]:
    return config("bounds", data={"most": most})


def view(*objects: dict[str, Any]) -> ManifestsView:
    return ManifestsView([NAMESPACE, *objects], Kinds.builtin())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "long.yaml").write_text(LONG)
    return tmp_path


def impact(folder: Path, *arguments: str, code: int = 0) -> Any:
    done = gatewright(
        "impact", "--old", "old", "--new", "new", "--recorded", "recorded", "-o", "json", *arguments, cwd=folder
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def said(report: Any) -> list[tuple[str, str, str, str]]:
    return [(each["change"], each["operation"], each["object"]["name"], each["message"]) for each in report["findings"]]


def test_reviews_are_judged_under_both_trees(folder: Path) -> None:
    calls = [
        ("/validate", review(config("short"))),
        ("/validate", review(config("not-so-short"))),
        ("/validate", review(None, operation="DELETE", old=config("removed"))),
        ("/validate", review(config("middle"), operation="UPDATE", old=config("middle", data={"a": "b"}))),
    ]
    record(folder / "recorded", tree(folder / "old", long=LONG), calls, cluster=view())
    (folder / "new/long.yaml").write_text(LONG.replace("< 9", "< 6"))
    report = impact(folder, "--fail-on", "newly-denied", code=1)
    assert said(report) == [("newly denied", "UPDATE", "middle", "middle is long")]
    (found,) = report["findings"]
    (file,) = (folder / "recorded").iterdir()
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert lines[found["line"] - 1]["request"]["object"]["metadata"]["name"] == "middle"
    assert (found["file"], found["column"], found["path"]) == (f"recorded/{file.name}", None, None)
    assert report["summary"]["objects"] == 4
    (policy,) = report["impact"]["policies"]
    assert (policy["matched"], policy["unjudged"]) == (4, None)


def test_a_path_names_the_phase_and_the_policies_that_are_asked(folder: Path) -> None:
    """As with two webhooks: what is ignored in failure was not asked at /validate/fail, nor a mutation at /validate."""
    ignoring = validating("ignoring", "size(object.metadata.name) < 9", more="failurePolicy: Ignore")
    old = tree(folder / "old", ignoring=ignoring, labels=MUTATOR)
    one = review(config("middle"))
    calls = [(f"/{phase}{path}", one) for phase in ("validate", "mutate") for path in ("/fail", "/ignore")]
    record(folder / "recorded", old, calls, cluster=view())
    (folder / "new/long.yaml").write_text(LONG.replace("< 9", "< 6"))
    (folder / "new/ignoring.yaml").write_text(ignoring.replace("< 9", "< 6"))
    (folder / "new/labels.yaml").write_text(MUTATOR.replace("gold", "iron"))
    report = impact(folder)
    found = [(each["change"], each["policy"]) for each in report["findings"]]
    assert found == [("patch changed", "labels"), ("newly denied", "long"), ("newly denied", "ignoring")]
    assert report["summary"]["objects"] == 4


def test_lookups_have_the_recorded_answers_and_params_of_the_trees_go_first(folder: Path) -> None:
    """The Namespace was recorded, and the params; those of the new tree stand for them."""
    where = "namespaceObject.metadata.labels.team == '{}'"
    old = tree(folder / "old", bounds=READS_PARAMS, team=validating("team", where.format("red")))
    record(folder / "recorded", old, [("/validate", review(config("middle")))], cluster=view(bounds("6")))
    (folder / "new/bounds.yaml").write_text(READS_PARAMS)
    (folder / "new/team.yaml").write_text(validating("team", where.format("blue")))
    assert said(impact(folder)) == [("newly denied", "CREATE", "middle", "no")]
    (folder / "new/param.yaml").write_text(json.dumps(bounds("5")))
    report = impact(folder, "--owner-label", "team")
    assert [each["policy"] for each in report["findings"]] == ["bounds", "team"]
    assert {each["owner"] for each in report["findings"]} == {"red"}  # of the recorded Namespace


def test_what_was_not_recorded_is_not_guessed(folder: Path) -> None:
    calls = [("/validate", review(config(name))) for name in ("a", "b", "c")]
    record(folder / "recorded", tree(folder / "old", long=LONG), calls, cluster=view())
    (folder / "new/bounds.yaml").write_text(READS_PARAMS)
    report = impact(folder, code=2)
    assert (report["findings"], report["summary"]["objects"]) == ([], 0)
    (error,) = report["errors"]
    assert error["message"] == (
        "this review, and 2 more, cannot be judged: not recorded is ConfigMap shop/bounds of v1"
    )
    assert error["line"] > 1


def test_lines_that_cannot_be_read_are_counted_and_the_rest_is_judged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(
        folder / "recorded", tree(folder / "old", long=LONG), [("/validate", review(config("middle")))], cluster=view()
    )
    (file,) = (folder / "recorded").iterdir()
    with gzip.open(file, "ab") as more:
        more.write(b"{\n[]\n{}\n{\n")
    with file.open("ab") as cut:
        cut.write(gzip.compress(b"x" * 1000)[:-9])  # the writer was killed
    (folder / "new/long.yaml").write_text(LONG.replace("< 9", "< 6"))
    report = impact(folder, code=2)
    assert said(report) == [("newly denied", "CREATE", "middle", "middle is long")]
    assert len(report["errors"]) == 5
    assert any("cut off" in each["message"] for each in report["errors"])
    monkeypatch.setattr(recordedcorpus, "MAX_PROBLEMS", 2)
    found = contents(folder / "recorded")
    assert len(found.problems) == 3
    assert found.problems[-1].message == "3 more lines cannot be read"
    assert found.reviews == {("validate", None): 1}


def test_no_recording(folder: Path) -> None:
    arguments = ("impact", "--old", "old", "--new", "new", "--recorded")
    done = gatewright(*arguments, "absent", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--recorded: absent: no such folder or file" in done.stderr
    (folder / "empty").mkdir()
    assert "no recorded reviews in this folder" in gatewright(*arguments, "empty", cwd=folder).stderr

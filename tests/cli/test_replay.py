"""`gatewright replay`: exit codes, and what it shows as text and as JSON."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.cli import running
from tests.recordings import making
from tests.recordings.making import record, review, stamping, tree, validating
from webhook.cli.report.writing import FORMATS

SARIF = json.loads((Path(__file__).parent / "report" / "schemas" / "sarif-2.1.0-rtm.5.json").read_text())
POLICY = validating("named", "object.metadata.name != 'bad'", "'it is ' + object.metadata.name")


def value(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the policies, and a recording of three reviews that they decided."""
    calls = [("/validate", review(value("good"))), ("/validate", review(value("bad"))), ("/mutate", review(value("a")))]
    record(tmp_path / "rec", tree(stamping(tmp_path / "policies"), named=POLICY), calls)
    return tmp_path


def replay(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright("replay", "rec", *arguments, cwd=root)


def change(root: Path, old: str, new: str, file: str = "named.yaml") -> None:
    making.change(root / "policies" / file, old, new)


def test_the_same_tree_gives_the_recorded_verdicts(root: Path) -> None:
    run = replay(root)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "3 reviews: all verdicts are the recorded ones\n"
    (file,) = (root / "rec").iterdir()
    assert running.gatewright("replay", file, cwd=root).stdout == run.stdout


def test_verdicts_that_differ_are_shown(root: Path) -> None:
    change(root, "'bad'", "'good'")
    run = replay(root)
    assert (run.returncode, run.stderr) == (1, "")
    (file,) = (root / "rec").iterdir()
    time = json.loads(gzip.decompress(file.read_bytes()).splitlines()[1])["time"]
    assert (
        f"""\
allow -> deny  CREATE v1/configmaps shop/good by ann
  rec/{file.name}:2, {time}, /validate
  + named (named) deny: it is good
"""
        in run.stdout
    )
    assert "deny -> allow  CREATE v1/configmaps shop/bad by ann" in run.stdout
    assert "  - named (named) deny: it is bad\n" in run.stdout
    assert run.stdout.endswith("\n3 reviews: 2 with another verdict\n")


def test_patches_warnings_and_messages_that_differ_are_shown(root: Path) -> None:
    change(root, '"yes"', '"no"', "stamp.py")
    change(root, "'it is '", "'it was '")
    run = replay(root)
    assert run.returncode == 1
    assert "  - named (named) deny: it is bad\n  + named (named) deny: it was bad\n" in run.stdout
    assert '  - patch {"op":"add","path":"/metadata/labels","value":{"seen":"yes"}}\n' in run.stdout
    assert '  + patch {"op":"add","path":"/metadata/labels","value":{"seen":"no"}}\n' in run.stdout
    change(root, "[Deny]", "[Warn]")
    assert "  + warning: " in replay(root).stdout
    assert replay(root).stdout.endswith(
        "\n3 reviews: 1 with another verdict, 1 with the recorded verdict and other findings, messages or patches\n"
    )
    change(root, "[Warn]", "[Audit]")
    assert "  + audit annotation validation_failure: " in replay(root).stdout
    (root / "policies" / "stamp.yaml").unlink()
    assert "  - changed by stamp\n  + changed by no policy\n" in replay(root).stdout


def test_json(root: Path) -> None:
    assert json.loads(replay(root, "-o", "json").stdout) == {
        "reviews": 3,
        "differ": 0,
        "verdicts": 0,
        "differences": [],
        "undecided": [],
        "notSeen": [],
        "problems": [],
    }
    change(root, "'bad'", "'good'")
    run = replay(root, "-o", "json")
    assert run.returncode == 1
    found = json.loads(run.stdout)
    assert (found["reviews"], found["differ"]) == (3, 2)
    (good, bad) = found["differences"]
    assert (good["line"], good["operation"], good["resource"], good["name"]) == (2, "CREATE", "configmaps", "good")
    assert (good["old"]["verdict"], good["new"]["verdict"], good["new"]["code"]) == ("allow", "deny", 422)
    named = {"policy": "named", "binding": "named", "action": "Deny", "error": False}
    assert (good["gone"], good["come"]) == ([], [{**named, "message": "it is good"}])
    assert (bad["gone"], bad["come"]) == ([{**named, "message": "it is bad"}], [])


def test_every_other_format_tells_of_each_review(root: Path) -> None:
    change(root, "'bad'", "'good'")
    (file,) = (root / "rec").iterdir()
    names = [each for each in FORMATS if each not in ("json", "yaml")]
    run = replay(root, *(word for each in names for word in ("-o", f"{each}=out.{each}")))
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")
    texts = {each: (root / f"out.{each}").read_text() for each in names}
    for name, text in texts.items():
        assert file.name in text and "good" in text and "bad" in text, name
    assert texts["text"] == replay(root).stdout
    (suite,) = (each for each in ElementTree.fromstring(texts["junit"]) if each.get("name") == "named")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert "allow -&gt; deny" in texts["junit"] and "+ named (named) deny: it is good" in texts["junit"]
    (made,) = json.loads(texts["sarif"])["runs"]
    jsonschema.validate(json.loads(texts["sarif"]), SARIF)
    assert {each["ruleId"] for each in made["results"]} == {"named"}
    assert "| `named` | 2 |" in texts["markdown"] and "gatewright replay" in texts["html"]
    done = replay(root, "-o", "markdown")
    assert (done.returncode, done.stdout) == (1, texts["markdown"])


def test_a_review_that_differs_beside_its_policies_is_one_of_no_policy(root: Path) -> None:
    change(root, '"yes"', '"no"', "stamp.py")
    run = replay(root, "-o", "junit")
    assert run.returncode == 1
    assert '<testsuite name="review" tests="1" failures="1"' in run.stdout
    assert "+ patch " in run.stdout and "seen" in run.stdout


def test_formats_that_it_has_not(root: Path) -> None:
    for given, said in (("yaml", "yaml is no format of replay"), ("xml", "expected FORMAT or FORMAT=FILE")):
        run = replay(root, "-o", given)
        assert (run.returncode, run.stdout) == (2, "") and f"error: --output: {said}" in run.stderr


def test_what_cannot_be_decided_again_is_said(root: Path) -> None:
    change(root, "object.metadata.name != 'bad'", "authorizer.group('').resource('pods').check('get').allowed()")
    run = replay(root)
    assert run.returncode == 2
    assert "not decided, as the recording has no answer to what a policy looks up:\n" in run.stdout
    assert (
        "an access check: user 'ann', verb 'get', resource 'pods': 2 reviews, the first at rec/reviews-" in run.stdout
    )
    assert run.stdout.endswith("3 reviews: those that were decided have the recorded verdicts, 2 not decided\n")
    found = json.loads(replay(root, "-o", "json").stdout)
    assert [each["line"] for each in found["undecided"]] == [2, 3]


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_report_that_cannot_be_written_is_an_error(root: Path, output: str) -> None:
    with Path("/dev/full").open("w") as full:
        found = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-m", "webhook.cli.main", "replay", "rec", "-o", output]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=root, env=found, check=False)
    assert run.returncode == 2
    assert "error: the report cannot be written: No space left on device" in run.stderr


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(("length", "said"), [(0, "no recording: the file is empty"), (1, "no reviews in this rec")])
def test_a_recording_without_a_review_is_an_error(root: Path, length: int, said: str, output: str) -> None:
    (file,) = (root / "rec").iterdir()
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.unlink()
    (root / "rec" / "reviews-1-1.ndjson").write_bytes(b"".join(lines[:length]))
    run = replay(root, "-o", output)
    assert run.returncode == 2
    assert said in run.stderr + run.stdout
    problems = run.stderr.count("error: ") if output == "text" else len(json.loads(run.stdout)["problems"])
    assert problems == 1
    assert "all verdicts are the recorded ones" not in run.stdout


def test_lines_that_cannot_be_read_are_named_and_the_rest_is_decided(root: Path) -> None:
    (file,) = (root / "rec").iterdir()
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.unlink()
    (root / "rec" / "reviews-1-1.ndjson").write_bytes(b"".join([*lines[:2], b"{}\n", *lines[2:-1], lines[-1][:50]]))
    run = replay(root)
    assert run.returncode == 2
    assert "rec/reviews-1-1.ndjson:3: no recorded review: the field 'path' is missing" in run.stderr
    assert "rec/reviews-1-1.ndjson:5: the file was cut off in the middle of a line, after 2 reviews" in run.stderr
    assert run.stdout == "2 reviews: all verdicts are the recorded ones, 2 places that cannot be read\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("replay", "nowhere"),
            "nowhere: no such folder or file; expected one that gatewright serve --record has written",
        ),
        (("replay", "policies"), "policies: no recorded reviews in this folder"),
        (("replay", "rec", "--policies", "nowhere"), "nowhere"),
        (("replay", "rec", "--kubernetes-version", "x"), "--kubernetes-version: "),
        (("replay", "rec", "-o", "xml"), "--output"),
    ],
)
def test_what_is_wrong_with_the_run_is_said(root: Path, arguments: tuple[str, ...], said: str) -> None:
    run = running.gatewright(*arguments, cwd=root)
    assert run.returncode == 2
    assert said in run.stderr
    assert run.stdout == ""


def test_a_broken_policy_is_named(root: Path) -> None:
    change(root, "object.metadata.name", "object.metadata.name +")
    run = replay(root)
    assert run.returncode == 2
    assert "policies/named.yaml:" in run.stderr


def test_hostile_names_are_shown_escaped(root: Path) -> None:
    (file,) = (root / "rec").iterdir()
    text = gzip.decompress(file.read_bytes()).replace(b'"ann"', b'"a\\u001b[2Jnn"')
    file.write_bytes(gzip.compress(text))
    change(root, "'bad'", "'good'")
    run = replay(root)
    assert run.returncode == 1
    assert "\x1b" not in run.stdout
    assert "by a\\x1b[2Jnn" in run.stdout


def test_params_of_the_tree_go_first_if_asked(tmp_path: Path) -> None:
    policy = validating(
        "limits",
        "object.metadata.name != params.data.forbidden",
        more="paramKind: {apiVersion: v1, kind: ConfigMap}",
        bound=", paramRef: {name: limits, namespace: conf, parameterNotFoundAction: Deny}",
    )
    params = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits, namespace: conf}\ndata: {forbidden: FORBIDDEN}\n"
    )
    policies = tree(tmp_path / "policies", limits=policy, params=params.replace("FORBIDDEN", "other"))
    record(tmp_path / "rec", policies, [("/validate", review(value("web")))])
    (tmp_path / "policies" / "params.yaml").write_text(params.replace("FORBIDDEN", "web"))
    run = replay(tmp_path)
    assert run.returncode == 0
    assert run.stdout == (
        "1 object of the policy tree was recorded with another content, which policies saw here: "
        "ConfigMap conf/limits; --tree-objects shows them those of the tree\n\n"
        "1 review: all verdicts are the recorded ones\n"
    )
    found = json.loads(replay(tmp_path, "-o", "json").stdout)
    assert found["notSeen"] == [{"object": "ConfigMap conf/limits", "reviews": 1}]
    run = replay(tmp_path, "--tree-objects")
    assert run.returncode == 1
    assert "allow -> deny" in run.stdout
    assert "recorded with another content" not in run.stdout

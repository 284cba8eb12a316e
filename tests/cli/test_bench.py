"""`gatewright bench`: the figures of policies, their comparison, and exit codes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli import running
from tests.policy.trees import binding, mutating_binding, mutating_policy, pod, policy
from tests.recordings.making import record, review, stamping, tree, validating

EACH = "object.spec.containers.all(c, c.image.startsWith('registry.example.com/'))"


def containers(*images: str) -> dict[str, Any]:
    return {"containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}


def write(file: Path, *objects: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump_all(objects, sort_keys=False))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two Pods, the second larger than the first, a policy in CEL on them, one in Python, and one on other objects."""
    few, many = pod("few", **containers("registry.example.com/a")), pod("many", **containers(*["x:1"] * 20))
    write(tmp_path / "pods.yaml", few, many)
    (tmp_path / "policies").mkdir()
    elsewhere = [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}]
    write(
        tmp_path / "policies" / "cel.yaml",
        policy("images", validations=[{"expression": EACH, "messageExpression": "'image of ' + object.metadata.name"}]),
        binding("images", name="images"),
        policy("elsewhere", rules=elsewhere, validations=[{"expression": "true"}]),
        binding("elsewhere", name="elsewhere"),
        binding("named", name="named"),
    )
    (tmp_path / "policies" / "named.py").write_text(
        "from gatewright import Request, Violation, validate\n\n\n"
        "@validate(resources=['v1/pods'], operations=['CREATE'])\n"
        "def named(request: Request, params: object) -> None:\n"
        '    """Pods."""\n'
    )
    return tmp_path


def bench(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright("bench", *arguments, cwd=root)


def figures(root: Path, *arguments: str) -> dict[str, Any]:
    run = bench(root, *(arguments or ("pods.yaml",)), "-o", "json")
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def change(root: Path, old: str, new: str) -> None:
    file = root / "policies" / "cel.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_each_policy_has_its_time_and_its_cost_with_the_worst_object(root: Path) -> None:
    found = figures(root)
    assert (found["objects"], found["budget"]) == (2, 10_000_000)
    elsewhere, images, named = found["policies"]
    assert (elsewhere["name"], elsewhere["evaluations"], elsewhere["time"], elsewhere["cost"]) == (
        "elsewhere",
        0,
        None,
        None,
    )
    assert (images["evaluations"], named["evaluations"], named["language"], named["cost"]) == (2, 2, "python", None)
    lines = (root / "pods.yaml").read_text().splitlines()
    second = lines.index("---") + 2
    assert images["cost"]["at"] == {"file": "pods.yaml", "line": second, "object": "CREATE v1/Pod default/many"}
    assert images["cost"]["total"] > images["cost"]["worst"] > 10
    assert images["cost"]["shareOfBudget"] == images["cost"]["worst"] / 10_000_000
    time = images["time"]
    assert 0 < time["p50"] <= time["p95"] <= time["worst"]


def test_what_helm_rendered_is_named_by_its_template(root: Path) -> None:
    """A line of the output is none of the template: the template's own line is said, or none if it cannot be read."""
    objects = [json.dumps({**each, "kind": "Pod"}) for each in (pod("a"), pod("b"))]
    sources = ("web/templates/gone.yaml", "web/templates/here.yaml")
    text = "".join(f"---\n# Source: {name}\n{made}\n" for name, made in zip(sources, objects, strict=True))
    (root / "out.yaml").write_text(text)
    template = root / "web" / "templates" / "here.yaml"
    template.parent.mkdir(parents=True)
    template.write_text("{{- if .Values.on }}\n# a comment\napiVersion: v1\nkind: Pod\n{{- end }}\n")
    (measured,) = [each for each in figures(root, "out.yaml")["policies"] if each["name"] == "named"]
    assert measured["evaluations"] == 2
    change(root, EACH, "object.metadata.name != 'b' || [1, 2, 3].all(x, x > 0)")
    found = figures(root, "out.yaml")["policies"]
    (images,) = [each for each in found if each["name"] == "images"]
    assert images["cost"]["at"] == {"file": sources[1], "line": 4, "object": "CREATE v1/Pod default/b"}
    template.unlink()
    (images,) = [each for each in figures(root, "out.yaml")["policies"] if each["name"] == "images"]
    assert images["cost"]["at"] == {"file": sources[1], "line": None, "object": "CREATE v1/Pod default/b"}
    assert "web/templates/here.yaml  CREATE v1/Pod default/b" in bench(root, "out.yaml").stdout


def test_the_cost_is_that_of_the_api_server(root: Path) -> None:
    # object.spec.containers.size() == 1: three selections, a call of size and a comparison; the message: a constant
    change(root, EACH, "object.spec.containers.size() == 1")
    change(root, "messageExpression: '''image of '' + object.metadata.name'", "message: one")
    costs = {each["name"]: each["cost"] for each in figures(root)["policies"]}
    assert costs["images"]["worst"] == 5
    assert costs["images"]["total"] == 10


def test_costs_are_the_same_in_every_run(root: Path) -> None:
    assert bench(root, "pods.yaml", "--save", "one.json", "--rounds", "1").returncode == 0
    assert bench(root, "pods.yaml", "--save", "two.json").returncode == 0
    one, two = (
        {each["name"]: each["costs"] for each in json.loads((root / name).read_text())["policies"]}
        for name in ("one.json", "two.json")
    )
    assert one == two
    assert set(one) == {"images", "named"}
    assert set(one["images"]) == {"CREATE v1/Pod default/few", "CREATE v1/Pod default/many"}


def test_text_names_the_worst_object_and_what_was_not_measured(root: Path) -> None:
    run = bench(root, "pods.yaml", "--policies", "policies/cel.yaml", "--policies", "policies/named.py")
    assert (run.returncode, run.stderr) == (0, "")
    header, *_ = run.stdout.splitlines()
    assert header.split() == ["POLICY", "EVALUATIONS", "P50", "P95", "WORST", "COST", "OF", "BUDGET"]
    assert "CREATE v1/Pod default/many" in run.stdout
    assert "1 not measured, as they match none of these objects: elsewhere" in run.stdout
    assert "2 policies on 2 objects; times are processor time here" in run.stdout


def test_a_cost_that_rises_by_more_than_the_threshold_fails(root: Path) -> None:
    assert bench(root, "pods.yaml", "--save", "before.json").returncode == 0
    same = bench(root, "pods.yaml", "--compare", "before.json")
    assert (same.returncode, "no cost has changed" in same.stdout) == (0, True)
    change(root, EACH, f"{EACH} && object.metadata.name != 'x'")
    run = bench(root, "pods.yaml", "--compare", "before.json")
    assert run.returncode == 1
    assert "over  images: cost " in run.stdout
    assert "over  images: worst cost " in run.stdout
    allowed = bench(root, "pods.yaml", "--compare", "before.json", "--threshold", "50%")
    assert (allowed.returncode, "over" in allowed.stdout) == (0, False)
    assert "images: cost " in allowed.stdout
    found = json.loads(bench(root, "pods.yaml", "--compare", "before.json", "-o", "json").stdout)
    assert {(each["policy"], each["figure"], each["objects"], each["over"]) for each in found["changes"]} == {
        ("images", "cost", 2, True),
        ("images", "worst cost", 2, True),
    }


def test_a_cost_that_falls_is_told_and_does_not_fail(root: Path) -> None:
    assert bench(root, "pods.yaml", "--save", "before.json").returncode == 0
    change(root, EACH, "1 == 1")
    run = bench(root, "pods.yaml", "--compare", "before.json")
    assert run.returncode == 0
    assert "images: cost " in run.stdout
    assert "(-" in run.stdout


def test_objects_and_policies_that_only_one_run_has_are_told(root: Path) -> None:
    assert bench(root, "pods.yaml", "--save", "before.json").returncode == 0
    write(root / "pods.yaml", pod("few", **containers("a")), pod("other", **containers("a")))
    change(root, "name: elsewhere", "name: renamed")
    (root / "policies" / "named.py").unlink()
    change(root, "policyName: elsewhere", "policyName: renamed")
    change(root, "policyName: named", "policyName: renamed")
    run = bench(root, "pods.yaml", "--compare", "before.json")
    assert "note: images: 2 objects only one run has; compared on 1\n" in run.stderr
    assert "note: named: it was measured before, and is not there now\n" in run.stderr


def test_times_are_compared_only_if_that_is_asked_for(root: Path) -> None:
    assert bench(root, "pods.yaml", "--save", "before.json").returncode == 0
    saved = json.loads((root / "before.json").read_text())
    for each in saved["policies"]:
        each["p50Micros"] = 0.001
    (root / "before.json").write_text(json.dumps(saved))
    assert bench(root, "pods.yaml", "--compare", "before.json").returncode == 0
    run = bench(root, "pods.yaml", "--compare", "before.json", "--time-threshold", "300%")
    assert run.returncode == 1
    assert "over  named: p50 0.001 µs -> " in run.stdout
    for each in saved["policies"]:
        each["p50Micros"] = 1e9
    (root / "before.json").write_text(json.dumps(saved))
    assert bench(root, "pods.yaml", "--compare", "before.json", "--time-threshold", "0%").returncode == 0


def test_mutations_and_what_they_make_are_measured(root: Path) -> None:
    mutating = mutating_policy(
        "labelled", {"ApplyConfiguration": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}
    )
    write(root / "policies" / "mutating.yaml", mutating, mutating_binding("labelled", name="labelled"))
    change(root, EACH, "object.metadata.labels.a == 'b'")
    found = {each["name"]: each for each in figures(root)["policies"]}
    assert found["labelled"]["evaluations"] == 2
    assert found["labelled"]["cost"]["worst"] > 0
    assert found["images"]["cost"]["total"] == 2 * found["images"]["cost"]["worst"] > 0


def test_a_policy_without_a_binding_or_whose_condition_is_not_met_is_not_measured(root: Path) -> None:
    conditions = [{"name": "none", "expression": "object.metadata.name == 'none'"}]
    unmet = policy("unmet", matchConditions=conditions, validations=[{"expression": "true"}])
    unbound = policy("unbound", validations=[{"expression": "true"}])
    write(root / "policies" / "others.yaml", unmet, binding("unmet", name="unmet"), unbound)
    found = {each["name"]: each["evaluations"] for each in figures(root)["policies"]}
    assert found == {"elsewhere": 0, "images": 2, "named": 2, "unmet": 0}


def test_recorded_reviews_are_measured(tmp_path: Path) -> None:
    def value(name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}

    policies = tree(stamping(tmp_path / "policies"), named=validating("named", "object.metadata.name != 'bad'"))
    calls = [("/validate", review(value("good"))), ("/validate", review(value("bad"))), ("/mutate", review(value("a")))]
    record(tmp_path / "rec", policies, calls)
    found = figures(tmp_path, "--recording", "rec")
    assert found["objects"] == 3
    by_name = {each["name"]: each for each in found["policies"]}
    assert by_name["named"]["evaluations"] == 2
    place = by_name["named"]["cost"]["at"]
    (file,) = (tmp_path / "rec").iterdir()
    assert place["file"] == f"rec/{file.name}"
    assert place["line"] > 1
    assert place["object"].startswith("CREATE v1/ConfigMap shop/")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert bench(tmp_path, "--recording", "empty").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name manifests to measure on, or a recording with --recording; one of both"),
        (("pods.yaml", "--recording", "rec"), "name manifests to measure on"),
        (("pods.yaml", "--threshold", "much"), "--threshold: expected a percentage such as 20%, got 'much'"),
        (("pods.yaml", "--time-threshold", "-1%"), "--time-threshold: expected a percentage such as 20%"),
        (("pods.yaml", "--compare", "none.json"), "--compare none.json: No such file or directory"),
        (("pods.yaml", "--compare", "pods.yaml"), "--compare pods.yaml: expected what `bench --save` writes"),
        (("pods.yaml", "--save", "none/figures.json"), "--save none/figures.json: No such file or directory"),
        (("none.yaml",), "none.yaml"),
        (("--recording", "none"), "--recording: "),
        (("empty.yaml",), "no objects in it to measure policies on"),
    ],
)
def test_what_cannot_be_done_is_an_error(root: Path, arguments: tuple[str, ...], said: str) -> None:
    (root / "empty.yaml").write_text("")
    run = bench(root, *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr


def test_a_bad_policy_is_an_error_with_its_place(root: Path) -> None:
    change(root, EACH, "object.spec.containers.none")
    run = bench(root, "pods.yaml")
    assert (run.returncode, run.stdout) == (2, "")
    assert "policies/cel.yaml:" in run.stderr


def test_values_of_secrets_are_nowhere(root: Path) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token", "namespace": "default"},
        "stringData": {"password": "correct-horse"},
    }
    write(root / "pods.yaml", secret)
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}]
    said = [{"expression": "false", "messageExpression": "string(object.stringData.password)"}]
    write(
        root / "policies" / "cel.yaml",
        policy("secret", rules=rules, validations=said),
        binding("secret", name="secret"),
    )
    (root / "policies" / "named.py").unlink()
    for output in ("text", "json"):
        run = bench(root, "pods.yaml", "-o", output, "--save", "figures.json")
        assert run.returncode == 0, run.stderr
        assert "Secret default/token" in run.stdout
        assert "correct-horse" not in run.stdout + run.stderr + (root / "figures.json").read_text()

"""`gatewright explain` and `check --explain`, as a person sees them."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.cli.running import on_terminal
from tests.timing import within
from webhook.cel.tree import stack
from webhook.cli.commands import app

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: NAME
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps, pods]}
SPEC
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: NAME
spec:
  policyName: NAME
  validationActions: [ACTION]
"""

PYTHON = '''\
from gatewright import Violation, mutate, validate

@validate(resources=["v1/configmaps"])
def no_a(request):
    """No key is a."""
    if "a" in request.object.get("data", {}):
        yield Violation("there is a key a", path="data.a")

@mutate(resources=["v1/configmaps"])
def labelled(request):
    request.object["metadata"].setdefault("labels", {})["checked"] = "yes"
'''

SIZES = """\
  variables:
  - name: sizes
    expression: object.data.map(k, size(object.data[k]))
  validations:
  - expression: object.data.all(k, size(object.data[k]) <= 5) && variables.sizes.sum() < 100
    message: values are short
  - expression: "!has(object.data.banned)"
"""

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  a: short
  b: much too long
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "map.yaml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


def policy(tree: Path, spec: str, name: str = "sizes", action: str = "Deny") -> None:
    text = POLICY.replace("SPEC\n", spec).replace("NAME", name).replace("ACTION", action)
    (tree / "policies" / f"{name}.yaml").write_text(text)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


# ------------------------------------------------------------------------------------------------------- as it is seen


def test_a_refusal_as_a_person_sees_it(tree: Path) -> None:
    policy(tree, SIZES)
    result = run("explain", "sizes", "map.yaml")
    assert result.output == (
        "sizes\n"
        "  ValidatingAdmissionPolicy in CEL, policies/sizes.yaml:1\n"
        "\n"
        "✗ ConfigMap default/settings is denied  map.yaml:1\n"
        "  values are short\n"
        "  map.yaml:7:3: data.b\n"
        "\n"
        "  validations[0] is false  policies/sizes.yaml:13\n"
        "    object.data.all(k, size(object.data[k]) <= 5) && variables.sizes.sum() < 100 = false\n"
        "    ├─ object.data.all(k, size(object.data[k]) <= 5) = false\n"
        '    │  ├─ [1] k = "b"\n'
        "    │  │  └─ size(object.data[k]) <= 5 = false\n"
        "    │  │     └─ size(object.data[k]) = 13\n"
        '    │  │        └─ object.data[k] = "much too long"  ← line 7\n'
        "    │  └─ … 1 of 2 elements not shown\n"
        "    └─ variables.sizes.sum() < 100  not evaluated\n"
        "\n"
        "  validations[1] holds: !has(object.data.banned)\n"
        "  binding sizes (Deny)\n"
    )
    assert result.exit_code == 1


def test_an_object_that_passes_is_explained_too(tree: Path) -> None:
    policy(tree, SIZES)
    result = run("explain", "sizes", "-", stdin=MANIFEST.replace("much too long", "brief"))
    assert result.output == (
        "sizes\n"
        "  ValidatingAdmissionPolicy in CEL, policies/sizes.yaml:1\n"
        "\n"
        "✓ ConfigMap default/settings passes  <stdin>:1\n"
        "\n"
        "  validations[0] holds  policies/sizes.yaml:13\n"
        "    object.data.all(k, size(object.data[k]) <= 5) && variables.sizes.sum() < 100 = true\n"
        "    ├─ object.data.all(k, size(object.data[k]) <= 5) = true\n"
        '    │  ├─ [0] k = "a"\n'
        "    │  │  └─ size(object.data[k]) <= 5 = true\n"
        "    │  │     └─ size(object.data[k]) = 5\n"
        '    │  │        └─ object.data[k] = "short"  ← line 6\n'
        '    │  └─ [1] k = "b"\n'
        "    │     └─ size(object.data[k]) <= 5 = true\n"
        "    │        └─ size(object.data[k]) = 5\n"
        '    │           └─ object.data[k] = "brief"  ← line 7\n'
        "    └─ variables.sizes.sum() < 100 = true\n"
        "       └─ variables.sizes.sum() = 10\n"
        "          └─ variables.sizes = [5, 5]\n"
        "             └─ object.data.map(k, size(object.data[k])) = [5, 5]\n"
        '                ├─ [0] k = "a"\n'
        "                │  └─ size(object.data[k]) = 5\n"
        '                │     └─ object.data[k] = "short"  ← line 6\n'
        '                └─ [1] k = "b"\n'
        "                   └─ size(object.data[k]) = 5\n"
        '                      └─ object.data[k] = "brief"  ← line 7\n'
        "\n"
        "  validations[1] holds  policies/sizes.yaml:15\n"
        "    !has(object.data.banned) = true  ← line 5\n"
        "\n"
        "  binding sizes (Deny)\n"
    )
    assert result.exit_code == 0


def test_an_error_is_shown_where_it_arose(tree: Path) -> None:
    policy(tree, "  validations:\n  - expression: object.data.nope.size() > 1\n")
    result = run("explain", "sizes", "map.yaml")
    assert (
        "  expression 'object.data.nope.size() > 1' resulted in error: no such key: nope\n"
        "  map.yaml:5:1: data (error)\n"
        "\n"
        "  validations[0] fails  policies/sizes.yaml:10\n"
        "    object.data.nope.size() > 1  error: no such key: nope\n"
        "    └─ object.data.nope.size()  error: no such key: nope\n"
        "       └─ object.data.nope  error: no such key: nope  ← line 5\n"
    ) in result.output
    assert result.exit_code == 1


def test_the_cause_of_an_error_is_written_in_full(tree: Path) -> None:
    policy(tree, "  validations:\n  - expression: object.data.all(k, sign(quantity(object.data[k])) > 0)\n")
    (tree / "map.yaml").write_text(MANIFEST.replace("short", "1Gi"))
    output = run("explain", "sizes", "map.yaml").output
    cause = "error: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    tree_of_it = " ".join(line.strip(" │├└─") for line in output.partition("validations[0] fails")[2].splitlines())
    assert cause in tree_of_it
    long = "\n".join(f"        // line {number}" for number in range(40))
    policy(tree, f"  validations:\n  - expression: |\n      object.data.nope == 'x' ||\n{long}\n        false\n")
    assert "' resulted in error: no such key: nope" in run("check", "map.yaml").output.replace("\n      ", "")
    output = run("explain", "sizes", "map.yaml").output
    assert "\n  object.data.nope == 'x' ||\n" in output.replace("expression '", "\n  ")
    assert "\n  ' resulted in error: no such key: nope\n" in output


JOINED = """\
  variables:
  - name: containers
    expression: object.spec.containers + object.spec.?initContainers.orValue([])
  validations:
  - expression: object.kind == 'Deployment' || variables.containers.all(c, has(c.args))
    message: containers have arguments
"""

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - {name: a, image: a, args: [x]}
  - {name: b, image: b, args: [x]}
  initContainers:
  - name: migrate
    image: migrate
"""


def test_elements_of_joined_lists_say_where_they_stand_and_rounds_that_are_left_out_are_counted(tree: Path) -> None:
    policy(tree, JOINED)
    (tree / "pod.yaml").write_text(POD)
    assert run("explain", "sizes", "pod.yaml").output.partition("policies/sizes.yaml:13\n")[2] == (
        "    object.kind == 'Deployment' || variables.containers.all(c, has(c.args)) = false\n"
        "    ├─ object.kind == 'Deployment' = false\n"
        "    └─ variables.containers.all(c, has(c.args)) = false\n"
        '       ├─ variables.containers = [{"name": "a", "image": "a", "args": ["x"], "imagePullPolicy": "Always", '
        '"terminationM…\n'
        '       ├─ [2] c = {"name": "migrate", "image": "migrate", "imagePullPolicy": "Always", "terminationMessagePa…'
        "  ← line 10\n"
        "       │  └─ has(c.args) = false  ← line 10\n"
        "       └─ … 2 of 3 elements not shown\n"
        "\n"
        "  binding sizes (Deny)\n"
    )


def test_the_term_that_failed_is_unfolded_wherever_the_finding_stands(tree: Path) -> None:
    policy(
        tree,
        "  validations:\n"
        "  - expression: >-\n"
        "      has(object.metadata.name) && (size(object.data.a) + 1 < 3 ? true : has(object.metadata.labels))\n"
        "    message: metadata.name is too short for this\n",
    )
    assert run("explain", "sizes", "map.yaml").output.partition("policies/sizes.yaml:10\n")[2] == (
        "    has(object.metadata.name) && (size(object.data.a) + 1 < 3 ? true : has(object.metadata.labels)) = false\n"
        "    ├─ has(object.metadata.name) = true  ← line 4\n"
        "    └─ size(object.data.a) + 1 < 3 ? true : has(object.metadata.labels) = false\n"
        "       ├─ size(object.data.a) + 1 < 3 = false\n"
        "       └─ has(object.metadata.labels) = false\n"
        "\n"
        "  binding sizes (Deny)\n"
    )


def test_a_condition_that_is_false_says_so(tree: Path) -> None:
    policy(
        tree,
        "  matchConditions:\n  - {name: only-web, expression: object.metadata.name == 'web'}\n"
        "  validations:\n  - expression: 'false'\n",
    )
    result = run("explain", "sizes", "map.yaml")
    assert (
        "- ConfigMap default/settings is not matched by the policy  map.yaml:1\n"
        "\n"
        "  matchConditions[0] only-web is false  policies/sizes.yaml:10\n"
        "    object.metadata.name == 'web' = false\n"
        '    └─ object.metadata.name = "settings"  ← line 4\n'
    ) in result.output
    assert result.exit_code == 0


def test_an_object_that_the_policy_is_not_about_says_why(tree: Path) -> None:
    policy(tree, SIZES)
    assert "matchConstraints.resourceRules are about CREATE and UPDATE of these, not about DELETE" in run(
        "explain", "sizes", "map.yaml", "--operation", "delete"
    ).output.replace("\n  ", " ")
    (tree / "policies" / "sizes.yaml").write_text((tree / "policies" / "sizes.yaml").read_text().partition("---")[0])
    result = run("explain", "sizes", "map.yaml")
    assert "no binding names the policy: it never runs" in result.output
    assert result.exit_code == 0


def test_a_warning_denies_nothing(tree: Path) -> None:
    policy(tree, SIZES, action="Warn")
    result = run("explain", "sizes", "map.yaml")
    assert "! ConfigMap default/settings is let in with a warning" in result.output
    assert result.exit_code == 0


def test_a_python_policy_tells_its_findings_and_where_its_function_is(tree: Path) -> None:
    (tree / "policies" / "policy.py").write_text(PYTHON)
    for kind, name in (("Validating", "no-a"), ("Mutating", "labelled")):
        binding = POLICY.partition("---\n")[2].replace("NAME", name).replace("Validating", kind)
        binding = binding.replace(
            "  validationActions: [ACTION]\n", "" if kind == "Mutating" else "  validationActions: [Deny]\n"
        )
        (tree / "policies" / f"{name}.yaml").write_text(binding)
    result = run("explain", "no-a", "map.yaml")
    assert result.output == (
        "no-a\n"
        "  No key is a.\n"
        "  ValidatingAdmissionPolicy in Python, policies/policy.py:3\n"
        "  A policy in Python has no expressions to take apart: its reasons are in the function, "
        "policies/policy.py:3.\n"
        "\n"
        "✗ ConfigMap default/settings is denied  map.yaml:1\n"
        "  there is a key a\n"
        "  map.yaml:6:3: data.a\n"
    )
    assert result.exit_code == 1
    mutated = run("explain", "labelled", "map.yaml")
    assert "✓ ConfigMap default/settings passes, and is changed" in mutated.output
    assert "+    checked: 'yes'" in mutated.output
    assert mutated.exit_code == 0


def test_the_objects_before_an_update_may_be_given(tree: Path) -> None:
    policy(tree, "  validations:\n  - expression: object.data.a == oldObject.data.a\n")
    (tree / "old.yaml").write_text(MANIFEST.replace("short", "other"))
    result = run("explain", "sizes", "map.yaml", "--old", "old.yaml")
    assert 'oldObject.data.a = "other"' in result.output
    assert result.exit_code == 1
    assert run("explain", "sizes", "map.yaml", "--operation", "update").exit_code == 0
    assert run("explain", "sizes", "map.yaml", "--old", "old.yaml", "--operation", "delete").exit_code == 2


def test_a_request_to_a_subresource_is_explained(tree: Path) -> None:
    spec = POLICY.replace("SPEC\n", "  validations:\n  - expression: object.spec.replicas > 2\n")
    whole = spec.replace("NAME", "scaled").replace("ACTION", "Deny")
    rules = "apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments/scale]"
    at = whole.index("{", whole.index("resourceRules"))
    (tree / "policies" / "scaled.yaml").write_text(f"{whole[:at]}{{{rules}}}{whole[whole.index('}', at) + 1 :]}")
    (tree / "web.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n"
        "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
        "    spec: {containers: [{name: web, image: nginx}]}\n"
    )
    result = run("explain", "scaled", "web.yaml", "map.yaml", "--subresource", "scale")
    assert "✗ Update of Deployment default/web is denied" in result.output
    assert "object.spec.replicas = 2  ← line 5" in result.output
    assert "note: without a subresource scale, and left out: ConfigMap settings" in result.output
    assert result.exit_code == 1
    assert run("explain", "scaled", "map.yaml", "--subresource", "scale").exit_code == 0
    unknown = run("explain", "scaled", "web.yaml", "--subresource", "scales")
    assert "--subresource: expected one of approval, ephemeralcontainers" in unknown.output
    assert unknown.exit_code == 2


TWO = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers: [{name: c, image: "x:latest"}]
"""
ON_BOTH = """\
  variables:
  - {name: spec, expression: "object.kind == 'Pod' ? object.spec : object.spec.template.spec"}
  validations:
  - {expression: "!has(variables.spec.hostNetwork)", message: no host network}
  - {expression: "object.kind != 'Pod' || variables.spec.containers.all(c, !c.image.endsWith(':latest'))", message: pin}
"""


def test_of_the_pod_of_a_workload_only_what_was_not_said_of_the_workload_is_shown(tree: Path) -> None:
    policy(tree, ON_BOTH)
    file = tree / "policies" / "sizes.yaml"
    file.write_text(file.read_text().replace('[""]', '["", apps]').replace("[configmaps,", "[deployments,"))
    (tree / "two.yaml").write_text(TWO)
    output = run("explain", "sizes", "two.yaml").output
    of_workload, _, of_pod = output.partition("✗ Pod of Deployment default/web is denied")
    assert of_workload.count("no host network") == 1
    assert "no host network" not in of_pod
    assert "for what is said of Deployment default/web above (1), and:" in of_pod
    assert "  pin\n  two.yaml:10:30: spec.template.spec.containers[0].image" in of_pod
    assert "validations[0]" not in of_pod
    (tree / "two.yaml").write_text(TWO.replace(":latest", ":1"))
    assert (
        "✗ Pod of Deployment default/web is denied, for the same reason" in run("explain", "sizes", "two.yaml").output
    )


INHERITED = """\
  validations:
  - expression: object.metadata.namespace != 'kube-system'
  - expression: "!object.metadata.generateName.startsWith('job')"
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {namespace: kube-system, name: job}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: a, image: a}]}
"""


def test_what_a_pod_has_from_its_workload_stands_there_and_what_the_controller_makes_nowhere(tree: Path) -> None:
    policy(tree, INHERITED)
    (tree / "job.yaml").write_text(JOB)
    lines = run("explain", "sizes", "job.yaml").output.splitlines()
    (namespace,) = (line for line in lines if 'object.metadata.namespace = "' in line)
    assert namespace.endswith('"kube-system"  ← line 3')
    (name,) = (line for line in lines if 'object.metadata.generateName = "' in line)
    assert name.endswith('= "job-"')
    assert "  job.yaml:3:12: metadata.namespace" in lines


def test_what_keeps_the_run_from_its_work_ends_with_2(tree: Path) -> None:
    policy(tree, SIZES)
    for arguments, told in (
        (["size", "map.yaml"], "no policy 'size' in policies; did you mean sizes?"),
        (["other", "map.yaml"], "no policy 'other' in policies; there are sizes\n"),
        (["schema", "map.yaml"], "'schema' is not a policy: it stands for what the API server refuses"),
        (["sizes", "nowhere.yaml"], "nowhere.yaml"),
        (["sizes", "map.yaml", "--policies", "nowhere"], "nowhere"),
        (["sizes", "-"], "no objects in it to explain"),
    ):
        result = run("explain", *arguments, stdin="")
        assert (result.exit_code, told in result.output) == (2, True), (arguments, result.output)


def test_of_many_policies_some_are_named(tree: Path) -> None:
    for number in range(25):
        policy(tree, SIZES, name=f"p{number:02}")
    assert run("explain", "zzz", "map.yaml").output.endswith(", p18, p19 and 5 more\n")


def test_colours_are_for_terminals_and_for_those_who_ask(tree: Path) -> None:
    policy(tree, SIZES)
    assert "\x1b" not in run("explain", "sizes", "map.yaml").output
    colored = run("explain", "sizes", "map.yaml", "--color", "always").output
    assert "\x1b[1m\x1b[31m✗ ConfigMap default/settings is denied\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == run("explain", "sizes", "map.yaml").output


def test_a_terminal_gets_its_width_and_its_colours(tree: Path) -> None:
    policy(tree, SIZES)
    long = (tree / "map.yaml").read_text() + "  c: " + "x" * 500 + "\n"
    (tree / "map.yaml").write_text(long)
    for variables, colored in (({}, True), ({"NO_COLOR": "1"}, False)):
        environment = {**os.environ, "TERM": "xterm", **variables}
        environment.pop("COLUMNS", None)
        code, text = on_terminal("explain", "sizes", "map.yaml", "--full", cwd=Path.cwd(), env=environment, width=60)
        assert code == 1
        assert ("\x1b[31m" in text) is colored
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        trees = [line for line in plain.splitlines() if "─" in line]
        assert trees
        assert max(map(len, trees)) <= 60


def test_line_art_is_left_out_where_it_cannot_be_written(tree: Path) -> None:
    policy(tree, SIZES)
    output = CliRunner(charset="ascii").invoke(app, ["explain", "sizes", "map.yaml"]).output
    assert "x ConfigMap default/settings is denied" in output
    assert "`- " in output
    assert output.isascii()


# --------------------------------------------------------------------------------------------------------- for machines


def test_json_for_machines(tree: Path) -> None:
    policy(tree, SIZES)
    result = run("explain", "sizes", "map.yaml", "-o", "json")
    assert result.exit_code == 1
    (found,) = json.loads(result.output)["policies"]
    assert (found["policy"], found["language"], found["file"], found["line"]) == (
        "sizes",
        "cel",
        "policies/sizes.yaml",
        1,
    )
    (seen,) = found["objects"]
    assert (seen["matched"], seen["denied"], seen["findings"][0]["path"]) == (True, True, "data.b")
    first, second = seen["bindings"][0]["evaluations"][0]["validations"]
    assert (first["index"], first["outcome"], first["tree"]["value"]) == (0, "value", "false")
    assert first["witnesses"] == [{"path": "data.b", "line": 7, "column": 3}]
    loop, skipped = first["tree"]["children"]
    assert (
        first["source"][loop["start"] : loop["end"]] == loop["text"] == "object.data.all(k, size(object.data[k]) <= 5)"
    )
    assert skipped["outcome"] == "skipped"
    assert loop["rounds"][0]["items"] == [{"name": "k", "value": '"b"'}]
    assert (second["tree"]["value"], second["tree"]["type"]) == ("true", "bool")


def test_check_shows_the_tree_under_each_finding(tree: Path) -> None:
    policy(tree, SIZES)
    result = run("check", "map.yaml", "--explain")
    assert result.stdout == (
        "map.yaml\n"
        "  map.yaml:7:3: deny sizes\n"
        "      ConfigMap default/settings: data.b\n"
        "     7 |   b: much too long\n"
        "       |   ^^^^^^^^^^^^^^^^ values are short\n"
        "      why: spec.validations[0].expression\n"
        "      object.data.all(k, size(object.data[k]) <= 5) && variables.sizes.sum() < 100 = false\n"
        "      ├─ object.data.all(k, size(object.data[k]) <= 5) = false\n"
        '      │  ├─ [1] k = "b"\n'
        "      │  │  └─ size(object.data[k]) <= 5 = false\n"
        "      │  │     └─ size(object.data[k]) = 13\n"
        '      │  │        └─ object.data[k] = "much too long"  ← line 7\n'
        "      │  └─ … 1 of 2 elements not shown\n"
        "      └─ variables.sizes.sum() < 100  not evaluated\n"
        "\n"
        "1 denied (1 object in 1 file, 1 policy)\n"
    )
    plain, explained = (
        json.loads(run("check", "map.yaml", "-o", "json", *extra).output) for extra in ([], ["--explain"])
    )
    assert "explanation" not in plain["findings"][0]
    (expression,) = explained["findings"][0]["explanation"]["expressions"]
    assert expression["tree"]["children"][0]["name"] == "all"


# -------------------------------------------------------------------------------------------------- hostile and large


def test_text_of_others_cannot_steer_the_terminal(tree: Path) -> None:
    hostile = "::error::\x1b[31m\x07\u202e\u2028 ##[group]\x9b"
    manifest = {
        "apiVersion": "example.com/v1",  # a custom object may have such keys
        "kind": "Box",
        "metadata": {"name": "m"},
        "data": {f"k{hostile}": f"v{hostile}", "b": hostile},
    }
    (tree / "box.json").write_text(json.dumps(manifest))
    (tree / "map.json").write_text(json.dumps({**manifest, "apiVersion": "v1", "kind": "ConfigMap"}))
    spec = {
        "expression": f"object.data.all(k, object.data[k] == '{hostile}' + k)",
        "messageExpression": "string(object.data.b)",
    }
    policy(tree, f"  validations:\n  - {json.dumps(spec)}\n")
    file = tree / "policies" / "sizes.yaml"
    file.write_text(
        file.read_text().replace('[""]', '["", example.com]').replace("[configmaps,", "[configmaps, boxes,")
    )
    for arguments in (
        ["explain", "sizes", "box.json", "--full"],
        ["check", "box.json", "--explain"],
        ["explain", "sizes", "box.json", "-o", "json"],
        ["explain", "sizes", "map.json"],  # which the API server refuses
        ["check", "map.json"],
    ):
        output = run(*arguments).output
        assert "u001b" in output or "x1b" in output
        if "json" not in arguments:
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028]", output), arguments
        assert not re.search(r"^\s*::error|##\[", output, re.MULTILINE), arguments  # nor a runner of CI


def test_output_and_time_are_bounded(tree: Path) -> None:
    items = {f"k{number:05}": "x" * 290 for number in range(10_000)}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": items}
    (tree / "big.json").write_text(json.dumps(manifest))
    assert (tree / "big.json").stat().st_size > 3_000_000
    chain = " || ".join(f"size(object.data) == {number}" for number in range(3_450))
    assert 90_000 < len(chain) < 100_000
    deep = "(" * 20 + "object.data.k00000" + " + 'y')" * 20
    validations = [
        "object.data.all(k, object.data[k].startsWith('x')) && false",
        "object.data.filter(k, object.data[k] == '').size() == 1",
        "object.data.map(k, object.data[k]).exists(v, v == 'y')",
        chain,
        f"{deep} == ''",
        "object == null",
    ]
    rows = "".join(f"  - {json.dumps({'expression': each})}\n" for each in validations)
    policy(tree, f"  validations:\n{rows}")
    for arguments in (
        ["explain", "sizes", "big.json"],
        ["explain", "sizes", "big.json", "--full"],
        ["check", "--explain", "big.json"],
    ):
        with within(20, time.process_time):
            output = run(*arguments).output
        assert output.count("\n") < len(validations) * 220
        assert len(output) < 250_000
    as_json = run("explain", "sizes", "big.json", "-o", "json").output
    assert len(as_json) < 20_000_000


_NAME = "object.metadata.name"
DEEP = {
    "one expression": ("size(" + "'a' + " * 230 + _NAME + ") < 0", []),
    "variables of variables": ("variables.v90 < 0", [f"size({_NAME})", *[f"{'1 + ' * 8}variables.v"] * 90]),
    "longer variables": ("variables.v90 < 0", [f"size({_NAME})", *[f"{'1 + ' * 40}variables.v"] * 90]),
}


def _deep(tree: Path, shape: str) -> None:
    expression, written = DEEP[shape]
    variables = [
        {"name": f"v{place}", "expression": each if place == 0 else f"{each}{place - 1}"}
        for place, each in enumerate(written)
    ]
    policy(tree, f"  variables: {json.dumps(variables)}\n  validations:\n  - expression: {json.dumps(expression)}\n")


@pytest.mark.parametrize("shape", ["one expression", "variables of variables"])
def test_deep_expressions_are_explained(tree: Path, shape: str) -> None:
    _deep(tree, shape)
    for arguments in (("check",), ("check", "--explain"), ("explain", "sizes", "--full")):
        for form in ((), ("-o", "json")):
            done = run(*arguments, "map.yaml", *form)
            assert done.exit_code == 1
            assert "sizes" in done.output
    assert "map.yaml:4:" in run("check", "map.yaml").output
    assert "└─" in run("explain", "sizes", "map.yaml").output


def test_of_what_is_too_deep_only_the_result_is_explained(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "_HIGHEST", sys.getrecursionlimit())  # as if there were some 20,000 levels
    _deep(tree, "longer variables")
    assert "map.yaml:1:1: deny sizes" in run("check", "map.yaml").output  # it is not known what decided
    done = run("explain", "sizes", "map.yaml")
    assert done.exit_code == 1
    assert "variables.v90 < 0 = false" in done.output
    assert "└─" not in done.output


def test_what_the_authorizer_answers_is_taken_from_the_file(tree: Path) -> None:
    policy(tree, "  validations:\n  - expression: authorizer.path('/x').check('get').allowed()\n    message: may not\n")
    (tree / "access.yaml").write_text("authorizations: [{user: ann, allowed: true}, {allowed: false}]")
    asked = ("explain", "sizes", "map.yaml", "--authorizations", "access.yaml")
    assert run(*asked, "--as", "ann").exit_code == 0
    assert run(*asked, "--as", "bob").exit_code == 1
    assert run(*asked, "--kubernetes-version", "1.26").exit_code == 2


# ------------------------------------------------------------------------------------------------------- exceptions

EXCEPTION = """\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: legacy}
spec:
  policies: [{name: NAME}]
  objects: {names: [settings]}
  reason: r
  approvedBy: s
  expires: 2999-01-31
"""


@pytest.mark.parametrize("name", ["sizes", "no-a", "labelled"])
def test_an_exception_that_lets_a_finding_pass_shows(tree: Path, name: str) -> None:
    policy(tree, SIZES)
    (tree / "policies" / "python.py").write_text(PYTHON)
    for kind, bound in (("Validating", "no-a"), ("Mutating", "labelled")):
        actions = ", validationActions: [Deny]" if kind == "Validating" else ""
        (tree / "policies" / f"{bound}-binding.yaml").write_text(
            "apiVersion: admissionregistration.k8s.io/v1\n"
            f"kind: {kind}AdmissionPolicyBinding\n"
            f"metadata: {{name: {bound}}}\n"
            f"spec: {{policyName: {bound}{actions}}}\n"
        )
    (tree / "policies" / "exception.yaml").write_text(EXCEPTION.replace("NAME", name))
    result = run("explain", name, "map.yaml")
    message = {"sizes": "values are short", "no-a": "there is a key a", "labelled": "the object would be changed"}[name]
    assert result.exit_code == 0
    assert "✓ ConfigMap default/settings passes, excepted by legacy until 2999-01-31  map.yaml:1\n" in result.output
    assert f"  excepted by legacy until 2999-01-31 (r): {message}\n" in result.output
    assert ("validations[0] is false" in result.output) == (name == "sizes")
    (report,) = json.loads(run("explain", name, "map.yaml", "-o", "json").output)["policies"]
    (found,) = report["objects"]
    (excepted,) = found["excepted"]
    assert (excepted["exception"], excepted["until"], excepted["message"]) == ("legacy", "2999-01-31", message)
    assert found["findings"] == []
    assert excepted["line"] == {"sizes": 7, "no-a": 6, "labelled": 1}[name]


def test_the_term_that_failed_is_shown_however_many_stand_before_it(tree: Path) -> None:
    holding = " && ".join(f"object.data.all(k, k != 'k{number}')" for number in range(40))
    policy(tree, f"  validations:\n  - expression: {holding} && object.data.a == 'zzz'\n")
    shown = run("check", "--policies", "policies", "--explain", "map.yaml").output
    assert "object.data.a == 'zzz' = false" in shown
    assert "… 11 more" in shown

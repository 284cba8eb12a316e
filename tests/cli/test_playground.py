"""What the playground makes of a policy and an object: verdict, place, cost and explanation, or what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.timing import HANGING
from webhook.cli import playground

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-latest}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  validations:
  - expression: object.spec.containers.all(c, !c.image.endsWith(':latest'))
    message: images name a version, never latest
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx:latest
"""
ASKED: dict[str, Any] = {
    "policy": POLICY, "object": POD, "old": "", "operation": "CREATE", "namespace": "", "user": "", "groups": [],
    "version": "1.34", "language": "cel", "imports": [],
}  # fmt: skip


def asked(**changes: Any) -> dict[str, Any]:
    return playground.answer({**ASKED, **changes})


def test_verdict_line_cost_and_explanation() -> None:
    found = asked()
    assert (found["denied"], found["problems"]) == (True, [])
    assert found["notes"] == ["without a binding, so evaluated as if bound everywhere, with Deny: no-latest"]
    [cost] = found["costs"]
    assert (cost["policy"], cost["object"]) == ("no-latest", "CREATE v1/Pod default/web")
    assert 0 < cost["cost"] < 100
    [[shown]] = [each["objects"] for each in found["policies"]]
    [finding] = shown["findings"]
    assert (finding["line"], finding["path"]) == (7, "spec.containers[0].image")
    [validation] = shown["bindings"][0]["evaluations"][0]["validations"]
    assert (validation["tree"]["value"], validation["tree"]["decides"]) == ("false", True)
    assert not asked(object=POD.replace(":latest", ":1.29"))["denied"]


PYTHON = """\
from gatewright import Request, Violation, validate


@validate(resources=["v1/pods"], operations=["CREATE", "UPDATE"])
def no_latest(request: Request):
    for number, each in enumerate(request.object["spec"]["containers"]):
        if each["image"].endswith(":latest"):
            yield Violation("images name a version", path=f"spec.containers[{number}].image")
"""


def test_a_policy_in_python() -> None:
    found = asked(policy=PYTHON, language="python")
    assert (found["denied"], found["problems"]) == (True, [])
    assert found["notes"] == ["without a binding, so evaluated as if bound everywhere, with Deny: no-latest"]
    [[shown]] = [each["objects"] for each in found["policies"]]
    [finding] = shown["findings"]
    assert (finding["line"], finding["path"], finding["message"]) == (
        *(7, "spec.containers[0].image"),
        "images name a version",
    )
    assert not asked(policy=PYTHON, language="python", object=POD.replace(":latest", ":1.29"))["denied"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("import os\n", 1, "a policy may not import os"),
        ("def x(:\n", 1, "not Python"),
        (PYTHON.replace("    for number", "    open('/etc/passwd')\n    for number"), 6, "open reads or writes files"),
    ],
)
def test_what_a_policy_in_python_may_not(text: str, line: int, said: str) -> None:
    [problem] = asked(policy=text, language="python")["problems"]
    assert (problem["where"], problem["line"]) == ("policy", line) and said in problem["message"]


def test_what_is_allowed_to_import_may_be_and_still_opens_no_file(tmp_path: Path) -> None:
    """In the process, in which nothing may be opened whatever was imported."""
    opens = PYTHON.replace("from gatewright", "import os\nfrom gatewright").replace(
        "    for number", f"    os.open({str(tmp_path / 'made')!r}, os.O_CREAT)\n    for number"
    )
    given = {**ASKED, "policy": opens, "language": "python", "imports": ["os"]}
    run = subprocess.run(
        [sys.executable, "-P", "-m", "webhook.cli.playground", "9"],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
        timeout=HANGING,
    )
    [[shown]] = [each["objects"] for each in json.loads(run.stdout)["policies"]]
    [finding] = shown["findings"]
    assert finding["error"] and "a policy may not read or write files (open)" in finding["message"]
    assert not (tmp_path / "made").exists()


def test_a_binding_of_ones_own_and_params_of_the_text_count() -> None:
    param = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: p, namespace: default}\ndata: {tag: ':old'}\n"
    policy = POLICY.replace("':latest'", "params.data.tag").replace(
        "spec:\n", "spec:\n  paramKind: {apiVersion: v1, kind: ConfigMap}\n", 1
    )
    assert not asked(policy=policy + param)["denied"]
    assert asked(policy=policy + param, object=POD.replace(":latest", ":old"))["denied"]
    binding = (
        "---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n"
        "metadata: {name: b}\n"
        "spec: {policyName: no-latest, validationActions: [Warn]}\n"
    )
    found = asked(policy=POLICY + binding)
    assert (found["denied"], found["notes"]) == (False, [])
    assert found["policies"][0]["objects"][0]["findings"][0]["action"] == "Warn"


def test_an_old_object_makes_an_update_and_a_user_is_who_asks() -> None:
    policy = POLICY.replace(
        "object.spec.containers.all(c, !c.image.endsWith(':latest'))",
        "oldObject == null || request.userInfo.username == 'ann' && 'devs' in request.userInfo.groups",
    )
    assert not asked(policy=policy)["denied"]
    assert asked(policy=policy, old=POD)["denied"]
    found = asked(policy=policy, old=POD, user="ann", groups=["devs"])
    assert not found["denied"]
    assert found["policies"][0]["objects"][0]["operation"] == "UPDATE"
    refused = asked(groups=["devs"])
    assert refused["problems"][0]["message"].startswith("--as-group")


def test_a_mutating_policy_shows_what_it_changes() -> None:
    policy = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: team}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: {"team": "none"}}}'}
"""
    found = asked(policy=policy)
    assert (found["denied"], found["problems"]) == (False, [])
    assert "team: none" in found["policies"][0]["objects"][0]["diffs"][0]


@pytest.mark.parametrize(
    ("changes", "where", "line", "said"),
    [
        ({"policy": POLICY.replace("endsWith", "endWith")}, "policy", 9, "did you mean 'endsWith'?"),
        ({"policy": "a: ["}, "policy", 1, "not YAML"),
        ({"policy": ""}, "policy", None, "it has no policies"),
        ({"policy": "import os\n"}, "policy", 1, ""),
        ({"object": "a: ["}, "object", 1, "not YAML"),
        ({"object": ""}, "object", None, "no object in it to send"),
        ({"old": "a: ["}, "old", 1, "not YAML"),
        ({"object": "\ud800"}, "object", 1, ""),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], where: str, line: int | None, said: str) -> None:
    [problem, *_] = asked(**changes)["problems"]
    assert (problem["where"], problem["line"]) == (where, line)
    assert said in problem["message"]


def test_many_objects_are_evaluated_in_part() -> None:
    found = asked(object="---\n".join(POD.replace("web}", f"web-{number}}}") for number in range(25)))
    assert "5 more requests are not evaluated; 20 are" in found["notes"]
    assert len(found["policies"][0]["objects"]) == playground.MOST_OBJECTS


def test_a_secret_is_not_shown() -> None:
    policy = POLICY.replace("pods", "secrets").replace(
        "object.spec.containers.all(c, !c.image.endsWith(':latest'))", "object.data.token == 'x'"
    )
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {token: c2VjcmV0LXZhbHVl}\n"
    found = asked(policy=policy, object=secret)
    assert found["denied"]
    assert "c2VjcmV0" not in json.dumps(found)


def test_the_process_answers_within_its_limits() -> None:
    """In a process of its own: its limits are for good."""
    text = json.dumps(ASKED)
    code = "from webhook.cli import playground; playground.main()"
    run = subprocess.run([sys.executable, "-c", code, "20"], input=text.encode(), capture_output=True, check=True)
    assert json.loads(run.stdout)["denied"] is True

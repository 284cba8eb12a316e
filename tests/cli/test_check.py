import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import forking
from tests.cli import running

POLICIES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: pinned-images}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  validations:
  - expression: "object.spec.containers.all(c, !c.image.endsWith(':latest'))"
    message: image tags must be pinned
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: pinned-images}
spec: {policyName: pinned-images, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: quiet}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps, secrets]}
  validations:
  - expression: "!has(object.metadata.annotations)"
    messageExpression: >-
      'said ' + object.metadata.annotations['say'] + (has(object.data) ? object.data['password'] : '')
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: quiet-warn}
spec: {policyName: quiet, validationActions: [Warn]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-host}
spec: {policyName: no-host, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: add-label}
spec: {policyName: add-label}
"""

PYTHON = '''\
from gatewright import Violation, mutate, validate

@validate(resources=["apps/v1/deployments", "v1/pods"])
def no_host(request, params):
    """No hostPath."""
    spec = request.object["spec"]
    base = "spec"
    if request.kind.kind == "Deployment":
        spec, base = spec["template"]["spec"], "spec.template.spec"
    for index, volume in enumerate(spec.get("volumes", [])):
        if "hostPath" in volume:
            yield Violation("no hostPath", path=f"{base}.volumes[{index}].hostPath")

@mutate(resources=["v1/secrets"])
def add_label(request, params):
    """Secrets are labelled."""
    request.object["metadata"].setdefault("labels", {})["checked"] = "yes"
    request.object["data"]["password"] = "cm90YXRlZC1wYXNzd29yZA=="
'''

PIPE = 4096  # bytes, the smallest
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx:latest}
      volumes:
      - name: host
        hostPath: {path: /}
"""

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n"
WARNED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: warned, annotations: {say: hello}}\n"
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: s, annotations: {say: psst}}
stringData: {password: hunter2hunter2}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "policies.yaml").write_text(POLICIES)
    (policies / "policy.py").write_text(PYTHON)
    return tmp_path


def gatewright(tree: Path, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright(*arguments, cwd=tree, stdin=stdin, env={**os.environ, **variables})


def check(tree: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tree / "in.yaml").write_text(text)
    return gatewright(tree, "check", "in.yaml", *arguments)


def findings(tree: Path, text: str, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(check(tree, text, "-o", "json", *arguments).stdout)["findings"]
    return found


def test_the_report_names_place_object_policy_and_reason(tree: Path) -> None:
    run = check(tree, GOOD + "---\n" + DEPLOYMENT + "---\n" + WARNED)
    assert (
        run.stdout
        == """\
in.yaml
  in.yaml:14:21: deny pinned-images
      Deployment shop/web: spec.template.spec.containers[0].image
    14 |       - {name: web, image: nginx:latest}
       |                     ^^^^^^^^^^^^^^^^^^^ image tags must be pinned
  in.yaml:17:9: deny no-host
      Deployment shop/web: spec.template.spec.volumes[0].hostPath
    17 |         hostPath: {path: /}
       |         ^^^^^^^^^^^^^^^^^^^ no hostPath
  in.yaml:21:26: warn quiet (quiet-warn)
      ConfigMap default/warned: metadata.annotations
    21 | metadata: {name: warned, annotations: {say: hello}}
       |                          ^^^^^^^^^^^^^^^^^^^^^^^^^ said hello

2 denied, 1 warning (3 objects in 1 file, 4 policies)
"""
    )
    assert (run.stderr, run.returncode) == ("", 1)


def test_the_json_report(tree: Path) -> None:
    run = check(tree, DEPLOYMENT, "-o", "json")
    report = json.loads(run.stdout)
    assert run.returncode == 1
    lists = {"findings", "excepted", "known", "silenced", "rules", "errors", "warnings", "notes", "leftOut"}
    assert set(report) == {"command", "summary"} | lists
    fingerprint = report["findings"][1].pop("fingerprint")
    assert len(fingerprint) == 32
    assert report["findings"][1] == {
        "file": "in.yaml",
        "line": 13,
        "column": 9,
        "endLine": 13,
        "endColumn": 28,
        "rendered": None,
        "owner": "shop",
        "operation": "CREATE",
        "rule": "no-host",
        "level": "deny",
        "asides": [],
        "object": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
        "kind": "ValidatingAdmissionPolicy",
        "policy": "no-host",
        "binding": "no-host",
        "action": "Deny",
        "reason": "Invalid",
        "message": "no hostPath",
        "path": "spec.template.spec.volumes[0].hostPath",
        "error": False,
        "validation": None,
        "podLabels": {"app": "web"},
        "lookedFor": None,
    }
    counts = {
        "deny": 2,
        "warn": 0,
        "audit": 0,
        "evaluationErrors": 0,
        "excepted": 0,
        "known": 0,
        "silenced": 0,
        "hidden": 0,
        "errors": 0,
    }
    assert report["summary"] == {"files": 1, "objects": 1, "policies": 4, **counts}


EXCEPTION = """\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {name: web-logs}
spec:
  policies: [{name: no-host}, {name: replicas}]
  objects: {namespaces: [shop]}
  reason: reads logs
  approvedBy: security
  expires: 2999-12-31
"""


def test_what_an_exception_covers_is_shown_and_fails_nothing(tree: Path) -> None:
    (tree / "policies" / "exception.yaml").write_text(EXCEPTION.replace(", {name: replicas}", ""))
    run = check(tree, DEPLOYMENT)
    assert "  in.yaml:13:9: excepted by web-logs until 2999-12-31 (reads logs): no-host\n" in run.stdout
    assert "Deployment shop/web: spec.template.spec.volumes[0].hostPath\n    13 |         hostPath: {" in run.stdout
    assert "       |         ^^^^^^^^^^^^^^^^^^^ no hostPath\n" in run.stdout
    assert run.stdout.splitlines()[-1] == "1 denied, 1 excepted (1 object in 1 file, 4 policies)"
    report = json.loads(check(tree, DEPLOYMENT, "-o", "json").stdout)
    [excepted] = report["excepted"]
    assert (excepted["exception"], excepted["until"]) == ("web-logs", "2999-12-31")
    assert (excepted["policy"], excepted["action"], excepted["line"]) == ("no-host", "Deny", 13)
    assert (report["summary"]["excepted"], report["summary"]["deny"]) == (1, 1)


def test_the_pods_of_a_workload_that_is_named_are_not_named(tree: Path) -> None:
    """As in the cluster: their names are others."""
    text = EXCEPTION.replace(", {name: replicas}", "").replace("namespaces: [shop]", "names: [web]")
    (tree / "policies" / "exception.yaml").write_text(text)
    assert "2 denied, 1 excepted" in check(tree, DEPLOYMENT).stdout


def test_where_all_is_excepted_the_run_passes(tree: Path) -> None:
    other = json.loads(check(tree, DEPLOYMENT, "-o", "json").stdout)["findings"][0]["policy"]
    (tree / "policies" / "exception.yaml").write_text(EXCEPTION.replace("replicas", other))
    run = check(tree, DEPLOYMENT)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-1] == "nothing denied, 2 excepted (1 object in 1 file, 4 policies)"


def test_an_expired_exception_excepts_nothing_and_is_told_of(tree: Path) -> None:
    text = EXCEPTION.replace(", {name: replicas}", "").replace("2999", "2020")
    (tree / "policies" / "exception.yaml").write_text(text)
    run = check(tree, DEPLOYMENT)
    assert run.returncode == 1
    assert "2 denied" in run.stdout
    assert "exception.yaml:9:3: PolicyException 'web-logs' expired (2020-12-31) and has no effect" in run.stderr


def test_a_place_that_the_message_names_is_not_told_twice(tree: Path) -> None:
    policy = tree / "policies" / "policies.yaml"
    policy.write_text(POLICIES.replace("image tags must be pinned", "'spec.containers[0].image: pin the tags'"))
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: x:latest}\n"
    assert (
        """\
  in.yaml:6:15: deny pinned-images
      Pod default/p
     6 |   - {name: c, image: x:latest}
       |               ^^^^^^^^^^^^^^^ spec.containers[0].image: pin the tags
"""
        in check(tree, pod).stdout
    )


def test_a_message_that_names_less_than_what_decided_gets_the_line_of_what_decided(tree: Path) -> None:
    policy = tree / "policies" / "policies.yaml"
    policy.write_text(POLICIES.replace("image tags must be pinned", "'spec.containers: pin the tags'"))
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: x:latest}\n"
    assert "in.yaml:6:15: deny pinned-images\n      Pod default/p: spec.containers[0].image" in check(tree, pod).stdout


def test_a_policy_that_meets_a_workload_and_its_pod_speaks_once(tree: Path) -> None:
    assert [finding["policy"] for finding in findings(tree, DEPLOYMENT)] == ["pinned-images", "no-host"]


@pytest.mark.parametrize(("text", "code"), [(GOOD, 0), (WARNED, 0), (DEPLOYMENT, 1)])
def test_exit_codes(tree: Path, text: str, code: int) -> None:
    assert check(tree, text).returncode == code


def test_bad_inputs_are_named_the_rest_is_checked_and_the_run_fails(tree: Path) -> None:
    (tree / "binary.yaml").write_bytes(b"\0\1")
    (tree / "mixed.yaml").write_text("a: [\n---\n" + DEPLOYMENT + "---\nfoo: 1\n")
    run = gatewright(tree, "check", "binary.yaml", "missing.yaml", "mixed.yaml")
    assert run.returncode == 2
    assert (
        run.stderr
        == """\
error: binary.yaml:1: binary, not YAML or JSON (it contains a NUL byte)
error: missing.yaml: cannot be read: No such file or directory
error: mixed.yaml:2:1: not YAML: did not find expected node content while parsing a flow node
error: mixed.yaml:17:1: not a Kubernetes object: apiVersion is missing and kind is missing
"""
    )
    assert "mixed.yaml:15:9: deny no-host" in run.stdout
    assert run.stdout.endswith("2 denied, 4 errors (1 object in 1 file, 4 policies)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "Missing argument"),
        (["check", "x", "--operation", "PATCH"], "PATCH"),
        (["check", "x", "--nope"], "nope"),
        (["check", "x", "--as-group", "g"], "--as-group needs --as"),
        (["nope"], "nope"),
    ],
)
def test_wrong_usage_exits_with_two(tree: Path, arguments: list[str], message: str) -> None:
    run = gatewright(tree, *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_a_missing_or_broken_policy_tree_exits_with_two(tree: Path) -> None:
    run = check(tree, GOOD, "--policies", "nowhere")
    assert run.returncode == 2
    assert "error: nowhere" in run.stderr
    (tree / "policies" / "broken.yaml").write_text("a: [\n")
    run = check(tree, GOOD)
    assert run.returncode == 2
    assert "error: policies/broken.yaml:2:1: not YAML" in run.stderr
    assert run.stdout == ""


def test_helm_output_is_told_by_template(tree: Path) -> None:
    stream = "---\n# Source: demo/templates/web.yaml\n" + DEPLOYMENT
    run = gatewright(tree, "check", "-", stdin=stream)
    assert run.stdout.startswith("demo/templates/web.yaml\n  demo/templates/web.yaml: deny pinned-images\n")
    assert "rendered, in line 12 of <stdin>:\n" in run.stdout
    report = json.loads(gatewright(tree, "check", "-", "-o", "json", stdin=stream).stdout)
    assert {finding["file"] for finding in report["findings"]} == {"demo/templates/web.yaml"}
    assert report["notes"] == ["demo/templates/web.yaml: its lines are those of <stdin>"]


def test_operation_and_user_reach_the_policies(tree: Path) -> None:
    (tree / "policies" / "who.py").write_text(
        "from gatewright import Violation, validate\n"
        "@validate(resources=['v1/configmaps'], operations=['*'])\n"
        "def who(request, params):\n"
        "    '''Tells.'''\n"
        "    user = request.user\n"
        "    yield Violation(f'{request.operation} {request.namespace} {user.username} {user.groups}')\n"
    )
    (tree / "policies" / "who.yaml").write_text(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n"
        "metadata: {name: who}\nspec: {policyName: who, validationActions: [Audit]}\n"
    )
    arguments = ("--operation", "delete", "--as", "ann", "--as-group", "dev", "-n", "team")
    told = [(finding["action"], finding["message"]) for finding in findings(tree, GOOD, *arguments)]
    assert ("Audit", "DELETE team ann ('dev', 'system:authenticated')") in told


def test_nothing_of_a_secret_is_shown(tree: Path) -> None:
    for arguments in (["--diff"], ["--diff", "-o", "json"], []):
        run = check(tree, SECRET, *arguments)
        assert "said psst<24 characters>" in run.stdout
        for word in ("hunter2", "aHVudGVyMmh1", "rotated", "cm90YXRl"):
            assert word not in run.stdout + run.stderr


def test_a_path_that_a_message_names_holds_nothing_of_a_secret(tree: Path) -> None:
    policies = tree / "policies" / "policies.yaml"
    policies.write_text(POLICIES.replace("'said ' + object", "'data.' + object.data.password + object"))
    run = check(tree, SECRET, "-o", "json")
    assert json.loads(run.stdout)["findings"][0]["message"].startswith("data.<24 characters>")
    assert not any(word in run.stdout + run.stderr for word in ("hunter2", "aHVudGVyMmh1", "cm90YXRl"))


def test_the_diff_shows_what_mutation_would_change(tree: Path) -> None:
    run = check(tree, SECRET, "--diff")
    assert (
        """\
--- in.yaml:1 Secret default/s
+++ mutated by add-label
"""
        in run.stdout
    )
    assert "\n+  labels:\n+    checked: 'yes'\n" in run.stdout
    assert "\n-  password: '***'\n+  password: '*** (changed)'\n" in run.stdout
    assert "+++" not in check(tree, SECRET).stdout
    (diff,) = json.loads(check(tree, SECRET, "--diff", "-o", "json").stdout)["diffs"]
    assert (diff["policies"], diff["object"]["kind"]) == (["add-label"], "Secret")


def test_control_characters_never_reach_the_terminal(tree: Path) -> None:
    said = check(tree, WARNED.replace("hello", '"a\\x1b[31m\\u202eb"'))
    assert "said a\\x1b[31m\\u202eb" in said.stdout
    named = check(tree, WARNED.replace("name: warned", 'name: "w\\e]0;x\\a"'))
    assert "ConfigMap default/w\\x1b]0;x\\x07\n     3 | metadata: {" in named.stdout
    assert "\n      metadata.name: Invalid value" in named.stdout
    assert "\x1b" not in said.stdout + said.stderr + named.stdout + named.stderr


def test_colours_only_on_request_or_on_a_terminal(tree: Path) -> None:
    assert "\x1b[31m" not in check(tree, DEPLOYMENT).stdout
    assert "\x1b[31m" in check(tree, DEPLOYMENT, "--color", "always").stdout
    assert "\x1b[" in on_terminal(tree, ["in.yaml"])
    assert "\x1b[" not in on_terminal(tree, ["in.yaml", "--color", "never"])
    assert "\x1b[" not in on_terminal(tree, ["in.yaml"], NO_COLOR="1")


def on_terminal(tree: Path, arguments: Sequence[str], **variables: str) -> str:
    """What `check` writes where stdout is a terminal."""
    environment = {**os.environ, "TERM": "xterm", **variables}
    _, written = running.on_terminal("check", *arguments, cwd=tree, env=environment, stderr=False)
    return written


def test_a_reader_that_goes_away_is_no_error(tree: Path) -> None:
    many = [DEPLOYMENT.replace("name: web, namespace", f"name: web-{each}, namespace") for each in range(200)]
    (tree / "in.yaml").write_text("---\n".join(many))
    assert len(gatewright(tree, "check", "in.yaml").stdout) > 5 * PIPE
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)  # so that it writes more than the pipe holds
    run = forking.start("check", "in.yaml", cwd=tree, env=os.environ, stdout=writing)
    os.close(writing)
    assert os.read(reading, len("in.yaml\n")) == b"in.yaml\n"
    os.close(reading)
    assert run.stderr is not None
    with run.stderr:
        assert run.stderr.read() == b""
    run.wait()


def redirected(tree: Path, redirection: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m webhook.cli.main {' '.join(arguments)} {redirection}"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, shell=True, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "arguments", [("check", "in.yaml"), ("check", "in.yaml", "-o", "json"), ("test", "--allow-no-tests")]
)
def test_a_report_that_cannot_be_written_is_an_error(tree: Path, arguments: tuple[str, ...]) -> None:
    (tree / "in.yaml").write_text(GOOD)
    with Path("/dev/full").open("wb") as full:
        run = forking.start(*arguments, cwd=tree, env=os.environ, stdout=full.fileno())
    assert run.stderr is not None
    with run.stderr:
        said = run.stderr.read().decode()
    assert (run.wait(), said) == (2, "error: the report cannot be written: No space left on device\n")


def test_closed_streams_are_no_reason_to_fail(tree: Path) -> None:
    (tree / "in.yaml").write_text(DEPLOYMENT)
    for redirection in (">&-", "2>&-", ">&- 2>&-"):
        assert redirected(tree, redirection, "check", "in.yaml").returncode == 1
    run = redirected(tree, "<&-", "check", "-")
    assert run.returncode == 2
    assert run.stderr == "error: <stdin>: cannot be read: there is no standard input\n"


@pytest.mark.parametrize("text", ["", "# nothing\n---\n"])
def test_nothing_to_check_is_an_error(tree: Path, text: str) -> None:
    run = gatewright(tree, "check", "-", stdin=text)
    assert (run.returncode, run.stderr) == (2, "error: <stdin>: no objects in it to check\n")
    (tree / "empty.yaml").write_text(text)
    run = check(tree, text, "empty.yaml")
    assert (run.returncode, run.stderr) == (2, "error: in.yaml and 1 more: no objects in it to check\n")
    assert check(tree, GOOD, "empty.yaml").returncode == 0


def test_check_imports_no_server_package(tree: Path) -> None:
    (tree / "in.yaml").write_text(GOOD)
    program = (
        "import sys\nfrom webhook.cli.main import main\nsys.argv = ['gatewright', 'check', 'in.yaml']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'fastapi', 'uvicorn', 'uvloop', 'kubernetes', 'starlette', 'cryptography'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[-1] == "[]"


BOUND_TWICE = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: quiet-audit}
spec: {policyName: quiet, validationActions: [Warn, Audit]}
"""


def test_actions_of_one_binding_are_told_in_one_line(tree: Path) -> None:
    (tree / "policies" / "twice.yaml").write_text(BOUND_TWICE)
    run = check(tree, WARNED)
    assert [line for line in run.stdout.splitlines() if "quiet" in line] == [
        "  in.yaml:3:26: warn, audit quiet (quiet-audit)",
        "  in.yaml:3:26: warn quiet (quiet-warn)",
    ]
    assert "2 warnings, 1 for the audit log" in run.stdout
    assert sorted(finding["action"] for finding in findings(tree, WARNED)) == ["Audit", "Warn", "Warn"]


def test_policies_that_never_run_are_noted(tree: Path) -> None:
    unbound = POLICIES.partition("---\n")[0].replace("pinned-images", "unbound")
    (tree / "policies" / "unbound.yaml").write_text(unbound)
    expected = "policies/unbound.yaml:1: ValidatingAdmissionPolicy 'unbound' has no binding, so it never runs"
    assert check(tree, GOOD).stderr == f"note: {expected}\n"
    assert json.loads(check(tree, GOOD, "-o", "json").stdout)["notes"] == [expected]


def test_policies_that_ask_who_applies_are_noted(tree: Path) -> None:
    policies = tree / "policies" / "policies.yaml"
    policies.write_text(POLICIES.replace("!has(object.metadata.annotations)", "'ops' in request.userInfo.groups"))
    run = check(tree, WARNED)
    assert "resulted in error: no such key: groups" in run.stdout
    assert "note: request.userInfo is empty" in run.stderr
    run = check(tree, WARNED, "--as", "ann")
    assert ("said hello" in run.stdout, run.stderr) == (True, "")


CONDITION = "  matchConditions: [{name: ops, expression: \"'ops' in request.userInfo.groups\"}]\n  validations:\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: 'x:1'}]}\n"
LETS_PASS = "note: policy 'pinned-images' is in error and lets 1 request pass, as its failurePolicy Ignore says; "


@pytest.mark.parametrize("where", ["condition", "validation"])
def test_errors_that_let_requests_pass_are_noted(tree: Path, where: str) -> None:
    """Under failurePolicy Ignore an error is no finding, and a policy that is always in error never says anything."""
    policies = tree / "policies" / "policies.yaml"
    text = POLICIES.replace("spec:\n", "spec:\n  failurePolicy: Ignore\n", 1)
    if where == "condition":
        text = text.replace("  validations:\n", CONDITION, 1)
    else:
        first = text.index("expression: ")
        text = f"{text[:first]}expression: \"'ops' in request.userInfo.groups\"{text[text.index(chr(10), first) :]}"
    policies.write_text(text)
    run = check(tree, POD)
    assert run.returncode == 0
    assert LETS_PASS in run.stderr
    assert "note: request.userInfo is empty" in run.stderr
    run = check(tree, POD, "--as", "ann", "--as-group", "ops")
    assert run.stderr == ""


def test_namespaces_that_are_not_among_the_inputs_are_noted(tree: Path) -> None:
    binding = tree / "policies" / "selected.yaml"
    binding.write_text(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n"
        "metadata: {name: quiet-selected}\nspec:\n  policyName: quiet\n  validationActions: [Deny]\n"
        "  matchResources: {namespaceSelector: {matchLabels: {strict: 'true'}}}\n"
    )
    run = check(tree, WARNED)
    assert run.returncode == 0
    assert "note: no Namespace among the inputs for default" in run.stderr
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {strict: 'true'}}\n---\n"
    run = check(tree, namespace + WARNED)
    assert (run.returncode, run.stderr) == (1, "")


@pytest.mark.parametrize(
    ("metadata", "selector", "noted"),
    [
        ("name: quiet-selected", "strict: 'true'", True),
        ("name: quiet-selected", "kubernetes.io/metadata.name: shop", False),  # a label that is known
        ("name: quiet-selected, annotations: {gatewright.dev/needs-cluster: 'true'}", "strict: 'true'", False),
    ],
)
def test_a_namespace_is_only_noted_if_a_verdict_depends_on_its_labels(
    tree: Path, metadata: str, selector: str, noted: bool
) -> None:
    shutil.copytree(tree / "policies", tree / "was")
    (tree / "policies" / "selected.yaml").write_text(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n"
        f"metadata: {{{metadata}}}\nspec:\n  policyName: quiet\n  validationActions: [Deny]\n"
        f"  matchResources: {{namespaceSelector: {{matchLabels: {{{selector}}}}}}}\n"
    )
    (tree / "in.yaml").write_text(WARNED)
    for command in (["check"], ["explain", "quiet"], ["impact", "--old", "was", "--new", "policies"]):
        run = gatewright(tree, *command, "in.yaml")
        assert ("no Namespace among the inputs" in run.stderr) == noted, (command, run.stderr)


def test_a_namespace_is_noted_if_an_expression_reads_it(tree: Path) -> None:
    policies = tree / "policies" / "policies.yaml"
    policies.write_text(
        POLICIES.replace("!has(object.metadata.annotations)", "!has(namespaceObject.metadata.annotations)")
    )
    assert "note: no Namespace among the inputs for default" in check(tree, WARNED).stderr


def test_version_and_help(tree: Path) -> None:
    assert gatewright(tree, "--version").stdout.startswith("gatewright ")
    run = gatewright(tree, "check", "--help")
    assert run.returncode == 0
    assert "--policies" in run.stdout


def test_messages_are_wrapped_on_a_terminal_only(tree: Path) -> None:
    (tree / "in.yaml").write_text(WARNED.replace("hello", "words " * 40))
    lines = on_terminal(tree, ["in.yaml", "--color", "never"], COLUMNS="60").splitlines()
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("      words") for line in lines) > 2
    assert len(check(tree, WARNED.replace("hello", "words " * 40)).stdout.splitlines()) == 8


def test_names_that_are_no_utf8_are_shown_escaped(tree: Path) -> None:
    name = os.fsdecode(b"\xe9.yaml")
    (tree / name).write_text(DEPLOYMENT)
    run = gatewright(tree, "check", name)
    assert run.stdout.startswith("\\udce9.yaml\n")
    report = json.loads(gatewright(tree, "check", name, "-o", "json").stdout)
    assert report["findings"][0]["file"] == "\\udce9.yaml"


ASKING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: asking}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [pods]}
  validations:
  - expression: authorizer.requestResource.check('approve').allowed()
    message: needs someone who may approve
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: asking}
spec: {policyName: asking, validationActions: [Deny]}
"""
PLAIN_POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: b}]}\n"


def test_declared_authorizations_answer_for_the_cluster(tree: Path) -> None:
    (tree / "policies" / "asking.yaml").write_text(ASKING)
    (tree / "access.yaml").write_text(
        "authorizations:\n- {user: ann, verb: approve, allowed: true}\n- {allowed: false}\n"
    )
    declared = ("--authorizations", "access.yaml")
    assert check(tree, PLAIN_POD, *declared, "--as", "ann").returncode == 0
    refused = check(tree, PLAIN_POD, *declared, "--as", "bob")
    assert refused.returncode == 1
    assert "needs someone who may approve" in refused.stdout
    unanswered = check(tree, PLAIN_POD)
    assert unanswered.returncode == 1
    assert "no answer is declared for the authorizer" in " ".join(unanswered.stdout.split())
    assert "--as and --as-group say who" in unanswered.stderr


def test_bad_authorizations_exit_with_two(tree: Path) -> None:
    (tree / "access.yaml").write_text("authorizations:\n- {user: ann}\n")
    failed = check(tree, PLAIN_POD, "--authorizations", "access.yaml")
    assert failed.returncode == 2
    assert "access.yaml:2:3: authorizations[0].allowed: expected true or false" in failed.stderr


def test_a_function_that_the_target_has_not_is_refused_at_load(tree: Path) -> None:
    (tree / "policies" / "ip.yaml").write_text(
        ASKING.replace("authorizer.requestResource.check('approve').allowed()", "isIP('::1')")
    )
    refused = check(tree, PLAIN_POD, "--kubernetes-version", "1.29")
    assert refused.returncode == 2
    assert "ip.yaml:9:" in refused.stderr
    assert "Kubernetes has isIP() since 1.30; the target is 1.29" in refused.stderr
    assert check(tree, PLAIN_POD, "--kubernetes-version", "v1.30.2").returncode == 0
    by_variable = gatewright(tree, "check", "in.yaml", GATEWRIGHT_KUBERNETES_VERSION="1.29")
    assert by_variable.returncode == 2


@pytest.mark.parametrize("command", [["check", "in.yaml"], ["test"]])
def test_an_unknown_version_exits_with_two(tree: Path, command: list[str]) -> None:
    (tree / "in.yaml").write_text(PLAIN_POD)
    failed = gatewright(tree, *command, "--kubernetes-version", "1.3")
    assert failed.returncode == 2
    text = " ".join(failed.stderr.split())
    assert "--kubernetes-version: expected a version of Kubernetes from 1.26 to 1.37, such as 1.30, got '1.3'" in text


# Updates, subresources, custom workloads

SHRINKING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: shrinking}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["", apps], apiVersions: ["*"], operations: ["*"], resources: ["*", "*/scale"]}
  validations:
  - expression: request.operation != 'DELETE'
    message: nothing is deleted
  - expression: request.operation != 'UPDATE' || object.spec.replicas >= oldObject.spec.replicas
    messageExpression: "request.kind.kind + ' from ' + string(oldObject.spec.replicas)"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: shrinking}
spec: {policyName: shrinking, validationActions: [Deny]}
"""
SMALL = (
    DEPLOYMENT.partition("      volumes:")[0].replace(":latest", ":1").replace("spec:\n", "spec:\n  replicas: 2\n", 1)
)


def test_old_objects_make_updates_and_deletions(tree: Path) -> None:
    (tree / "policies" / "policies.yaml").write_text(SHRINKING)
    (tree / "policies" / "policy.py").unlink()
    (tree / "before").mkdir()
    (tree / "before" / "a.yaml").write_text(f"{SMALL.replace('replicas: 2', 'replicas: 3')}---\n{GOOD}")
    run = check(tree, SMALL, "--old", "before")
    assert run.returncode == 1
    place = "in.yaml:5:3: deny shrinking\n      Deployment shop/web: spec.replicas\n"
    assert f"{place}     5 |   replicas: 2\n       |   ^^^^^^^^^^^ Deployment from 3" in run.stdout
    assert "before/a.yaml:13:1: deny shrinking\n      ConfigMap default/good\n      nothing is deleted" in run.stdout
    assert "note: against before: 0 created, 1 updated, 1 deleted" in run.stderr
    (tree / "before" / "a.yaml").write_text(SMALL)
    assert check(tree, SMALL, "--old", "before").returncode == 0
    (tree / "empty").mkdir()
    created = check(tree, SMALL, "--old", "empty")
    assert (created.returncode, "1 created, 0 updated, 0 deleted" in created.stderr) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--old", "in.yaml", "--operation", "delete"), "--old says itself what is created"),
        (("--subresource", "scales"), "--subresource: expected one of approval, ephemeralcontainers"),
        (("--settings", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--exclude", "x" * 5000), "--exclude: line 1: a pattern of more than"),
    ],
)
def test_options_that_cannot_be_used(tree: Path, arguments: tuple[str, ...], message: str) -> None:
    run = check(tree, POD, *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert message in run.stderr


def test_a_subresource_is_asked_about_in_its_own_kind(tree: Path) -> None:
    (tree / "policies" / "policies.yaml").write_text(SHRINKING)
    (tree / "policies" / "policy.py").unlink()
    (tree / "old.yaml").write_text(SMALL.replace("replicas: 2", "replicas: 3"))
    run = check(tree, f"{SMALL}---\n{GOOD}", "--subresource", "scale", "--old", "old.yaml")
    assert "in.yaml:5:3: deny shrinking\n      Deployment shop/web: spec.replicas\n     5 |   replicas: 2" in run.stdout
    assert "       |   ^^^^^^^^^^^ Scale from 3\n" in run.stdout
    assert run.returncode == 1
    run = check(tree, f"{SMALL}---\n{GOOD}", "--subresource", "scale")
    assert "note: without a subresource scale, and left out: ConfigMap good" in run.stderr
    assert run.returncode == 0


ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: c, image: "nginx:latest"}]
"""


def test_the_pods_of_custom_workloads_are_checked(tree: Path) -> None:
    run = check(tree, ROLLOUT)
    assert "in.yaml:7:30: deny pinned-images\n      Rollout default/web: spec.template.spec.con" in run.stdout
    own = ROLLOUT.replace("argoproj.io/v1alpha1", "shop.example/v1").replace("Rollout", "Pipeline")
    own = own.replace("  template:", "  last:").replace("    spec:", "    spec:")
    assert check(tree, own).returncode == 0
    (tree / "gatewright.yaml").write_text("podTemplates:\n  pipelines.shop.example: spec.last\n")
    run = check(tree, own)
    assert "in.yaml:7:30: deny pinned-images\n      Pipeline default/web: spec.last.spec.containers" in run.stdout


ANY_LEVEL = '''\
from gatewright import Violation, validate

@validate(resources=["argoproj.io/v1alpha1/rollouts", "v1/pods"])
def no_latest(request, params):
    """Pinned."""
    spec, base = request.object["spec"], "spec"
    if "template" in spec:
        spec, base = spec["template"]["spec"], "spec.template.spec"
    for index, container in enumerate(spec["containers"]):
        if container["image"].endswith(":latest"):
            yield Violation(f"{base}.containers[{index}].image: pin it", path=f"{base}.containers[{index}].image")
'''


def test_what_is_reported_on_a_custom_workload_is_not_repeated_for_its_pod(tree: Path) -> None:
    (tree / "policies" / "policy.py").write_text(ANY_LEVEL)
    (tree / "policies" / "policies.yaml").write_text(
        BOUND_TWICE.replace("quiet-audit", "no-latest").replace("quiet", "no-latest").replace("[Warn, Audit]", "[Deny]")
    )
    assert [finding["path"] for finding in findings(tree, ROLLOUT)] == ["spec.template.spec.containers[0].image"]


def test_a_key_that_a_mapping_has_twice_is_a_warning_and_the_last_counts(tree: Path) -> None:
    run = check(tree, PLAIN_POD.replace("metadata: {name: web}", "metadata: {name: web}\nmetadata: {name: other}"))
    assert run.returncode == 0
    assert run.stderr == "warning: in.yaml:4:1: duplicate key 'metadata' (first in line 3)\n"

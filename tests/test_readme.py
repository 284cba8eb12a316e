"""What the README and the guide to policies show is what a newcomer sees."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.cli import running
from webhook.offline import authorizations

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs/policies.md").read_text()


def gatewright(*arguments: str) -> subprocess.CompletedProcess[str]:
    return running.gatewright(*arguments, cwd=ROOT)


def blocks(language: str, text: str = README) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [content for named, content in fenced if named == language]


def test_the_refused_manifest_is_shown_as_check_prints_it() -> None:
    (block,) = blocks("console")
    command, _, shown = block.partition("\n")
    arguments = command.removeprefix("$ .venv/bin/gatewright ").split()
    result = gatewright(*arguments)
    assert result.stdout == shown
    assert result.returncode == 1


def test_the_explanation_is_shown_as_explain_prints_it() -> None:
    block, *_ = blocks("console", (ROOT / "docs/explain.md").read_text())
    command, _, shown = block.partition("\n")
    result = gatewright(*command.removeprefix("$ .venv/bin/gatewright ").split())
    assert result.stdout == shown
    assert result.returncode == 1


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers: [{name: web, image: "web:1"}]
  volumes:
  - name: logs
    hostpath: {path: /var/log}
"""
NEWER = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostnameOverride: a
  containers: [{name: web, image: "web:1"}]
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: db}
"""
RULES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: names}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [Pod]}
  validations:
  - {expression: "object.metadata.name != 'x'", message: "x is not a name"}
"""


@pytest.mark.parametrize(
    ("page", "first", "files", "arguments"),
    [
        ("check", "pod.yaml\n", {"pod.yaml": POD}, ["check", "pod.yaml"]),
        ("check", "old.yaml\n", {"old.yaml": NEWER}, ["check", "old.yaml", "--kubernetes-version", "1.28"]),
        ("lint", "policies/names.yaml\n", {"policies/names.yaml": RULES}, ["lint", "--only", "error"]),
    ],
)
def test_the_findings_in_the_pages_are_shown_as_they_are_printed(
    page: str, first: str, files: dict[str, str], arguments: list[str], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    if page == "check":
        shutil.copytree(ROOT / "policies/no-host-path", tmp_path / "policies/no-host-path")
    text = (ROOT / f"docs/{page}.md").read_text().replace(f"```console\n$ gatewright {' '.join(arguments)}\n", "```\n")
    (block,) = (each for each in blocks("", text) if each.startswith(first))
    result = running.gatewright(*arguments, cwd=tmp_path)
    assert result.stdout == block, result.stderr
    assert result.returncode == 1


def test_its_policies_load_and_deny(tmp_path: Path) -> None:
    (cel,), (python,) = blocks("yaml"), blocks("python")
    (tmp_path / "policy.yaml").write_text(cel)
    (tmp_path / "policy.py").write_text(python)
    binding = cel.partition("---\n")[2].replace("no-latest", "replica-floor")
    (tmp_path / "binding.yaml").write_text(binding)
    manifest = (
        (ROOT / "docs/examples/web.yaml").read_text().replace("1.4.0", "latest").replace("replicas: 50", "replicas: 1")
    )
    (tmp_path / "_web.yaml").write_text(manifest)
    result = gatewright("check", "--policies", str(tmp_path), str(tmp_path / "_web.yaml"))
    assert result.returncode == 1, result.stderr
    assert "images name a version, never latest" in result.stdout
    assert "keep at least two replicas" in result.stdout


def test_the_guides_policies_pass_the_guides_test(tmp_path: Path) -> None:
    (python,) = blocks("python", GUIDE)
    yaml = [each for each in blocks("yaml", GUIDE) if "PolicyTest" in each or "MutatingAdmissionPolicy" in each]
    assert len(yaml) == 3
    (tmp_path / "policy.py").write_text(python)
    (tmp_path / "policies.yaml").write_text("---\n".join(yaml))
    result = gatewright("test", "--policies", str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 cases: 2 passed, 0 failed" in result.stdout


def test_the_guides_answers_for_the_authorizer_are_read(tmp_path: Path) -> None:
    (answers, *_) = blocks("yaml", GUIDE)
    (tmp_path / "access.yaml").write_text(answers)
    rules, wrong = authorizations.read(str(tmp_path / "access.yaml"))
    assert wrong == []
    assert [rule.decision.allowed for rule in rules] == [True, True, True, False]


def test_the_guides_exception_covers_what_the_guide_says_and_no_more(tmp_path: Path) -> None:
    (exception,) = (each for each in blocks("yaml", GUIDE) if "PolicyException" in each)
    tree = tmp_path / "policies"
    shutil.copytree(ROOT / "policies" / "no-host-path", tree)
    (tree / "exception.yaml").write_text(exception)
    agent = """\
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: agent, namespace: monitoring, labels: {app: LABEL}}
        spec:
          selector: {matchLabels: {app: LABEL}}
          template:
            metadata: {labels: {app: LABEL}}
            spec:
              volumes: [{name: logs, hostPath: {path: /var/log}}]
              containers: [{name: agent, image: "agent:1"}]
        """
    for label, last in (
        ("node-agent", "nothing denied, 1 excepted (1 object in 1 file, 1 policy)"),
        ("other", "1 denied (1 object in 1 file, 1 policy)"),
    ):
        (tmp_path / "agent.yaml").write_text(textwrap.dedent(agent).replace("LABEL", label))
        result = gatewright("check", "--policies", str(tree), str(tmp_path / "agent.yaml"))
        assert result.stdout.splitlines()[-1] == last, result.stdout + result.stderr
        assert ("excepted by node-agent until 2999-03-31" in result.stdout) == (label == "node-agent")


def test_every_file_that_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []

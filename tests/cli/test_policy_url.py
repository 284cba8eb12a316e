"""The page of a policy, `gatewright.dev/url`, in the formats that have a place for it, and what is no page."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from markdown_it import MarkdownIt

from tests.cli.running import gatewright

PAGE = "https://wiki.example.com/policies/short-names?lang=en#why"
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: short-names
  annotations: {kubernetes.io/description: Names are short., gatewright.dev/url: "%s"}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}
  validations:
  - {expression: object.metadata.name.size() <= 5, message: the name is too long}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: short-names}
spec: {policyName: short-names, validationActions: [Deny]}
"""
PYTHON = '''
from gatewright import validate

@validate(resources=["v1/configmaps"], operations=["CREATE"], annotations={"gatewright.dev/url": "%s"})
def short_names(request, params):
    """Names are short."""
    if len(request.object["metadata"]["name"]) > 5:
        yield "the name is too long"
'''
BINDING = POLICY.partition("---")[2]


@pytest.fixture(params=["cel", "python"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with policies/ and a manifest that is denied."""
    policies = tmp_path / "policies"
    policies.mkdir()
    if request.param == "cel":
        (policies / "policy.yaml").write_text(POLICY % PAGE)
    else:
        (policies / "policy.py").write_text(PYTHON % PAGE)
        (policies / "binding.yaml").write_text(BINDING)
    (tmp_path / "app.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}\n")
    return tmp_path


def test_reports_link_the_page_of_the_policy(tree: Path) -> None:
    wanted = ("sarif", "markdown", "json", "html")
    outputs = [word for each in wanted for word in ("-o", f"{each}={each}")]
    done = gatewright("check", "app.yaml", "-o", "text", *outputs, cwd=tree)
    assert done.returncode == 1, done.stderr
    assert f"\nmore on short-names: {PAGE}\n\n1 denied" in done.stdout
    driver = orjson.loads((tree / "sarif").read_bytes())["runs"][0]["tool"]["driver"]
    assert [each["helpUri"] for each in driver["rules"] if each["id"] == "short-names"] == [PAGE]
    rules = orjson.loads((tree / "json").read_bytes())["rules"]
    assert [each["url"] for each in rules if each["id"] == "short-names"] == [PAGE]
    assert f'"url":"{PAGE}"' in (tree / "html").read_text()
    inline = MarkdownIt("commonmark").enable("table").parse((tree / "markdown").read_text())
    links = [child for each in inline for child in each.children or () if child.type == "link_open"]
    assert [each.attrGet("href") for each in links] == [PAGE]


def test_the_comment_on_a_pull_request_links_it(tree: Path) -> None:
    (tree / "old").mkdir()
    (tree / "old" / "other.yaml").write_text((POLICY % "").replace("short-names", "other"))
    done = gatewright("impact", "--old", "old", "--new", "policies", "app.yaml", "-o", "markdown", cwd=tree)
    assert f"</summary>\n\n<{PAGE}>\n\n**Newly denied**" in done.stdout


def test_of_findings_without_a_page_nothing_is_said(tree: Path) -> None:
    for file in (tree / "policies").iterdir():
        file.write_text(file.read_text().replace(PAGE, "javascript:alert(1)"))
    done = gatewright("check", "app.yaml", "-o", "text", "-o", "sarif=sarif", "-o", "markdown=markdown", cwd=tree)
    assert done.returncode == 1 and "more on" not in done.stdout
    assert "javascript" not in (tree / "sarif").read_text() + (tree / "markdown").read_text()
    said = gatewright("lint", cwd=tree).stdout
    assert "GW405" in said and "'javascript:alert(1)' is no address of a page" in said

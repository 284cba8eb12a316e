"""Lint as a whole: no false alarms on sound trees, what it costs, and hostile trees."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.lint.pages import NOW, of_text
from webhook.lint.linting import Linted, lint
from webhook.lint.table import RULES
from webhook.policy.load.treefiles import read_tree

ROOT = Path(__file__).parents[2]
VARIANTS = sorted((ROOT / "policies").glob("*/_binding.*.yaml"))
_BLOCK = re.compile(r"^ *```(yaml|python)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_FORGETFUL = {"README.md", "docs/policies.md", "docs/policy-api.md"}
"""Pages with an example that looks at containers alone, to stay short: GW208 is right about these."""


def grave(found: Linted) -> list[str]:
    return [f"{each.rule} {each.message}" for each in found.alarms if RULES[each.rule].severity != "note"]


def test_nothing_is_found_in_the_shipped_policies() -> None:
    found = lint(read_tree(ROOT / "policies"), now=NOW)
    assert found.alarms == ()
    assert {(each.rule, each.kind) for each in found.silenced} <= {("GW208", "MutatingAdmissionPolicy")}
    assert found.policies == len({file.parent for file in VARIANTS})


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: f"{variant.parent.name}/{variant.name}")
def test_nor_in_their_other_bindings(variant: Path, tmp_path: Path) -> None:
    for file in variant.parent.iterdir():
        if file.suffix in (".yaml", ".py") and not file.name.startswith("_") and file.name != "binding.yaml":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "binding.yaml").write_bytes(variant.read_bytes())
    found = [str(each)[:5] for each in grave(lint(read_tree(tmp_path), now=NOW))]
    # It is about all resources, with an objectSelector: what a cluster needs to start is asked about once it has the
    # label. Whoever binds it is to know.
    assert found == (["GW107"] if variant.parent.name == "deletion-protection" else [])


def documented() -> Iterator[tuple[str, str, str]]:
    """The policies that the documentation shows as examples: page, language, text."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("*/*.md"))]:
        for language, text in _BLOCK.findall(page.read_text()):
            shows = "AdmissionPolicy" in text if language == "yaml" else "@validate" in text or "@mutate" in text
            if shows and page.parent.name != "lint":
                yield page.relative_to(ROOT).as_posix(), language, textwrap.dedent(text)


@pytest.mark.parametrize(("page", "language", "text"), list(documented()))
def test_nothing_is_found_in_the_examples_of_the_documentation(page: str, language: str, text: str) -> None:
    found = grave(of_text(text, f"tree/policy.{'py' if language == 'python' else 'yaml'}"))
    assert [each for each in found if not (each.startswith("GW208") and page in _FORGETFUL)] == []


@pytest.mark.parametrize("name", ["containers", "kinds", "network", "security", "workloads", "guards"])
def test_nothing_is_found_in_expressions_that_people_write(name: str) -> None:
    """The corpus of tests/lines: policies of many authors' styles. Those that forget containers are left out."""
    cases = yaml.safe_load((ROOT / "tests" / "lines" / f"{name}.yaml").read_text())
    seen = 0
    for case in cases:
        if "params" in str(case.get("validations")) + str(case.get("variables")):
            continue
        updates = "oldManifest" in case or "oldObject" in str(case.get("validations"))
        operations = case.get("operations") or (["UPDATE"] if updates else ["CREATE"])
        rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": ["*"]}
        policy = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "p"},
            "spec": {
                "failurePolicy": "Ignore",
                "matchConstraints": {"resourceRules": [rule]},
                "variables": [{"name": key, "expression": text} for key, text in case.get("variables", {}).items()],
                "validations": case["validations"],
            },
        }
        found = [each for each in grave(of_text(yaml.safe_dump(policy, width=10_000))) if "GW208" not in each]
        assert found == [], case["name"]
        seen += 1
    assert seen > 5


def test_a_tree_that_does_not_load_is_looked_at_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [\n")
    (tmp_path / "b.py").write_text("import time\nSTARTED = time.time()\n")
    (tmp_path / "c.py").write_text("def\n")
    found = lint(read_tree(tmp_path), now=NOW)
    assert not found.loads
    assert {"GW001", "GW503"} <= {each.rule for each in found.alarms}


def test_a_folder_without_policies(tmp_path: Path) -> None:
    assert grave(lint(read_tree(tmp_path), now=NOW)) == ["GW001 it has no policies"]
    assert not lint(read_tree(tmp_path / "nowhere"), now=NOW).loads


@pytest.mark.parametrize(
    "annotations",
    [
        "{gatewright.dev/lint-ignore: [1]}",
        "[1]",
        "{kubernetes.io/description: 1}",
        "null",
    ],
)
def test_objects_of_the_wrong_types(annotations: str) -> None:
    text = f"apiVersion: v1\nkind: PolicyException\nmetadata: {{name: a, annotations: {annotations}}}\nspec: 1\n"
    of_text(text + "---\n" + text.replace("v1", "gatewright.dev/v1", 1))


def test_the_order_is_that_of_files_and_lines(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.py").write_text("import time\nA = time.time()\nB = time.time()\n")
    found = lint(read_tree(tmp_path), now=NOW).alarms
    places = [(each.file, each.line or 0) for each in found if each.rule == "GW503"]
    assert places == sorted(places)
    assert len(places) == 4

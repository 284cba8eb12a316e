"""`gatewright test --coverage`, as a person runs it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from lxml import etree
from pycobertura import Cobertura

from tests.amounts import ALL
from tests.cli import running
from tests.mutants.trees import DOCUMENTED, case, pod, policy_test

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LIBRARY = Path(__file__).parent.parent.parent / "policies"
RATES = "line-rate CDATA #REQUIRED branch-rate CDATA #REQUIRED complexity CDATA #REQUIRED"
COUNTS = " ".join(f"{what}-{how} CDATA #REQUIRED" for what in ("lines", "branches") for how in ("covered", "valid"))
COBERTURA = f"""
<!ELEMENT coverage (sources?, packages)>
<!ATTLIST coverage {RATES} {COUNTS} version CDATA #REQUIRED timestamp CDATA #REQUIRED>
<!ELEMENT sources (source*)> <!ELEMENT source (#PCDATA)>
<!ELEMENT packages (package*)>
<!ELEMENT package (classes)> <!ATTLIST package name CDATA #REQUIRED {RATES}>
<!ELEMENT classes (class*)>
<!ELEMENT class (methods, lines)> <!ATTLIST class name CDATA #REQUIRED filename CDATA #REQUIRED {RATES}>
<!ELEMENT methods EMPTY>
<!ELEMENT lines (line*)>
<!ELEMENT line (conditions*)>
<!ATTLIST line number CDATA #REQUIRED hits CDATA #REQUIRED branch CDATA "false" condition-coverage CDATA "100%">
<!ELEMENT conditions (condition*)>
<!ELEMENT condition EMPTY>
<!ATTLIST condition number CDATA #REQUIRED type CDATA #REQUIRED coverage CDATA #REQUIRED>
"""
"""The elements and attributes of coverage-04.dtd that a report may have."""

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}
  variables:
  - name: judged
    expression: "!has(object.immutable) || object.metadata.name == '<b>'"
  validations:
  - expression: >-
      !variables.judged ||
      object.data.size == 'small'
    messageExpression: "object.data.size == 'large' ? 'large' : 'odd'"
"""
TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: small}
policy: small
cases:
- {name: small, expect: allow, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {size: small}}}
"""
GAPS = """\
policies/policy.yaml:10:18: spec.variables[0].expression: `!has(object.immutable) || object.metadata.name == '<b>'` is never false
  10 |     expression: "!has(object.immutable) || object.metadata.name == '<b>'"
     |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
policies/policy.yaml:10:19: spec.variables[0].expression: `has(object.immutable)` is never true
  10 |     expression: "!has(object.immutable) || object.metadata.name == '<b>'"
     |                   ^^^^^^^^^^^^^^^^^^^^^
policies/policy.yaml:10:44: spec.variables[0].expression: `object.metadata.name == '<b>'` is never evaluated
  10 |     expression: "!has(object.immutable) || object.metadata.name == '<b>'"
     |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
policies/policy.yaml:13:7: spec.validations[0].expression: `!variables.judged || object.data.size == 'small'` is never false
  13 |       !variables.judged ||
     |       ^^^^^^^^^^^^^^^^^^^^
policies/policy.yaml:13:8: spec.validations[0].expression: `variables.judged` is never false
  13 |       !variables.judged ||
     |        ^^^^^^^^^^^^^^^^
policies/policy.yaml:14:7: spec.validations[0].expression: `object.data.size == 'small'` is never false
  14 |       object.data.size == 'small'
     |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
policies/policy.yaml:15:25: spec.validations[0].messageExpression: the expression is never evaluated
  15 |     messageExpression: "object.data.size == 'large' ? 'large' : 'odd'"
     |                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""  # noqa: E501
FIGURES = """\
coverage of the policies:
   35.7 %  small (CEL)   5 of 14  policies/policy.yaml
   35.7 %  all policies  5 of 14
  0 of 4 terms of && and || decided the outcome both ways (MC/DC); --verbose names the others
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY)
    (tmp_path / "policies" / "tests.yaml").write_text(TESTS)
    return tmp_path


def test(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWRIGHT_")}
    return running.gatewright("test", *arguments, cwd=root, env=environment)


test.__test__ = False  # type: ignore[attr-defined]


def test_the_text_shows_each_gap_in_the_source(root: Path) -> None:
    done = test(root, "--coverage")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"1 case: 1 passed, 0 failed\n{GAPS}{FIGURES}"), done.stdout


def test_without_the_option_nothing_is_said_of_coverage(root: Path) -> None:
    assert "coverage" not in test(root).stdout


@pytest.mark.parametrize(("least", "code"), [("35.7", 0), ("35.71", 0), ("35.72", 1), ("90", 1), ("0", 0)])
def test_fail_under(root: Path, least: str, code: int) -> None:
    done = test(root, "--fail-under", least)
    assert done.returncode == code
    assert (f"coverage is 35.7 %, below {least} % (--fail-under)" in done.stdout) is bool(code)


def test_failing_cases_fail_whatever_the_coverage(root: Path) -> None:
    (root / "policies" / "tests.yaml").write_text(TESTS.replace("allow", "deny"))
    assert test(root, "--coverage", "--fail-under", "10").returncode == 1


def test_verbose_names_the_terms_that_decide_nothing(root: Path) -> None:
    more = "- {name: NAME, expect: EXPECT, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}FIELDS}}\n"
    cases = [("b", "deny", ", data: {size: large}"), ("c", "allow", ", immutable: true")]
    for name, expect, fields in cases:
        added = more.replace("NAME", name).replace("EXPECT", expect).replace("FIELDS", fields)
        with (root / "policies" / "tests.yaml").open("a") as file:
            file.write(added)
    plain, verbose = test(root, "--coverage"), test(root, "--coverage", "-v")
    assert "3 of 4 terms of && and || decided the outcome both ways (MC/DC)\n" in plain.stdout
    assert "never decides" not in plain.stdout
    # `name == '<b>'` is never true, which is a gap of its own.
    assert "never decides" not in verbose.stdout
    policy = POLICY.replace(
        "!has(object.immutable) || object.metadata.name == '<b>'", "1 == 1 || !has(object.immutable)"
    )
    (root / "policies" / "policy.yaml").write_text(policy)
    (root / "policies" / "tests.yaml").write_text(TESTS)
    assert "is never evaluated" in test(root, "--coverage", "-v").stdout


def test_what_is_explained_is_counted_apart(root: Path) -> None:
    why = 'uncovered:\n- {spans: [has(object.immutable), gone], never: "true", reason: nobody sets it}\n'
    (root / "policies" / "tests.yaml").write_text(TESTS.replace("cases:", f"{why}cases:"))
    done = test(root, "--coverage")
    assert "5 of 13 (1 explained)" in done.stdout
    assert "note: small: `gone` never true is explained, but tests show it, or it does not exist" in done.stdout
    assert "`has(object.immutable)`" not in done.stdout
    line = "policy.yaml:10:19: spec.variables[0].expression: `has(object.immutable)` never true is explained: nobody"
    assert line in test(root, "--coverage", "-v").stdout


def test_an_explanation_needs_all_its_fields(root: Path) -> None:
    (root / "policies" / "tests.yaml").write_text(TESTS.replace("cases:", "uncovered: [{}]\ncases:"))
    done = test(root, "--coverage")
    assert done.returncode == 2
    for each in (
        "uncovered[0].spans: expected parts of the policy's expressions, as `gatewright test --coverage` shows them",
        "uncovered[0].never: expected one of true, false, present, absent, evaluated",
        "uncovered[0].reason: expected the reason why no case can show them",
    ):
        assert each in done.stderr


def test_mutants_are_another_run(root: Path) -> None:
    done = test(root, "--coverage", "--mutate")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--mutate and --coverage are two runs: give one of them" in done.stderr


@pytest.mark.parametrize("name", ["html", "json", "markdown", "xml"])
def test_a_file_that_cannot_be_written(root: Path, name: str) -> None:
    done = test(root, f"--coverage-{name}", "missing/file")
    assert done.returncode == 2
    assert f"--coverage-{name}: missing/file cannot be written: No such file or directory" in done.stderr


@pytest.mark.parametrize("name", ["html", "json", "markdown", "xml"])
def test_a_link_in_the_place_of_a_file_is_replaced(root: Path, name: str) -> None:
    (root / "elsewhere").write_text("kept")
    (root / "c").symlink_to("elsewhere")
    assert test(root, f"--coverage-{name}", "c").returncode == 0
    assert (root / "elsewhere").read_text() == "kept"
    assert not (root / "c").is_symlink() and "small" in (root / "c").read_text()
    assert sorted(each.name for each in root.iterdir()) == ["c", "elsewhere", "policies"]


def test_the_json_report_on_stdout_stays_alone(root: Path) -> None:
    done = test(root, "-o", "json", "--coverage")
    assert json.loads(done.stdout)["summary"]["passed"] == 1
    assert done.stderr == GAPS + FIGURES


def test_json(root: Path) -> None:
    assert test(root, "--coverage-json", "c.json").returncode == 0
    found = json.loads((root / "c.json").read_text())
    assert found["total"] == {"covered": 5, "total": 14, "percent": 35.7}
    assert found["mcdc"] == {"covered": 0, "total": 4, "percent": 0.0}
    (policy,) = found["policies"]
    assert (policy["policies"], policy["file"], policy["line"], policy["cases"]) == (
        ["small"],
        "policies/policy.yaml",
        1,
        1,
    )
    assert policy["expressions"] == {"covered": 2, "total": 3, "percent": 66.6}
    assert policy["missing"][1] == {
        "line": 10,
        "column": 19,
        "endLine": 10,
        "endColumn": 40,
        "within": "spec.variables[0].expression",
        "text": "has(object.immutable)",
        "kind": "decision",
        "role": "term of ||",
        "evaluated": True,
        "missing": ["true"],
    }


def test_markdown(root: Path) -> None:
    policy = POLICY.replace("small}\n", "small}\n").replace("'<b>'", "'`|@all'")
    (root / "policies" / "policy.yaml").write_text(policy)
    assert test(root, "--coverage-markdown", "c.md", "--fail-under", "90").returncode == 1
    lines = (root / "c.md").read_text().split("\n")
    assert lines[0] == "### ❌ Coverage of the policies: 35.7 %, below 90 %"
    assert lines[4] == "| `small` | 35.7 % | 5 of 14 | 0 of 4 | 1 |"
    assert lines[6] == "<details><summary>7 gaps in <code>small</code></summary>"
    (one,) = (line for line in lines if line.startswith("- `policies/policy.yaml:10:44`"))
    # A code span begins and ends with more backticks than stand in it.
    assert one.split(" ", 2)[2] == (
        "``spec.variables[0].expression: `object.metadata.name == '`|@all'` is never evaluated``"
    )


def test_cobertura(root: Path) -> None:
    """The DTD holds, and a reader of Cobertura finds the lines. By hand: marks begin in lines 10, 13, 14, 15."""
    assert test(root, "--coverage-xml", "c.xml").returncode == 0
    tree = etree.parse(str(root / "c.xml"))
    schema = etree.DTD(io.StringIO(COBERTURA))
    assert schema.validate(tree), schema.error_log
    assert (tree.getroot().get("branches-covered"), tree.getroot().get("branches-valid")) == ("5", "14")
    lines = {
        line.get("number"): (line.get("hits"), line.get("condition-coverage")) for line in tree.iterfind(".//line")
    }
    assert lines == {
        "10": ("1", "33% (2/6)"),
        "13": ("1", "50% (2/4)"),
        "14": ("1", "50% (1/2)"),
        "15": ("0", "0% (0/2)"),
    }
    read = Cobertura(str(root / "c.xml"))
    assert read.files() == ["policies/policy.yaml"]
    assert (15, "miss") in read.missed_lines("policies/policy.yaml")
    assert read.total_statements() == 4


def test_cobertura_leaves_out_what_is_explained(root: Path) -> None:
    why = "uncovered:\n- {spans: [\"object.data.size == 'large'\"], never: evaluated, reason: r}\n"
    (root / "policies" / "tests.yaml").write_text(TESTS.replace("cases:", f"{why}cases:"))
    assert test(root, "--coverage-xml", "c.xml").returncode == 0
    tree = etree.parse(str(root / "c.xml"))
    assert [line.get("number") for line in tree.iterfind(".//line")] == ["10", "13", "14"]
    assert tree.getroot().get("branches-valid") == "12"


def test_python_has_lines_without_branches(root: Path) -> None:
    (root / "policies" / "tests.yaml").unlink()
    (root / "policies" / "policy.yaml").write_text(PYTHON_TESTS)
    (root / "policies" / "policy.py").write_text(PYTHON)
    done = test(root, "--coverage", "--coverage-xml", "c.xml", "--coverage-html", "c.html")
    assert "   60.0 %  flat (Python)  3 of 5  policies/policy.py\n" in done.stdout
    assert "policies/policy.py:7:5: flat: the branch never goes to line 8\n" in done.stdout
    lines = {
        line.get("number"): (line.get("hits"), line.get("branch"), line.get("condition-coverage"))
        for line in etree.parse(str(root / "c.xml")).iterfind(".//line")
    }
    assert lines == {"6": ("1", "false", None)} | {"7": ("1", "true", "50% (1/2)"), "8": ("0", "false", None)}


PYTHON = """\
from gatewright import Request, validate

@validate(resources=["v1/configmaps"], operations=["CREATE"])
def flat(request: Request):
    \"\"\"ConfigMaps are flat.\"\"\"
    found = request.object.get("data")
    if found:
        return ["it has data"]
"""
PYTHON_TESTS = """\
apiVersion: gatewright.dev/v1
kind: PolicyTest
metadata: {name: flat}
policy: flat
cases:
- {name: flat, expect: allow, object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}}
"""


def test_markdown_is_bounded(root: Path) -> None:
    many = "".join(f"  - expression: object.metadata.name != '{number}'\n" for number in range(250))
    (root / "policies" / "policy.yaml").write_text(POLICY.replace("  validations:\n", f"  validations:\n{many}"))
    assert test(root, "--coverage-markdown", "c.md").returncode == 0
    text = (root / "c.md").read_text()
    assert text.count("\n- `") == 200 and text.endswith("… and 57 more\n\n")
    assert len(text) < 65_536


class Page(HTMLParser):
    """The text of a page, its elements, and the sources that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html(root: Path) -> None:
    assert test(root, "--coverage-html", "c.html").returncode == 0
    text = (root / "c.html").read_text()
    page = Page()
    page.feed(text)
    assert "script" not in page.elements and "b" in page.elements
    assert page.sources == ["#policy-0"] and not re.search(r"url\(|@import", text)
    assert "object.metadata.name == '<b>'" in page.text
    assert "spec.validations[0].messageExpression: the expression is never evaluated" in page.text
    assert '<span class="miss">object.metadata.name == &#x27;&lt;b&gt;&#x27;</span>' in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_html_in_a_browser(root: Path, scheme: Literal["light", "dark"]) -> None:
    """It asks for nothing, a policy is closed and opened by keyboard; the text stands out from its ground."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    assert test(root, "--coverage-html", "c.html").returncode == 0
    asked: list[str] = []
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        page = browser.new_page(color_scheme=scheme)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: asked.append(message.text))
        page.goto((root / "c.html").as_uri())
        source = page.locator(".source")
        assert source.is_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert not source.is_visible()
        page.keyboard.press("Enter")
        assert source.is_visible()
        color, back = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        light, dark = (back, color) if scheme == "light" else (color, back)
        assert brightness(light) > 200 > 60 > brightness(dark)
        browser.close()
    assert asked == [(root / "c.html").as_uri()]


def brightness(color: str) -> float:
    """Of `rgb(31, 35, 40)`, from 0 to 255."""
    return sum(map(int, re.findall(r"[0-9]+", color)[:3])) / 3


def test_what_is_explained_stands_in_the_page(root: Path) -> None:
    why = 'uncovered:\n- {spans: [has(object.immutable)], never: "true", reason: <i>}\n'
    (root / "policies" / "tests.yaml").write_text(TESTS.replace("cases:", f"{why}cases:"))
    assert test(root, "--coverage-html", "c.html").returncode == 0
    text = (root / "c.html").read_text()
    assert "5 of 13 (1 explained) sides shown by tests" in text
    assert "`has(object.immutable)` never true is explained: &lt;i&gt;" in text


def test_a_run_without_cases_has_no_coverage(root: Path) -> None:
    done = test(root, "--coverage", "-k", "other", "--coverage-json", "c.json")
    assert done.returncode == 2
    assert "coverage" not in done.stdout and not (root / "c.json").exists()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [((), ["other", "small"]), (("-k", "small"), ["small"]), (("policies/tests.yaml",), ["small"])],
)
def test_chosen_cases_choose_the_policies(root: Path, chosen: tuple[str, ...], expected: list[str]) -> None:
    (root / "policies/other.yaml").write_text(POLICY.replace("name: small", "name: other"))
    assert test(root, "--coverage-json", "c.json", *chosen).returncode == 0
    found = json.loads((root / "c.json").read_text())["policies"]
    assert sorted(name for each in found for name in each["policies"]) == expected


@pytest.mark.parametrize("other", ["--output=junit=./same", "--coverage-markdown=same"])
def test_two_reports_in_one_file(root: Path, other: str) -> None:
    done = test(root, "--coverage-xml=same", other)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: two reports cannot both be written to same\n"
    assert not (root / "same").exists()


def test_the_run_in_the_documentation_is_a_real_one(tmp_path: Path) -> None:
    folder = tmp_path / "policies" / "small"
    folder.mkdir(parents=True)
    (folder / "policy.yaml").write_text(DOCUMENTED)
    one = case("one", "allow", pod(containers=[{"name": "web", "image": "web"}]))
    (folder / "tests.yaml").write_text(policy_test("one-container", one))
    page = (LIBRARY.parent / "docs" / "policies.md").read_text()
    assert f"$ gatewright test --coverage\n{test(tmp_path, '--coverage').stdout}```\n" in page


def test_the_shipped_policies_are_covered(tmp_path: Path) -> None:
    """At least 95 % of each, and what no case can show is explained."""
    some = [] if ALL else [str(each) for each in sorted(LIBRARY.glob("[a-z]*/"))[::5]]
    measured = ("--policies", str(LIBRARY), "--fail-under", "95", "--coverage-json", str(tmp_path / "c"))
    done = test(LIBRARY.parent, *some, *measured)
    assert done.returncode == 0, done.stdout
    for policy in json.loads((tmp_path / "c").read_text())["policies"]:
        assert policy["percent"] >= 95, policy["policies"]

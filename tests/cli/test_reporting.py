"""`-o` of the commands that report findings."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import gatewright

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small, annotations: {kubernetes.io/description: ConfigMaps are small.}}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}]
  validations: [{expression: "size(object.data) < 2", message: too many entries}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec: {policyName: small, validationActions: [Deny]}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\ndata:\n  a: '1'\n  b: '2'\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "small.yaml").write_text(POLICY)
    (tmp_path / "map.yaml").write_text(MAP)
    return tmp_path


def test_several_formats_at_once(root: Path) -> None:
    done = gatewright("check", "map.yaml", "-o", "json=out.json", "-o", "text", "-o", "yaml=out.yaml", cwd=root)
    assert done.returncode == 1
    assert "map.yaml:4:1: deny small" in done.stdout
    as_json = json.loads((root / "out.json").read_text())
    assert as_json == yaml.safe_load((root / "out.yaml").read_text())
    assert as_json["findings"][0]["line"] == 4
    unknown: dict[str, Any] = {"name": None, "severity": None, "category": None, "controls": [], "url": None}
    schema = {"id": "schema", "kind": "schema", "title": "Refusals of the API server before any policy is evaluated"}
    small = {"id": "small", "kind": "ValidatingAdmissionPolicy", "title": "ConfigMaps are small."}
    assert as_json["rules"] == [
        {**schema, **unknown, "file": None, "line": None},
        {**small, **unknown, "file": "policies/small.yaml", "line": 1},
    ]


def test_files_alone_leave_stdout_empty(root: Path) -> None:
    done = gatewright("check", "map.yaml", "absent.yaml", "-o", "json=out.json", cwd=root)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: absent.yaml: cannot be read: No such file or directory\n"


def test_concise_has_one_line_for_each_finding(root: Path) -> None:
    done = gatewright("check", "map.yaml", "--concise", cwd=root)
    assert done.stdout == (
        "map.yaml\n  4:1: deny small: ConfigMap shop/m: data: too many entries\n\n"
        "1 denied (1 object in 1 file, 1 policy)\n"
    )


def test_policies_that_do_not_load_are_in_every_report(root: Path) -> None:
    (root / "policies" / "broken.yaml").write_text("a: [\n")
    for command in (["check", "map.yaml"], ["test"]):
        done = gatewright(*command, "-o", "json=out.json", "-o", "text", cwd=root)
        assert (done.returncode, done.stdout) == (2, "")
        assert "error: policies/broken.yaml:2:1: not YAML" in done.stderr
        assert json.loads((root / "out.json").read_text())["errors"][0]["file"] == "policies/broken.yaml"


def test_a_report_that_cannot_be_written_fails_the_run(root: Path) -> None:
    done = gatewright("check", "map.yaml", "-o", "json=absent/out.json", cwd=root)
    assert done.returncode == 2
    assert "absent/out.json: the report cannot be written" in done.stderr


SECOND = MAP.replace("name: m", "name: other")


class TestABaseline:
    def test_only_what_is_new_fails(self, root: Path) -> None:
        known = ("--baseline", "known.json")
        done = gatewright("check", "map.yaml", *known, "--write-baseline", cwd=root)
        assert (done.returncode, done.stderr) == (0, "note: 1 finding written to known.json\n")
        assert done.stdout == "nothing denied, 1 known (1 object in 1 file, 1 policy)\n"
        (root / "map.yaml").write_text(f"# moved\n{MAP}---\n{SECOND}")
        done = gatewright("check", "map.yaml", *known, "-o", "text", "-o", "json=out.json", cwd=root)
        assert done.returncode == 1
        assert "ConfigMap shop/other" in done.stdout and "ConfigMap shop/m" not in done.stdout
        assert done.stdout.endswith("1 denied, 1 known (2 objects in 1 file, 1 policy)\n")
        report = json.loads((root / "out.json").read_text())
        assert [each["object"]["name"] for each in report["known"]] == ["m"]
        assert [each["object"]["name"] for each in report["findings"]] == ["other"]

    def test_what_is_not_found_any_more_is_counted(self, root: Path) -> None:
        gatewright("check", "map.yaml", "--baseline", "known.json", "--write-baseline", cwd=root)
        (root / "map.yaml").write_text(MAP.replace("  b: '2'\n", ""))
        done = gatewright("check", "map.yaml", "--baseline", "known.json", cwd=root)
        assert done.returncode == 0
        note = "note: 1 finding of known.json not found in this run; --write-baseline drops them\n"
        assert done.stderr == note

    def test_is_not_written_where_inputs_could_not_be_read(self, root: Path) -> None:
        done = gatewright("check", ".", "absent.yaml", "--baseline", "known.json", "--write-baseline", cwd=root)
        assert done.returncode == 2
        assert "known.json is not written, as some inputs could not be read" in done.stderr
        assert not (root / "known.json").exists()

    def test_that_cannot_be_used_is_said_before_anything_else(self, root: Path) -> None:
        for arguments, message in [
            (["--baseline", "known.json"], "error: --baseline: known.json: cannot be read: No such file or directory"),
            (["--write-baseline"], "error: --write-baseline needs --baseline FILE"),
        ]:
            done = gatewright("check", "absent.yaml", *arguments, cwd=root)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(message)
            assert "absent.yaml" not in done.stderr

    def test_that_cannot_be_written_fails_the_run(self, root: Path) -> None:
        done = gatewright("check", "map.yaml", "--baseline", "no/known.json", "--write-baseline", cwd=root)
        assert done.returncode == 2
        assert "no/known.json: the report cannot be written" in done.stderr


class TestWhatFails:
    @pytest.mark.parametrize(
        ("actions", "on", "code"),
        [
            ("Deny", "deny", 1),
            ("Deny", "warn", 1),
            ("Deny", "never", 0),
            ("Warn", "deny", 0),
            ("Warn", "warn", 1),
            ("Audit", "warn", 0),
            ("Warn, Audit", "never", 0),
        ],
    )
    def test_is_what_fail_on_says(self, actions: str, on: str, code: int, root: Path) -> None:
        (root / "policies" / "small.yaml").write_text(POLICY.replace("[Deny]", f"[{actions}]"))
        assert gatewright("check", "map.yaml", "--fail-on", on, cwd=root).returncode == code

    def test_inputs_that_cannot_be_read_fail_in_any_case(self, root: Path) -> None:
        assert gatewright("check", "absent.yaml", "--fail-on", "never", cwd=root).returncode == 2

    def test_only_hides_and_does_not_excuse(self, root: Path) -> None:
        (root / "policies" / "small.yaml").write_text(POLICY.replace("[Deny]", "[Deny, Audit]"))
        done = gatewright("check", "map.yaml", "--only", "audit", "-o", "text", "-o", "json=out.json", cwd=root)
        assert done.returncode == 1
        assert "audit small" in done.stdout and "deny" not in done.stdout
        last = "1 for the audit log, 1 not shown, which fails the run (1 object in 1 file, 1 policy)\n"
        assert done.stdout.endswith(f"\n{last}")
        summary = json.loads((root / "out.json").read_text())["summary"]
        assert (summary["deny"], summary["audit"], summary["hidden"]) == (0, 1, 1)

    def test_only_is_about_what_a_baseline_knows_too(self, root: Path) -> None:
        (root / "policies" / "small.yaml").write_text(POLICY.replace("[Deny]", "[Deny, Audit]"))
        assert gatewright("check", "map.yaml", "--baseline", "b", "--write-baseline", cwd=root).returncode == 0
        done = gatewright("check", "map.yaml", "--baseline", "b", "--only", "audit", "-o", "json", cwd=root)
        assert done.returncode == 0
        assert [each["level"] for each in json.loads(done.stdout)["known"]] == ["audit"]

    @pytest.mark.parametrize(
        ("actions", "options", "said"),
        [
            ("Audit", "--only deny", "nothing denied, 1 not shown"),
            ("Warn", "--only deny --fail-on warn", "nothing denied, 1 not shown, which fails the run"),
            ("Deny", "--only warn --fail-on warn", "1 not shown, which fails the run"),
            ("Deny", "--only warn --fail-on never", "1 not shown"),
        ],
    )
    def test_the_last_line_says_whether_what_is_hidden_denies_and_fails(
        self, actions: str, options: str, said: str, root: Path
    ) -> None:
        (root / "policies" / "small.yaml").write_text(POLICY.replace("[Deny]", f"[{actions}]"))
        done = gatewright("check", "map.yaml", *options.split(), cwd=root)
        assert done.stdout == f"{said} (1 object in 1 file, 1 policy)\n"
        assert done.returncode == ("which fails" in said)


def test_owners_are_those_of_the_label(root: Path) -> None:
    space = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: storefront}}\n"
    own = MAP.replace("name: m,", "name: own, annotations: {team: platform},")
    (root / "map.yaml").write_text(f"{MAP}---\n{own}---\n{space}")

    def found(*arguments: str) -> dict[str, str]:
        report = json.loads(gatewright("check", "map.yaml", "-o", "json", *arguments, cwd=root).stdout)
        return {each["object"]["name"]: each["owner"] for each in report["findings"]}

    assert found() == {"m": "shop", "own": "shop"}
    assert found("--owner-label", "team") == {"m": "storefront", "own": "platform"}
    (root / ".gatewright.toml").write_text('owner-label = "team"\n')
    assert found() == {"m": "storefront", "own": "platform"}


def test_every_format_of_a_real_run_is_written(root: Path) -> None:
    names = ("json", "yaml", "sarif", "junit", "github", "gitlab", "markdown", "html", "checkstyle")
    outputs = [part for name in names for part in ("-o", f"{name}=out.{name}")]
    done = gatewright("check", "map.yaml", *outputs, cwd=root)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert all("too many entries" in (root / f"out.{name}").read_text() for name in names)

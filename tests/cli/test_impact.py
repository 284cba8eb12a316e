"""`gatewright impact`: two policy trees over the same objects, and what is said where one of the inputs is bad."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.cli.running import gatewright
from tests.git.repositories import Made
from webhook.cli.report.writing import FORMATS

ROOT = Path(__file__).parents[2]

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: {name}}}
spec:
  matchConstraints:
    resourceRules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [{resources}]}}]
  validations: [{{expression: "{expression}", message: "{message}"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: {name}}}
spec: {{policyName: {name}, validationActions: [{action}]}}
"""
MUTATING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {{name: labels}}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps, secrets]}}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {{expression: "Object{{metadata: Object.metadata{{labels: {{'tier': '{tier}'}}}}}}"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {{name: labels}}
spec: {{policyName: labels}}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}, namespace: {}, labels: {{team: {}}}}}\n"


def policy(
    name: str = "short",
    expression: str = "object.metadata.name.size() < 9",
    message: str = "too long",
    action: str = "Deny",
    resources: str = "configmaps",
) -> str:
    return POLICY.format(name=name, expression=expression, message=message, action=action, resources=resources)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A repository with a policy and four objects, and one commit."""
    found = Made(tmp_path / "repository")
    found.commit(
        {
            "policies/short.yaml": policy(),
            "deploy/a.yaml": CONFIG.format("a", "shop", "red") + "---\n" + CONFIG.format("abcd", "shop", "blue"),
            "deploy/b.yaml": CONFIG.format("abcdef", "bank", "blue")
            + "---\n"
            + CONFIG.format("abcdefghij", "bank", "red"),
        }
    )
    return found


def impact(made: Made, *arguments: str, code: int = 0) -> Any:
    done = gatewright("impact", "deploy", *arguments, "-o", "json", cwd=made.folder)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def changes(report: Any) -> set[tuple[str, str, str, str]]:
    return {(each["change"], each["policy"], each["object"]["name"], each["owner"]) for each in report["findings"]}


def test_a_change_in_the_work_tree_is_compared_with_a_revision(made: Made) -> None:
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 4"))
    report = impact(made, "--since", "HEAD")
    assert changes(report) == {
        ("newly denied", "short", "abcd", "shop"),
        ("newly denied", "short", "abcdef", "bank"),
    }
    assert [(each["file"], each["line"]) for each in report["findings"]] == [("deploy/a.yaml", 7), ("deploy/b.yaml", 3)]
    assert (report["summary"]["objects"], report["summary"]["deny"]) == (4, 2)
    summary = report["impact"]
    assert (summary["newlyDenied"], summary["newlyAllowed"]) == (2, 0)
    assert summary["policies"] == [
        {"name": "short", "kind": "validating", "differs": ["policy"], "matched": 4, "unjudged": None}
    ]
    assert summary["old"].startswith("HEAD (") and summary["new"] == "the work tree"


def test_two_revisions_are_compared_and_the_work_tree_is_left_alone(made: Made) -> None:
    made.commit({"policies/short.yaml": policy(expression="object.metadata.name.size() < 99")})
    (made.folder / "policies/short.yaml").write_text("neither read nor changed: [")
    (made.folder / "staged.yaml").write_text("{}")
    made.git("add", "staged.yaml")

    def state() -> dict[str, bytes]:
        """Every file of the repository but the work tree's: refs, index, objects, logs."""
        found = sorted(each for each in (made.folder / ".git").rglob("*") if each.is_file())
        return {str(each): each.read_bytes() for each in found}

    status, before = made.git("status", "--porcelain"), state()
    report = impact(made, "--since", "HEAD~1", "--until", "HEAD")
    assert changes(report) == {("newly allowed", "short", "abcdefghij", "bank")}
    impact(made, "--since", "HEAD~1", code=2)  # the work tree's policies do not load
    assert state() == before
    assert made.git("status", "--porcelain") == status


def test_the_owner_is_what_a_label_says(made: Made) -> None:
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 4"))
    report = impact(made, "--since", "HEAD", "--owner-label", "team")
    assert {owner for *_, owner in changes(report)} == {"blue"}


@pytest.mark.parametrize(
    ("expression", "fail_on", "code"),
    [
        ("object.metadata.name.size() < 4", "newly-denied", 1),
        ("object.metadata.name.size() < 4", "newly-allowed", 0),
        ("object.metadata.name.size() < 4", "any", 1),
        ("object.metadata.name.size() < 4", "never", 0),
        ("object.metadata.name.size() < 99", "newly-denied", 0),
        ("object.metadata.name.size() < 99", "newly-allowed", 1),
        ("object.metadata.name.size() <= 8", "any", 0),
    ],
)
def test_what_a_run_fails_on(made: Made, expression: str, fail_on: str, code: int) -> None:
    (made.folder / "policies/short.yaml").write_text(policy(expression=expression))
    impact(made, "--since", "HEAD", "--fail-on", fail_on, code=code)


def test_what_a_baseline_has_is_not_what_a_run_fails_on(made: Made) -> None:
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 6"))
    known = ("--since", "HEAD", "--baseline", "known.json")
    report = impact(made, *known, "--write-baseline", "--fail-on", "any")
    assert (report["findings"], report["impact"]["newlyDenied"]) == ([], 1)
    (made.folder / "deploy/b.yaml").write_text("# moved\n" + (made.folder / "deploy/b.yaml").read_text())
    for fail_on in ("newly-denied", "any"):
        report = impact(made, *known, "--fail-on", fail_on)
        assert [each["object"]["name"] for each in report["known"]] == ["abcdef"]
    (made.folder / "policies/warns.yaml").write_text(policy("warns", expression="false", action="Warn"))
    report = impact(made, *known, "--fail-on", "newly-denied")  # the object is newly denied by what is known
    assert {each["change"] for each in report["findings"]} == {"newly warned"}
    (made.folder / "policies/warns.yaml").unlink()
    done = gatewright("impact", "deploy", *known, "-o", "text", "-o", "markdown=out.md", cwd=made.folder)
    assert "1 object newly denied, 1 finding known (4 objects" in done.stdout and "abcdef" not in done.stdout
    assert "1 finding known, and not shown." in (made.folder / "out.md").read_text()
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 4"))
    for fail_on, code in (("newly-denied", 1), ("newly-allowed", 0), ("never", 0)):
        report = impact(made, *known, "--fail-on", fail_on, code=code)
        assert [each["object"]["name"] for each in report["findings"]] == ["abcd"]
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 99"))
    report = impact(made, *known, "--fail-on", "newly-allowed", code=1)
    assert changes(report) == {("newly allowed", "short", "abcdefghij", "bank")}


def test_only_findings_of_a_level_are_shown_and_the_others_still_fail_the_run(made: Made) -> None:
    made.commit({"policies/warned.yaml": policy(name="warned", expression="true", action="Warn")})
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 6"))
    (made.folder / "policies/warned.yaml").write_text(policy(name="warned", expression="false", action="Warn"))
    arguments = ("--since", "HEAD", "--fail-on", "newly-denied")
    every = impact(made, *arguments, code=1)
    denied = impact(made, *arguments, "--only", "deny", code=1)
    warned = impact(made, *arguments, "--only", "warn", code=1)
    assert changes(denied) == {each for each in changes(every) if each[0] == "newly denied"} != set()
    assert changes(warned) == changes(every) - changes(denied) != set()
    assert warned["summary"]["hidden"] == len(every["findings"]) - len(warned["findings"])
    done = gatewright("impact", "deploy", *arguments, "--only", "warn", cwd=made.folder)
    assert "newly warned: 4" in done.stdout and "newly denied: " not in done.stdout
    assert "1 object newly denied" in done.stdout.splitlines()[-1]


def test_what_another_policy_denies_is_not_newly_denied(made: Made) -> None:
    """Of a policy that is split in two, no object is newly denied, though another policy says it."""
    (made.folder / "policies/short.yaml").write_text(policy("brief"))
    report = impact(made, "--since", "HEAD", "--fail-on", "newly-denied")
    assert changes(report) == {
        ("newly denied", "brief", "abcdefghij", "bank"),
        ("newly allowed", "short", "abcdefghij", "bank"),
    }
    assert [each["differs"] for each in report["impact"]["policies"]] == [["added"], ["removed"]]
    asides = {each["policy"]: each["asides"] for each in report["findings"]}
    assert asides == {"brief": ["denied before for another reason"], "short": ["still denied for another reason"]}
    (made.folder / "policies/short.yaml").write_text(
        policy() + "---\n" + policy("brief", "object.metadata.name.size() < 4")
    )
    text = gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder).stdout
    assert "newly denied: 3 (1 denied before for another reason)  bank 2, shop 1" in text
    assert text.splitlines()[-1].startswith("2 objects newly denied, 1 object differs, but is denied as before (")


def test_a_patch_that_differs_is_shown_as_a_diff_without_the_content_of_secrets(made: Made) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {key: swordfish}\n"
    made.commit({"policies/labels.yaml": MUTATING.format(tier="gold"), "deploy/secret.yaml": secret})
    (made.folder / "policies/labels.yaml").write_text(MUTATING.format(tier="iron"))
    report = impact(made, "--since", "HEAD")
    assert {(change, name) for change, policy_name, name, _ in changes(report) if policy_name == "labels"} == {
        ("patch changed", name) for name in ("a", "abcd", "abcdef", "abcdefghij", "s")
    }
    for each in report["findings"]:
        assert "-    tier: gold" in each["diff"] and "+    tier: iron" in each["diff"]
    text = gatewright("impact", "deploy", "--since", "HEAD", "--verbose", cwd=made.folder).stdout
    assert "swordfish" not in text + json.dumps(report) and "tier: iron" in text


def test_a_policy_that_none_of_the_objects_shows_is_named(made: Made) -> None:
    made.commit({"policies/pods.yaml": policy("pods", resources="pods"), "policies/unbound.yaml": policy("unbound")})
    (made.folder / "policies/pods.yaml").write_text(policy("pods", "false", resources="pods"))
    (made.folder / "policies/unbound.yaml").write_text(policy("unbound").partition("---")[0])
    done = gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder)
    assert "pods (changed): it matches none of these objects" in done.stdout
    report = impact(made, "--since", "HEAD~1")
    why = {each["name"]: each["unjudged"] for each in report["impact"]["policies"]}
    assert why == {
        "pods": "it matches none of these objects",
        "unbound": "it has no binding, so it never runs",
    }


BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: BAD_NAME, namespace: shop}\n"
UNREADABLE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: [\n"


@pytest.mark.parametrize(
    ("operations", "resources", "objects", "options", "why", "code"),
    [
        ("[DELETE]", "configmaps", {}, (), "its rules are about DELETE; the requests judged are CREATE", 0),
        (
            "[DELETE, CREATE]",
            "configmaps",
            {},
            ("--operation", "UPDATE"),
            "its rules are about CREATE, DELETE; the requests judged are UPDATE",
            0,
        ),
        ('["*"]', "pods", {}, (), "it matches none of these objects", 0),
        (
            "[CREATE]",
            "configmaps",
            {"c.yaml": BROKEN},
            (),
            "1 object that its rules name is refused before policies",
            0,
        ),
        (
            "[CREATE]",
            "configmaps",
            {"c.yaml": f"{BROKEN}---\n{BROKEN.replace('shop', 'bank')}"},
            (),
            "2 objects that its rules name are refused before policies",
            0,
        ),
        ("[CREATE]", "pods", {"c.yaml": UNREADABLE}, (), "it matches none of the objects that could be read", 2),
        ("[CREATE]", "configmaps", {"a.yaml": UNREADABLE}, (), "no object could be read", 2),
    ],
)
def test_it_is_said_why_a_policy_matched_nothing(
    made: Made,
    operations: str,
    resources: str,
    objects: dict[str, str],
    options: tuple[str, ...],
    why: str,
    code: int,
) -> None:
    if objects:  # in place of the ConfigMaps that are there, besides a Secret
        made.git("rm", "--quiet", "-r", "deploy")
        if "a.yaml" not in objects:
            secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\n"
            objects = {"a.yaml": secret, **objects}
        made.commit({f"deploy/{name}": text for name, text in objects.items()})
    text = policy("other", resources=resources).replace("[CREATE]", operations)
    (made.folder / "policies/other.yaml").write_text(text)
    report = impact(made, "--since", "HEAD", *options, code=code)
    (found,) = report["impact"]["policies"]
    assert found["unjudged"].startswith(why) and found["matched"] == 0


def test_an_object_is_shown_once_under_its_gravest_change(made: Made) -> None:
    """A binding that goes from Warn and Audit to Deny, and back to Deny and Warn."""
    strict = "object.metadata.name.size() < 4"
    made.commit({"policies/short.yaml": policy(expression=strict, action="Warn, Audit")})
    (made.folder / "policies/short.yaml").write_text(policy(expression=strict))
    report = impact(made, "--since", "HEAD")
    assert [each["change"] for each in report["findings"]] == ["newly denied"] * 3
    assert {tuple(each["asides"]) for each in report["findings"]} == {("warned before", "audited before")}
    text = gatewright("impact", "deploy", "--since", "HEAD", "-o", "text", "-o", "markdown=out.md", cwd=made.folder)
    assert "newly denied: 3 (warned before, audited before)  bank 2, shop 1" in text.stdout
    assert "no longer" not in text.stdout
    folded = "3 newly denied (warned before, audited before) (<code>bank 2, shop 1</code>)"
    assert folded in (made.folder / "out.md").read_text()
    made.git("commit", "--quiet", "--all", "--message", "deny")
    (made.folder / "policies/short.yaml").write_text(policy(expression=strict, action="Warn, Audit"))
    report = impact(made, "--since", "HEAD")
    assert [(each["change"], each["asides"]) for each in report["findings"]] == [
        ("newly allowed", ["now warned", "now audited"])
    ] * 3


def test_what_a_graver_change_does_not_say_is_not_lost(made: Made) -> None:
    made.commit({"policies/short.yaml": policy(action="Audit")})
    (made.folder / "policies/short.yaml").write_text(policy(message="far too long"))
    (found,) = impact(made, "--since", "HEAD")["findings"]
    assert (found["change"], found["asides"]) == ("newly denied", ["audited before: too long"])


def test_a_binding_that_says_something_else_is_shown_apart(made: Made) -> None:
    """Two bindings with their own params: what is newly audited is not what is newly denied."""
    text = (
        policy().partition("---\n")[0].replace('message: "too long"', 'messageExpression: "string(params.data.text)"')
    )
    parts = [text.replace("  match", "  paramKind: {apiVersion: v1, kind: ConfigMap}\n  match", 1)]
    for name, action in (("one", "Deny"), ("two", "Audit")):
        reference = f"paramRef: {{name: {name}, namespace: shop, parameterNotFoundAction: Deny}}, validationActions"
        bound = policy(action=action).partition("---\n")[2].replace("{name: short}", f"{{name: {name}}}")
        parts.append(bound.replace("validationActions", reference))
        parts.append(CONFIG.format(name, "shop", "red") + f"data: {{text: {name}!}}\n")
    made.commit({"policies/short.yaml": policy(expression="true")})
    (made.folder / "policies/short.yaml").write_text("---\n".join(parts))
    found = impact(made, "--since", "HEAD")["findings"]
    assert [(each["change"], each["message"]) for each in found] == [
        ("newly denied", "one!"),
        ("newly audited", "two!"),
    ]


def test_errors_that_come_and_go_are_told_from_violations(made: Made) -> None:
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.data.missing == 'x'"))
    assert {change for change, *_ in changes(impact(made, "--since", "HEAD"))} == {"error came"}
    report = impact(made, "--since", "HEAD")
    assert report["impact"]["newlyDenied"] == 3  # one was denied before
    made.git("commit", "--quiet", "--all", "--message", "broken")
    (made.folder / "policies/short.yaml").write_text(policy(expression="true"))
    assert {change for change, *_ in changes(impact(made, "--since", "HEAD"))} == {"error went"}


@pytest.mark.parametrize("action", ["Deny", "Warn", "Audit"])
def test_errors_are_told_from_violations_under_every_action(made: Made, action: str) -> None:
    under = "" if action == "Deny" else f" under {action}"
    passing, failing, violated = (
        policy(expression=text, action=action) for text in ("true", "object.data.missing == 'x'", "false")
    )

    def found(old: str, new: str) -> set[tuple[str, str, bool]]:
        made.commit({"policies/short.yaml": old})
        (made.folder / "policies/short.yaml").write_text(new)
        findings = impact(made, "--since", "HEAD")["findings"]
        return {(each["change"], each["level"], each["error"]) for each in findings}

    level = action.lower()
    assert found(passing, failing) == {(f"error came{under}", level, True)}
    assert found(failing, passing) == {(f"error went{under}", "note", True)}
    assert found(violated, failing) == {(f"error came{under}", level, True)}
    text, markdown = (
        gatewright("impact", "deploy", "--since", "HEAD", "-o", each, cwd=made.folder).stdout
        for each in ("text", "markdown")
    )
    assert f"  error came{under}: 4  bank 2, shop 2\n" in text
    assert "| policy | | matches | error came |\n" in markdown
    assert f"</b>: 4 error came{under} (" in markdown and f"**Error came{under}**\n" in markdown
    assert found(failing, violated) == {(f"error went{under}", level, False)}  # which is no less than before
    assert "| policy | | matches | error went |\n" in (
        gatewright("impact", "deploy", "--since", "HEAD", "-o", "markdown", cwd=made.folder).stdout
    )


def test_trees_that_do_not_load_are_told_of_on_both_sides(made: Made) -> None:
    made.commit({"policies/short.yaml": policy(expression="object.metadata.nam(")})
    (made.folder / "policies/short.yaml").write_text(policy(expression="1 +"))
    done = gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "HEAD:policies/short.yaml:7" in done.stderr and "error: policies/short.yaml:7" in done.stderr
    report = impact(made, "--since", "HEAD", code=2)
    assert {each["file"] for each in report["errors"]} == {"policies/short.yaml", "HEAD:policies/short.yaml"}


def test_the_files_of_a_revision_are_placed_where_readers_find_them(made: Made) -> None:
    made.commit({"policies/short.yaml": policy(expression="object.metadata.nam(")})
    done = gatewright(
        "impact", "../deploy", "--policies", ".", "--since", "HEAD", "-o", "github", cwd=made.folder / "policies"
    )
    places = [line.partition("::error file=")[2].partition(",")[0] for line in done.stdout.splitlines()]
    assert places == ["short.yaml", "short.yaml"]
    assert sum("::in HEAD:policies/short.yaml:7: " in line for line in done.stdout.splitlines()) == 1


def test_a_tree_that_a_revision_does_not_have_is_new(made: Made) -> None:
    (made.folder / "more").mkdir()
    (made.folder / "more/short.yaml").write_text(policy("more", "false"))
    report = impact(made, "--since", "HEAD", "--policies", "more")
    assert {change for change, *_ in changes(report)} == {"newly denied"}
    assert any("has no more" in note for note in report["notes"])


def test_two_folders_are_compared(made: Made) -> None:
    for name, size in (("old", 4), ("new", 99)):
        (made.folder / name).mkdir()
        (made.folder / name / "p.yaml").write_text(policy(expression=f"object.metadata.name.size() < {size}"))
    report = impact(made, "--old", "old", "--new", "new")
    assert {change for change, *_ in changes(report)} == {"newly allowed"}
    assert (report["impact"]["old"], report["impact"]["new"]) == ("old", "new")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deploy"], "name what to compare with"),
        (["--since", "HEAD"], "name the objects to judge"),
        (["deploy", "--old", "policies"], "give both"),
        (["deploy", "--old", "policies", "--new", "policies", "--since", "HEAD"], "leave --since"),
        (["deploy", "--since", "nowhere"], "names no commit here"),
        (["deploy", "--since", "HEAD", "--policies", "../x"], "is not in a git repository"),
        (["deploy", "--since", "HEAD", "--policies", "none"], "no policy tree none"),
        (["deploy", "--since", "HEAD", "--policies", "oci://r.example/p:1"], "a bundle has no git revisions"),
        (["deploy", "--since", "HEAD", "-o", "pdf"], "expected FORMAT"),
        (["deploy", "--since", "HEAD", "-o", "text", "-o", "json"], "two reports"),
        (["deploy", "--since", "HEAD", "--context", "x"], "need --cluster"),
        (["deploy", "--since", "HEAD", "--values", "x"], "--render helm"),
        (["deploy", "--since", "HEAD", "--kubernetes-version", "0.1"], "--kubernetes-version: "),
        (["deploy", "--since", "HEAD", "--as-group", "g"], "--as-group needs --as"),
        (["deploy", "--since", "HEAD", "--exclude", "x" * 5000], "--exclude: "),
        (["deploy", "--since", "HEAD", "--cluster", "--kubeconfig", "none"], "--cluster"),
    ],
)
def test_options_that_do_not_go_together_are_refused(made: Made, arguments: list[str], said: str) -> None:
    done = gatewright("impact", *arguments, cwd=made.folder)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_what_cannot_be_read_is_counted_and_the_rest_is_judged(made: Made) -> None:
    made.commit({"deploy/broken.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: [\n"})
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 4"))
    report = impact(made, "--since", "HEAD", code=2)
    assert [each["file"] for each in report["errors"]] == ["deploy/broken.yaml"]
    assert len(report["findings"]) == 2
    made.git("rm", "--quiet", "deploy/broken.yaml")
    empty = gatewright("impact", "--since", "HEAD", "-", cwd=made.folder, stdin="")
    assert (empty.returncode, "no objects in it to judge" in empty.stderr) == (2, True)


def test_outside_of_a_repository_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/p.yaml").write_text(policy())
    (tmp_path / "deploy.yaml").write_text(CONFIG.format("a", "shop", "red"))
    done = gatewright("impact", "deploy.yaml", "--since", "HEAD", cwd=tmp_path)
    assert done.returncode == 2 and "not in a git repository" in done.stderr


def test_a_submodule_in_a_policy_tree_is_an_error_of_that_side(made: Made, tmp_path: Path) -> None:
    other = Made(tmp_path / "other")
    other.commit({"p.yaml": policy("inner")})
    command = [
        "git",
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(other.folder),
        "policies/sub",
    ]
    subprocess.run(command, cwd=made.folder, check=True, capture_output=True)
    made.git("commit", "--quiet", "--message", "submodule")
    done = gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder)
    assert done.returncode == 2 and "HEAD:policies/sub: a submodule" in done.stderr


def test_the_text_and_the_markdown_group_by_policy_and_owner(made: Made) -> None:
    (made.folder / "policies/short.yaml").write_text(
        policy(expression="object.metadata.name.size() < 1", message="@all: `too` <b>long</b> | really")
    )
    done = gatewright("impact", "deploy", "--since", "HEAD", "-o", "text", "-o", "markdown=out.md", cwd=made.folder)
    assert "newly denied: 3  shop 2, bank 1" in done.stdout
    assert "denied otherwise: 1  bank 1" in done.stdout
    assert "before: too long" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(
        "3 objects newly denied, 1 object differs, but is denied as before (4 objects, 1 of 1 policy differs, from"
    )
    text = (made.folder / "out.md").read_text()
    assert text.startswith("### Policy impact: 3 objects newly denied")
    assert "| `short` | changed | 4 | **3** | **1** |" in text
    assert "``@all: `too` <b>long</b> | really``" in text  # nobody is called, nothing is markup
    concise = gatewright("impact", "deploy", "--since", "HEAD", "--concise", cwd=made.folder).stdout
    assert "deploy/a.yaml" in concise and "really" not in concise


def test_nothing_differs(made: Made) -> None:
    done = gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder)
    assert done.stdout.startswith("no verdict differs (4 objects, 0 of 1 policy differs,")
    assert "note: the policies of HEAD (" in done.stderr
    assert "of the work tree are the same, so no verdict can differ; --since has to name a" in done.stderr
    both = gatewright("impact", "deploy", "--old", "policies", "--new", "policies", cwd=made.folder).stderr
    assert "the policies of policies and of policies are the same" in both and "--since" not in both
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() <= 8"))
    assert "are the same" not in gatewright("impact", "deploy", "--since", "HEAD", cwd=made.folder).stderr
    text = gatewright("impact", "deploy", "--since", "HEAD", "-o", "markdown", cwd=made.folder).stdout
    assert text.startswith("### Policy impact: no verdict differs")


def test_a_python_policy_that_fails_on_another_line_fails_as_before(made: Made) -> None:
    lines = (
        "from gatewright import validate\n\n\n{}@validate(resources=['v1/configmaps'])\ndef fails(request):\n"
        '    """Fails."""\n    raise ValueError("x")\n'
    )
    binding = policy("fails").partition("---\n")[2]
    made.commit({"policies/fails.py": lines.format(""), "policies/fails.yaml": binding})
    (made.folder / "policies/fails.py").write_text(lines.format("# a comment\n"))
    report = impact(made, "--since", "HEAD")
    assert [each["differs"] for each in report["impact"]["policies"]] == [["policy"]]
    assert not report["findings"]


def test_the_markdown_shows_patches_and_what_cannot_be_said(made: Made) -> None:
    made.commit(
        {
            "policies/labels.yaml": MUTATING.format(tier="gold"),
            "policies/pods.yaml": policy("pods", resources="pods"),
            "deploy/broken.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: [\n",
        }
    )
    (made.folder / "policies/labels.yaml").write_text(MUTATING.format(tier="iron"))
    (made.folder / "policies/pods.yaml").write_text(policy("pods", "false", resources="pods"))
    done = gatewright("impact", "deploy", "--since", "HEAD", "-o", "markdown", cwd=made.folder)
    assert done.returncode == 2
    text = done.stdout
    assert text.startswith("### Policy impact: 3 objects differ, but are admitted as before, 1 object differs, ")
    assert text.partition("\n")[0].endswith("1 object differs, but is denied as before")
    assert "> **1 error**, so that this is not the whole impact:" in text and "deploy/broken.yaml" in text
    assert "- `pods`: it matches none of the objects that could be read" in text
    assert "| `labels` | changed | 4 | **4** |" in text
    assert "  ```diff\n" in text and "+    tier: iron" in text
    assert "- … and 1 more" in text


def test_every_format_has_each_finding_with_its_change(made: Made) -> None:
    made.commit({"policies/labels.yaml": MUTATING.format(tier="gold")})
    (made.folder / "policies/labels.yaml").write_text(MUTATING.format(tier="iron"))
    (made.folder / "policies/short.yaml").write_text(policy("brief", "object.metadata.name.size() < 4"))
    targets = [part for name in FORMATS for part in ("-o", f"{name}=report.{name}")]
    assert gatewright("impact", "deploy", "--since", "HEAD", *targets, cwd=made.folder).returncode == 0
    texts = {name: (made.folder / f"report.{name}").read_text() for name in FORMATS}
    for name, text in texts.items():
        assert "brief" in text and "newly denied" in text and "newly allowed" in text, name
        assert "patch changed" in text or "**4**" in text, name
    report = json.loads(texts["json"])
    jsonschema.validate(report, json.loads((ROOT / "docs/report.schema.json").read_text()))
    assert {(each["change"], each["level"]) for each in report["findings"]} == {
        ("newly denied", "deny"),
        ("newly allowed", "note"),
        ("patch changed", "note"),
    }
    assert {each["id"] for each in report["rules"]} == {"schema", "short", "brief", "labels"}
    (run,) = json.loads(texts["sarif"])["runs"]
    assert Counter(each["level"] for each in run["results"]) == {"error": 3, "note": 5}
    suites = {each.get("name"): each for each in ElementTree.fromstring(texts["junit"])}
    assert (suites["brief"].get("failures"), suites["short"].get("failures")) == ("3", "0")


def test_a_rendered_object_is_found_in_its_source(made: Made) -> None:
    sources = {f"charts/web/templates/{name}.yaml": CONFIG.format(name, "shop", "red") for name in ("a", "abcdef")}
    made.commit(sources)
    (made.folder / "policies/short.yaml").write_text(policy(expression="object.metadata.name.size() < 4"))
    rendered = "".join(f"---\n# Source: {file}\n{text}" for file, text in sources.items())
    arguments = ("impact", "-", "--since", "HEAD", "-o", "json")
    (found,) = json.loads(gatewright(*arguments, cwd=made.folder, stdin=rendered).stdout)["findings"]
    assert (found["file"], found["rendered"]["file"], found["rendered"]["line"]) == (
        "charts/web/templates/abcdef.yaml",
        "<stdin>",
        10,
    )

"""`gatewright check --since`: what a pull request changes, and what it says where git cannot tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import gatewright
from tests.git.repositories import Made

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}{}}}\ndata: {{a: {}}}\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
POLICIES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: says-what-it-sees}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
  variables:
  - {name: now, expression: "object != null && has(object.data) ? object.data.a : 'nothing'"}
  - {name: before, expression: "oldObject != null && has(oldObject.data) ? oldObject.data.a : 'nothing'"}
  validations:
  - expression: "false"
    messageExpression: "request.operation + ' ' + request.name + ': ' + variables.before + ' -> ' + variables.now"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: says-what-it-sees, validationActions: [Deny]}
"""


class Repository:
    """A repository with one commit, and a policy that says of each request what it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("policies/all.yaml", POLICIES)

    def git(self, *arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
        done = subprocess.run([*command, *arguments], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            self.write(f"deploy/{name}.yaml", text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def check(self, *arguments: str, code: int = 1, cwd: str = "", **env: str) -> tuple[dict[str, str], Any]:
        """Run `check … -o json`. Returns the message of each finding by its place, and the whole report."""
        done = gatewright("check", "-o", "json", *arguments, cwd=self.folder / cwd, env={**os.environ, **env})
        assert done.returncode == code, done.stdout + done.stderr
        report = json.loads(done.stdout)
        return {f"{each['file']}:{each['line']}": each["message"] for each in report["findings"]}, report

    def refused(self, *arguments: str) -> str:
        done = gatewright("check", *arguments, cwd=self.folder)
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        return done.stderr


def config(name: str, value: str = "b", **metadata: str) -> str:
    return CONFIG.format(name, "".join(f", {key}: {each}" for key, each in metadata.items()), value)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a folder: content and time of change."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_what_differs_is_created_updated_and_deleted(repository: Repository) -> None:
    repository.commit(a=config("same") + "---\n" + config("edited"), b=config("gone"), c=config("moved"))
    repository.write("deploy/a.yaml", config("edited", "c") + "---\n# a comment\n" + config("same"))
    (repository.folder / "deploy/b.yaml").unlink()
    (repository.folder / "deploy/c.yaml").rename(repository.folder / "deploy/d.yaml")
    repository.write("deploy/new.yaml", config("new"))
    before = state(repository.folder)
    found, report = repository.check("--since", "HEAD", "deploy")
    assert found == {
        "deploy/a.yaml:1": "UPDATE edited: b -> c",
        "deploy/new.yaml:1": "CREATE new: nothing -> b",
        "HEAD:deploy/b.yaml:1": "DELETE gone: b -> nothing",
    }
    (note,) = [each for each in report["notes"] if each.startswith("between")]
    assert note.endswith("and the work tree: 1 created, 1 updated, 1 deleted, 2 unchanged; 1 moved")
    assert state(repository.folder) == before


def test_formats_for_machines_place_what_is_deleted_where_it_was(repository: Repository) -> None:
    """A file of a revision has a name that they know no file by; the message has it."""
    repository.commit(b=config("gone"), c=config("gone-too"), d=LFS)
    (repository.folder / "deploy/b.yaml").unlink()
    repository.write("deploy/c.yaml", "[]\n")
    repository.write("deploy/d.yaml", config("new"))
    names = ("github", "sarif", "gitlab", "checkstyle")
    for cwd, paths in (("", ["deploy/b.yaml", "deploy/c.yaml"]), ("deploy", ["b.yaml", "c.yaml"])):
        policies = ("--policies", str(repository.folder / "policies"))
        outputs = [each for name in names for each in ("-o", f"{name}=/{repository.folder}/{name}.out")]
        where = "." if cwd else "deploy"
        done = gatewright("check", where, "--since", "HEAD", *policies, *outputs, cwd=repository.folder / cwd)
        assert done.returncode == 1, done.stderr
        texts = {name: (repository.folder / f"{name}.out").read_text() for name in names}
        github = [line for line in texts["github"].splitlines() if "DELETE" in line]
        assert [line.partition("file=")[2].partition(",")[0] for line in github] == paths
        results = json.loads(texts["sarif"])["runs"][0]["results"]
        uris = [each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results]
        assert sorted(uris)[:2] == paths
        issues = [each for each in json.loads(texts["gitlab"]) if "DELETE" in each["description"]]
        assert [each["location"]["path"] for each in issues] == paths
        assert all(f'<file name="{path}">' in texts["checkstyle"] for path in paths)
        for name, text in texts.items():
            said = "in HEAD:deploy/b.yaml:1: ConfigMap default/gone: DELETE gone: b -&gt; nothing"
            assert (said if name == "checkstyle" else said.replace("&gt;", ">")) in text, name
            assert "in HEAD:deploy/d.yaml:1: " in text, name  # what cannot be read there
            for mark in ("file=HEAD", '"HEAD', 'name="HEAD'):
                assert mark not in text, name


def policies_of(action: str) -> str:
    return POLICIES.replace("[Deny]", f"[{action}]")


def test_policies_that_differ_too_are_named(repository: Repository) -> None:
    """Only the manifests are compared: a change of policies alone passes."""
    said = "the policies differ too (says-what-it-sees): gatewright impact --since"
    repository.write("policies/all.yaml", policies_of("Audit"))
    first = repository.commit(a=config("a"))
    second = repository.commit(b=config("b"))
    repository.write("policies/all.yaml", POLICIES)

    def notes(*arguments: str, code: int = 0) -> list[str]:
        _, report = repository.check(*arguments, code=code)
        return [each for each in report["notes"] if "policies" in each]

    assert notes("--since", "HEAD", "deploy") == [f"{said} HEAD shows whom that hits"]
    assert notes("--since", first, "--until", second, "deploy", code=1) == []
    repository.write("policies/all.yaml", "{")
    repository.commit()
    repository.write("policies/all.yaml", POLICIES)
    assert notes("--since", "HEAD", "deploy") == [
        "the policies differ too: gatewright impact --since HEAD shows whom that hits"
    ]
    third = repository.commit()
    assert notes("--since", second, "--until", third, "deploy") == [
        f"{said} {second} --until {third} shows whom that hits"
    ]
    # What is moved or commented is no other policy, and policies elsewhere are in no revision of this repository.
    repository.write("policies/moved.yaml", f"# The same.\n{POLICIES}")
    (repository.folder / "policies/all.yaml").unlink()
    assert notes("--since", "HEAD", "deploy") == []
    elsewhere = Repository(repository.folder.parent / "elsewhere")
    elsewhere.commit()
    elsewhere.write("policies/all.yaml", policies_of("Warn"))
    assert notes("--since", "HEAD", "deploy", "--policies", str(elsewhere.folder / "policies")) == []


def test_from_a_folder_within_paths_are_as_they_are_named_there(repository: Repository) -> None:
    repository.commit(a=config("a"), b=config("b"))
    repository.write("deploy/a.yaml", config("a", "c"))
    (repository.folder / "deploy/b.yaml").unlink()
    policies = ("--policies", str(repository.folder / "policies"))
    expected = {"a.yaml:1": "UPDATE a: b -> c", "HEAD:deploy/b.yaml:1": "DELETE b: b -> nothing"}
    assert repository.check("--since", "HEAD", ".", *policies, cwd="deploy")[0] == expected
    assert (
        repository.check("--since", "HEAD", str(repository.folder / "deploy"), *policies, cwd="deploy")[0] == expected
    )
    assert repository.check("--since", "HEAD", "b.yaml", *policies, cwd="deploy")[0].keys() == {"HEAD:deploy/b.yaml:1"}


def test_until_takes_both_sides_from_commits(repository: Repository) -> None:
    first = repository.commit(a=config("a"))
    second = repository.commit(a=config("a", "c"), b=config("b"))
    repository.commit(a="{", b=config("b", "later"))
    found, _ = repository.check("--since", first, "--until", second, "deploy")
    assert found == {"deploy/a.yaml:1": "UPDATE a: b -> c", "deploy/b.yaml:1": "CREATE b: nothing -> b"}


def test_nothing_differs(repository: Repository) -> None:
    repository.commit(a=config("a"))
    found, report = repository.check("--since", "HEAD", "deploy", code=0)
    assert found == {}
    assert any("0 created, 0 updated, 0 deleted, 1 unchanged" in note for note in report["notes"])


def test_a_generated_name_is_never_the_same(repository: Repository) -> None:
    job = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: job-}\ndata: {a: %s}\n"
    repository.commit(a=job % "b", b=job % "b", c=job % "x")
    repository.write("deploy/b.yaml", job % "c")
    (repository.folder / "deploy/c.yaml").unlink()
    found, _ = repository.check("--since", "HEAD", "deploy")
    assert list(found) == ["deploy/b.yaml:1"]
    assert found["deploy/b.yaml:1"].startswith("CREATE job-")


def test_folders_of_several_clusters_are_compared_file_by_file(repository: Repository) -> None:
    repository.commit(**{"dev/a": config("a", "dev"), "prod/a": config("a", "prod"), "old/a": config("a", "old")})
    repository.write("deploy/dev/a.yaml", config("a", "dev2"))
    (repository.folder / "deploy/old/a.yaml").unlink()
    found, _ = repository.check("--since", "HEAD", "deploy")
    assert found == {
        "deploy/dev/a.yaml:1": "UPDATE a: dev -> dev2",
        "HEAD:deploy/old/a.yaml:1": "DELETE a: old -> nothing",
    }


def test_what_an_object_was_is_not_guessed_among_several(repository: Repository) -> None:
    repository.commit(a=config("a"), b=config("b"))
    repository.write("deploy/c.yaml", config("a", "c"))
    repository.write("deploy/b.yaml", config("b", "c"))
    found, report = repository.check("--since", "HEAD", "deploy", code=2)
    assert found == {"deploy/b.yaml:1": "UPDATE b: b -> c"}  # the rest is done
    (error,) = report["errors"]
    assert (error["file"], error["line"]) == ("deploy/c.yaml", 1)
    assert "ConfigMap default/a also stands in deploy/a.yaml:1" in error["message"]


def test_ignored_files_and_submodules_are_left_out(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit(a=config("theirs"))
    repository.write(".gitignore", "build/\n*.tmp.yaml\n")
    repository.commit(a=config("a"))
    repository.git("submodule", "--quiet", "add", str(other.folder), "deploy/sub")
    repository.write("deploy/build/x.yaml", config("built"))
    repository.write("deploy/x.tmp.yaml", "{")
    found, report = repository.check("--since", "HEAD", "deploy", code=0)
    assert found == {}
    left_out = {each["file"] for each in report["leftOut"]}
    assert left_out == {"deploy/build/", "deploy/x.tmp.yaml", "deploy/sub/"}
    for named in ("deploy/build", "deploy/build/x.yaml", "deploy/x.tmp.yaml"):  # on the old side they are not either
        found, report = repository.check("--since", "HEAD", named, "deploy/a.yaml", code=0)
        assert found == {}
        assert [(each["file"], each["by"]) for each in report["leftOut"]] == [(named, "git")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--since", "nope", "deploy"), "'nope' names no commit here"),
        (("--since", "", "--until", "HEAD", "deploy"), "--until needs --since"),
        (("--since", "--output=/tmp/x", "deploy"), "names no commit here"),
        (("--since", "HEAD:deploy", "deploy"), "names no commit here"),
        (("--since", "HEAD", "--until", "nope", "deploy"), "'nope' names no commit here"),
        (("--since", "HEAD", "--old", "x", "deploy"), "leave one of them out"),
        (("--since", "HEAD", "--operation", "delete", "deploy"), "leave --operation out"),
        (("--since", "HEAD", "-"), "stdin has no revisions"),
        (("--since", "HEAD", "/"), "/ is not in a git repository"),
        (("--since", "HEAD", "deploy", "/"), "/ is not in the repository"),
    ],
)
def test_options_that_cannot_be_used(repository: Repository, arguments: tuple[str, ...], expected: str) -> None:
    repository.commit(a=config("a"))
    assert expected in repository.refused(*arguments)


def test_a_path_that_is_on_neither_side(repository: Repository) -> None:
    repository.commit(a=config("a"))
    repository.write("deploy/a.yaml", config("a", "c"))
    found, report = repository.check("--since", "HEAD", "deploy", "absent", code=2)
    assert found == {"deploy/a.yaml:1": "UPDATE a: b -> c"}
    (error,) = report["errors"]
    assert error["file"] == "absent"
    assert "neither now nor in HEAD" in error["message"]


def test_an_ambiguous_revision(repository: Repository) -> None:
    """A name of a branch that is the beginning of two commits is a name; two commits of one beginning are none."""
    repository.commit(a=config("a"))
    tree, commits = repository.git("rev-parse", "HEAD^{tree}"), list[str]()
    while len({each[:4] for each in commits}) == len(commits):  # some 300: the birthdays of 65,536 days
        commits.append(repository.git("commit-tree", tree, "-m", str(len(commits))))
    assert "ambiguous" in repository.refused("--since", commits[-1][:4], "deploy")


def test_no_repository(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/a.yaml").write_text(POLICIES)
    (tmp_path / "a.yaml").write_text(config("a"))
    done = gatewright(
        "check",
        "--since",
        "HEAD",
        "a.yaml",
        cwd=tmp_path,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not in a git repository" in done.stderr


def test_git_is_not_installed(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=config("a"))
    done = gatewright(
        "check", "--since", "HEAD", "deploy", cwd=repository.folder, env={**os.environ, "PATH": str(tmp_path)}
    )
    assert done.returncode == 2
    assert "git is not installed" in done.stderr


def test_a_shallow_clone_lacks_the_revision(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(a=config("a"))
    repository.commit(a=config("a", "c"))
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "clone"))
    done = gatewright("check", "--since", first, "deploy", cwd=tmp_path / "clone")
    assert done.returncode == 2
    assert "this is a shallow clone" in done.stderr
    assert "fetch-depth: 0" in done.stderr


def test_a_file_that_could_not_be_read_before_is_said_and_new(repository: Repository) -> None:
    conflict = f"<<<<<<< HEAD\n{config('a')}=======\n{config('a', 'c')}>>>>>>> other\n"
    repository.commit(a=conflict, b=LFS, c=config("c"))
    repository.write("deploy/a.yaml", config("a"))
    repository.write("deploy/b.yaml", config("b"))
    found, report = repository.check("--since", "HEAD", "deploy")
    assert found == {"deploy/a.yaml:1": "CREATE a: nothing -> b", "deploy/b.yaml:1": "CREATE b: nothing -> b"}
    warnings = {each["file"]: each["message"] for each in report["warnings"]}
    assert "an unresolved merge conflict: <<<<<<< HEAD; what is in this file now" in warnings["HEAD:deploy/a.yaml"]
    assert "Git LFS" in warnings["HEAD:deploy/b.yaml"]


def test_a_file_that_cannot_be_read_now_is_an_error(repository: Repository) -> None:
    repository.commit(a=config("a"), b=config("b"), c=config("c"), d=config("d"))
    repository.write("deploy/a.yaml", f"<<<<<<< HEAD\n{config('a')}=======\n{config('a', 'c')}>>>>>>> other\n")
    repository.write("deploy/b.yaml", LFS)
    (repository.folder / "deploy/c.yaml").write_bytes(b"\x00\x01\x02")
    repository.write("deploy/d.yaml", config("d", "x"))
    found, report = repository.check("--since", "HEAD", "deploy", code=2)
    assert found["deploy/d.yaml:1"] == "UPDATE d: b -> x"
    assert {each["file"] for each in report["errors"]} == {"deploy/a.yaml", "deploy/b.yaml", "deploy/c.yaml"}
    # What is unreadable may still be there: it is no deletion.
    assert not [each for each in found.values() if each.startswith("DELETE")], found


def test_links_lead_nowhere_but_into_the_repository(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(config("secret"))
    deploy = repository.folder / "deploy"
    deploy.mkdir()
    (deploy / "out.yaml").symlink_to("../../secret.yaml")
    (deploy / "absolute.yaml").symlink_to(tmp_path / "secret.yaml")
    (deploy / "up").symlink_to("..")
    (deploy / "round.yaml").symlink_to("up/../secret.yaml")  # out of the repository, though its text is not
    (deploy / "folder").symlink_to("../elsewhere")
    repository.write("elsewhere/b.yaml", config("elsewhere"))
    (deploy / "in.yaml").symlink_to("real.txt")
    repository.write("deploy/real.txt", config("a"))
    repository.commit()
    for each in ("out.yaml", "absolute.yaml", "round.yaml", "up"):
        (deploy / each).unlink()
    repository.write("elsewhere/b.yaml", config("elsewhere", "c"))
    repository.write("deploy/real.txt", config("a", "c"))
    found, report = repository.check("--since", "HEAD", "deploy")
    assert found.pop("deploy/folder/b.yaml:1") == "UPDATE elsewhere: b -> c"
    assert found.pop("deploy/in.yaml:1") == "UPDATE a: b -> c"
    # The folder that `up` leads to, which is gone, had the policies and the files once more.
    assert all(each.startswith("HEAD:deploy/up/") for each in found), found
    warned = {each["file"] for each in report["warnings"] if "leads out of the repository" in each["message"]}
    assert warned == {"HEAD:deploy/out.yaml", "HEAD:deploy/absolute.yaml", "HEAD:deploy/round.yaml"}


def test_a_link_to_a_file_among_the_paths_moves_nothing(repository: Repository) -> None:
    """Its name sorts before that of the file, and so does that of the folder that a link leads to."""
    repository.commit(z=config("a"))
    (repository.folder / "deploy/a.yaml").symlink_to("z.yaml")
    (repository.folder / "deploy/again").symlink_to(".")
    found, report = repository.check("--since", "HEAD", "deploy", code=0)
    assert not found
    (note,) = [each for each in report["notes"] if each.startswith("between")]
    assert note.endswith(": 0 created, 0 updated, 0 deleted, 1 unchanged")
    repository.write("deploy/z.yaml", config("a", "c"))
    found, _ = repository.check("--since", "HEAD", "deploy")
    assert found == {"deploy/z.yaml:1": "UPDATE a: b -> c"}


def test_a_link_without_target_is_named_as_one(repository: Repository) -> None:
    repository.commit(a=config("a"))
    (repository.folder / "deploy/b.yaml").symlink_to("nowhere/\x1b[31mred.yaml")
    _, report = repository.check("--since", "HEAD", "deploy", code=2)
    (error,) = report["errors"]
    assert error["file"] == "deploy/b.yaml"
    assert error["message"] == r"cannot be read: a link to 'nowhere/\x1b[31mred.yaml', which does not exist"


def test_nothing_to_render_on_either_side(repository: Repository, tmp_path: Path) -> None:
    """A chart that only one side has is rendered there; without any, what is checked is not what was meant."""
    repository.commit(a=config("a"))
    repository.write("deploy/a.yaml", config("a", "c"))
    found, report = repository.check("--since", "HEAD", "--render", "helm", "deploy", "policies", code=2)
    assert found["deploy/a.yaml:1"] == "UPDATE a: b -> c"
    assert {each["file"]: each["message"] for each in report["errors"]} == dict.fromkeys(
        ("deploy", "policies"),
        "there is no Helm chart in it, so --render renders nothing; name the folder of one, or leave --render out",
    )
    helm = tmp_path / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text("#!/bin/sh\nprintf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: made}\\ndata: {a: b}\\n'\n")
    helm.chmod(0o755)
    path = f"{helm.parent}{os.pathsep}{os.environ['PATH']}"
    how = ("--since", "HEAD", "--render", "helm", "deploy")
    repository.write("deploy/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n")
    found, report = repository.check(*how, PATH=path)
    assert "CREATE made: nothing -> b" in found.values()
    assert report["errors"] == report["warnings"] == []
    repository.commit()
    (repository.folder / "deploy/web/Chart.yaml").unlink()
    found, report = repository.check(*how, PATH=path)
    assert [*found.values()] == ["DELETE made: b -> nothing"]
    assert report["errors"] == report["warnings"] == []


def test_names_that_git_would_not_check_out_are_not_written(repository: Repository, tmp_path: Path) -> None:
    """A tree made by hand: `..`, an absolute path, and `.git` as parts of a name."""
    names = ("../../evil.yaml", ".git/x.yaml", "/tmp/evil.yaml")
    evil = Made(tmp_path / "made").tree([("100644", name, config("evil")) for name in names])
    repository.git("fetch", "--quiet", str(tmp_path / "made"), evil)
    repository.commit(a=config("a"))
    found, report = repository.check("--since", evil, ".", "--exclude", "policies")
    assert "deploy/a.yaml:1" in found
    assert not Path("/tmp/evil.yaml").exists()
    assert sum("not one that git would check out" in each["message"] for each in report["warnings"]) == 3


def test_nothing_of_the_repository_is_run(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(a=config("a"))
    repository.commit(a=config("a", "c"))
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        path = repository.folder / ".git/hooks" / hook
        path.write_text(program.read_text())
        path.chmod(0o755)
    repository.write(".git/info/attributes", "*.yaml filter=evil diff=evil\n")
    for name in ("core.fsmonitor", "filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.pager"):
        repository.git("config", name, str(program))
    ran.unlink(missing_ok=True)
    found, _ = repository.check("--since", first, "deploy")
    assert found == {"deploy/a.yaml:1": "UPDATE a: b -> c"}
    assert not ran.exists()


def test_a_hook_of_git_may_run_it(repository: Repository) -> None:
    """git sets these variables for hooks, perhaps to another repository than that of the manifests."""
    repository.commit(a=config("a"))
    repository.write("deploy/a.yaml", config("a", "c"))
    found, _ = repository.check("--since", "HEAD", "deploy", GIT_DIR=os.devnull, GIT_WORK_TREE="/")
    assert found == {"deploy/a.yaml:1": "UPDATE a: b -> c"}


# ------------------------------------------------------------------------------------------------ policies on changes

CHANGES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: on-changes}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: ["", apps], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]
  variables:
  - {name: sized, expression: "object != null && oldObject != null && object.?spec.?replicas.hasValue()"}
  - {name: finalizers, expression: "oldObject != null ? oldObject.metadata.?finalizers.orValue([]) : []"}
  validations:
  - expression: "object == null || oldObject == null || object.?data == oldObject.?data"
    message: the data of a ConfigMap are immutable
  - expression: "!variables.sized || object.spec.replicas <= oldObject.spec.replicas + 2"
    messageExpression: "string(object.spec.replicas) + ' are too many after ' + string(oldObject.spec.replicas)"
  - expression: "variables.finalizers.all(f, object != null && f in object.metadata.?finalizers.orValue([]))"
    message: finalizers are not removed by hand
  - expression: "namespaceObject == null || namespaceObject.metadata.?labels.team.orValue('') != 'frozen'"
    message: nothing is changed here
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: everywhere}
spec: {policyName: on-changes, validationActions: [Deny]}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{team: {}}}}}\n"


def deployment(replicas: int) -> str:
    pod = "{metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}"
    spec = f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{a: b}}}}\n  template: {pod}\n"
    return f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n{spec}"


@pytest.fixture
def on_changes(repository: Repository) -> Repository:
    repository.write("policies/all.yaml", CHANGES)
    return repository


def test_policies_on_changes_work(on_changes: Repository) -> None:
    on_changes.commit(
        immutable=config("immutable"),
        held=config("held", finalizers="[shop/a, shop/b]"),
        gone=config("gone", finalizers="[shop/a]"),
        web=deployment(2),
    )
    on_changes.write("deploy/immutable.yaml", config("immutable", "c"))
    on_changes.write("deploy/held.yaml", config("held", finalizers="[shop/b]"))
    (on_changes.folder / "deploy/gone.yaml").unlink()
    on_changes.write("deploy/web.yaml", deployment(9))
    on_changes.write("deploy/new.yaml", config("new"))
    assert on_changes.check("--since", "HEAD", "deploy")[0] == {
        "deploy/immutable.yaml:4": "the data of a ConfigMap are immutable",
        "deploy/held.yaml:3": "finalizers are not removed by hand",
        "HEAD:deploy/gone.yaml:1": "finalizers are not removed by hand",
        "deploy/web.yaml:5": "9 are too many after 2",
    }
    on_changes.write("deploy/web.yaml", deployment(4))
    assert "deploy/web.yaml:5" not in on_changes.check("--since", "HEAD", "deploy")[0]


@pytest.mark.parametrize(("before", "after", "code"), [("frozen", "free", 0), ("free", "frozen", 1)])
def test_lookups_find_the_objects_of_the_new_side(on_changes: Repository, before: str, after: str, code: int) -> None:
    """Also where they did not change: the Namespace of the last commit is that of the work tree."""
    one = config("a", namespace="shop")
    first = on_changes.commit(namespace=NAMESPACE.format(before), a=one)
    on_changes.commit(namespace=NAMESPACE.format(after))
    on_changes.write("deploy/a.yaml", config("a", namespace="shop", labels="{a: b}"))
    for since in (first, "HEAD"):
        found = on_changes.check("--since", since, "deploy/a.yaml", "deploy/namespace.yaml", code=code)[0]
        assert found.get("deploy/a.yaml:3") == ("nothing is changed here" if code else None), since


def test_the_verdicts_on_what_differs_are_explained(on_changes: Repository) -> None:
    on_changes.commit(a=config("a"), same=config("same"), gone=config("gone", finalizers="[shop/a]"))
    on_changes.write("deploy/a.yaml", config("a", "c"))
    on_changes.write("deploy/new.yaml", config("new"))
    (on_changes.folder / "deploy/gone.yaml").unlink()

    def explain(*arguments: str) -> subprocess.CompletedProcess[str]:
        return gatewright("explain", "on-changes", *arguments, cwd=on_changes.folder)

    done = explain("deploy", "--since", "HEAD")
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("✗", "✓", "-"))] == [
        "✗ Update of ConfigMap default/a is denied  deploy/a.yaml:1",
        "✓ ConfigMap default/new passes  deploy/new.yaml:1",
        "✗ Deletion of ConfigMap default/gone is denied  HEAD:deploy/gone.yaml:1",
    ]
    assert any(line.endswith('oldObject.?data = optional.of({"a": "b"})') for line in lines), done.stdout
    assert "1 created, 1 updated, 1 deleted, 1 unchanged" in done.stderr
    assert done.returncode == 1
    (shown,) = json.loads(explain("deploy", "--since", "HEAD", "-o", "json").stdout)["policies"]
    assert [(each["operation"], each["denied"]) for each in shown["objects"]] == [
        ("UPDATE", True),
        ("CREATE", False),
        ("DELETE", True),
    ]
    done = explain("deploy", "--since", "HEAD", "--until", "HEAD")
    assert (done.returncode, done.stdout.count("ConfigMap")) == (0, 0)
    assert done.stdout.endswith("policies/all.yaml:1\n\nno object differs between HEAD and HEAD\n")
    on_changes.commit(a=config("a", "c"), same=config("same"), new=config("new"))
    done = explain("deploy", "--since", "HEAD")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "no object differs from HEAD")
    assert "0 created, 0 updated, 0 deleted, 3 unchanged" in done.stderr
    assert explain("deploy", "--since", "HEAD", "--exclude", "a.yaml", "--exclude", "gone.yaml").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "nope"], "--since: 'nope' names no commit here"),
        (["--until", "HEAD"], "--until needs --since"),
        (["--since", "HEAD", "--old", "deploy"], "leave one of them out"),
        (["--since", "HEAD", "--operation", "delete"], "leave --operation out"),
        (["--values", "v.yaml"], "--values needs --render helm"),
        (["--exclude", "x" * 5000], "--exclude: "),
        (["absent", "--since", "HEAD"], "neither now nor in HEAD"),
    ],
)
def test_options_that_explain_cannot_use(on_changes: Repository, arguments: list[str], said: str) -> None:
    on_changes.commit(a=config("a"))
    done = gatewright("explain", "on-changes", "deploy", *arguments, cwd=on_changes.folder)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_what_kustomize_renders_is_placed_in_a_file_in_every_format(repository: Repository) -> None:
    """A folder and a line of output is no place that anybody can open; kustomize names no origins by itself."""
    repository.commit(a=config("a"))
    overlay = "resources: [../base]\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n"
    repository.write("ov/base/kustomization.yaml", "resources: [a.yaml]\n")
    repository.write("ov/base/a.yaml", "# first\n" + config("a", "c"))
    repository.write("ov/prod/kustomization.yaml", overlay)
    formats = ("github", "gitlab", "checkstyle", "sarif", "json", "junit", "markdown")
    outputs = [word for each in formats for word in ("-o", f"{each}={each}.out")]
    arguments = ("check", "--since", "HEAD", "--render", "kustomize", "ov", "-o", "text", *outputs)
    environment = {**os.environ, "HOME": str(repository.folder)}
    done = gatewright(*arguments, cwd=repository.folder, env=environment)
    assert done.returncode == 1, done.stderr
    said = {each: (repository.folder / f"{each}.out").read_text() for each in formats}
    found = {each["object"]["name"][:4]: each for each in json.loads(said["json"])["findings"]}
    assert (found["a"]["file"], found["a"]["line"]) == ("ov/base/a.yaml", 2)
    made = found["made"]
    line = made["rendered"]["line"]
    assert (made["file"], made["line"], made["rendered"]["file"]) == ("ov/prod/kustomization.yaml", None, "ov/prod")
    where = f"rendered, in line {line} of ov/prod"
    assert "  ov/prod/kustomization.yaml: deny says-what-it-sees (everywhere)\n" in done.stdout
    for each in ("github", "gitlab", "checkstyle", "junit", "markdown"):
        assert where in said[each], each
        assert "ov/prod:" not in said[each], each
    assert where in done.stdout
    assert "::error file=ov/prod/kustomization.yaml,title=" in said["github"]
    assert {each["location"]["path"] for each in json.loads(said["gitlab"])} == {made["file"], "ov/base/a.yaml"}
    results = json.loads(said["sarif"])["runs"][0]["results"]
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert places == {made["file"], "ov/base/a.yaml"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_what_is_wrong_with_output_is_said_at_the_kustomization(repository: Repository) -> None:
    repository.commit(a=config("a"))
    repository.write("ov/base/kustomization.yaml", "resources: [a.yaml]\n")
    repository.write("ov/base/a.yaml", config("a", "c"))
    for name in ("dev", "prod"):  # which of them a cluster has is not known
        repository.write(f"ov/{name}/kustomization.yaml", "resources: [../base]\n")
    environment = {**os.environ, "HOME": str(repository.folder)}
    arguments = ("check", "deploy", "ov", "--since", "HEAD", "--render", "kustomize", "-o", "github")
    done = gatewright(*arguments, cwd=repository.folder, env=environment)
    assert done.returncode == 2, done.stdout
    for name in ("dev", "prod"):
        at = f"::error file=ov/{name}/kustomization.yaml::in line 1 of what is rendered: "
        assert f"{at}ConfigMap default/a also stands in " in done.stdout
        assert "ov/base/a.yaml (rendered, in line 1)" in done.stdout

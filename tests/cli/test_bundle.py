"""`gatewright bundle`, and commands that take their policies from a bundle."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bundle.registries import Answering, answering, artifact, denying, registry
from tests.cli.running import gatewright

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
ENVIRONMENT |= {"DOCKER_CONFIG": "/nonexistent"}


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    with registry() as address:
        yield address


@pytest.fixture
def hostile() -> Iterator[Answering]:
    with answering() as held:
        yield held


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/p.yaml").write_text(denying())
    (tmp_path / "tree/README.md").write_text("not packed")
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path


def run(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return gatewright(*arguments, cwd=root, env=ENVIRONMENT | variables)


def manifest(folder: Path) -> dict[str, Any]:
    (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]
    found: dict[str, Any] = json.loads((folder / "blobs" / entry["digest"].replace(":", "/")).read_bytes())
    return found


def test_the_same_tree_gives_the_same_digest_wherever_it_goes(root: Path, real: str) -> None:
    pushed = run(root, "bundle", "tree", "--output", f"oci://{real}/team/policies:v1")
    assert pushed.returncode == 0, pushed.stderr
    digest = pushed.stdout.strip().partition("@")[2]
    assert pushed.stdout == f"oci://{real}/team/policies@{digest}\n"
    archive, folder = run(root, "bundle", "tree", "-o", "out.tar"), run(root, "bundle", "tree", "-o", "out/")
    assert archive.stdout == folder.stdout == f"{digest}\n"
    with tarfile.open(root / "out.tar") as reader:
        assert "oci-layout" in reader.getnames()
    (root / "tree/p.yaml").touch()
    (root / "tree").rename(root / "moved")
    assert run(root, "bundle", "moved", "-o", "out2.tar").stdout == f"{digest}\n"
    assert (root / "out.tar").read_bytes() == (root / "out2.tar").read_bytes()


@pytest.mark.parametrize("command", [("check",), ("explain", "p"), ("manifests",)])
def test_a_bundle_gives_what_its_folder_gives(root: Path, real: str, command: tuple[str, ...]) -> None:
    reference = run(root, "bundle", "tree", "-o", f"oci://{real}/{command[0]}:v1").stdout.strip()
    if command == ("manifests",):
        by_folder, by_bundle = run(root, *command, "tree"), run(root, *command, reference)
    else:
        by_folder = run(root, *command, "pod.yaml", "--policies", "tree")
        by_bundle = run(root, *command, "pod.yaml", "--policies", reference)
    assert by_bundle.returncode == by_folder.returncode in (0, 1), by_bundle.stderr
    shown = reference[: reference.index("sha256:") + 19]
    if command == ("manifests",):  # the header has the command line
        assert list(yaml.safe_load_all(by_bundle.stdout)) == list(yaml.safe_load_all(by_folder.stdout)) != []
    else:
        assert by_bundle.stdout.replace(shown, "tree") == by_folder.stdout != ""
    if command[0] == "explain":
        assert f"{shown}/p.yaml:1" in by_bundle.stdout


def test_a_bundle_and_a_folder_make_one_tree(root: Path, real: str) -> None:
    reference = run(root, "bundle", "tree", "-o", f"oci://{real}/both:v1").stdout.strip()
    (root / "more").mkdir()
    (root / "more/p.yaml").write_text(denying(name="q"))
    both = run(root, "check", "pod.yaml", "-o", "json", GATEWRIGHT_POLICIES=f"{reference},more")
    assert sorted(each["policy"] for each in json.loads(both.stdout)["findings"]) == ["p", "q"]


def test_a_tree_that_does_not_load_is_not_packed(root: Path, hostile: Answering) -> None:
    (root / "tree/q.yaml").write_text(denying(name="q", expression="object."))
    refused = run(root, "bundle", "tree", "-o", f"oci://{hostile.address}/a:b")
    assert refused.returncode == 2
    assert "error: tree/q.yaml:" in refused.stderr
    assert not hostile.asked
    empty = run(root, "bundle", "nowhere", "-o", "out.tar")
    assert "error: nowhere: no such file or folder" in empty.stderr
    assert not (root / "out.tar").exists()


def test_what_is_noted(root: Path) -> None:
    assert run(root, "bundle", "tree", "-o", "out/").returncode == 0
    assert manifest(root / "out")["annotations"] == {}
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(root))
    for words in (("init", "-q"), ("add", "tree"), ("commit", "-qm", "x")):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert run(root, "bundle", "tree", "-o", "of-commit/", SOURCE_DATE_EPOCH="86400").returncode == 0
    assert manifest(root / "of-commit")["annotations"] == {
        "org.opencontainers.image.created": "1970-01-02T00:00:00Z",
        "org.opencontainers.image.revision": head,
    }
    (root / "tree/p.yaml").write_text(denying("changed"))
    assert run(root, "bundle", "tree", "-o", "changed/").returncode == 0
    assert manifest(root / "changed")["annotations"] == {}
    wrong = run(root, "bundle", "tree", "-o", "x/", SOURCE_DATE_EPOCH="yesterday")
    assert wrong.returncode == 2
    assert wrong.stderr == "error: SOURCE_DATE_EPOCH: expected seconds since the epoch, got 'yesterday'\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("oci://x/y:z", "-o", "out.tar"), "oci://x/y:z is a bundle already; expected folders or files"),
        (("tree", "-o", "oci://x"), "--output: 'oci://x': '' is no repository"),
        (("tree", "-o", "nowhere/out.tar"), "--output: nowhere/out.tar: "),
        (("tree", "-o", "out.tar", "--kubernetes-version", "x"), "--kubernetes-version: "),
        (("tree", "-o", "out.tar", "--policy-imports", "os path"), "--policy-imports: "),
        (("tree", "-o", "oci://localhost:1/a@sha256:" + "0" * 64), "the tree has the digest sha256:"),
        (("tree", "-o", "oci://localhost:1/a:b"), "--output: localhost:1: ConnectionRefusedError"),
        (("tree", "tree/../tree", "-o", "out.tar"), "have one name; rename one of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said(root: Path, arguments: tuple[str, ...], message: str) -> None:
    refused = run(root, "bundle", *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ") and message in refused.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("check", "pod.yaml", "--policies", "oci://localhost:1/a:b"), "localhost:1: ConnectionRefusedError"),
        (("check", "pod.yaml", "--policies", "oci://localhost:1"), "'' is no repository"),
        (
            ("check", "pod.yaml", "--policies", "oci://localhost:1/a:b", "--verify-key", "x.pub"),
            "--verify-key: x.pub: ",
        ),
        (("check", "pod.yaml", "--policies", "oci://localhost:1/a:b", "--registry-ca", "x.pem"), "x.pem: No such file"),
        (("explain", "p", "pod.yaml", "--policies", "oci://localhost:1/a:b"), "ConnectionRefusedError"),
        (("manifests", "oci://localhost:1/a:b"), "ConnectionRefusedError"),
        (("manifests", "oci://localhost:1/a:b", "--all", "--check", "x"), "--all: oci://localhost:1/a:b is a bundle"),
        (("test", "--policies", "oci://localhost:1/a:b"), "tests and the files that they name are in folders"),
    ],
)
def test_a_bundle_that_is_not_there(root: Path, command: tuple[str, ...], message: str) -> None:
    refused = run(root, *command)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr


def test_a_policy_of_a_bundle_with_an_error_is_named(root: Path, hostile: Answering) -> None:
    bundle = hostile.hold(artifact(("sub/x.yaml", b"kind: [")), "v1")
    refused = run(root, "check", "pod.yaml", "--policies", str(hostile.reference()))
    assert refused.returncode == 2
    assert f"error: oci://{hostile.address}/team/policies@{bundle.digest[:19]}/sub/x.yaml:1" in refused.stderr

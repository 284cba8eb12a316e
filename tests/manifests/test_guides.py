"""docs/operations: the commands as an operator copies them, in a shell whose kubectl writes down what it is told."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.cli.running import gatewright
from tests.manifests import kustomize
from tests.manifests.kustomize import OVERLAYS, ROOT
from tests.timing import HANGING

ENFORCING, WARN_ONLY, DEVELOPMENT = OVERLAYS
GUIDES = sorted((ROOT / "docs" / "operations").glob("*.md"))
CONFIGURATIONS = {"validatingwebhookconfiguration", "mutatingwebhookconfiguration"}
STUB = """\
#!{python} -IS
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""

Command = list[str]  # the program, then its arguments


def blocks(guide: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", guide.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(text) for _, text in found]


def told(tmp_path: Path, script: str) -> list[Command]:
    """What a shell that runs the script calls, of the programs that would leave this machine."""
    log = tmp_path / "log"
    log.write_text("")
    for name in ("kubectl", "docker", "kind", "gatewright", "helm", "gh", "cosign"):
        stub = tmp_path / name
        stub.write_text(STUB.format(python=sys.executable, log=str(log)))
        stub.chmod(0o755)
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGING,
    )
    assert "not found" not in done.stderr, done.stderr
    assert "syntax error" not in done.stderr, done.stderr
    return [json.loads(line) for line in log.read_text().splitlines()]


@functools.cache
def commands(guide: Path) -> list[Command]:
    # What measures takes its time, and is another test's.
    found = [block for block in blocks(guide, "sh") if "-m bench" not in block]
    with TemporaryDirectory() as folder:
        return [each for block in found for each in told(Path(folder), block)]


@functools.cache
def flags(*subcommand: str) -> frozenset[str]:
    """The long flags that this kubectl knows, those of every command included."""
    said = "".join(
        subprocess.run(["kubectl", *words], capture_output=True, text=True, check=False, timeout=HANGING).stdout
        for words in ([*subcommand, "--help"], ["options"])
    )
    return frozenset(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)=", said, re.MULTILINE))


def patched(patches: list[Command]) -> dict[str, Any]:
    """The configurations of the enforcing overlay after `kubectl patch` commands, in order."""
    found = {
        name: next(copy.deepcopy(each) for each in kustomize.objects(ENFORCING) if each["kind"].lower() == name)
        for name in CONFIGURATIONS
    }
    for _, _, kind, name, *options in patches:
        assert name == found[kind]["metadata"]["name"]
        done = subprocess.run(
            ["kubectl", "patch", "--local", "--filename", "-", *options, "--output", "yaml"],
            input=yaml.safe_dump(found[kind]),
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGING,
        )
        assert done.returncode == 0, done.stderr
        found[kind] = yaml.load(done.stdout, Loader=yaml.CSafeLoader)
    return found


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_kubectl_knows_every_flag(guide: Path) -> None:
    kustomize.text(ENFORCING)  # skips where there is no kubectl
    for program, *arguments in commands(guide):
        if program != "kubectl":
            continue
        start = 2 if arguments[0] == "--namespace" else 0
        words = arguments[start : start + {"rollout": 2, "create": 3}.get(arguments[start], 1)]
        used = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
        assert used <= flags(*words), arguments


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_every_file_it_names_is_there(guide: Path) -> None:
    text = guide.read_text()
    named = re.findall(r"`((?:manifests|policies|docs)/[^` *]+)`", text)
    written = set()
    for _, *arguments in commands(guide):
        written |= {value for option, value in pairwise(arguments) if option == "--write"}
        for option, value in pairwise(arguments):
            if (
                value not in written
                and option in ("--kustomize", "--filename", "--policies")
                and not value.startswith(("https://", "oci://"))
            ):
                named.append(value)
    assert [name for name in named if not (ROOT / name).exists()] == []
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^):]+)\)", text)]
    assert [link for link in links if link and not (guide.parent / link).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_everything_of_ours_that_it_names_is_in_the_manifests(guide: Path) -> None:
    kinds = {each["kind"].lower() for folder in (ENFORCING, DEVELOPMENT) for each in kustomize.objects(folder)}
    for program, *arguments in commands(guide):
        if program in ("helm", "gh"):
            continue  # the release of Helm is what the chart's own tests render
        for argument in arguments:
            kind, _, name = argument.partition("/")
            if name == "gatewright":
                assert kind in kinds
        if "gatewright" in arguments:
            kind = arguments[arguments.index("gatewright") - 1]
            assert set(kind.split(",")) <= kinds | {"--selector"}, arguments


def test_break_glass_lets_everything_pass_that_is_not_answered(tmp_path: Path) -> None:
    guide = (ROOT / "docs/operations/break-glass.md").read_text()
    section = guide[guide.index("## A.") : guide.index("## B.")]
    (tmp_path / "a.md").write_text(section)
    after = patched(commands(tmp_path / "a.md"))
    webhooks = [webhook for each in after.values() for webhook in each["webhooks"]]
    assert [webhook["failurePolicy"] for webhook in webhooks] == ["Ignore"] * 8
    validating = after["validatingwebhookconfiguration"]["webhooks"]
    assert [webhook["timeoutSeconds"] for webhook in validating if "fail" in webhook["name"]] == [1, 1]


def test_break_glass_exempts_a_namespace(tmp_path: Path) -> None:
    guide = (ROOT / "docs/operations/break-glass.md").read_text()
    section = guide[guide.index("## B.") : guide.index("## C.")]
    (tmp_path / "b.md").write_text(section)
    patches = [each for each in commands(tmp_path / "b.md") if each[1] == "patch"]
    for each in patched(patches).values():
        for webhook in each["webhooks"][:2]:
            assert webhook["namespaceSelector"]["matchExpressions"][0]["values"][-1] == "shop"


def test_break_glass_removes_every_configuration(tmp_path: Path) -> None:
    guide = (ROOT / "docs/operations/break-glass.md").read_text()
    section = guide[guide.index("## C.") : guide.index("## What works")]
    (tmp_path / "c.md").write_text(section)
    ((program, verb, kinds, name),) = commands(tmp_path / "c.md")
    assert (program, verb, set(kinds.split(",")), name) == ("kubectl", "delete", CONFIGURATIONS, "gatewright")


def test_install_applies_everything_before_it_registers() -> None:
    applied = [each for each in commands(ROOT / "docs/operations/install.md") if "--kustomize" in each]
    folders = [each[each.index("--kustomize") + 1] for each in applied]
    assert folders == [
        *[f"manifests/{WARN_ONLY}"] * 2,
        f"manifests/{ENFORCING}",
        *[f"manifests/{DEVELOPMENT}"] * 2,
    ]
    selective = ["app.kubernetes.io/component!=registration" in each for each in applied]
    assert selective == [True, False, False, True, False]


def test_uninstall_unregisters_first() -> None:
    first, second, *_ = commands(ROOT / "docs/operations/uninstall.md")
    assert set(first[2].split(",")) == CONFIGURATIONS
    assert second[1:3] == ["delete", "--kustomize"]


def test_the_exemption_for_native_policies_is_that_of_the_webhooks() -> None:
    guide = ROOT / "docs/operations/native.md"
    (block,) = blocks(guide, "yaml")
    handed = next(command for command in commands(guide) if "--native" in command)
    done = gatewright(*handed[1 : handed.index("--write")], cwd=ROOT)
    assert done.returncode == 0, done.stderr
    bound = list(yaml.safe_load_all(done.stdout))[-1]
    resources = yaml.safe_load(block)["spec"]["matchResources"]
    assert bound["spec"]["matchResources"] == resources
    (expression,) = resources["namespaceSelector"]["matchExpressions"]
    for each in kustomize.objects(ENFORCING):
        for webhook in each.get("webhooks", ()):
            (exempt,) = webhook["namespaceSelector"]["matchExpressions"]
            assert {**exempt, "values": sorted(exempt["values"])} == expression


def test_the_check_of_what_runs_reads_what_kubectl_writes(tmp_path: Path) -> None:
    """`kubectl get … --output yaml` is one List; each of its items is checked."""
    listed = {"apiVersion": "v1", "kind": "List", "items": kustomize.objects(ENFORCING)}
    done = gatewright("check", "--policies", "policies", "-", cwd=ROOT, stdin=yaml.safe_dump(listed))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"({len(listed['items'])} objects" in done.stdout

"""docs/guides/policy-pr.md: its commands run as they stand there, and print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.project import scratch
from tests.timing import HANGING

GUIDE = (Path(__file__).parents[2] / "docs/guides/policy-pr.md").read_text()
COMMANDS_AND_TEXTS = re.findall(
    r"^```(sh|text|yaml)\n(.*?)^```$|`(gatewright [^`]+ [^`]+)`", GUIDE, re.MULTILINE | re.DOTALL
)
"""The blocks of the guide, and the commands within its sentences, in their order."""

MANIFEST = scratch.deployment("web", "web:1").replace(", namespace: shop, labels: {team: cart}", "")
LEFT_OUT = "…\n"
"""A line that stands for some lines."""

SAME = "are the same"
"""What `impact` says where there is nothing to compare."""


def shows(text: str, printed: str) -> bool:
    """Whether the guide shows what was printed: all of it, but for lines that are left out with a mark."""
    return re.fullmatch("(?:.*\n)+".join(map(re.escape, text.split(LEFT_OUT))), printed) is not None


def test_what_is_left_out_has_a_mark() -> None:
    assert shows("a\n…\nd\n", "a\nb\nc\nd\n") and shows("a\n…\n", "a\nb\n") and shows("a\n", "a\n")
    assert not any(shows(text, "a\nb\n") for text in ("a\n", "b\n", "a\nb\n…\n", "b\n…\n", "a\n…\nb\n"))


def test_the_commands_do_what_the_guide_says(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    (folder / "deploy").mkdir(parents=True)
    (folder / "deploy" / "web.yaml").write_text(MANIFEST)
    (folder / ".gatewright.toml").write_text('policies = ["policies"]\npaths = ["deploy"]\nowner-label = "team"\n')
    (folder / "policies").mkdir()
    (folder / "policies" / "README.md").write_text("Our policies.\n")
    scratch.git(folder, "init", "--quiet")
    scratch.commit(folder, "before")
    environment = scratch.environment(tmp_path)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANGING,
        )

    printed, shown, within = "", 0, []
    for language, text, named in COMMANDS_AND_TEXTS:
        if language == "sh":
            done = run(text)
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            assert SAME not in done.stderr, text
            printed = done.stdout
        elif language:
            shown += 1
            assert shows(text, printed), f"{text}\nis not what was printed:\n{printed}"
        else:
            # There is no cluster here, and nobody to end a run that watches; the rest is as it stands there.
            done = run(named.replace(" --cluster", "").replace(" --watch", ""))
            assert done.returncode == 0, f"{named}\n{done.stdout}{done.stderr}"
            assert SAME not in done.stderr, f"{named} stands where both sides are the same"
            within.append(named)
    assert shown == 8
    assert within == [
        "gatewright test --watch",
        "gatewright explain team-label deploy/web.yaml",
        "gatewright impact --cluster --since main",
    ]
    assert scratch.git(folder, "status", "--porcelain") == ""
    assert scratch.git(folder, "log", "--format=%s").splitlines() == [
        "team-label: deny",
        "team-label: warn",
        "team-label: audit",
        "before",
    ]

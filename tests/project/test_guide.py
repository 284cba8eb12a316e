"""docs/guides/policy-pr.md: its commands run as they stand there, and print what it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.project import scratch

GUIDE = (Path(__file__).parents[2] / "docs/guides/policy-pr.md").read_text()
BLOCKS = re.findall(r"^```(sh|text)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
MANIFEST = scratch.deployment("web", "web:1").replace(", namespace: shop, labels: {team: cart}", "")


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
    printed, shown = "", 0
    for language, text in BLOCKS:
        if language == "sh":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
            printed = done.stdout
        else:
            shown += 1
            lines = text.splitlines()
            assert all(line in printed for line in lines), f"{text}\nis not in\n{printed}"
    assert shown == 7
    assert scratch.git(folder, "status", "--porcelain") == ""
    assert scratch.git(folder, "log", "--format=%s").splitlines() == [
        "team-label: deny",
        "team-label: warn",
        "team-label: audit",
        "before",
    ]

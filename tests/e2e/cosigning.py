"""cosign itself, built from its Go module: key pairs, and signatures in both forms."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.goprograms import built

_PROGRAM = Path(__file__).parent / "cosign"
_OFFLINE = ("--yes", "--allow-http-registry", "--tlog-upload=false", "--use-signing-config=false")
FORMS = {"simple": ("--new-bundle-format=false",), "dsse": ()}


@cache
def program() -> Path:
    """Skips without Go."""
    return built(_PROGRAM)


def cosign(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COSIGN_PASSWORD": "x", "HOME": str(folder), "DOCKER_CONFIG": str(folder)}
    return subprocess.run(
        [str(program()), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def key_pair(folder: Path) -> Path:
    """cosign.key and cosign.pub in a folder, which is made; the public key."""
    folder.mkdir(parents=True, exist_ok=True)
    run = cosign("generate-key-pair", folder=folder)
    assert run.returncode == 0, run.stderr
    return folder / "cosign.pub"


def sign(image: str, form: str, folder: Path) -> None:
    """Sign REGISTRY/REPOSITORY@DIGEST with the key in a folder. form: one of FORMS."""
    run = cosign("sign", "--key", "cosign.key", *_OFFLINE, *FORMS[form], image, folder=folder)
    assert run.returncode == 0, run.stderr

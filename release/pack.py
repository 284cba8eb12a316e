"""Packs the wheel in a folder as a plugin for krew: gatewright-krew.tar.gz, and its manifest, gatewright.yaml.

Usage: python release/pack.py FOLDER OWNER/REPOSITORY. The same wheel gives the same archive, byte for byte.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
ARCHIVE = "gatewright-krew.tar.gz"


def archive(wheel: Path) -> bytes:
    """The plugin as krew unpacks it: the launcher, the wheel, and the lock file of its dependencies."""
    files = {
        "LICENSE": (HERE.parent / "LICENSE", 0o644),
        wheel.name: (wheel, 0o644),
        "kubectl-gatewright": (HERE / "kubectl-gatewright", 0o755),
        "requirements.lock": (HERE.parent / "requirements.lock", 0o644),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (path, mode) in sorted(files.items()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def main(folder: str, repository: str) -> int:
    wheels = list(Path(folder).glob("gatewright-*.whl"))
    if len(wheels) != 1:
        print(f"{folder}: expected one wheel of gatewright, found {len(wheels)}", file=sys.stderr)
        return 2
    content = archive(wheels[0])
    (Path(folder) / ARCHIVE).write_bytes(content)
    manifest = (HERE / "krew.yaml").read_text()
    for word, value in {
        "VERSION": wheels[0].name.split("-")[1],
        "REPOSITORY": repository,
        "DIGEST": hashlib.sha256(content).hexdigest(),
    }.items():
        manifest = manifest.replace(word, value)
    (Path(folder) / "gatewright.yaml").write_text("".join(manifest.splitlines(keepends=True)[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

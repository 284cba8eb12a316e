"""The files that `manifests` generates: written, or compared with the files on disk."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from webhook.cli.options import FAILED, fail


def written(rendered: Sequence[tuple[Path | None, str]], *, folders: bool = False) -> int:
    """Write the files, with the folders that they need if `folders`."""
    from webhook.cli.streams import put
    from webhook.documents import files
    from webhook.registration import shipping

    for file, _ in rendered:  # before anything is written
        if file is not None and file.name == shipping.FILE and file.exists():
            content = file.read_text(encoding="utf-8", errors="replace")
            if not shipping.is_generated(content):
                return fail(
                    f"--write: {file}: was not written by `gatewright manifests --all`; move it to another folder that "
                    "lists this one in its resources"
                )
    for file, content in rendered:
        if file is None:
            return 0 if put(content) else FAILED
        try:
            if folders and file.parent.exists() and not file.parent.is_dir():
                return fail(f"--write: {file.parent}: is no folder")
            if folders:
                file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
        except OSError as error:
            return fail(f"--write: {file}: {files.unwritten(error)}")
    return 0


def compared(rendered: Sequence[tuple[Path | None, str]], *, may_be_missing: bool) -> int:
    """Show how each file differs from what it should be. `may_be_missing`: a missing file is one that is empty."""
    from webhook.cli.streams import put
    from webhook.documents import files

    code = 0
    for file, content in rendered:
        try:
            if str(file) == "-":
                current = sys.stdin.read()
            elif may_be_missing and file is not None and not file.exists():
                current = ""
            else:
                current = "" if file is None else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = files.reason(error) if isinstance(error, OSError) else "not UTF-8"
            return fail(f"--check: {file}: {reason}")
        if current == content:
            continue
        lines = difflib.unified_diff(
            current.splitlines(keepends=True), content.splitlines(keepends=True), str(file), "what the policies need"
        )
        diff = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
        code = 1
        if not put(diff):
            return FAILED
    return code

"""Finds the files of a policy tree."""

from __future__ import annotations

import os
import stat
from pathlib import Path as FilePath

from webhook.documents import files, reader
from webhook.documents.reader import Problem

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})  # they contain lists of files, not policies


def walk(root: FilePath) -> tuple[list[FilePath], list[Problem]]:
    """The files below a folder that may contain policies, sorted, and problems. If `root` is a file, only that.

    Entries with a name that starts with `.` or `_` are skipped, and kustomizations. A pipe, socket or device is a
    problem, as reading it might never end. So is a folder that cannot be listed, as it may contain policies.
    """
    if not root.is_dir():
        return [root], []
    found: list[FilePath] = []
    problems: list[Problem] = []

    def unlisted(error: OSError) -> None:
        problems.append(Problem(str(error.filename or root), None, None, files.reason(error)))

    seen: set[FilePath] = set()
    for folder, folders, names in os.walk(root, onerror=unlisted, followlinks=True):
        resolved = FilePath(folder).resolve()
        if resolved in seen:  # reached before, by a symbolic link
            folders.clear()
            continue
        seen.add(resolved)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            wanted = name.endswith((*reader.SUFFIXES, ".py")) and not name.startswith((".", "_"))
            if not wanted or name in _KUSTOMIZATIONS:
                continue
            file = FilePath(folder, name)
            if special := _special(file):
                advice = "remove it, or give it a name that begins with _"
                problems.append(Problem(str(file), None, None, f"{special}, not a regular file; {advice}"))
            else:
                found.append(file)
    return found, problems


def _special(file: FilePath) -> str | None:
    """The type of an entry that is not a regular file; None for a regular file, and for one that cannot be opened.

    Reading the latter reports the error.
    """
    try:
        mode = file.stat().st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode):
        return None
    return {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}.get(stat.S_IFMT(mode), "a device")

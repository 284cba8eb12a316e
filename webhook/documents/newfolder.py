"""A new folder of a policy tree: with all of its files, or not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path


class Unfinished(Exception):
    """Another run is writing the folder, or did not end; the text names the file or folder in the way."""


def write(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files of these names to a new folder. A server that reloads its parent meets no half of it.

    folder: is not there yet; folders above it are made. Returns the files, sorted. Raises Unfinished and OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.new")  # what begins with a dot is no part of a tree
    try:
        made.mkdir()
    except FileExistsError:
        raise Unfinished(f"{made}: another run is writing this folder, or did not end; remove it first") from None
    try:
        for name, content in contents.items():
            (made / name).write_bytes(content)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return sorted(folder / name for name in contents)

"""The places of a command's arguments in a repository."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from webhook.git.repository import GitError


class Place(Struct, frozen=True):
    """The places of the command's arguments in the repository. `paths`: as they are shown, relative to `base`, a folder
    relative to the top."""

    base: str
    paths: list[str]

    @property
    def below(self) -> list[str]:
        """The paths relative to the top."""
        return [os.path.normpath(os.path.join(self.base, each)) for each in self.paths]  # noqa: PTH118  # of texts


def folder_of(paths: Sequence[str]) -> Path:
    """A folder that exists, from which the repository is looked for."""
    folder = Path.cwd() / paths[0]
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def place_of(top: Path, paths: Sequence[str]) -> Place:
    """The places of paths in the repository with this top. Raises GitError for a path outside it."""
    here = Path(os.path.realpath(Path.cwd()))
    base = here if here == top or top in here.parents else top
    found: list[str] = []
    for name in paths:
        # The last part may be a link: it is what the repository has.
        absolute = Path(os.path.abspath(name))  # noqa: PTH100  # `..` of the text, as git takes it
        path = os.path.join(os.path.realpath(absolute.parent), absolute.name)  # noqa: PTH118
        if os.path.commonpath([top, path]) != os.fspath(top):
            raise GitError(f"{name} is not in the repository {top}")
        found.append(os.path.relpath(path, base))
    return Place(os.path.relpath(base, top), found)

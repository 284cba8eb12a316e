"""From which of its files kustomize has an object, where its output does not say so (the default): the one file among
those that a kustomization takes in that has an object of its identity.

kustomize refuses two objects of one group, kind, namespace and name. So a single candidate is the source, unless names
are changed on the way: then nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from webhook.documents import files
from webhook.documents.kustomizations import kustomization
from webhook.documents.reader import parsed
from webhook.documents.tree import KUSTOMIZATIONS
from webhook.offline.renderedfrom import MAX_SIZE

MAX_FILES: Final = 1_000
"""Files that are looked into for one kustomization."""

MAX_BYTES: Final = 16 << 20
"""Bytes of these together."""

_RENAMING: Final = ("namePrefix", "nameSuffix", "transformers", "replacements", "vars")
_Name = tuple[str, str, str]  # group, kind, name


class Taken:
    """The objects of the files that the kustomization in a folder takes in. Only files below the current folder, or
    below that one, are opened, as their names are part of what is rendered."""

    def __init__(self, folder: str) -> None:
        self._near = [os.path.realpath("."), os.path.realpath(folder)]
        self._seen: set[str] = set()
        self._files = self._bytes = 0
        self._sure = True
        self._namespaces: set[str] = set()  # which kustomizations set
        self._found: dict[_Name, set[tuple[str, str]]] = {}  # -> namespaces and files
        self._take(folder)

    def source(self, value: Any) -> str:
        """The file that a rendered object is from; "" if that is not sure."""
        named = _identity(value)
        if not self._sure or named is None:
            return ""
        name, namespace = named
        held = self._found.get(name, set())
        found = {file for own, file in held if own == namespace or namespace in self._namespaces}
        return found.pop() if len(found) == 1 else ""

    def _take(self, folder: str) -> None:
        pending = [folder]
        while pending and self._sure:
            path = os.path.normpath(pending.pop())
            real = os.path.realpath(path)
            if real in self._seen or not any(real == each or real.startswith(f"{each}{os.sep}") for each in self._near):
                continue
            self._seen.add(real)
            if Path(path).is_dir():
                pending += self._resources(path)
            else:
                self._objects(path)

    def _resources(self, folder: str) -> Iterator[str]:
        """What the kustomization in a folder takes in."""
        for value in self._values(root_file(folder)):
            made = kustomization(value, named=True)
            if made is None:
                continue
            self._sure &= not any(value.get(each) for each in _RENAMING) and not _may_rename(value)
            if isinstance(namespace := value.get("namespace"), str):
                self._namespaces.add(namespace)
            for each in made.resources:
                if "\0" not in each and not os.path.isabs(each):  # noqa: PTH117  # a text
                    yield os.path.join(folder, each)  # noqa: PTH118  # as named

    def _objects(self, file: str) -> None:
        for value in self._values(file):
            if (named := _identity(value)) is not None:
                self._found.setdefault(named[0], set()).add((named[1], file))

    def _values(self, file: str) -> Iterator[Any]:
        """What a file holds. One that is too large, or no file, may hold anything, as a remote one may."""
        try:
            content = files.content_of(Path(file), None, MAX_SIZE) if Path(file).is_file() else b""
        except (OSError, ValueError):
            return
        self._files, self._bytes = self._files + 1, self._bytes + len(content)
        if self._files > MAX_FILES or self._bytes > MAX_BYTES:
            self._sure = False
            return
        for document in parsed(content, file).documents:
            yield document.value


def root_file(folder: str) -> str:
    """The file that makes a folder a kustomization, or a chart; the folder itself if it has none."""
    for name in (*KUSTOMIZATIONS, "Chart.yaml"):
        path = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118  # as named
        if Path(path).is_file():
            return path
    return folder


def _identity(value: Any) -> tuple[_Name, str] | None:
    """Group, kind and name of an object, and its namespace; None without a kind or a name."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        return None
    version, kind, name = value.get("apiVersion"), value.get("kind"), metadata.get("name")
    if not (isinstance(version, str) and isinstance(kind, str) and isinstance(name, str)):
        return None
    namespace = metadata.get("namespace")
    group = version.rpartition("/")[0]
    return (group, kind, name), namespace if isinstance(namespace, str) else ""


def _may_rename(value: dict[str, Any]) -> bool:
    """Whether a patch of a kustomization may change names and kinds (`options`)."""
    patches = value.get("patches")
    return isinstance(patches, list) and any(isinstance(each, dict) and bool(each.get("options")) for each in patches)

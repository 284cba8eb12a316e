"""What a kustomization names: files that are parts of objects, files that hold objects, and other kustomizations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

from msgspec import Struct

GROUP: Final = "kustomize.config.k8s.io"
COMPONENT: Final = "Component"
_KINDS: Final = ("Kustomization", COMPONENT)

# Each names files that are no objects of their own: `field` (texts), or `field.key` (mappings with that key).
_PARTS: Final = (
    ("patchesStrategicMerge", None),
    ("patches", "path"),
    ("patchesJson6902", "path"),
    ("replacements", "path"),
    ("configurations", None),
    ("generators", None),
    ("transformers", None),
    ("validators", None),
    ("crds", None),
    ("helmCharts", "valuesFile"),
    ("helmCharts", "additionalValuesFiles"),
    ("configMapGenerator", "files"),
    ("configMapGenerator", "envs"),
    ("configMapGenerator", "env"),
    ("secretGenerator", "files"),
    ("secretGenerator", "envs"),
    ("secretGenerator", "env"),
)
_RESOURCES: Final = ("resources", "bases", "components")


class Kustomization(Struct, frozen=True):
    """The paths that a kustomization names, relative to its folder. `resources`: files, folders and URLs."""

    kind: str
    parts: tuple[str, ...]
    resources: tuple[str, ...]


def kustomization(value: Any, *, named: bool) -> Kustomization | None:
    """What a document says as a kustomization; None if it is none.

    named: its file has a name that kustomize looks for. Then it may leave out apiVersion and kind.
    """
    if not isinstance(value, dict):
        return None
    api_version, kind = value.get("apiVersion") or "", value.get("kind") or ""
    if not isinstance(api_version, str) or not (api_version == "" or api_version.startswith(f"{GROUP}/")):
        return None
    if kind not in ("", *_KINDS) or not (named or (api_version and kind)):
        return None
    parts = tuple(part for field, key in _PARTS for part in _paths(value.get(field), key))
    openapi = value.get("openapi")
    if isinstance(openapi, dict) and isinstance(openapi.get("path"), str):
        parts += (openapi["path"],)
    resources = tuple(each for field in _RESOURCES for each in _paths(value.get(field), None))
    return Kustomization(kind or _KINDS[0], parts, resources)


def is_within(path: str) -> bool:
    """Whether a path leads to a file in or below the kustomization's folder, as kustomize demands of files."""
    depth = 0
    for step in PurePath(path).parts:
        depth += -1 if step == ".." else 0 if step == "." else 1
        if depth < 0 or step.startswith("/"):
            return False
    return "\0" not in path


def _paths(entries: Any, key: str | None) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else []:
        named = entry if key is None else entry.get(key) if isinstance(entry, dict) else None
        for path in named if isinstance(named, list) else [named]:
            if isinstance(path, str) and path and "\n" not in path:
                # `files: [key=path]`
                yield path.partition("=")[2] if key in ("files", "envs", "env") and "=" in path else path

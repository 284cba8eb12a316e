"""The corpus: manifests/*.yaml, and CustomResourceDefinitions with objects of their kinds in manifests/custom/*.yaml.

A document begins with a comment, which is its name and says what it shows; names are unique within a file. What is
`given: …` is there when the others are judged: the server makes it, and check finds it in the same file. In a file of
`custom` the first document, the CustomResourceDefinition, is given too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from webhook.documents import reader

FOLDER = Path(__file__).parent / "manifests"
NAMESPACES = ("default", "shop", "kube-system", "limited")
"""The Namespaces that manifests name, but for those that are wrong."""

_SEPARATOR = re.compile(r"(?m)^---\n")
_CRD = "CustomResourceDefinition"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document. `first` and `last` are its lines in the file."""

    name: str
    value: Any
    first: int
    last: int


@dataclass(frozen=True)
class File:
    """One file. `name` is its path in the folder, without suffix."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(FOLDER).with_suffix("").as_posix()

    @property
    def custom(self) -> bool:
        return self.path.parent.name == "custom"

    def given(self, manifest: Manifest) -> bool:
        """Whether the manifest is there when the others of the file are judged."""
        return manifest.name.startswith("given: ") or (self.custom and manifest is self.manifests[0])

    @cached_property
    def manifests(self) -> list[Manifest]:
        documents, problems = reader.read([str(self.path)], None)
        assert not problems, problems
        made, line = [], 1
        texts = _SEPARATOR.split(self.path.read_text())
        assert len(texts) == len(documents), f"{self.path}: {len(texts)} documents, {len(documents)} are read"
        for text, document in zip(texts, documents, strict=True):
            assert text.startswith("# "), f"{self.path}:{line}: a document begins with its name, as a comment"
            last = line + text.count("\n")
            made.append(Manifest(text.splitlines()[0][2:], document.value, line, last))
            line = last + 1
        names = [each.name for each in made]
        assert len(set(names)) == len(names), f"{self.path}: {[name for name in names if names.count(name) > 1]}"
        return made


def files() -> list[File]:
    """The whole corpus."""
    return [File(path) for path in sorted(FOLDER.rglob("*.yaml"))]

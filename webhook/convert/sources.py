"""Reads the arguments of `convert`: documents with their places, and problems of files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Final

from msgspec import Struct, field

from webhook.documents import files, reader
from webhook.documents.reader import Document, Problem
from webhook.lazypatterns import lazily

LARGEST: Final = 1 << 20
"""The most characters of a file with policies. A single object in etcd cannot be larger."""

_HELM = lazily(
    r"\{\{-? {0,8}(?:\.(?:Values|Release|Chart|Files|Capabilities|Template)\b|include\b|template\b|if\b|range\b|with\b"
    r"|end\b|define\b|toYaml\b|\"\{\{)"
)
RENDER: Final = "a Helm template, not a policy; render it first: helm template CHART | gatewright convert - --out DIR"


class Sources(Struct):
    """The objects that were read, and the problems of what could not be."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    files: int = 0


def read(names: Iterable[str], stdin: BinaryIO | None = None) -> Sources:
    """Read files, folders and, for "-", `stdin`. One that cannot be read does not affect the others."""
    found = Sources()
    seen: set[files.Identity] = set()
    for name in names:
        for file, path in files.named(name, seen):
            if isinstance(path, files.Unreadable):
                found.problems.append(
                    Problem(
                        file, None, None, path.reason.replace("gatewright check -", "gatewright convert - --out DIR")
                    )
                )
                continue
            try:
                content = files.content_of(path, stdin)
            except OSError as error:
                found.problems.append(Problem(file, None, None, files.reason(error)))
                continue
            found.files += 1
            _parse(content, file, found)
    return found


def _parse(content: bytes, file: str, found: Sources) -> None:
    if len(content) > LARGEST:
        found.problems.append(Problem(file, None, None, f"larger than {LARGEST >> 20} MiB: too large for policies"))
        return
    parsed = reader.parsed(content, file)
    for unread in parsed.unread:
        problem = unread.problem
        if helm := _HELM.search(unread.text):
            line = _first_line(content, helm[0])
            problem = Problem(file, line, None, RENDER)
        found.problems.append(problem)
    found.problems += parsed.warnings
    repeated = {document.key for document in parsed.documents if document.repeats}
    good, wrong = reader.objects(each for each in parsed.documents if each.key not in repeated)
    found.documents += good
    found.problems += wrong


def _first_line(content: bytes, text: str) -> int:
    return content[: max(content.find(text.encode()), 0)].count(b"\n") + 1


def templated(document: Document) -> bool:
    """Whether a YAML document has Helm directives in its texts."""
    pending = [document.value]
    while pending:
        value = pending.pop()
        if isinstance(value, str) and "{{" in value and _HELM.search(value):
            return True
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
    return False

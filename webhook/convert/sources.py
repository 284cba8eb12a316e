"""Reads the arguments of `convert`: documents with their places, and problems of files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
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


TESTS: Final = {
    ("cli.kyverno.io", "Test"): "kyverno",
    ("chainsaw.kyverno.io", "Test"): "chainsaw",
    ("test.gatekeeper.sh", "Suite"): "gator",
}
"""Group and kind of a test file -> its dialect."""
_KYVERNO_TEST: Final = {"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Test"}
_TEST_FILES: Final = ("kyverno-test", "chainsaw-test")
_MARKS: Final = (b"cli.kyverno.io", b"chainsaw.kyverno.io", b"test.gatekeeper.sh")


class Sources(Struct):
    """The objects that were read, and the problems of files that could not be read. beside: files without Kubernetes
    objects, such as artifacthub-pkg.yml."""

    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def read(names: Iterable[str], stdin: BinaryIO | None = None) -> Sources:
    """Read files, folders and, for "-", `stdin`. A file that cannot be read does not affect the others.

    Of what folders conceal, as .kyverno-test, only the tests are read. What else is there belongs to these: objects, or
    the part of a policy that a test waits for.
    """
    found = Sources()
    seen: set[files.Identity] = set()
    for name in names:
        for file, path in files.named(name, seen, concealed=True):
            concealed = file != name and _concealed(file[len(name) :])
            if isinstance(path, files.Unreadable):
                if not concealed:
                    reason = path.reason.replace("gatewright check -", "gatewright convert - --out DIR")
                    found.problems.append(Problem(file, None, None, reason))
                continue
            try:
                content = files.content_of(path, stdin)
            except OSError as error:
                found.problems.append(Problem(file, None, None, files.reason(error)))
                continue
            if concealed:
                _parse_test(content, file, found)
            else:
                _parse(content, file, found, named=file == name)
    return found


def _concealed(path: str) -> bool:
    return any(part.startswith((".", "_")) for part in Path(path).parts)


def _parse_test(content: bytes, file: str, found: Sources) -> None:
    """The tests in a hidden file."""
    named = Path(file).stem in _TEST_FILES
    if not named and not any(mark in content for mark in _MARKS):
        return
    within = Sources()
    _parse(content, file, within, named=True)
    found.documents += [each for each in within.documents if dialect(each)]
    if named:
        found.problems += within.problems


def dialect(document: Document) -> str:
    """The dialect of a test; "" if the document is none."""
    api_version, kind = document.type or ("", "")
    return TESTS.get((api_version.rpartition("/")[0], kind), "")


def plain(file: Path) -> list[Document]:
    """The documents of a file, which need not be Kubernetes objects. Raises OSError."""
    content = files.content_of(file, None, LARGEST)
    return reader.parsed(content, str(file)).documents


def _headed(document: Document) -> Document:
    """A test of Kyverno in the layout before 1.11, which has neither apiVersion nor kind, with both."""
    value = document.value
    if (
        isinstance(value, dict)
        and not value.keys() & {"apiVersion", "kind"}
        and isinstance(value.get("policies"), list)
        and isinstance(value.get("results"), list)
    ):
        return document.item((), _KYVERNO_TEST | value)
    return document


def _of_something_else(value: object) -> bool:
    """Whether a document has no field of a Kubernetes object."""
    if isinstance(value, dict):
        return not value.keys() & {"apiVersion", "kind", "metadata", "spec"}
    return isinstance(value, list)


def _parse(content: bytes, file: str, found: Sources, *, named: bool) -> None:
    """named: the file itself is a source, and not a folder that it is in."""
    if len(content) > LARGEST:
        found.problems.append(Problem(file, None, None, f"larger than {LARGEST >> 20} MiB: too large for policies"))
        return
    parsed = reader.parsed(content, file)
    parsed.documents = [_headed(each) for each in parsed.documents]
    other = bool(parsed.documents) and not parsed.unread
    if other and not named and all(_of_something_else(each.value) for each in parsed.documents):
        found.beside.append(file)
        return
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

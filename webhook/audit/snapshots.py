"""Snapshots: the objects that an audit read, in one file that can be judged again without the cluster.

A file is gzip over lines of JSON: a header, the resources that were served, then parts: a line that says what was
listed or looked up, its objects, and what went wrong. The last line has the number of objects, which shows whether a
file was cut off. Values of Secrets, tokens and credentials are replaced before a line is written, as in recorded
reviews.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import orjson

from webhook.audit.reading import NotListed
from webhook.audit.sources import Served, Source
from webhook.cluster.lookups import Target
from webhook.documents.document import Problem
from webhook.documents.files import opened
from webhook.recordings.redacting import Redactor, TooMuch
from webhook.schema import Resource

if TYPE_CHECKING:
    from types import TracebackType

    from webhook.schema import Kinds

KIND: Final = "gatewright-snapshot"
VERSION: Final = 1

LONGEST: Final = 64 << 20
"""The most bytes of a line that are read: the resources of a cluster, or one object."""

LARGEST: Final = 64 << 30
"""The most bytes that are unpacked of a file."""

_PAGE: Final = 500  # objects of a page that is read back
_LEVEL: Final = 6  # of compression

Object = dict[str, Any]


class SnapshotError(Exception):
    """The file is not a snapshot, or cannot be written; the text says why."""


class _Part:
    """What was listed, or looked up (`target`); `failed`: why it ended before its end."""

    def __init__(self, target: Target | None) -> None:
        self.target = target
        self.failed: NotListed | None = None


class Writing:
    """A source that also writes the objects to a file as they are read.

    The file appears as a whole, once `finish` was called and the context has ended without an error. No file is written
    if the cluster did not answer.
    """

    def __init__(self, source: Source, path: Path) -> None:
        self.name = source.name
        self.problems = source.problems
        self._source = source
        self._path = path
        self._redactor = Redactor()
        self._count = 0
        self._any = self._whole = False

    def __enter__(self) -> Writing:
        try:
            number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        except OSError as error:
            raise SnapshotError(f"{self._path}: cannot be written: {error.strerror}") from None
        self._temporary = Path(name)
        self._raw: BinaryIO = os.fdopen(number, "wb")
        self._file = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._raw, mtime=0)
        taken = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._line({"snapshot": KIND, "version": VERSION, "cluster": self.name, "taken": taken})
        return self

    def finish(self) -> None:
        """Write the end, once everything was read or a problem says what could not be read. Raises SnapshotError."""
        self._line({"end": self._count})
        self._whole = self._any

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._file.close()
            self._raw.close()
            if self._whole and kind is None:
                self._temporary.replace(self._path)
                return
        except OSError as failed:
            if kind is None:
                raise SnapshotError(f"{self._path}: cannot be written: {failed.strerror}") from None
        finally:
            with suppress(OSError):
                self._temporary.unlink()

    def served(self) -> list[Served] | None:
        """See Source."""
        if self._any:  # it is written already
            return self._source.served()
        found = self._source.served()
        for problem in self.problems:
            self._line({"problem": problem.message})
        if found is not None:
            self._any = True
            self._line({"served": [_served(each) for each in found]})
        return found

    def pages(self, resource: Resource) -> Iterator[list[Object]]:
        """See Source."""
        self._line({"listed": _resource(resource)})
        for page in self._failing(self._source.pages(resource)):
            for value in page:
                self._object(value)
            yield page

    def looked_up(self, target: Target, kinds: Kinds) -> list[Object]:
        """See Source."""
        self._line({"lookedUp": list(target)})
        try:
            found = self._source.looked_up(target, kinds)
        except NotListed as error:
            self._line({"failed": str(error), "unreachable": error.unreachable})
            raise
        for value in found:
            self._object(value)
        return found

    def cost(self) -> str:
        """See Source."""
        return self._source.cost()

    def _failing(self, pages: Iterator[list[Object]]) -> Iterator[list[Object]]:
        try:
            yield from pages
        except NotListed as error:
            self._line({"failed": str(error), "unreachable": error.unreachable})
            raise

    def _object(self, value: Object) -> None:
        copy = orjson.loads(orjson.dumps(value))
        copy.get("metadata", {}).pop("managedFields", None)
        try:
            copy = self._redactor.begin().looked_up(copy, copy["kind"])
        except TooMuch:
            metadata = value.get("metadata") or {}
            at = "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
            text = f"{value['kind']} {at} is not in the snapshot: it holds too many values of Secrets to redact them"
            self.problems.append(Problem(self.name, None, None, text))
            self._line({"problem": text})
            return
        self._count += 1
        self._line({"object": copy})

    def _line(self, value: Object) -> None:
        try:
            self._file.write(orjson.dumps(value) + b"\n")
        except OSError as error:
            raise SnapshotError(f"{self._path}: cannot be written: {error.strerror}") from None


class Snapshot:
    """The source that a snapshot is. `taken`: when. Raises SnapshotError for a file that is none, or is cut off.

    The file is read once for each kind; nothing of it is kept but where the parts begin.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = self._lines()
        header = next(lines, {})
        if "recording" in header:
            raise SnapshotError(
                f"{path}: recorded reviews, and no snapshot: `gatewright replay` and `impact --recordings` judge them"
            )
        if header.get("snapshot") != KIND:
            raise SnapshotError(f"{path}: no snapshot that gatewright audit --snapshot has written")
        if header.get("version") != VERSION:
            raise SnapshotError(f"{path}: a snapshot of version {header.get('version')}; expected {VERSION}")
        self.name = str(header.get("cluster"))
        self.taken = str(header.get("taken"))
        self.problems: list[Problem] = []
        self._served: list[Served] | None = None
        self._parts: dict[str, _Part] = {}
        try:
            self._read_parts(lines)
        except (KeyError, TypeError, AttributeError) as error:
            raise SnapshotError(f"{path}: the snapshot was changed: {type(error).__name__}: {error}") from None

    def served(self) -> list[Served] | None:
        """See Source."""
        return self._served

    def pages(self, resource: Resource) -> Iterator[list[Object]]:
        """See Source. A kind that the snapshot does not have is NotListed."""
        key = _key({"listed": _resource(resource)})
        if key not in self._parts:
            raise NotListed("the snapshot does not have it; take one with policies that are about it")
        yield from self._objects(key)

    def looked_up(self, target: Target, kinds: Kinds) -> list[Object]:
        """See Source."""
        for key, part in self._parts.items():
            of = part.target
            if of is not None and of.covers(target):
                found = [value for page in self._objects(key) for value in page]
                return [value for value in found if _is_of(value, target)]
        resource = kinds.for_kind(target.api_version, target.kind)
        if resource is None or all(each.resource != resource for each in self._served or ()):
            return []
        listed = _key({"listed": _resource(resource)})
        if listed in self._parts:
            return [value for page in self._objects(listed) for value in page if _is_of(value, target)]
        raise NotListed("the snapshot does not have it; take one with policies that look it up")

    def cost(self) -> str:
        """See Source."""
        return ""

    def _read_parts(self, lines: Iterator[Object]) -> None:
        """Note the parts of the file."""
        part: _Part | None = None
        count, end = 0, None
        for line in lines:
            if "served" in line:
                self._served = [_served_again(each) for each in line["served"]]
            elif "listed" in line or "lookedUp" in line:
                target = Target(*map(str, line["lookedUp"])) if "lookedUp" in line else None
                part = self._parts.setdefault(_key(line), _Part(target))
            elif "failed" in line and part is not None:
                part.failed = NotListed(str(line["failed"]), unreachable=line.get("unreachable") is True)
            elif "object" in line:
                count += 1
            elif "problem" in line:
                self.problems.append(Problem(self.name, None, None, str(line["problem"])))
            elif "end" in line:
                end = line["end"]
        if end != count:
            text = f"the snapshot is cut off, or was changed: {count:,} objects, no end of them"
            raise SnapshotError(f"{self._path}: {text}")

    def _objects(self, key: str) -> Iterator[list[Object]]:
        """The objects of a part, a page at a time. Raises NotListed if the part failed."""
        page: list[Object] = []
        within = False
        for line in self._lines():
            if "listed" in line or "lookedUp" in line:
                within = _key(line) == key
            elif within and "object" in line:
                page.append(line["object"])
                if len(page) == _PAGE:
                    yield page
                    page = []
        if page:
            yield page
        failed = self._parts[key].failed
        if failed is not None:
            raise failed

    def _lines(self) -> Iterator[Object]:
        """The lines of the file. Raises SnapshotError."""
        read = 0
        try:
            with opened(self._path) as raw, gzip.GzipFile(fileobj=raw) as file:
                while text := file.readline(LONGEST + 1):
                    read += len(text)
                    if len(text) > LONGEST or read > LARGEST:
                        raise SnapshotError(f"{self._path}: larger than any snapshot may be")
                    value = orjson.loads(text)
                    if not isinstance(value, dict):
                        raise SnapshotError(f"{self._path}: a line that is no JSON object")
                    yield value
        except gzip.BadGzipFile:
            raise SnapshotError(
                f"{self._path}: not compressed, so no snapshot that `gatewright audit --snapshot` has written; "
                "`gatewright check` judges manifests"
            ) from None
        except (EOFError, zlib.error, orjson.JSONDecodeError) as error:
            raise SnapshotError(f"{self._path}: no snapshot, or one that is cut off: {error}") from None
        except OSError as error:
            raise SnapshotError(f"{self._path}: cannot be read: {error.strerror or error}") from None


def _is_of(value: Object, target: Target) -> bool:
    metadata = value.get("metadata") or {}
    of = (target.namespace or metadata.get("namespace"), target.name or metadata.get("name"))
    return of == (metadata.get("namespace"), metadata.get("name"))


def _key(line: Object) -> str:
    return orjson.dumps({name: line[name] for name in ("listed", "lookedUp") if name in line}).decode()


def _resource(resource: Resource) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind, "plural": resource.plural}


def _served(served: Served) -> Object:
    of = _resource(served.resource)
    return {**of, "namespaced": served.resource.namespaced, "written": served.written, "status": served.status}


def _served_again(found: Object) -> Served:
    group, version, kind, plural = (str(found[name]) for name in ("group", "version", "kind", "plural"))
    resource = Resource(group, version, kind, plural, found["namespaced"] is True)
    return Served(resource, found["written"] is True, found["status"] is True)

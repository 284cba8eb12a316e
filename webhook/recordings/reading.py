"""Reads recorded reviews: an iterator over the files of a folder, or over one file.

Recordings are read as other people's files are: what cannot be read is a Problem with file and line, and the rest is
still read, but for a file whose first line is not that of a recording. A file ends in the middle if the writer was
killed or the disk was full: the lines before are read.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import orjson
from msgspec import Struct, field

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.admission import review
from webhook.admission.decision import REASON_CODES
from webhook.cluster.view import Answer, ClusterView, NotCached, UnknownKind
from webhook.documents.reader import Problem
from webhook.frozen import Guarded
from webhook.policy.evaluation import Failure
from webhook.policy.request import Request
from webhook.recordings.files import NAME
from webhook.recordings.records import FORMAT, MAX_LINE, Served
from webhook.recordings.view import Key, RecordedView
from webhook.schema import Kinds
from webhook.schema.crds import Resource

MAX_WRONG: Final = 1000
"""The most lines of a file that hold no review, and are told one by one."""

MAX_SKIPPED: Final = 512 << 20
"""The most bytes of one line that is left out."""

MAX_OBJECTS: Final = 512 << 20
"""The most bytes of the objects that one file defines."""

_READ: Final = 1 << 20
_GZIP: Final = 31
_MAGIC: Final = b"\x1f\x8b"
_PATHS: Final = {
    f"/{phase}{path}": (phase, only)
    for phase in ("validate", "mutate")
    for path, only in (("", None), ("/fail", "Fail"), ("/ignore", "Ignore"))
}
_ARGUMENTS: Final[dict[str, Any]] = {
    "namespace": tuple[str],
    "get": tuple[str, str, str, str | None],
    "list": tuple[str, str, str | None],
    "access": Access,
}
"""The arguments of each lookup, as those of ClusterView."""


_NO_RECORDING: Final = (
    "no recording: its first line is not JSON; expected a file that gatewright serve --record has written"
)

NO_REVIEWS: Final = "no reviews in this recording; expected one at least"


class NoRecording(Exception):
    """There is nothing to read; the text says what was expected."""


class Found(Struct, frozen=True):
    """What a policy found: see Finding."""

    policy: str
    binding: str
    action: str
    message: str
    error: bool = False


class Recorded(Guarded, frozen=True, kw_only=True):
    """A recorded review.

    file, line: where it stands, from 1. time: when it was answered, RFC 3339. path: of its URL; it names the phase, and
    the policies that were asked: all (None), or those with this failurePolicy. version: of the Gatewright that
    answered. cluster: whether it had one to look objects up in. redact: the fields that it was configured to redact.
    body: the AdmissionReview, with redacted values. response: the `response` of its answer, with `patch` as the list of
    operations. changed: the mutating policies that changed the object. unread: why its objects could not be read;
    `request` and `body` are without them then, and policies were not evaluated. redacted: paths of the fields in
    `request` whose values are not those that were decided on. answers, served: what was looked up, and the kinds of it
    that are not built into Kubernetes.
    """

    unshown = frozenset({"body", "response", "answers", "findings"})

    file: str
    line: int
    time: str
    path: str
    phase: Literal["validate", "mutate"]
    failure_policy: Literal["Fail", "Ignore"] | None
    revision: str
    version: str
    cluster: bool
    redact: tuple[str, ...]
    request: Request
    body: bytes
    response: dict[str, Any]
    findings: tuple[Found, ...] = ()
    changed: tuple[str, ...] = ()
    unread: Failure | None = None
    redacted: tuple[str, ...] = ()
    answers: Mapping[Key, Answer | AccessDecision | LookupError | None] = field(default_factory=dict)
    served: tuple[Resource, ...] = ()

    @property
    def allowed(self) -> bool:
        """The recorded verdict."""
        return bool(self.response["allowed"])

    def view(
        self, kinds: Kinds | None = None, tree: ClusterView | None = None, *, tree_first: bool = False
    ) -> RecordedView:
        """What policies looked up. kinds: those that are known beside the recorded ones. The rest: see RecordedView."""
        kinds = kinds or Kinds.builtin()
        known = kinds.with_resources(self.served) if self.served else kinds
        return RecordedView(self.answers, known, tree, tree_first=tree_first)


def files_of(path: Path) -> list[Path]:
    """The files of a recording: those in the folder, the oldest first, or the file itself. Raises NoRecording."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NoRecording(f"{path}: no such folder or file; expected one that gatewright serve --record has written")
    found = sorted(each for each in path.iterdir() if NAME.fullmatch(each.name))
    if not found:
        raise NoRecording(f"{path}: no recorded reviews in this folder; expected files such as reviews-….ndjson.gz")
    return found


def recorded(path: Path, only: str = "") -> Iterator[Recorded | Problem]:
    """The reviews in a folder or file, the oldest file first, and what cannot be read. Raises NoRecording.

    only: the reviews of this path of the URL, if not of all.
    """
    for file in files_of(path):
        yield from _reviews(file, _Reader(str(file), only))


def paths_of(path: Path) -> list[str]:
    """The paths of the URLs that were asked in a recording, those for mutation first. Raises NoRecording."""
    found: set[str] = set()
    for file in files_of(path):
        reader = _Reader(str(file), "none")
        for _ in _reviews(file, reader):
            pass
        found |= reader.paths
    return sorted(found)


def _reviews(file: Path, reader: _Reader) -> Iterator[Recorded | Problem]:
    number = wrong = 0
    try:
        for number, line in _lines(file):
            if line is None:
                found: Recorded | Problem | None = Problem(
                    str(file), number, None, f"a line of more than {MAX_LINE >> 20} MiB is left out"
                )
            else:
                found = reader.read(number, line)
            if found is not None:
                yield found
                wrong += isinstance(found, Problem)
                if wrong > MAX_WRONG:
                    words = f"more than {MAX_WRONG:,} lines are no recorded reviews; the rest was not read"
                    yield Problem(str(file), number, None, words)
                    return
            if line is not None and not reader.begun:  # what was to be redacted is not known
                return
        if not number:
            yield Problem(str(file), 1, None, "no recording: the file is empty")
    except FileNotFoundError:  # the server has removed it meanwhile, to make room
        return
    except _Broken as error:
        yield Problem(str(file), number + 1, None, f"{error}, after {reader.count} reviews")
    except OSError as error:
        yield Problem(str(file), number + 1, None, f"cannot be read: {error.strerror}")


class _Broken(Exception):
    """The file cannot be read any further; the text says why."""


def _lines(file: Path) -> Iterator[tuple[int, bytes | None]]:
    """The lines of a file, with their numbers; None for a line that is too long. Raises _Broken, OSError."""
    number = 1
    rest = bytearray()
    too_long = False
    skipped = 0
    for piece in _pieces(file):
        *ends, last = piece.split(b"\n")
        for end in ends:
            rest += end
            yield number, None if too_long or len(rest) > MAX_LINE else bytes(rest)
            number += 1
            rest = bytearray()
            too_long = False
        if not too_long:
            rest += last
            too_long = len(rest) > MAX_LINE
        if too_long:
            rest = bytearray()
        skipped = skipped + len(piece) if too_long else 0
        if skipped > MAX_SKIPPED:
            raise _Broken(f"a line of more than {MAX_SKIPPED >> 20} MiB")
    if too_long:
        yield number, None
    if rest:
        raise _Broken("the file was cut off in the middle of a line")


def _pieces(file: Path) -> Iterator[bytes]:
    """The content of a file, unpacked if it is packed."""
    with file.open("rb") as stream:
        text = stream.read(_READ)
        if not text.startswith(_MAGIC):
            while text:
                yield text
                text = stream.read(_READ)
            return
        member = zlib.decompressobj(_GZIP)
        begun = False
        while text:
            try:
                unpacked = member.decompress(text, _READ)
            except zlib.error:
                raise _Broken("the file is damaged: a part of it is not what gzip has written") from None
            begun = True
            if unpacked:
                yield unpacked
            if member.eof:
                text = member.unused_data or stream.read(_READ)
                member, begun = zlib.decompressobj(_GZIP), False
            else:
                text = member.unconsumed_tail or stream.read(_READ)
        if begun:
            raise _Broken("the file was cut off in the middle")


class _Reader:
    """Reads the lines of one file."""

    def __init__(self, file: str, only: str) -> None:
        self._file = file
        self._only = only
        self.paths: set[str] = set()
        self.begun = False
        self._version = ""
        self._cluster = True
        self._redact: tuple[str, ...] = ()
        self._objects: dict[str, Any] = {}
        self._size = 0
        self.count = 0

    def read(self, number: int, text: bytes) -> Recorded | Problem | None:
        """The review on a line; None if the line holds something else."""
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            if not self.begun:
                return Problem(self._file, number, None, _NO_RECORDING)
            return Problem(self._file, number, None, f"not JSON: {error}")
        try:
            if not isinstance(line, dict):
                raise _Unexpected("expected an object")
            if "recording" in line:
                self._begin(line)
                return None
            if "snapshot" in line and not self.begun:
                raise _Unexpected(
                    "it is a snapshot, which holds objects and no reviews: `gatewright audit FILE` judges it, and "
                    "`impact --snapshot FILE` by an old and a new policy tree"
                )
            if not self.begun:
                raise _Unexpected("expected a first line with the fields `recording` and `gatewright`")
            if "object" in line:
                self._size += len(text)
                if self._size > MAX_OBJECTS:
                    raise _Unexpected(f"the objects that were looked up have more than {MAX_OBJECTS >> 20} MiB")
                self._objects[_text(line, "object")] = _identified(line["value"])
                return None
            path = _text(line, "path")
            if path not in _PATHS:
                raise _Unexpected(f"path: expected one of {', '.join(_PATHS)}, got {path[:80]!r}")
            self.paths.add(path)
            if self._only and path != self._only:
                return None
            found = self._review(number, path, line)
        except KeyError as error:
            return Problem(self._file, number, None, f"no recorded review: the field {error.args[0]!r} is missing")
        except (_Unexpected, TypeError, ValueError, AttributeError, msgspec.ValidationError) as error:
            return Problem(self._file, number, None, f"no recorded review: {error}")
        self.count += 1
        return found

    def _begin(self, line: dict[str, Any]) -> None:
        if line["recording"] != FORMAT:
            raise _Unexpected(f"the recording has the format {line['recording']!r}; this Gatewright reads {FORMAT}")
        self._version = _text(line, "gatewright")
        self._cluster = msgspec.convert(line.get("cluster", True), bool)  # older recordings do not say it
        self.begun = True
        self._redact = msgspec.convert(line.get("redact", ()), tuple[str, ...])

    def _review(self, number: int, path: str, line: dict[str, Any]) -> Recorded:
        phase, only = _PATHS[path]
        body = orjson.dumps({"apiVersion": review.API_VERSION, "kind": review.KIND, "request": line["request"]})
        response = line["response"]
        if not isinstance(response, dict) or not isinstance(response.get("allowed"), bool):
            raise _Unexpected("response: expected an object with `allowed`")
        return Recorded(
            file=self._file,
            line=number,
            time=_text(line, "time"),
            path=path,
            phase=phase,  # type: ignore[arg-type]
            failure_policy=only,  # type: ignore[arg-type]
            revision=_text(line, "revision"),
            version=self._version,
            cluster=self._cluster,
            redact=self._redact,
            request=review.parse(body),
            body=body,
            response=response,
            findings=msgspec.convert(line.get("findings", ()), tuple[Found, ...]),
            changed=msgspec.convert(line.get("changed", ()), tuple[str, ...]),
            unread=_unread(line["unread"]) if "unread" in line else None,
            redacted=msgspec.convert(line.get("redacted", ()), tuple[str, ...]),
            answers=dict(self._lookup(each) for each in line.get("lookups", ())),
            served=tuple(Resource(*each) for each in msgspec.convert(line.get("kinds", ()), tuple[Served, ...])),
        )

    def _lookup(self, found: dict[str, Any]) -> tuple[Key, Answer | AccessDecision | LookupError | None]:
        what = next((each for each in _ARGUMENTS if each in found), None)
        if what is None:
            raise _Unexpected("lookups: expected one of namespace, get, list, access")
        arguments = msgspec.convert(found[what], _ARGUMENTS[what])
        key: Key = (what, arguments) if what == "access" else (what, *arguments)
        if "leftOut" in found:
            return key, None
        if "decision" in found:
            decision = found["decision"]
            return key, AccessDecision(decision["allowed"] is True, str(decision["reason"]), str(decision["error"]))
        if "error" in found:
            kind, message = found["error"]["type"], str(found["error"]["message"])
            if kind == "UnknownKind" and len(key) > 2:
                return key, UnknownKind(key[1], key[2])
            return key, (AccessUnknown if kind == "AccessUnknown" else NotCached)(message)
        age = float(found.get("age", 0.0))
        if what == "list":
            return key, Answer([self._object(each) for each in found["objects"]], age)
        return key, Answer(None if found["object"] is None else self._object(found["object"]), age)

    def _object(self, name: str) -> Any:
        if name not in self._objects:
            raise _Unexpected(f"lookups: the object {name[:80]!r} is not defined before")
        return self._objects[name]


class _Unexpected(Exception):
    """A line is not as it should be; the text says what was expected."""


def _unread(value: Any) -> Failure:
    message, reason = _text(value, "message"), _text(value, "reason")
    if reason not in REASON_CODES:
        raise _Unexpected(f"unread: expected a reason of {', '.join(REASON_CODES)}, got {reason[:80]!r}")
    return Failure(message, reason, error=True)


def _identified(value: Any) -> dict[str, Any]:
    """An object that was looked up, if it has what it is known by: every reader relies on that."""
    if not isinstance(value, dict) or not isinstance(metadata := value.get("metadata"), dict):
        raise _Unexpected("value: expected an object with metadata")
    names = metadata.get("name"), metadata.get("namespace") or "", value.get("kind", ""), value.get("apiVersion", "")
    if not all(isinstance(each, str) for each in names):
        raise _Unexpected("value: expected texts as name, namespace, kind and apiVersion")
    return value


def _text(line: dict[str, Any], name: str) -> str:
    value = line[name]
    if not isinstance(value, str):
        raise _Unexpected(f"{name}: expected a text")
    return value

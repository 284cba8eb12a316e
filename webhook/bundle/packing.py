"""The files of a policy tree <-> one tar archive. The same files give the same bytes, on every machine.

An archive that is read is hostile: its names, kinds of entries and sizes are checked before anything is kept of it.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from webhook.bundle.tarreading import Entry, TarError, entries
from webhook.policy.load.treefiles import Tree, wanted_path
from webhook.visible import visible

Files = tuple[tuple[str, bytes], ...]
"""Relative path with "/" -> content, sorted."""

MOST_PACKED: Final = 32 << 20
"""Bytes of an archive as it is transferred."""
MOST: Final = 64 << 20
"""Bytes of an archive that is not, or no longer, compressed."""
MOST_ENTRIES: Final = 20_000

_GZIP = 16 + zlib.MAX_WBITS
_MODE = 0o644
_LONGEST = 1024  # bytes of a name


class UnpackError(ValueError):
    """An archive that is refused; the text says why."""


def packed(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The archive of files: sorted, without owners and times. It is not compressed: compressors differ from version to
    version, and the digest with them.

    Raises UnpackError if it could not be unpacked again.
    """
    sorted_files = sorted((name.encode("utf-8", "surrogateescape"), content) for name, content in files)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8") as writer:
        for name, content in sorted_files:
            entry = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
            entry.size, entry.mode, entry.mtime = len(content), _MODE, 0
            writer.addfile(entry, io.BytesIO(content))
    made = archive.getvalue()
    unpacked(made)
    return made


def files_of(tree: Tree) -> Files:
    """The files of a tree that was read from disk, by the paths that they have in a bundle: relative to the tree.

    The files of several trees are in folders with the names of these. Raises UnpackError if two have one name.
    """
    folders = {name: Path(name).resolve().name for name in tree.names} if len(tree.names) > 1 else {}
    for name, folder in folders.items():
        same = [other for other in folders if folders[other] == folder]
        if not wanted_path(f"{folder}/a.yaml"):
            raise UnpackError(f"{name}: a tree beside others is a folder with a name that does not begin with . or _")
        if len(same) > 1:
            raise UnpackError(f"{' and '.join(same)} have one name; rename one of them: both are folders of the bundle")
    files: dict[str, bytes] = {}
    for file in tree.files:
        path = Path(file.name)
        root = next(name for name in tree.names if _is_below(path, name))
        relative = path.name if path == Path(root) else path.relative_to(root).as_posix()
        files[f"{folders[root]}/{relative}" if folders else relative] = file.content
    return tuple(sorted(files.items()))


def _is_below(path: Path, root: str) -> bool:
    return path.is_relative_to(root) and ".." not in path.relative_to(root).parts


def unpacked(archive: bytes, *, compressed: bool = False) -> Files:
    """The files of an archive that belong to a policy tree; others are left out.

    Raises UnpackError for what is no archive, too large, or has an entry that no archive of a tree has: a link, a
    device, a name that leads out of the tree, the same name twice.
    """
    if compressed:
        archive = _inflated(archive)
    if len(archive) > MOST:
        raise UnpackError(f"the archive has more than {MOST >> 20} MiB")
    files: dict[str, bytes] = {}
    seen: set[str] = set()
    try:
        for number, entry in enumerate(entries(archive)):
            if number >= MOST_ENTRIES:
                raise UnpackError(f"the archive has more than {MOST_ENTRIES:,} entries")
            name = _name(entry)
            if entry.kind == tarfile.DIRTYPE:
                continue
            if entry.kind != tarfile.REGTYPE:
                raise UnpackError(f"{visible(name)}: {_kind(entry)}, not a regular file")
            if name in seen:
                raise UnpackError(f"{visible(name)}: is in the archive twice")
            seen.add(name)
            if entry.size > len(archive) - entry.start:
                raise UnpackError(f"{visible(name)}: the archive ends within this file")
            if wanted_path(name):
                files[name] = archive[entry.start : entry.start + entry.size]
    except TarError as error:
        raise UnpackError(f"not a tar archive of plain files: {visible(str(error))[:200]}") from None
    if not files:
        raise UnpackError("the archive has no *.yaml, *.yml, *.json or *.py files")
    return tuple(sorted(files.items()))


def _name(entry: Entry) -> str:
    """The name of an entry, as a relative path. Raises UnpackError."""
    name = entry.name.removeprefix("./")
    if entry.kind == tarfile.DIRTYPE and name.rstrip("/") in ("", "."):
        return ""
    parts = name.rstrip("/").split("/") if entry.kind == tarfile.DIRTYPE else name.split("/")
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise UnpackError(f"{visible(name[:80])}…: the name has more than {_LONGEST} bytes")
    if "" in parts or "." in parts or ".." in parts or "\0" in name:
        raise UnpackError(f"{visible(name)}: expected a relative path without '.', '..' and '//'")
    return name


def _kind(entry: Entry) -> str:
    kinds = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a link",
        tarfile.FIFOTYPE: "a named pipe",
        tarfile.CHRTYPE: "a device",
        tarfile.BLKTYPE: "a device",
        tarfile.GNUTYPE_SPARSE: "a sparse file",
    }
    return kinds.get(entry.kind, f"an entry of type {entry.kind!r}")


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(content, MOST + 1)
    except zlib.error:
        raise UnpackError("not compressed by gzip") from None
    if len(text) > MOST:
        raise UnpackError(f"the archive inflates to more than {MOST >> 20} MiB")
    if not inflater.eof:
        raise UnpackError("the compressed archive is incomplete")
    if inflater.unused_data:
        raise UnpackError("something follows the compressed archive")
    return text

"""Finds the git commit of a folder's files, from the files of the repository: an image needs no git.

A commit is named only if it certainly has these files: the index lists each of them with the digest of its content, it
lists no other file below the folder that is missing, and it is the index of the commit's own tree. Whatever cannot be
read (a delta in a pack, a repository with SHA-256, a worktree whose repository is not mounted) gives no commit.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40}")
_MOST = 64 << 20  # bytes of an index that is read
_EXTENDED, _NAME_LENGTH = 0x4000, 0xFFF  # of an entry's flags
_COMMIT = 1  # the type of an object in a pack


def commit_of(folder: Path, files: Mapping[str, bytes], wanted: Callable[[str], bool]) -> str | None:
    """The commit, 40 hexadecimal digits, whose files below `folder` with a `wanted` name are `files`; None if there is
    none, or the repository does not say.

    files: relative path -> content. Never raises.
    """
    try:
        folder = folder.resolve(strict=True)
        top = next(each for each in (folder, *folder.parents) if (each / ".git").exists())
        own, common = _repository(top)
        commit = _head(own, common)
        if commit is None:
            return None
        if (own / "index").stat().st_size > _MOST:
            return None
        entries, tree = _index((own / "index").read_bytes())
        if tree is None or tree != _tree_of(common, commit):
            return None
    except (OSError, RuntimeError, StopIteration, ValueError, IndexError, struct.error, zlib.error):
        return None
    import hashlib  # where there is a repository

    prefix = "" if folder == top else f"{folder.relative_to(top).as_posix()}/"
    listed = {
        name.removeprefix(prefix): blob
        for name, blob in entries.items()
        if name.startswith(prefix) and wanted(name.removeprefix(prefix))
    }
    found = {name: hashlib.sha1(b"blob %d\0%s" % (len(content), content)) for name, content in files.items()}  # noqa: S324 - git's
    return commit if {name: blob.hexdigest() for name, blob in found.items()} == listed else None


def _repository(top: Path) -> tuple[Path, Path]:
    """The folder with HEAD and index, and that with the objects, which worktrees share."""
    git = top / ".git"
    if git.is_dir():
        return git, git
    own = top / git.read_text().removeprefix("gitdir:").strip()
    shared = own / "commondir"
    return own, own / shared.read_text().strip() if shared.exists() else own


def _head(own: Path, common: Path) -> str | None:
    text = (own / "HEAD").read_text().strip()
    if text.startswith("ref: refs/"):
        name = text.removeprefix("ref: ")
        if ".." in name.split("/"):
            return None
        loose = common / name
        if loose.exists():
            text = loose.read_text().strip()
        else:
            lines = (common / "packed-refs").read_text().splitlines()
            text = next((line.split(" ")[0] for line in lines if line.endswith(f" {name}")), "")
    return text if _SHA.fullmatch(text) else None


def _index(content: bytes) -> tuple[dict[str, str], str | None]:
    """The entries of an index, path -> blob, and the tree that they are; None if it is not known.

    Source: https://git-scm.com/docs/index-format. Raises ValueError for what is not understood.
    """
    signature, version, count = struct.unpack_from(">4sII", content)
    if signature != b"DIRC" or version not in (2, 3):
        raise ValueError("not an index of version 2 or 3")
    entries: dict[str, str] = {}
    at = 12
    for _ in range(count):
        (flags,) = struct.unpack_from(">H", content, at + 60)
        name_at = at + (64 if flags & _EXTENDED else 62)
        end = content.index(b"\0", name_at)
        entries[content[name_at:end].decode(errors="surrogateescape")] = content[at + 40 : at + 60].hex()
        at += (end - at + 8) // 8 * 8
    while at < len(content) - 20:
        extension, size = struct.unpack_from(">4sI", content, at)
        if extension == b"TREE":  # its first entry is the root: "\0", number of entries (-1: unknown), children, digest
            _, _, rest = content[at + 8 : at + 8 + size].partition(b"\0")
            known, _, rest = rest.partition(b" ")
            return entries, None if int(known) < 0 else rest.partition(b"\n")[2][:20].hex()
        at += 8 + size
    return entries, None


def _tree_of(common: Path, commit: str) -> str | None:
    """The tree of a commit, from its loose object or a pack."""
    loose = common / "objects" / commit[:2] / commit[2:]
    if loose.exists():
        text = zlib.decompressobj().decompress(loose.read_bytes(), 1024).partition(b"\0")[2]
        return _named(text)
    for index in (common / "objects" / "pack").glob("*.idx"):
        offset = _offset(index.read_bytes(), bytes.fromhex(commit))
        if offset is not None:
            with index.with_suffix(".pack").open("rb") as pack:
                pack.seek(offset)
                return _packed(pack.read(4096))
    return None


def _offset(index: bytes, wanted: bytes) -> int | None:
    """Where an object is in the pack of an index. Source: https://git-scm.com/docs/pack-format."""
    if index[:8] != b"\xfftOc\0\0\0\2":
        return None
    fanout = struct.unpack_from(">256I", index, 8)
    total, first = fanout[255], fanout[wanted[0] - 1] if wanted[0] else 0
    names = 8 + 1024
    for number in range(first, fanout[wanted[0]]):
        if index[names + 20 * number : names + 20 * number + 20] == wanted:
            (offset,) = struct.unpack_from(">I", index, names + 24 * total + 4 * number)
            return int(offset) if offset < 1 << 31 else None
    return None


def _packed(content: bytes) -> str | None:
    if (content[0] >> 4) & 7 != _COMMIT:
        return None
    at = 1
    while content[at - 1] & 0x80:
        at += 1
    return _named(zlib.decompressobj().decompress(content[at:], 1024))


def _named(commit: bytes) -> str | None:
    found = re.match(rb"tree ([0-9a-f]{40})\n", commit)
    return found[1].decode() if found else None

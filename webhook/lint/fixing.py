"""Applies the edits of alarms to the files of a policy tree: to all of them or to none, and to no other file.

Text is replaced where it stands, so that comments and layout are kept. Nothing is written if the tree does not load as
well with the edits as without, if a file is not a regular file within the tree, or if it has changed since it was read.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path as FilePath

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents import files
from webhook.documents.reader import Position
from webhook.lint.alarms import Alarm, Edit
from webhook.policy.load.treefiles import Tree, TreeFile


class NotFixed(Exception):
    """Nothing was written. str(error): the reason."""


class Fixed(Struct, frozen=True):
    """A tree with edits applied. `alarms`: the alarms that the edits mend. `left`: the alarms whose edits overlap with
    others."""

    tree: Tree
    alarms: tuple[Alarm, ...]
    left: tuple[Alarm, ...]

    def changed(self, before: Tree) -> list[tuple[TreeFile, TreeFile]]:
        """The files that the edits change, before and after."""
        pairs = zip(before.files, self.tree.files, strict=True)
        return [(old, new) for old, new in pairs if old.content != new.content]


def fixed(tree: Tree, alarms: Iterable[Alarm]) -> Fixed:
    """The tree with the edits of the alarms, in memory."""
    mended: list[Alarm] = []
    left: list[Alarm] = []
    by_file: dict[str, list[Edit]] = {}
    packed = tuple(f"{each.shown}/" for _, each in tree.packed)
    unusual = {file.name for file in tree.files if not _is_utf8(file.content)}
    for alarm in alarms:
        if not alarm.edits:
            continue
        taken = [each for edit in alarm.edits for each in by_file.get(edit.file, ()) if _overlap(each, edit)]
        if all(edit in taken for edit in alarm.edits):
            mended.append(alarm)  # another alarm has the same edits
        elif taken or any(edit.file.startswith(packed) or edit.file in unusual for edit in alarm.edits):
            left.append(alarm)
        else:
            mended.append(alarm)
            for edit in alarm.edits:
                by_file.setdefault(edit.file, []).append(edit)
    contents = [
        TreeFile(file.name, _edited(file.content, by_file[file.name])) if file.name in by_file else file
        for file in tree.files
    ]
    return Fixed(replace(tree, files=tuple(contents)), tuple(mended), tuple(left))


def write(before: Tree, after: Fixed, loads: Callable[[Tree], int]) -> list[str]:
    """Write the changed files. Returns their names. Raises NotFixed, and then has written nothing.

    loads: the number of problems of a tree; with the edits there must not be more than before.
    """
    changed = after.changed(before)
    if not changed:
        return []
    if loads(after.tree) > loads(before):
        raise NotFixed("with the edits the tree would no longer load, so nothing was written")
    targets = [_target(old, before.names) for old, _ in changed]
    prepared: list[tuple[str, str, FilePath]] = []  # files beside it, with the new and the old content
    done: list[tuple[str, FilePath]] = []
    try:
        for target, (old, new) in zip(targets, changed, strict=True):
            prepared.append((_prepared(target, new.content), _prepared(target, old.content), target))
        for target, (old, _) in zip(targets, changed, strict=True):  # as late as possible
            _unchanged(target, old)
        for name, kept, target in prepared:
            _replace(name, target)
            done.append((kept, target))
    except OSError as error:
        left = [str(target) for kept, target in done if not _put_back(kept, target)]
        outcome = f"only {', '.join(left)} is written" if left else "nothing was written"
        raise NotFixed(f"{error.filename}: {files.reason(error)}; {outcome}") from None
    finally:
        for each in prepared:
            for name in each[:2]:
                FilePath(name).unlink(missing_ok=True)
    return [old.name for old, _ in changed]


def _replace(name: str, target: FilePath) -> None:
    os.replace(name, target)  # noqa: PTH105 - atomic, of a name that is no Path


def _put_back(name: str, target: FilePath) -> bool:
    """Puts the old content back. Returns whether that worked."""
    try:
        _replace(name, target)
    except OSError:
        return False
    return True


def _target(file: TreeFile, roots: Sequence[str]) -> FilePath:
    """The file to write. Raises NotFixed if it is not a regular file of the tree, or has changed."""
    try:
        target = FilePath(file.name).resolve(strict=True)
        inside = any(target.is_relative_to(FilePath(root).resolve()) for root in roots)
        if not inside or not stat.S_ISREG(target.stat().st_mode):
            raise NotFixed(f"{file.name}: is not a regular file of the tree, so nothing was written")
        _unchanged(target, file)
    except OSError as error:
        raise NotFixed(f"{file.name}: {files.reason(error)}; nothing was written") from None
    return target


def _unchanged(target: FilePath, file: TreeFile) -> None:
    if target.read_bytes() != file.content:
        raise NotFixed(f"{file.name}: has changed since it was read, so nothing was written")


def _prepared(target: FilePath, content: bytes) -> str:
    """A file beside the target with the new content, and the target's mode."""
    handle, name = tempfile.mkstemp(prefix=".gatewright-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        FilePath(name).chmod(stat.S_IMODE(target.stat().st_mode))
    except BaseException:
        FilePath(name).unlink(missing_ok=True)
        raise
    return name


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_UTF8_MARK = b"\xef\xbb\xbf"


def _edited(content: bytes, edits: list[Edit]) -> bytes:
    """The content with the edits, which do not overlap."""
    mark = content[: len(_UTF8_MARK)] if content.startswith(_UTF8_MARK) else b""
    text = content[len(mark) :].decode("utf-8")
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def offset(position: Position) -> int:
        return min(starts[min(position.line - 1, len(starts) - 1)] + position.column - 1, len(text))

    for edit in sorted(edits, key=lambda each: each.start, reverse=True):
        text = text[: offset(edit.start)] + edit.text + text[offset(edit.end) :]
    return mark + text.encode("utf-8")


def _overlap(one: Edit, two: Edit) -> bool:
    return one == two or (one.start < two.end and two.start < one.end)

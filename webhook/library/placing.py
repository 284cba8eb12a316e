"""Copies policies of a library into a policy tree, and adds and removes their bindings.

It overwrites a file only on request, and never deletes a binding that a user wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from pathlib import Path
from typing import Final

from msgspec import Struct

from webhook.documents import newfolder
from webhook.library import catalog
from webhook.library.catalog import ACTIONS, BINDING, PARAMS, Entry
from webhook.nearest import nearest
from webhook.policy.load.treefiles import VARIANTS

_LEFT_OUT: Final = frozenset({"__pycache__", "kustomization.yaml"})


class NotPlaced(ValueError):
    """The policy was not copied, bound or unbound. The text says why, and what to do."""


class Placed(Struct, frozen=True):
    """The result: the `files` that were written, and notes for the user in `said`."""

    files: tuple[Path, ...]
    said: tuple[str, ...] = ()


def state(tree: Path, name: str) -> str | None:
    """The action of the binding of a folder's policy: one of ACTIONS, "" without a binding, None without a policy."""
    folder = tree / name
    if not folder.is_dir():
        return None
    bound = folder / BINDING
    return catalog.action_of(bound) if bound.is_file() else ""


def add(entry: Entry, tree: Path, *, force: bool = False) -> Placed:
    """Copy a policy into a folder of its name in the tree. It is not bound there.

    force: overwrite the files of a folder that exists, but not its binding, its params, or files of the user's own.
    Raises NotPlaced and OSError.
    """
    target = tree / entry.name
    if target.exists() and target.resolve() == entry.folder.resolve():
        raise NotPlaced(f"{target}: is the library's own; `gatewright policies enable {entry.name}` binds it there")
    if (target.exists() or target.is_symlink()) and not force:
        raise NotPlaced(f"{target}: already exists; --force writes its files anew, but for {BINDING} and {PARAMS}")
    contents = _contents(entry.folder)
    if target.is_dir():
        return _renewed(target, contents)
    try:
        return Placed(tuple(newfolder.write(target, contents)))
    except newfolder.Unfinished as error:
        raise NotPlaced(str(error)) from None


def _renewed(folder: Path, contents: dict[str, bytes]) -> Placed:
    """Overwrite the files of a policy, except its params if they exist: the user sets these."""
    params = folder / PARAMS
    said: tuple[str, ...] = ()
    if PARAMS in contents and params.exists():
        if params.read_bytes() != contents[PARAMS]:
            said = (f"{params}: is kept, and differs from the library's",)
        contents = {name: content for name, content in contents.items() if name != PARAMS}
    for name, content in contents.items():
        _write(folder / name, content)
    return Placed(tuple(folder / name for name in sorted(contents)), said)


def enable(tree: Path, name: str, action: str, *, force: bool = False) -> Placed:
    """Write the binding of a policy in the tree. action: one of ACTIONS.

    force: another binding may be replaced. Raises NotPlaced and OSError.
    """
    folder = _folder(tree, name)
    variant = catalog.binding(folder, action)
    if variant is None:
        there = [each for each in ACTIONS if catalog.binding(folder, each) is not None]
        expected = f"it has them for {', '.join(each.capitalize() for each in there)}" if there else "it has none"
        raise NotPlaced(f"{folder}: has no binding for {action.capitalize()}, {VARIANTS}{action}.yaml; {expected}")
    bound = folder / BINDING
    if variant == bound or (bound.is_file() and bound.read_bytes() == variant.read_bytes()):
        return Placed((), (f"{bound}: {name} is bound so already",))
    said: tuple[str, ...] = ()
    if bound.exists():
        if not force:
            how = catalog.action_of(bound).capitalize() or "nothing"
            raise NotPlaced(f"{bound}: already exists, with {how}; --force replaces it")
        kept = _kept(bound)
        said = (f"{kept}: what {BINDING} was",) if kept else ()
    _write(bound, variant.read_bytes())
    return Placed((bound,), said)


def disable(tree: Path, name: str) -> Placed:
    """Remove the binding of a policy. A binding that differs from all variants is kept under another name. Raises
    NotPlaced and OSError."""
    bound = _folder(tree, name) / BINDING
    if not bound.exists():
        return Placed((), (f"{bound.parent}: {name} is not bound",))
    kept = _kept(bound)
    said = (f"{kept}: what {BINDING} was",) if kept else ()
    bound.unlink(missing_ok=True)
    return Placed((bound,), said)


def _folder(tree: Path, name: str) -> Path:
    """The folder of a policy in the tree. Raises NotPlaced, which names the nearest."""
    there = _folders(tree)
    if name not in there:
        meant = nearest(name, there)
        advice = f"did you mean {meant}?" if meant else f"`gatewright policies add {name}` copies it from the library"
        raise NotPlaced(f"{tree}: has no folder {name} with a policy; {advice}")
    return tree / name


def _folders(tree: Path) -> Collection[str]:
    if not tree.is_dir():
        raise NotPlaced(f"{tree}: no such folder; `gatewright policies add` makes it")
    return {file.parent.name for file in (*tree.glob("*/policy.yaml"), *tree.glob("*/policy.py"))}


def _kept(bound: Path) -> Path | None:
    """Save a binding before it is removed. Returns the file with the copy; None if a variant has the same content."""
    content, action = bound.read_bytes(), catalog.action_of(bound)
    variants = sorted(bound.parent.glob(f"{VARIANTS}*.yaml"))
    if any(each.read_bytes() == content for each in variants):
        return None
    place = bound.with_name(f"{VARIANTS}{action}.yaml")
    if not action or place.exists():
        place = next(each for each in _own_names(bound) if not each.exists())
    bound.rename(place)
    return place


def _own_names(bound: Path) -> Iterator[Path]:
    """The file that keeps a binding which a user wrote: _binding.own.yaml, then _binding.own-2.yaml and so on."""
    yield bound.with_name(f"{VARIANTS}own.yaml")
    yield from (bound.with_name(f"{VARIANTS}own-{number}.yaml") for number in count(2))


def _contents(folder: Path) -> dict[str, bytes]:
    """The files of a library's policy, by name. The shipped binding is renamed, so that it is not loaded."""
    found = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if _copied(file)}
    bound = found.pop(BINDING, None)
    if bound is not None:
        found.setdefault(f"{VARIANTS}{catalog.action_of(folder / BINDING)}.yaml", bound)
    return found


def _copied(file: Path) -> bool:
    return file.is_file() and file.name not in _LEFT_OUT and not file.name.startswith(".")


def _write(file: Path, content: bytes) -> None:
    """Replace a file atomically, so that a server that reloads never reads a part of it."""
    made = file.with_name(f".{file.name}.new")
    try:
        made.write_bytes(content)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)

"""Policies of a library in a policy tree: copied, enabled by a binding, disabled again.

Nothing is overwritten unless it is asked for, and a binding that somebody wrote is kept.
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
    """Why nothing was done, and what to do."""


class Placed(Struct, frozen=True):
    """What was done: `files` written, and `said` of it, for people."""

    files: tuple[Path, ...]
    said: tuple[str, ...] = ()


def state(tree: Path, name: str) -> str | None:
    """How the policy of a folder in the tree is bound: one of ACTIONS, "" if it is not, None if it is not there."""
    folder = tree / name
    if not folder.is_dir():
        return None
    bound = folder / BINDING
    return catalog.action_of(bound) if bound.is_file() else ""


def add(entry: Entry, tree: Path, *, force: bool = False) -> Placed:
    """Copy a policy into a folder of its name in the tree. It is not bound there.

    force: where the folder is there, its files are written anew; its binding, its params and what is its own stay.
    Raises NotPlaced and OSError.
    """
    target = tree / entry.name
    if target.exists() and target.resolve() == entry.folder.resolve():
        raise NotPlaced(f"{target}: is the library's own; `gatewright policies enable {entry.name}` binds it there")
    if (target.exists() or target.is_symlink()) and not force:
        raise NotPlaced(f"{target}: is there already; --force writes its files anew, but for {BINDING} and {PARAMS}")
    contents = _contents(entry.folder)
    if target.is_dir():
        return _renewed(target, contents)
    try:
        return Placed(tuple(newfolder.write(target, contents)))
    except newfolder.Unfinished as error:
        raise NotPlaced(str(error)) from None


def _renewed(folder: Path, contents: dict[str, bytes]) -> Placed:
    """The files of a policy written anew, but for what its user sets: its params, once they are there."""
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
            raise NotPlaced(f"{bound}: is there already, with {how}; --force replaces it")
        kept = _kept(bound)
        said = (f"{kept}: what {BINDING} was",) if kept else ()
    _write(bound, variant.read_bytes())
    return Placed((bound,), said)


def disable(tree: Path, name: str) -> Placed:
    """Take the binding of a policy away. A binding that is none of the variants is kept beside. Raises NotPlaced and
    OSError."""
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
    """Where the content of a binding was put before it goes; None if a variant says the same."""
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
    """Where a binding that somebody wrote is kept: _binding.own.yaml, then _binding.own-2.yaml and so on."""
    yield bound.with_name(f"{VARIANTS}own.yaml")
    yield from (bound.with_name(f"{VARIANTS}own-{number}.yaml") for number in count(2))


def _contents(folder: Path) -> dict[str, bytes]:
    """The files of a policy of the library, by name. The binding that ships becomes one that waits."""
    found = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if _copied(file)}
    bound = found.pop(BINDING, None)
    if bound is not None:
        found.setdefault(f"{VARIANTS}{catalog.action_of(folder / BINDING)}.yaml", bound)
    return found


def _copied(file: Path) -> bool:
    return file.is_file() and file.name not in _LEFT_OUT and not file.name.startswith(".")


def _write(file: Path, content: bytes) -> None:
    """Write a file as a whole: a server that reloads meets no half of one."""
    made = file.with_name(f".{file.name}.new")
    try:
        made.write_bytes(content)
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)

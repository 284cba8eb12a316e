"""Writes the tree: a folder for each policy, all of them or none.

Files are first written to a staging folder. A second run overwrites only files that a conversion wrote.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from webhook.convert.model import JSONObject, Outcome
from webhook.documents.yamlwriting import stream
from webhook.offline.cases import policytest
from webhook.visible import visible

FILES: Final = ("policy.yaml", "policy.py", "binding.yaml", "params.yaml", "tests.yaml")


class NotWritten(Exception):
    """Nothing was written; the text says why."""


def policy_test(policy: str, cases: list[JSONObject]) -> JSONObject:
    """The PolicyTest of a policy."""
    head = {"apiVersion": policytest.API_VERSION, "kind": policytest.KIND, "metadata": {"name": policy}}
    return head | {"policy": policy, "cases": cases}


def texts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """The files of a policy: name and text."""
    head = f"# Converted by `gatewright convert` from {visible(outcome.kind)} {visible(outcome.name)}.\n"
    if outcome.policies:
        notes = [*outcome.refused, *outcome.unfinished, *outcome.differences]
        said = "".join(f"# - line {note.line}: {visible(note.message)}\n" for note in notes)
        yield (
            "policy.yaml",
            head + (f"# What differs, or is not in it:\n{said}" if said else "") + stream(outcome.policies),
        )
    if outcome.python:
        yield "policy.py", outcome.python
    if outcome.bindings:
        yield "binding.yaml", head + stream(outcome.bindings)
    if outcome.params:
        yield "params.yaml", head + stream(outcome.params)
    tests = [policy_test(name, cases) for name, cases in outcome.cases.items() if cases]
    if tests:
        yield "tests.yaml", head + stream(tests)


def stage(outcomes: Iterable[Outcome], folder: Path) -> None:
    """Write the files of each outcome into a folder of its own, below an empty folder."""
    for outcome in outcomes:
        place = folder / outcome.folder
        for name, text in texts(outcome):
            place.mkdir(exist_ok=True)
            (place / name).write_text(text, encoding="utf-8")


def install(staged: Path, out: Path, *, force: bool) -> list[Path]:
    """Move the staged folders to the tree. Returns their files, sorted. Raises NotWritten, and OSError.

    force: replace the files that a conversion writes, where the folder already exists; other files stay.
    """
    folders = sorted(each for each in staged.iterdir() if each.is_dir())
    if out.exists() and not out.is_dir():
        raise NotWritten(f"{out} is no folder")
    there = [each.name for each in folders if os.path.lexists(out / each.name)]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise NotWritten(f"{out / there[0]}{more}: already exists; nothing is written (--force replaces it)")
    for name in there:
        if not (out / name).is_dir() or (out / name).is_symlink():
            raise NotWritten(f"{out / name}: is no folder of a policy; remove it first")
    out.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".convert-", dir=out))
    try:
        for each in folders:
            shutil.copytree(each, beside / each.name)  # the other place may be on another file system
        for each in folders:
            _replace(beside / each.name, out / each.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return sorted(out / each.name / file.name for each in folders for file in each.iterdir())


def _replace(new: Path, place: Path) -> None:
    if not place.exists():
        new.rename(place)
        return
    for name in FILES:
        if (new / name).exists():
            (new / name).replace(place / name)
        elif (place / name).is_file() and _ours(place / name):
            (place / name).unlink()


def earlier(folder: Path) -> Path | None:
    """The first file in a folder that an earlier conversion wrote; None if there is none."""
    return next((folder / name for name in FILES if (folder / name).is_file() and _ours(folder / name)), None)


def _ours(file: Path) -> bool:
    """Whether a conversion wrote a file."""
    return "gatewright convert" in file.read_text(encoding="utf-8", errors="replace")[:400]

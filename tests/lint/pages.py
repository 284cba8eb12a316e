"""The pages of docs/lint: their examples, as trees on disk."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from webhook.documents.reader import Position
from webhook.lint.linting import Linted, lint
from webhook.policy.load.treefiles import Tree, TreeFile, read_tree
from webhook.versions import NEWEST, Version, parse_version

FOLDER = Path(__file__).parents[2] / "docs" / "lint"
NOW = 1_796_000_000.0
"""2026-11-30: the day that the examples of the pages are about."""

_BLOCK = re.compile(r"^```(yaml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VERSION = re.compile(r"`--kubernetes-version ([0-9.]+)`")


@cache
def pages() -> dict[str, str]:
    """Rule -> the text of its page."""
    return {path.stem: path.read_text() for path in sorted(FOLDER.glob("GW*.md"))}


def section(rule: str, title: str) -> str:
    """The text of a section of a page."""
    _, _, rest = pages()[rule].partition(f"\n## {title}\n")
    return rest.partition("\n## ")[0]


def written(rule: str, title: str, folder: Path) -> Tree:
    """The example of a section, written to a folder: a file for each block."""
    for number, (language, text) in enumerate(_BLOCK.findall(section(rule, title))):
        (folder / f"{number}.{'py' if language == 'python' else 'yaml'}").write_text(text)
    return read_tree(folder)


def version_of(rule: str, title: str) -> Version:
    """The Kubernetes version that a section is about."""
    found = _VERSION.search(section(rule, title))
    return parse_version(found[1]) if found else NEWEST


def linted(folder: Path, version: Version = NEWEST) -> Linted:
    return lint(read_tree(folder), version, now=NOW)


def of_text(text: str, name: str = "tree/policy.yaml", version: Version = NEWEST) -> Linted:
    """What lint says of one file that is not on disk."""
    tree = Tree(("tree",), (TreeFile(name, text.encode()),), (), "0" * 16)
    return lint(tree, version, now=NOW)


def at(line: int, column: int) -> Position:
    return Position(line, column)

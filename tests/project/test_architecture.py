"""docs/architecture.md and docs/where.md name what exists: files, and what these define; no room is missing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
QUESTIONS = (ROOT / "docs/where.md").read_text()
_, ROOMS, _ = re.split(r"\n## The rooms\n|\n## Where to add\n", PAGE)


def _named(text: str) -> set[str]:
    """The files and folders that stand in backquotes."""
    return set(re.findall(r"`([\w./]+(?:\.\w+|/))`", text))


def _places(name: str) -> list[Path]:
    """Where a name may stand: in `webhook/`, in the repository, and in a table of rooms below the room of its row."""
    rooms = [path for row in ROOMS.splitlines() if f"`{name}`" in row for path in re.findall(r"^\| `([\w/]+)/`", row)]
    return [
        ROOT / "webhook" / name,
        ROOT / name,
        ROOT / "webhook/cel" / name,
        *(ROOT / "webhook" / r / name for r in rooms),
    ]


def test_every_path_of_the_map_exists() -> None:
    named = {each for each in _named(PAGE) if "/" in each or each.endswith(".py")} - {"docs/lint/GWnnn.md"}
    assert len(named) > 150
    assert not sorted(each for each in named if not any(place.exists() for place in _places(each)))


def test_every_room_and_every_module_of_the_ground_is_on_the_map() -> None:
    packages = [path.parent for path in (ROOT / "webhook").rglob("__init__.py") if path.parent != ROOT / "webhook"]
    on_the_map = {place for name in _named(ROOMS) for place in _places(name)}
    assert not sorted(str(each.relative_to(ROOT)) for each in packages if each not in on_the_map)
    ground = [path.name for path in (ROOT / "webhook").glob("*.py") if path.name != "__init__.py"]
    assert not sorted(name for name in ground if f"`{name}`" not in ROOMS)


def _defined(file: Path) -> set[str]:
    """What a module defines: its functions, classes and variables, and `Class.method`."""
    names = set[str]()

    def add(within: str, body: list[ast.stmt]) -> None:
        for each in body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(within + each.name)
            if isinstance(each, ast.ClassDef):
                add(f"{each.name}.", each.body)
            for target in [each.target] if isinstance(each, ast.AnnAssign) else getattr(each, "targets", []):
                names.add(within + ast.unparse(target))

    add("", ast.parse(file.read_text()).body)
    return names


def _missing(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The files that do not define the name, neither by itself nor within a class."""
    return [
        (file, name)
        for file, name in pairs
        for place in [next(each for each in _places(file) if each.exists())]
        if not any(f".{each}".endswith(f".{name}") for each in _defined(place))
    ]


def test_every_place_of_the_questions_exists() -> None:
    named = re.findall(r"`([\w./]+?\.py|[\w./]+/|docs/[\w./]+)(?::([\w.]+))?`", QUESTIONS)
    assert len(named) > 60
    assert not [file for file, _ in named if not any(place.exists() for place in _places(file))]
    assert not _missing([(file, name) for file, name in named if name])
    assert len(re.findall(r"(?m)^## ", QUESTIONS)) == 12


def test_what_the_map_says_a_file_defines_is_defined_there() -> None:
    """In the text and the tables: `name` in `file.py`, and `file.py`, `name`, other names."""
    commands = {"check", "lint", "test"}
    pairs = [
        (file, name) for name, file in re.findall(r"`([\w.]+)` (?:of|in) `([\w/]+\.py)`", PAGE) if name not in commands
    ]
    for file, names in re.findall(r"`([\w/]+\.py)`((?:, `\w+`)+) \|", PAGE):
        pairs += [(file, name) for name in re.findall(r"`(\w+)`", names)]
    assert len(pairs) > 25
    assert not _missing(pairs)

"""docs/architecture.md names what is there: its paths exist, and no room and no module of the ground is missing."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
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

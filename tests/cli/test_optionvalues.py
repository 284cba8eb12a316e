"""The values of options: ordinary ones are converted without pydantic, others by typer with its errors."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from tests.cli.running import gatewright
from webhook.cli.optionvalues import Command


class Shade(StrEnum):
    LIGHT = "light"
    DARK = "dark"


GIVEN: list[dict[str, Any]] = []
app = typer.Typer(add_completion=False)


@app.command(cls=Command)
def paint(
    walls: list[str],
    shade: Annotated[Shade, typer.Option(case_sensitive=False)] = Shade.LIGHT,
    other: Annotated[Shade | None, typer.Option()] = None,
    plan: Annotated[Path | None, typer.Option(envvar="PAINT_PLAN")] = None,
    colors: Annotated[list[str] | None, typer.Option("--color")] = None,
    shades: Annotated[list[Shade] | None, typer.Option("--and-shade")] = None,
    coats: Annotated[int, typer.Option(max=3)] = 1,
    name: str = "",
    dry: bool = False,
) -> None:
    GIVEN.append(
        {"walls": walls, "shade": shade, "other": other, "plan": plan, "colors": colors, "coats": coats}
        | {"shades": shades}
        | {"name": name, "dry": dry}
    )


DEFAULTS = {
    "shade": Shade.LIGHT,
    "other": None,
    "plan": None,
    "colors": None,
    "shades": None,
    "coats": 1,
    "name": "",
    "dry": False,
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "b"], {"walls": ["a", "b"]}),
        (["a", "--shade", "dark"], {"walls": ["a"], "shade": Shade.DARK}),
        (["a", "--shade", "DARK", "--other", "light"], {"walls": ["a"], "shade": Shade.DARK, "other": Shade.LIGHT}),
        (["a", "--plan", "x/../y", "--name", "é"], {"walls": ["a"], "plan": Path("x/../y"), "name": "é"}),
        (["a", "--color", "red", "--color", ""], {"walls": ["a"], "colors": ["red", ""]}),
        (["a", "--and-shade", "dark", "--and-shade", "light"], {"walls": ["a"], "shades": [Shade.DARK, Shade.LIGHT]}),
        (["a", "--coats", "2", "--dry"], {"walls": ["a"], "coats": 2, "dry": True}),
    ],
)
def test_a_value_has_the_type_of_its_option(arguments: list[str], expected: dict[str, Any]) -> None:
    GIVEN.clear()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert [DEFAULTS | expected] == GIVEN
    assert all(type(GIVEN[0][name]) is type(value) for name, value in (DEFAULTS | expected).items() if name != "plan")


def test_a_value_from_the_environment() -> None:
    GIVEN.clear()
    assert CliRunner().invoke(app, ["a"], env={"PAINT_PLAN": "p"}).exit_code == 0
    assert GIVEN[0]["plan"] == Path("p")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["a", "--shade", "grey"], "'--shade': expected one of light, dark, got 'grey'"),
        (["a", "--other", "LIGHT"], "'--other': expected one of light, dark, got 'LIGHT'; did you mean light?"),
        (["a", "--coats", "4"], "less than or equal to 3"),
        ([], "Missing argument"),
    ],
)
def test_a_wrong_value_is_typers_error(arguments: list[str], error: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert error in " ".join(done.output.replace("│", " ").split())


def test_the_command_itself_refuses_a_wrong_value(tmp_path: Path) -> None:
    done = gatewright("check", ".", "--output", "yml", cwd=tmp_path)
    assert done.returncode == 2
    assert "--output: expected FORMAT or FORMAT=FILE, with one of text, json, yaml" in done.stderr

"""The values of options, converted without pydantic where they are ordinary.

typer converts each value, also each default, by a pydantic adapter that it builds for the option: that and the import
of pydantic take a quarter of the time of a short run. Here ordinary values are converted at once. Whatever else there
is, such as a wrong value, is left to typer; its error text is kept but for choices.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from webhook.nearest import nearest


class Command(TyperCommand):
    """A subcommand whose options convert ordinary values themselves."""

    def get_params(self, ctx: Any) -> Any:
        return _converting(super().get_params(ctx))


class Group(TyperGroup):
    """A command with subcommands whose options convert ordinary values themselves."""

    def get_params(self, ctx: Any) -> Any:
        return _converting(super().get_params(ctx))


HELP: Final = ("-h", "--help")

HELP_OPTIONS: Final = {"help_option_names": [*HELP]}


def group(name: str, **more: Any) -> typer.Typer:
    """A command with subcommands. more: what else typer is to know of it."""
    return typer.Typer(
        name=name,
        cls=Group,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings=dict(HELP_OPTIONS),
        **more,
    )


def _converting(params: list[Any]) -> list[Any]:
    for param in params:
        wanted = param.type_descriptor.annotation
        if wanted in _ORDINARY or _is_choice(_item_of(wanted)):
            param.get_runtime_param = _Conversion(wanted, partial(type(param).get_runtime_param, param))
    return params


class _Conversion:
    """In place of typer's conversion of one option, which `runtime` returns."""

    def __init__(self, wanted: Any, runtime: Callable[[], Any]) -> None:
        self._wanted = wanted
        self._runtime = runtime

    def __call__(self) -> _Conversion:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value of the option; raises typer.BadParameter."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        converted = _converted(self._wanted, value)
        if converted is not None:
            return converted
        try:
            return self._runtime().coerce(value, param=param, ctx=ctx)
        except typer.BadParameter:
            choices = _item_of(self._wanted)
            if not _is_choice(choices):
                raise
            raise typer.BadParameter(_no_choice(value, choices), ctx=ctx, param=param) from None


_ORDINARY: Final = (bool, str, Path, list[str])


def _item_of(wanted: Any) -> Any:
    """X of `list[X]`; else the type itself."""
    return typing.get_args(wanted)[0] if typing.get_origin(wanted) is list else wanted


def _is_choice(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, StrEnum)


def _no_choice(value: Any, choices: type[StrEnum]) -> str:
    expected = [choice.value for choice in choices]
    values = value if isinstance(value, list | tuple) else [value]
    wrong = next((each for each in values if each not in expected), value)
    close = nearest(str(wrong), expected)
    meant = f"; did you mean {close}?" if close else ""
    return f"expected {'one of ' * (len(expected) > 1)}{', '.join(expected)}, got {wrong!r}{meant}"


def _converted(wanted: Any, value: Any) -> Any:
    """The value as `wanted`; None if typer must convert it."""
    if typing.get_origin(wanted) is list:
        items = [_converted(_item_of(wanted), item) for item in value] if isinstance(value, list | tuple) else [None]
        return items if None not in items else None
    if _is_choice(wanted):
        return next((choice for choice in wanted if choice is value or choice.value == value), None)
    if type(value) is wanted or (wanted is Path and isinstance(value, Path)):
        return value
    return Path(value) if wanted is Path and type(value) is str else None

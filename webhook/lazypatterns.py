"""Regular expressions that are compiled when they are first used.

A run of `check` imports 90 of them and uses a third; compiling one takes up to a millisecond.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, AnyStr, Final, cast

_OFFERED: Final = ("findall", "finditer", "flags", "fullmatch", "match", "pattern", "search", "split", "sub", "subn")


class _Uncompiled:
    def __init__(self, text: Any, flags: int) -> None:
        self._written = text, flags

    def __getattr__(self, name: str) -> Any:
        if name not in _OFFERED:
            raise AttributeError(name)
        compiled = re.compile(*self._written)
        # From now on they are found without this function.
        vars(self).update({each: getattr(compiled, each) for each in _OFFERED})
        return getattr(compiled, name)


def lazily(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """The pattern, with the methods and attributes of a compiled one. re.error is raised by the first use."""
    return cast("re.Pattern[AnyStr]", _Uncompiled(text, flags))


def imported(*modules: str) -> None:
    """Import modules of others whose patterns are compiled when they are first used.

    Name those only that are known to use their patterns' methods alone.
    """
    eagerly = re.compile
    re.compile = lazily  # type: ignore[assignment]
    try:
        for each in modules:
            import_module(each)
    finally:
        re.compile = eagerly

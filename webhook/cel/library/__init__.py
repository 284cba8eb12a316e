"""The function libraries that Kubernetes declares in CEL, one module each."""

from __future__ import annotations

from webhook.cel.library import (
    authorizer,
    cidr,
    comprehensions,
    ip,
    lists,
    lists_extension,
    named_format,
    optionals,
    quantity,
    regex,
    semver,
    sets,
    standard,
    strings,
    url,
)
from webhook.cel.library.declaring import Library
from webhook.versions import Version

LIBRARIES: tuple[Library, ...] = (
    standard.LIBRARY,
    comprehensions.LIBRARY,
    comprehensions.TWO_VARIABLES,
    optionals.LIBRARY,
    optionals.UNWRAP,
    optionals.ENDS,
    strings.LIBRARY,
    strings.FORMAT,
    lists.LIBRARY,
    lists.INCLUDES,
    lists_extension.LIBRARY,
    lists_extension.FLATTEN,
    sets.LIBRARY,
    regex.LIBRARY,
    url.LIBRARY,
    ip.LIBRARY,
    cidr.LIBRARY,
    quantity.LIBRARY,
    semver.LIBRARY,
    named_format.LIBRARY,
    authorizer.LIBRARY,
    authorizer.SELECTORS,
)
"""Of all versions, in the order of the reference."""


def libraries_of(version: Version) -> tuple[Library, ...]:
    """What a version of Kubernetes has."""
    return tuple(library for library in LIBRARIES if library.since <= version)


def came_later(name: str, version: Version) -> tuple[str, Version] | None:
    """What a later version than this has of that name, as it is called, and since when; None if nothing.

    The name may be qualified, or the first part of a qualified one: `ip`, `format.uuid`, `format`.
    """
    found: tuple[str, Version] | None = None
    for library in LIBRARIES:
        if library.since <= version:
            continue
        for called in _names(library):
            if called in (f"{name}()", name):
                return called, library.since
            if found is None and called.startswith(f"{name}."):
                found = called, library.since
    return found


def _names(library: Library) -> list[str]:
    functions = [f"{overload.name}()" for overload in library.overloads]
    macros = [f"{macro.name}()" for macro in library.macros]
    return [*functions, *macros, *library.named_types, *library.variables]


def form(name: str, since: Version) -> str:
    """What came, in words: of a macro that was there before, only with one variable, the other form."""
    two_variables = since == comprehensions.TWO_VARIABLES.since and name in _names(comprehensions.TWO_VARIABLES)
    return f"{name} with two variables" if two_variables else name

"""All function libraries that Kubernetes declares in CEL, and those of a given Kubernetes version."""

from __future__ import annotations

from typing import Final

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
    lists.LIBRARY,
    lists_extension.LIBRARY,
    sets.LIBRARY,
    regex.LIBRARY,
    url.LIBRARY,
    ip.LIBRARY,
    cidr.LIBRARY,
    quantity.LIBRARY,
    semver.LIBRARY,
    named_format.LIBRARY,
    authorizer.LIBRARY,
)
"""The libraries of all versions, in the order of the reference."""

MEMBER_MACROS: Final = frozenset(macro.name for library in LIBRARIES for macro in library.macros if macro.member)
"""The macros that are called like methods. The only other macro is has()."""


def libraries_of(version: Version) -> tuple[Library, ...]:
    """The libraries of a Kubernetes version, with the functions of that version."""
    return tuple(library.at(version) for library in LIBRARIES if library.since <= version)


def came_later(name: str, version: Version) -> tuple[str, Version] | None:
    """The function or macro of this name in a later version, as (its name, its first version); None if there is none.

    name: a name, a qualified name, or the first part of one: `ip`, `format.uuid`, `format`.
    """
    found: tuple[str, Version] | None = None
    for library in LIBRARIES:
        for called, since in _names(library):
            if since <= version:
                continue
            if called in (f"{name}()", name):
                return called, since
            if found is None and called.startswith(f"{name}."):
                found = called, since
    return found


def _names(library: Library) -> list[tuple[str, Version]]:
    functions = [(f"{overload.name}()", overload.since or library.since) for overload in library.overloads]
    macros = [f"{macro.name}()" for macro in library.macros]
    return [*functions, *((name, library.since) for name in (*macros, *library.named_types, *library.variables))]


def form(name: str, since: Version) -> str:
    """The name for messages. A macro that existed before, with one variable, is named with its new form."""
    of_macros = [each for each, _ in _names(comprehensions.TWO_VARIABLES)]
    two_variables = since == comprehensions.TWO_VARIABLES.since and name in of_macros
    return f"{name} with two variables" if two_variables else name

"""Sets the defaults of a decoded object of a built-in kind, in place.

A decoded value is plain JSON in which null is absence, and so is the zero value of a field that is no pointer in Go. So
absence is what defaults are set for, as in Go. Defaults, and the defaults of feature gates, are those of the target
version.

What is done to a value depends on nothing but its Go type. `kubernetes/` has a file for each Go package, from type to:

    run     the functions that are applied to a value, by group, version and name
    values  plain defaults of fields
    into    the fields whose values have defaults themselves, each with a form and a type: `struct` for a field that
            always has a value in Go, `pointer`, `list`, or `map` for its values

These files are of the newest version; `kubernetes/earlier/` has what was different before (webhook.schema.spans): for
each type what took the place of its row, null for none. `python -m tests.apiserver.tables` writes them.

The modules of this room have the functions of an API group by name (FUNCTIONS), and those that earlier versions had
in place of these (UNTIL).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from webhook.schema import shipped, spans
from webhook.versions import NEWEST, Version

FOLDER: Final = Path(__file__).parent / "kubernetes"
EARLIER: Final = "earlier"
"""The folder within of what was different in earlier versions."""

Function = Callable[[dict[str, Any]], object]
"""Sets defaults of one value, in place. What it returns is not used."""

Until = dict[str, tuple[tuple[Version, Function], ...]]
"""Function name → the functions of earlier versions, oldest first, each with the last version that has it."""


def set_defaults(value: dict[str, Any], api_version: str, kind: str, target: Version = NEWEST) -> None:
    """Sets the defaults of a decoded object of a kind, such as "apps/v1" and "Deployment". Other kinds have none."""
    walk = defaults_of(api_version, kind, target)
    if walk is not None:
        walk(value)


@cache
def defaults_of(api_version: str, kind: str, target: Version = NEWEST) -> Function | None:
    """The function that sets the defaults of a decoded object of a kind; None if the kind has no defaults."""
    struct = shipped.definition_of(api_version, kind, target)
    if struct is None:
        return None
    found = _walk(struct, target)
    return found.function if found is not None else None


def function_of(name: str, target: Version = NEWEST) -> Function | None:
    """The function of a name such as core.v1.Container, from the module of its group; None if there is none."""
    group, _, within = name.partition(".")
    try:
        module = importlib.import_module(f"webhook.apiserver.defaults.{group}")
    except ModuleNotFoundError:
        return None
    until: Until = getattr(module, "UNTIL", {})
    for last, function in until.get(within, ()):
        if target <= last:
            return function
    functions: dict[str, Function] = module.FUNCTIONS
    return functions.get(within)


def row_of(struct: str, target: Version = NEWEST) -> dict[str, Any] | None:
    """What is done to values of a type such as io.k8s.api.core.v1.PodSpec; None if nothing is."""
    package, _, name = struct.rpartition(".")
    row: dict[str, Any] | None = _package(package).get(name)
    if target != NEWEST:
        for earlier in spans.at(_earlier(package).get(name, ()), target):
            row = earlier
    return row


def rows_of(target: Version = NEWEST) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is done to values of each type that the kinds of a version need, as (type, row). It reads all tables."""
    ahead = [found.definition for found in shipped.kinds(target).values()]
    seen: set[str] = set()
    while ahead:
        struct = ahead.pop()
        row = row_of(struct, target) if struct not in seen else None
        seen.add(struct)
        if row is not None:
            yield struct, row
            package = struct.rpartition(".")[0]
            ahead += [_within(package, written.partition(" ")[2]) for written in row.get("into", {}).values()]


def _within(package: str, name: str) -> str:
    """The type that a row of a package names: those of its own package stand there without it."""
    return name if "." in name else f"{package}.{name}"


class _Walk(NamedTuple):
    """What is done to a value of one type. `fills`: it may give an empty value a field."""

    function: Function
    fills: bool


@cache
def _package(name: str) -> dict[str, Any]:
    return spans.table(FOLDER / f"{name}.json")


@cache
def _earlier(name: str) -> dict[str, Any]:
    return spans.table(FOLDER / EARLIER / f"{name}.json")


@cache
def _walk(struct: str, target: Version) -> _Walk | None:
    """The walk of a type such as io.k8s.api.core.v1.PodSpec; None if nothing is done to its values."""
    package, _, name = struct.rpartition(".")
    row = row_of(struct, target)
    if row is None:
        return None
    functions = [_known_function(each, target) for each in row.get("run", ())]
    plain: list[tuple[str, Any]] = []
    made: list[tuple[str, Any]] = []
    for field, value in row.get("values", {}).items():
        (made if isinstance(value, dict | list) else plain).append((field, value))
    structs: list[tuple[str, Function]] = []  # those that always have a value, and may get a field
    singles: list[tuple[str, Function]] = []
    lists: list[tuple[str, Function]] = []
    maps: list[tuple[str, Function]] = []
    for field, written in row.get("into", {}).items():
        form, _, of = written.partition(" ")
        found = _walk(_within(package, of), target)
        if found is None:
            raise ValueError(f"{FOLDER / package}.json: {name}.{field} leads to {of}, which is in no table")
        into = structs if form == "struct" and found.fills else {"list": lists, "map": maps}.get(form, singles)
        into.append((field, found.function))
    if len(functions) == 1 and not (plain or made or structs or singles or lists or maps):
        return _Walk(functions[0], fills=True)

    def walk(value: dict[str, Any]) -> None:
        for function in functions:
            function(value)
        for field, default in plain:
            if field not in value:
                value[field] = default
        for field, default in made:
            if field not in value:
                value[field] = deepcopy(default)
        for field, function in structs:
            below = value.get(field)
            if below is None:
                below = {}
                function(below)
                if below:
                    value[field] = below
            else:
                function(below)
        for field, function in singles:
            below = value.get(field)
            if below is not None:
                function(below)
        for field, function in lists:
            below = value.get(field)
            if below:
                for each in below:
                    function(each)
        for field, function in maps:
            below = value.get(field)
            if below:
                for each in below.values():
                    function(each)

    return _Walk(walk, fills=bool(functions or plain or made or structs))


def _known_function(name: str, target: Version) -> Function:
    found = function_of(name, target)
    if found is None:
        raise ValueError(f"{FOLDER}: {name} is in no module of webhook/apiserver/defaults")
    return found

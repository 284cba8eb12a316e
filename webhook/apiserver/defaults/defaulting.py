"""Sets the defaults of a decoded object of a built-in kind, in place.

A decoded value is plain JSON in which null is absence, and so is the zero value of a field that is no pointer in Go. So
absence is what defaults are set for, as in Go. Feature gates have their defaults of the newest Kubernetes version.

What is done to a value depends on nothing but its Go type. `kubernetes/` has a file for each Go package, from type to:

    run     the functions that are applied to a value, by group, version and name
    values  plain defaults of fields
    into    the fields whose values have defaults themselves, each with a form and a type: `struct` for a field that
            always has a value in Go, `pointer`, `list`, or `map` for its values

webhook.apiserver.defaults.generate writes them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from webhook.schema import shipped

FOLDER: Final = Path(__file__).parent / "kubernetes"

Function = Callable[[dict[str, Any]], object]
"""Sets defaults of one value, in place. What it returns is not used."""


def set_defaults(value: dict[str, Any], api_version: str, kind: str) -> None:
    """Sets the defaults of a decoded object of a kind, such as "apps/v1" and "Deployment". Other kinds have none."""
    walk = defaults_of(api_version, kind)
    if walk is not None:
        walk(value)


@cache
def defaults_of(api_version: str, kind: str) -> Function | None:
    """The function that sets the defaults of a decoded object of a kind; None if the kind has no defaults."""
    struct = shipped.index()["kinds"].get(api_version, {}).get(kind)
    if struct is None:
        return None
    found = _walk(struct)
    return found.function if found is not None else None


def function_of(name: str) -> Function | None:
    """The function of a name such as core.v1.Container, from the module of its group; None if there is none."""
    group, _, within = name.partition(".")
    try:
        functions: dict[str, Function] = importlib.import_module(f"webhook.apiserver.defaults.{group}").FUNCTIONS
    except ModuleNotFoundError:
        return None
    return functions.get(within)


class _Walk(NamedTuple):
    """What is done to a value of one type. `fills`: it may give an empty value a field."""

    function: Function
    fills: bool


@cache
def _package(name: str) -> dict[str, Any]:
    path = FOLDER / f"{name}.json"
    found: dict[str, Any] = orjson.loads(path.read_bytes()) if path.exists() else {}
    return found


@cache
def _walk(struct: str) -> _Walk | None:
    """The walk of a type such as io.k8s.api.core.v1.PodSpec; None if nothing is done to its values."""
    package, _, name = struct.rpartition(".")
    row = _package(package).get(name)
    if row is None:
        return None
    functions = [_known_function(each) for each in row.get("run", ())]
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
        found = _walk(of if "." in of else f"{package}.{of}")
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


def _known_function(name: str) -> Function:
    found = function_of(name)
    if found is None:
        raise ValueError(f"{FOLDER}: {name} is in no module of webhook/apiserver/defaults")
    return found

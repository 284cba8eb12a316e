"""Defaults against Kubernetes' own scheme: generated objects of every kind, decoded, defaulted and written."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import orjson
import pytest

from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.defaults.realistic import Realistic, realistic
from tests.apiserver.generated import kinds, objects
from webhook.apiserver.decoding import decode_builtin
from webhook.apiserver.defaults.absent import nothing
from webhook.apiserver.defaults.defaulting import FOLDER, defaults_of, function_of, set_defaults
from webhook.apiserver.encoding import encode_builtin
from webhook.schema import shipped

TABLES: dict[str, dict[str, Any]] = {file.stem: orjson.loads(file.read_bytes()) for file in FOLDER.glob("*.json")}
NOW = re.compile(r'"timeAdded":"20[0-9-]{8}T[0-9:]{8}Z"')


def decoded(value: dict[str, Any]) -> dict[str, Any]:
    found = decode_builtin(value)
    assert found is not None
    assert found.problems == ()
    return found.object


def defaulted(value: dict[str, Any]) -> dict[str, Any]:
    made = decoded(value)
    set_defaults(made, value["apiVersion"], value["kind"])
    return made


def text(value: Any) -> str:
    """The text of an object. The time that a taint was added at is now, and so it differs between two programs."""
    return NOW.sub('"timeAdded":"now"', orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


@pytest.mark.parametrize("source", [realistic, lambda seed, many: objects(seed, many, 0)], ids=["realistic", "any"])
def test_objects_of_every_kind_have_kubernetes_defaults(source: Any) -> None:
    made = source("defaults", amount(1500, 400))
    differences = [
        (value, theirs, mine)
        for value, answer in zip(made, oracle.ask(made, "default"), strict=True)
        if (mine := text(encode_builtin(defaulted(value)))) != (theirs := text(answer["object"]))
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"


def test_the_generated_objects_meet_every_function_and_every_plain_default() -> None:
    """Else the test above would not hold what they do."""
    missing = {
        f"{package}.{name}: {each}"
        for package, types in TABLES.items()
        for name, row in types.items()
        for each in (*row.get("values", ()), *row.get("run", ()))
    }
    without_effect = {name for name in missing if function_of(name.partition(": ")[2]) is nothing}
    generator, named = Realistic("met"), list(kinds())
    for index in range(50_000):
        if missing == without_effect:
            break
        value = generator.of(*named[index % len(named)])
        struct = shipped.index()["kinds"][value["apiVersion"]][value["kind"]]
        if struct.rpartition(".")[2] not in TABLES.get(struct.rpartition(".")[0], {}):
            continue
        for made, of in values_with_defaults(decoded(value), struct):
            package, _, name = of.rpartition(".")
            row = TABLES[package][name]
            missing -= {f"{of}: {field}" for field in row.get("values", ()) if field not in made}
            missing -= {f"{of}: {each}" for each in row.get("run", ()) if changes(each, made)}
    assert missing == without_effect


def values_with_defaults(value: dict[str, Any], struct: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The values of an object, each with its type, that the tables lead to."""
    package, _, name = struct.rpartition(".")
    yield value, struct
    for field, written in TABLES[package].get(name, {}).get("into", {}).items():
        form, _, of = written.partition(" ")
        below = value.get(field, {} if form == "struct" else None)
        for each in (below or []) if form == "list" else [below]:
            if each is not None:
                yield from values_with_defaults(each, of if "." in of else f"{package}.{of}")


def changes(name: str, value: dict[str, Any]) -> bool:
    function = function_of(name)
    assert function is not None
    made = deepcopy(value)
    function(made)
    return made != value


def test_every_function_is_used_by_a_table() -> None:
    used = {name for types in TABLES.values() for row in types.values() for name in row.get("run", ())}
    groups = {name.partition(".")[0] for name in used}
    written = {
        f"{group}.{name}"
        for group in groups
        for name in importlib.import_module(f"webhook.apiserver.defaults.{group}").FUNCTIONS
    }
    assert written - used <= {"core.v1.PodLogOptions"}
    assert used <= written


@pytest.mark.parametrize(("api_version", "kind"), list(kinds()))
def test_defaults_twice_are_defaults_once(api_version: str, kind: str) -> None:
    made = defaulted({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})
    once = text(made)
    set_defaults(made, api_version, kind)
    assert text(made) == once


def test_a_kind_that_is_not_built_in_has_no_defaults() -> None:
    assert defaults_of("example.com/v1", "Deployment") is None
    value = {"apiVersion": "example.com/v1", "kind": "Deployment"}
    set_defaults(value, "example.com/v1", "Deployment")
    assert value == {"apiVersion": "example.com/v1", "kind": "Deployment"}


def test_two_objects_share_no_default() -> None:
    minimal = {"apiVersion": "scheduling.k8s.io/v1beta1", "kind": "PodGroup"}
    first, second = defaulted(minimal), defaulted(minimal)
    assert first["spec"]["disruptionMode"] == {"single": {}}
    first["spec"]["disruptionMode"]["single"]["changed"] = True
    assert second["spec"]["disruptionMode"] == {"single": {}}

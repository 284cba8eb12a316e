"""Each supported Kubernetes version against its own scheme: tables, decoding, defaults, conversion.

`make soak` builds the scheme of every version. Otherwise it is that of the oldest, and of what is built already.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.amounts import ALL, amount
from tests.apiserver import minors, oracle, tables
from tests.apiserver.defaults.realistic import realistic
from tests.apiserver.generated import objects
from webhook.apiserver import decoding, encoding, generate
from webhook.apiserver.conversion import convert
from webhook.apiserver.defaults import generate as defaults
from webhook.apiserver.defaults.defaulting import row_of, set_defaults
from webhook.apiserver.defaults.defaulting import rows_of as default_rows
from webhook.apiserver.gotypes import rows_of, struct_of
from webhook.schema import shipped, spans
from webhook.versions import NEWEST, OLDEST, Version, shown

EARLIER = [version for version in spans.VERSIONS if version != NEWEST]


def program(version: Version) -> Any:
    if not ALL and version != OLDEST and not minors.at_hand(version):
        pytest.skip(f"the scheme of Kubernetes {shown(version)} is not built here; `make soak` builds it")
    return minors.built(version)


def typed(value: dict[str, Any], version: Version, *, converted: bool) -> dict[str, Any]:
    """What becomes of an object, in the form of the oracle's answers."""
    struct = struct_of(value["apiVersion"], value["kind"], version)
    assert struct is not None
    decoded = decoding.decode(value, struct, version)
    wrong = [each.message for each in decoded.problems if not each.strict]
    if wrong:
        return {"error": wrong[0]}
    if converted:
        set_defaults(decoded.object, value["apiVersion"], value["kind"], version)
        refused = convert(decoded.object, value["apiVersion"], value["kind"], version)
        if refused is not None:
            return {"error": refused.message}
    strict = [each.message for each in decoded.problems]
    made = {"object": encoding.encode(decoded.object, struct, version)}
    return made | ({"strict": strict} if strict else {})


def text(answer: dict[str, Any]) -> str:
    return "" if "timeAdded" in repr(answer) else json.dumps(answer, sort_keys=True)


@pytest.mark.parametrize("version", EARLIER, ids=shown)
@pytest.mark.parametrize("wrong", [0, 15], ids=["valid", "invalid"])
def test_objects_are_decoded_as_the_version_does(version: Version, wrong: int) -> None:
    made = objects(f"minors {wrong}", amount(1500, 60), wrong, version)
    answers = oracle.ask(made, "decode", program(version))
    differences = [
        (value, theirs, mine)
        for value, theirs in zip(made, answers, strict=True)
        if text(mine := typed(value, version, converted=False)) != text(theirs)
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"


@pytest.mark.parametrize("version", EARLIER, ids=shown)
def test_objects_are_defaulted_and_converted_as_the_version_does(version: Version) -> None:
    made = realistic("minors", amount(1500, 120), version)
    answers = oracle.ask(made, "convert", program(version))
    differences = [
        (value, theirs, mine)
        for value, theirs in zip(made, answers, strict=True)
        if text(mine := typed(value, version, converted=True)) != text(theirs)
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"


@pytest.mark.parametrize("version", EARLIER, ids=shown)
def test_every_defaulting_function_of_the_version_is_written(version: Version) -> None:
    assert defaults.unknown_functions(version) == []
    assert len(list(default_rows(version))) > 100


@pytest.mark.skipif(not ALL, reason="needs the scheme of every version; `make soak` builds them")
def test_the_shipped_tables_are_those_of_kubernetes() -> None:
    written = tables.generated(spans.VERSIONS)
    folders = {file.parent for file in written}
    shipped_now = {file: file.read_text() for folder in folders for file in folder.glob("*.json")}
    assert shipped_now == written


@pytest.mark.parametrize("version", [OLDEST, EARLIER[-1]], ids=shown)
def test_the_shipped_tables_of_a_version_are_its_own(version: Version) -> None:
    program(version)
    found = tables.index(version)
    kinds = {
        (api_version, kind): definition
        for api_version, named in found["kinds"].items()
        for kind, definition in named.items()
    }
    assert kinds == {key: kind.definition for key, kind in shipped.kinds(version).items()}
    for package, structs in generate.rows(tables.asked(version, found, "types")).items():
        for struct, fields in structs.items():
            assert sorted(fields) == sorted(rows_of(f"{package}.{struct}", version)), f"{package}.{struct}"
    for package, rows in defaults.rows(
        tables.asked(version, found, "defaulters", *tables.modules(version)), found
    ).items():
        for name, row in rows.items():
            assert row == row_of(f"{package}.{name}", version), f"{package}.{name}"

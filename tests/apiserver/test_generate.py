"""The tables of Go types: rows of one version, and the spans of earlier ones."""

from __future__ import annotations

import json
from typing import Any

from tests.apiserver import tables
from webhook.apiserver import generate, gotypes
from webhook.schema import spans
from webhook.versions import NEWEST, Version


def test_the_shipped_tables_are_those_of_kubernetes() -> None:
    written = generate.generated(tables.asked(NEWEST, tables.index(NEWEST), "types"))
    assert written == {file.name: file.read_text() for file in gotypes.FOLDER.glob("*.json")}


def printed(*fields: str, struct: str = "io.k8s.api.a.v1.A") -> dict[str, Any]:
    return {"structs": {struct: [{"name": name, "type": "string", "flags": "e"} for name in fields]}}


def earlier(by_version: dict[Version, dict[str, Any]]) -> dict[str, Any]:
    found = {version: {"structs": {}} for version in spans.VERSIONS} | by_version
    return {name: json.loads(text) for name, text in generate.earlier(found).items()}


def since(first: int, *fields: str, last: int = NEWEST[1]) -> dict[Version, dict[str, Any]]:
    return {version: printed(*fields) for version in spans.versions(first, last)}


def test_a_field_that_is_added_and_one_that_goes() -> None:
    by_version = since(26, "a", "gone", last=29) | since(30, "a", last=32) | since(33, "a", "new")
    assert earlier(by_version) == {
        "io.k8s.api.a.v1.json": {"A": [[26, 29, ["gone", "string", "e"]], [26, 32, ["new"]]]}
    }


def test_a_field_that_is_newer_than_its_struct_was_not_there_before_the_struct() -> None:
    assert earlier(since(30, "a", last=34) | since(35, "a", "new")) == {
        "io.k8s.api.a.v1.json": {"A": [[26, 34, ["new"]]]}
    }


def test_a_struct_that_goes_has_all_its_fields_in_spans() -> None:
    assert earlier(since(26, "a", last=30)) == {"io.k8s.api.a.v1.json": {"A": [[26, 30, ["a", "string", "e"]]]}}


def test_what_is_the_same_in_all_versions_has_no_file() -> None:
    assert earlier(since(26, "a")) == {}

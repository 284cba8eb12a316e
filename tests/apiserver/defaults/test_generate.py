"""The tables of defaults: rows of one version, and the spans of earlier ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver import tables
from webhook.apiserver.defaults import generate
from webhook.apiserver.defaults.defaulting import FOLDER
from webhook.schema import spans
from webhook.versions import NEWEST

INDEX: dict[str, Any] = {"kinds": {"v1": {"A": "io.k8s.api.core.v1.A"}}, "resources": {}}
OLD: dict[str, Any] = {
    "io.k8s.api.core.v1": {
        "A": {"run": ["core.v1.Old"], "into": {"spec": "struct io.k8s.api.core.v1.B"}},
        "B": {"values": {"a": 1}},
        "Unused": {"values": {"a": 1}},
    }
}
NEW: dict[str, Any] = {"io.k8s.api.core.v1": {"A": {"run": ["core.v1.New"]}}}


def test_the_shipped_tables_are_those_of_kubernetes() -> None:
    index = tables.index(NEWEST)
    written = generate.generated(tables.asked(NEWEST, index, "defaulters", *tables.modules(NEWEST)), index)
    assert written == {file.name: file.read_text() for file in FOLDER.glob("*.json")}


def test_types_that_no_kind_needs_are_left_out() -> None:
    assert {name: json.loads(text) for name, text in generate.generated(OLD, INDEX).items()} == {
        "io.k8s.api.core.v1.json": {
            "A": {"run": ["core.v1.Old"], "into": {"spec": "struct B"}},
            "B": {"values": {"a": 1}},
        }
    }


def test_earlier_rows_are_spans() -> None:
    printed = {version: OLD if version < (1, 30) else NEW for version in spans.VERSIONS}
    found = generate.earlier(printed, dict.fromkeys(spans.VERSIONS, INDEX))
    assert {name: json.loads(text) for name, text in found.items()} == {
        "io.k8s.api.core.v1.json": {
            "A": [[26, 29, {"run": ["core.v1.Old"], "into": {"spec": "struct B"}}]],
            "B": [[26, 29, {"values": {"a": 1}}]],
        }
    }


def test_a_function_that_is_not_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"run": ["core.v1.Novelty", "novel.v1.PodSpec", "core.v1.Pod"]}
    monkeypatch.setattr(generate, "rows_of", lambda _: [("io.k8s.api.core.v1.Pod", row)])
    assert generate.unknown_functions(NEWEST) == ["core.v1.Novelty", "novel.v1.PodSpec"]

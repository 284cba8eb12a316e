"""CustomResourceDefinitions: what is refused of them, at which place; and hostile ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.customresources.corpus import (
    BASE,
    SOUND,
    TEXT,
    array,
    bad_definitions,
    definition,
    of_spec,
    ruled,
    struct,
)
from webhook.apiserver.customresources import definitions
from webhook.paths import lookup

BAD = bad_definitions()


@pytest.mark.parametrize("name", BAD)
def test_a_refusal_has_a_place_in_the_definition(name: str) -> None:
    found = definitions.read(BAD[name])
    assert found.refused
    assert not found.kinds
    for error in found.refused:
        # The field itself may be missing, and what holds it; the place is within the definition all the same.
        assert error.path[0] in BAD[name]
        assert lookup(BAD[name], error.path[:-2], None) is not None, error


@pytest.mark.parametrize("name", SOUND)
def test_sound_definitions_define_their_kinds(name: str) -> None:
    found = definitions.read(definition(SOUND[name]))
    assert not [error.text for error in found.refused]
    assert found.kinds["v1"].api_version == "example.com/v1"


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        ("x", (), "expected an object, found string"),
        ({"type": 1}, ("type",), "expected a string, found number"),
        ({"properties": []}, ("properties",), "expected an object, found array"),
        ({"properties": {"a": 1}}, ("properties", "a"), "expected an object, found number"),
        ({"maxLength": 1.5}, ("maxLength",), "expected an integer, found number"),
        ({"required": ["a", 1]}, ("required", 1), "expected a string, found number"),
        ({"allOf": {}}, ("allOf",), "expected a list of schemas, found object"),
        ({"x-kubernetes-validations": [1]}, ("x-kubernetes-validations", 0), "expected an object, found number"),
    ],
)
def test_wrong_types(schema: Any, path: tuple[str | int, ...], words: str) -> None:
    (error,) = definitions.read(definition(schema)).refused
    assert error.path == ("spec", "versions", 0, "schema", "openAPIV3Schema", *path)
    assert error.text.endswith(f"Invalid value: {words}")


def test_versions_have_texts_of_their_own_where_they_differ() -> None:
    made = definition(of_spec(struct({"a": {"type": "text"}})))
    made["spec"]["versions"].append({"name": "v2", "served": True, "schema": {"openAPIV3Schema": of_spec(BASE)}})
    (error,) = definitions.read(made).refused
    assert error.text.startswith(
        "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[a].type: Unsupported"
    )
    same = definition(of_spec(struct({"a": {"type": "text"}})))
    (error,) = definitions.read(same).refused
    assert error.text.startswith("spec.validation.openAPIV3Schema.properties[spec].properties[a].type: Unsupported")


def test_a_schema_too_deep_or_too_large_is_an_error() -> None:
    deep: dict[str, Any] = dict(TEXT)
    for _ in range(150):
        deep = struct({"a": deep})
    (error,) = definitions.read(definition(of_spec(deep))).refused
    assert "nested too deeply: Gatewright reads 100 levels" in error.text
    wide = struct({f"f{number}": struct({f"g{place}": TEXT for place in range(400)}) for number in range(300)})
    (error,) = definitions.read(definition(of_spec(wide))).refused
    assert "the schema is too large" in error.text


def test_a_rule_that_costs_too_much() -> None:
    made = definition(of_spec(struct({"names": ruled(array(TEXT), "self.all(a, self.all(b, a == b))")})))
    texts = [error.text for error in definitions.read(made).refused]
    advice = (
        "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings "
    )
    assert f"Forbidden: estimated rule cost exceeds budget by factor of more than 100x {advice}" in texts[0]
    bounded = ruled(array({**TEXT, "maxLength": 5}, maxItems=50), "self.all(a, self.all(b, a == b))")
    assert not definitions.read(definition(of_spec(struct({"names": bounded})))).refused


def test_what_is_not_served_has_no_kind() -> None:
    made = definition(of_spec(BASE))
    made["spec"]["versions"].append({"name": "v2", "served": False, "schema": {"openAPIV3Schema": of_spec(BASE)}})
    assert list(definitions.read(made).kinds) == ["v1"]


def test_no_spec() -> None:
    (error,) = definitions.read({"kind": "CustomResourceDefinition"}).refused
    assert error.path == ("spec",)

"""What is known of the fields of kinds, as structured merge and type checking need it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from webhook.schema import MISSING, Kinds, Schema, Schemas
from webhook.schema.schemas import MAX_LEVELS


def at(group: str, version: str, kind: str, *path: str) -> Schema:
    """The schema at a path of fields; `*` stands for the items of a list or the values of a map."""
    found = Schemas.builtin().of(group, version, kind)
    for step in path:
        assert found is not None
        found = (found.items or found.values) if step == "*" else found.field(step)
    assert found is not None
    return found


CONTAINERS = ("apps", "v1", "Deployment", "spec", "template", "spec", "containers")


class TestBuiltinKinds:
    def test_every_kind_that_is_served_has_its_fields(self) -> None:
        earlier = {"certificates.k8s.io/v1alpha1", "scheduling.k8s.io/v1alpha2"}  # of Kubernetes before the data's
        for resource in Kinds.builtin():
            schema = Schemas.builtin().of(resource.group, resource.version, resource.kind)
            if resource.api_version not in earlier:
                assert schema is not None and schema.type == "object" and "metadata" in schema.fields, resource
        assert Schemas.builtin().of("autoscaling", "v1", "Scale") is not None
        assert Schemas.builtin().of("apps", "v1", "Deploymant") is None
        assert Schemas.builtin().of("nowhere", "v1", "Deployment") is None

    def test_lists_have_their_type_and_keys(self) -> None:
        containers = at(*CONTAINERS)
        assert (containers.type, containers.list_type, containers.list_map_keys) == ("array", "map", ("name",))
        ports = at(*CONTAINERS, "*", "ports")
        assert ports.list_map_keys == ("containerPort", "protocol")
        assert at(*CONTAINERS, "*", "ports", "*", "protocol").default == "TCP"
        assert at(*CONTAINERS, "*", "command").list_type == "atomic"
        assert at("", "v1", "Pod", "metadata", "finalizers").list_type == "set"

    def test_maps_and_structs_have_theirs(self) -> None:
        assert at("apps", "v1", "Deployment", "spec", "selector").map_type == "atomic"
        assert at("", "v1", "Pod", "spec", "nodeSelector").map_type == "atomic"
        labels = at("", "v1", "Pod", "metadata", "labels")
        assert (labels.map_type, labels.values and labels.values.type) == ("granular", "string")
        assert labels.field("any-label-at-all") is labels.values

    def test_values_have_their_type(self) -> None:
        assert at("apps", "v1", "Deployment", "spec", "replicas").type == "integer"
        assert at("", "v1", "Secret", "data", "*").format == "byte"
        port = at(*CONTAINERS, "*", "livenessProbe", "httpGet", "port")
        assert port.int_or_string and port.type == "" and not port.unknown
        assert at(*CONTAINERS, "*", "resources", "limits", "*").unknown  # a quantity: a text or a number
        assert at("apps", "v1", "Deployment", "spec", "replicas").default is MISSING

    def test_fields_that_are_not_there_are_none(self) -> None:
        assert at("apps", "v1", "Deployment", "spec").field("replicaz") is None
        assert at("", "v1", "Pod", "spec").values is None

    def test_any_object_may_stand_where_the_api_takes_any(self) -> None:
        data = at("apps", "v1", "ControllerRevision", "data")
        assert data.preserve_unknown_fields
        field = data.field("anything")
        assert field is not None and field.unknown

    def test_definitions_may_refer_to_themselves(self) -> None:
        props = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "spec", "versions", "*", "schema")
        deep = at(*props, "openAPIV3Schema", *["properties", "*"] * 200, "type")
        assert deep.type == "string"

    def test_a_schema_does_not_change(self) -> None:
        fields: Any = at("", "v1", "Pod").fields
        with pytest.raises(TypeError):
            fields["more"] = fields["spec"]

    def test_only_what_is_asked_for_is_read(self) -> None:
        code = """
from pathlib import Path
read = []
original = Path.read_bytes
Path.read_bytes = lambda self: (read.append(self.name), original(self))[1]
from webhook.schema import Kinds, Schemas
Kinds.builtin()
assert read == ["index.json"], read
Schemas.builtin().of("batch", "v1", "Job").field("spec")
assert read == ["index.json", "io.k8s.api.batch.v1.json"], read
"""
        subprocess.run([sys.executable, "-c", code], check=True)


def crd(schema: Any, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "example.com",
            "names": {"kind": "Ox", "plural": "oxen"},
            "versions": [{"name": "v1", "served": True, "schema": {"openAPIV3Schema": schema}}],
            **spec,
        },
    }


def ox(schema: Any, **spec: Any) -> Schema | None:
    return Schemas.builtin().with_crds([{"kind": "Pod"}, crd(schema, **spec)]).of("example.com", "v1", "Ox")


class TestCustomKinds:
    def test_have_the_fields_of_their_definition_and_of_every_object(self) -> None:
        found = ox(
            {
                "type": "object",
                "properties": {
                    "spec": {
                        "type": "object",
                        "properties": {
                            "legs": {"type": "integer", "default": 4},
                            "port": {"x-kubernetes-int-or-string": True},
                            "yoke": {"type": "object", "x-kubernetes-map-type": "atomic"},
                            "carts": {
                                "type": "array",
                                "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["id"],
                                "items": {"type": "object", "properties": {"id": {"type": "string"}}},
                            },
                            "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                            "template": {"type": "object", "x-kubernetes-embedded-resource": True},
                        },
                    }
                },
            }
        )
        assert found is not None
        spec = found.field("spec")
        assert spec is not None
        assert set(found.fields) == {"apiVersion", "kind", "metadata", "spec"}
        assert found.fields["metadata"].fields["labels"].values is not None
        assert spec.fields["legs"].default == 4
        assert spec.fields["port"].int_or_string
        assert spec.fields["yoke"].map_type == "atomic"
        assert spec.fields["yoke"].field("color") is None  # pruned
        assert spec.fields["carts"].list_map_keys == ("id",)
        assert spec.fields["any"].field("thing") is not None
        assert "namespace" in spec.fields["template"].fields["metadata"].fields
        assert Schemas.builtin().of("example.com", "v1", "Ox") is None

    def test_that_keep_unknown_fields_may_have_any(self) -> None:
        found = ox({"type": "object"}, preserveUnknownFields=True)
        assert found is not None and found.open

    @pytest.mark.parametrize("schema", [None, 5, [], {}, {"type": "array"}, {"type": ["object"]}])
    def test_without_a_usable_schema_are_not_known(self, schema: Any) -> None:
        assert ox(schema) is None

    def test_what_is_malformed_says_nothing(self) -> None:
        found = ox(
            {
                "type": "object",
                "required": 5,
                "properties": {
                    "a": 5,
                    "b": {"type": "what", "x-kubernetes-list-map-keys": 3, "format": [], "items": 1, "required": [1]},
                    "c": {"$ref": "io.k8s.api.core.v1.Pod", "additionalProperties": True},
                },
            }
        )
        assert found is not None
        assert found.field("a") is None
        wrong = found.fields["b"]
        assert (wrong.unknown, wrong.list_map_keys, wrong.format, wrong.items) == (True, (), "", None)
        assert found.fields["c"].definition == ""  # references are for what ships
        assert not found.fields["c"].fields

    def test_a_built_in_kind_keeps_its_fields(self) -> None:
        other = crd({"type": "object"}, group="apps", names={"kind": "Deployment", "plural": "deployments"})
        found = Schemas.builtin().with_crds([other]).of("apps", "v1", "Deployment")
        assert found is Schemas.builtin().of("apps", "v1", "Deployment")

    def test_are_read_to_a_limited_depth(self) -> None:
        schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
        for _ in range(MAX_LEVELS + 10):
            schema = {"type": "object", "properties": {"a": schema}}
        found = ox(schema)
        for _ in range(MAX_LEVELS):
            assert found is not None and not found.unknown
            found = found.field("a")
        for _ in range(30):
            assert found is not None
            found = found.field("a")
        assert found is not None and found.unknown

"""The fieldPath of a rule: which steps it has, and what is said of one that is not valid."""

from __future__ import annotations

import pytest

from webhook.apiserver.customresources import structural
from webhook.apiserver.customresources.fieldpaths import FieldPathError, parsed
from webhook.apiserver.fielderrors import Key
from webhook.paths import Path

SCHEMA = structural.read(
    {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"x": {"type": "string"}, "a.b": {"type": "integer"}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
    (),
)


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        (".spec", ("spec",), "object"),
        (".spec.x", ("spec", "x"), "string"),
        (".spec['a.b']", ("spec", "a.b"), "integer"),
        ("['spec']['x']", ("spec", "x"), "string"),
        (".labels['a.b/c']", ("labels", Key("a.b/c")), "string"),
        (".labels.app", ("labels", Key("app")), "string"),
        (r".labels['it\'s\n\\']", ("labels", Key("it's\n\\")), "string"),
    ],
)
def test_a_path_has_the_steps_of_the_schema(text: str, path: Path, kind: str) -> None:
    found, schema = parsed(text, SCHEMA)
    assert found == path
    assert schema is not None
    assert schema.type == kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spec", "expected [ or . but got: spec"),
        ("]", "expected [ or . but got: ]"),
        (".", "unexpected end of JSON path"),
        (".spec[", "unexpected end of JSON path"),
        (".spec['x'", "unexpected end of JSON path"),
        (".spec['x'.", "expected ] but got ."),
        (".spec[x]", "expected single quoted string but got x"),
        (".spec[0]", "expected single quoted string but got 0"),
        (r".labels['\q']", r"invalid string literal: invalid escape char \q"),
        (".nope", "does not refer to a valid field"),
        (".spec.nope", "does not refer to a valid field"),
        (".spec.x.y", "does not refer to a valid field"),
        (".free.x", "does not refer to a valid field"),
    ],
)
def test_what_is_wrong_with_a_path_is_said(text: str, said: str) -> None:
    with pytest.raises(FieldPathError) as caught:
        parsed(text, SCHEMA)
    assert str(caught.value) == said


def test_subscripts_may_not_be_allowed() -> None:
    assert parsed(".spec.x", SCHEMA, subscripts=False)[0] == ("spec", "x")
    with pytest.raises(FieldPathError, match="array notation is not allowed"):
        parsed(".spec['x']", SCHEMA, subscripts=False)

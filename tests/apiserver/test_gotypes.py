"""The tables of types, and what they have in common with the shipped schemas."""

from __future__ import annotations

import pytest

from tests.apiserver.generated import kinds
from webhook.apiserver.gotypes import FORMS, GoType, fields_of, parsed, serves_group, short_name, struct_of
from webhook.schema import shipped

POD = "io.k8s.api.core.v1.Pod"
MAP = GoType("map", "map[v1.ResourceName]resource.Quantity", of=GoType("quantity", "resource.Quantity"))


@pytest.mark.parametrize(
    ("written", "go"),
    [
        ("string", GoType("string", "string")),
        ("*v1.PullPolicy=string", GoType("string", "v1.PullPolicy", pointer=True)),
        ("[string", GoType("list", "[]string", of=GoType("string", "string"))),
        ("{v1.ResourceName}quantity", MAP),
        ("v1.ResourceList={v1.ResourceName}quantity", MAP._replace(go="v1.ResourceList")),
        ("@Pod", GoType("struct", "v1.Pod", struct=POD)),
        ("[@x.y.v2.Foo", GoType("list", "[]v2.Foo", of=GoType("struct", "v2.Foo", struct="x.y.v2.Foo"))),
        ("bytes", GoType("bytes", "[]uint8")),
    ],
)
def test_a_written_type(written: str, go: GoType) -> None:
    assert parsed(written, "io.k8s.api.core.v1") == go


def structs() -> set[str]:
    """Every struct of a built-in kind."""
    ahead = [struct_of(*each) or "" for each in kinds()]
    seen = set(ahead)
    while ahead:
        for field in fields_of(ahead.pop()):
            go: GoType | None = field.type
            while go is not None:
                assert go.form in FORMS
                if go.struct and go.struct not in seen:
                    seen.add(go.struct)
                    ahead.append(go.struct)
                go = go.of
    return seen


def test_types_and_schemas_have_the_same_fields() -> None:
    """Both are generated, from one release: whoever makes one of them anew has to make the other."""
    differ = {}
    for struct in sorted(structs()):
        schema = shipped.definition(struct)
        typed = {field.name for field in fields_of(struct)}
        described = set((schema or {}).get("properties", {}))
        if typed != described:
            differ[struct] = typed ^ described
    assert not differ


def test_an_item_of_what_has_none() -> None:
    with pytest.raises(TypeError, match="string has no items"):
        _ = GoType("string", "string").items


def test_kinds_and_groups() -> None:
    assert struct_of("v1", "Pod") == POD
    assert short_name(POD) == "Pod"
    assert struct_of("v1", "Podd") is None
    assert struct_of("example.com/v1", "Pod") is None
    assert serves_group("") and serves_group("apps") and not serves_group("example.com")

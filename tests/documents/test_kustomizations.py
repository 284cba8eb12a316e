from typing import Any

import pytest

from webhook.documents.kustomizations import is_within, kustomization

OWN = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}


@pytest.mark.parametrize(
    ("value", "named", "expected"),
    [
        (OWN, False, "Kustomization"),
        ({**OWN, "apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}, False, "Component"),
        ({"resources": ["a.yaml"]}, True, "Kustomization"),
        ({"resources": ["a.yaml"]}, False, None),
        ({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}, True, None),
        ({"apiVersion": "v1", "kind": "Pod"}, True, None),
        ({**OWN, "kind": "Pod"}, True, None),
        (["a.yaml"], True, None),
    ],
)
def test_what_a_kustomization_is(value: Any, named: bool, expected: str | None) -> None:
    made = kustomization(value, named=named)
    assert (made.kind if made is not None else None) == expected


def test_the_files_that_it_names() -> None:
    made = kustomization(
        {
            **OWN,
            "resources": ["../base", "a.yaml", "https://example.com/x.yaml", 5],
            "components": ["../c"],
            "patches": [{"path": "p.yaml"}, {"patch": "- op: add"}, "x"],
            "patchesStrategicMerge": ["s.yaml", "apiVersion: v1\nkind: Pod\n"],
            "patchesJson6902": [{"target": {}, "path": "j.json"}],
            "replacements": [{"path": "r.yaml"}, {"source": {}}],
            "configurations": ["n.yaml"],
            "transformers": ["t.yaml"],
            "generators": ["g.yaml"],
            "helmCharts": [{"valuesFile": "v.yaml", "additionalValuesFiles": ["w.yaml"]}],
            "configMapGenerator": [{"files": ["c.yaml", "key=d.yaml"], "envs": ["e.env"]}],
            "openapi": {"path": "o.json"},
        },
        named=True,
    )
    assert made is not None
    assert sorted(made.parts) == sorted(
        [
            *("p.yaml", "s.yaml", "j.json", "r.yaml", "n.yaml", "t.yaml", "g.yaml", "v.yaml", "w.yaml"),
            *("c.yaml", "d.yaml", "e.env", "o.json"),
        ]
    )
    assert made.resources == ("../base", "a.yaml", "https://example.com/x.yaml", "../c")


@pytest.mark.parametrize(
    ("path", "within"),
    [("a.txt", True), ("./b/../a.txt", True), ("../a.txt", False), ("b/../../a", False), ("/etc/passwd", False)],
)
def test_files_are_read_below_the_kustomization_only(path: str, within: bool) -> None:
    assert is_within(path) is within

"""Which place a finding belongs to, of what its message names and what decided."""

from typing import Any

import pytest

from webhook.offline.places import named_path

OBJECT: dict[str, Any] = {"spec": {"replicas": 50, "ports": [{"name": "a"}]}, "metadata": {"labels": {"a.b/c": "x"}}}


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("spec.replicas is 50; set it lower", ("spec", "replicas")),
        ("spec.ports[0].name: must be https", ("spec", "ports", 0, "name")),
        ("metadata.labels['a.b/c'] is wrong", ("metadata", "labels", "a.b/c")),
        ("spec.missing must be set", ("spec", "missing")),
        ("spec.replicas. Also other things", ("spec", "replicas")),
        ("spec is wrong", None),
        ("image tags must be pinned", None),
        ("example.com is no registry", None),
        ("", None),
        ("spec['a", None),
    ],
)
def test_a_message_that_begins_with_a_path_names_its_place(message: str, path: Any) -> None:
    assert named_path(message, OBJECT) == path


def test_without_an_object_there_is_no_place() -> None:
    assert named_path("spec.replicas is 50", None) is None

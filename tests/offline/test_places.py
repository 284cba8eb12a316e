"""Which place a finding belongs to, of what its message names and what decided."""

from typing import Any

import pytest

from webhook.offline.places import existing, named_path, place_of
from webhook.paths import parse, render

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
    assert place_of("spec.replicas is 50", None, [("spec",)]) is None


def test_of_what_is_absent_the_deepest_parent_exists() -> None:
    assert existing(("spec", "ports", 0, "name"), OBJECT) == ("spec", "ports", 0, "name")
    assert existing(("spec", "ports", 1, "name"), OBJECT) == ("spec", "ports")
    assert existing(("spec", "replicas", "x"), OBJECT) == ("spec", "replicas")
    assert existing(("status", "x"), OBJECT) == ()


POD: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "containers": [{"name": "app"}, {"name": "side-car", "image": "x"}, {"name": "image"}],
        "initContainers": [{"name": "setup"}],
        "volumes": [{"name": "app"}, {"name": "cache"}],
    },
}
CONTAINERS, SECOND = "spec.containers", "spec.containers[1].image"


@pytest.mark.parametrize(
    ("message", "decided", "place"),
    [
        # What decided, or the parent of what is missing.
        ("no", [SECOND, "spec.containers[0]"], SECOND),
        ("no", ["spec.containers[0].resources.limits"], "spec.containers[0]"),
        ("no", ["status.phase", "metadata.labels"], "metadata.labels"),
        ("no", [], None),
        # A path at the start: the part of it that decided, else the path itself.
        ("spec.containers[1] is wrong", ["metadata.labels.app", SECOND], SECOND),
        ("spec.containers[1] is wrong", ["metadata.labels.app"], "spec.containers[1]"),
        ("spec.hostNetwork is not set", ["metadata.labels.app"], "spec"),
        # A path elsewhere counts where nothing else is known.
        ("look at spec.volumes[1].name please", [], "spec.volumes[1].name"),
        ("look at metadata.labels, please", ["spec.containers"], "spec.containers"),
        ("look at example.com/x.y, please", [], None),
        # An index.
        ("image of containers[1].image is old", [CONTAINERS], SECOND),
        ("containers[1] lacks limits", ["spec.containers[0].resources", SECOND], SECOND),
        ("initContainers[0] lacks limits", [], "spec.initContainers[0]"),
        ("containers[7] lacks limits", [CONTAINERS], CONTAINERS),
        # A name: quoted, after the word for its kind, in an enumeration.
        ("container 'side-car' lacks limits", [CONTAINERS], "spec.containers[1]"),
        ("container app lacks limits", [CONTAINERS], "spec.containers[0]"),
        ("volume app is too large", ["spec"], "spec.volumes[0]"),
        ("without limits: app, side-car", [CONTAINERS], "spec.containers[0]"),
        ("side-car lacks limits", [CONTAINERS], "spec.containers[1]"),
        ("container side-car", ["spec.containers[0].image", "spec.containers[1]"], "spec.containers[1]"),
        ("init container setup", [], "spec.initContainers[0]"),
        # An expression that the message quotes.
        ("failed expression: c.name == 'app'", ["spec.containers[1].image"], SECOND),
        (
            "expression 'c.name == 'app'' resulted in error: no such key: x",
            ["spec.containers[1]"],
            "spec.containers[1]",
        ),
        ("failed expression: c.name == 'app'", [], None),
        # No name: a word that happens to be one, and a name elsewhere than what decided.
        ("the image is not pinned", [CONTAINERS], CONTAINERS),
        ("the app label must be set", [CONTAINERS], CONTAINERS),
        ("container 'side-car' needs the label app", ["metadata.labels.app"], "metadata.labels.app"),
    ],
)
def test_what_the_message_names_and_what_decided_make_the_place(
    message: str, decided: list[str], place: str | None
) -> None:
    found = place_of(message, POD, [parse(path) for path in decided])
    assert (None if found is None else render(found)) == place

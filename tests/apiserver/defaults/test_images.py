from __future__ import annotations

import pytest

from tests.apiserver import oracle
from tests.apiserver.defaults.realistic import IMAGES
from webhook.apiserver.defaults.images import pull_policy


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry.example:5000/nginx", "Always"),
        ("registry.example:5000/nginx:1.27", "IfNotPresent"),
        (f"nginx@sha256:{'0' * 64}", "IfNotPresent"),
        (f"nginx:latest@sha256:{'0' * 64}", "Always"),
        ("", "IfNotPresent"),
        ("not an image", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_images_are_read_as_kubernetes_reads_them() -> None:
    pods = [{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": image}]}} for image in IMAGES]
    theirs = [each["object"]["spec"]["containers"][0]["imagePullPolicy"] for each in oracle.ask(pods, "default")]
    assert [(image, pull_policy(image)) for image in IMAGES] == list(zip(IMAGES, theirs, strict=True))
    assert set(theirs) == {"Always", "IfNotPresent"}


@pytest.mark.parametrize("part", ["a.", "a-", "a/", "a:", "a@", "1", "[", "a__", "A", "a+b.", "sha256:"])
def test_a_long_name_is_read_once(part: str) -> None:
    """It ends: what is tried twice would take hours."""
    pull_policy(part * 100_000)
    pull_policy(f"{part * 100_000} ")

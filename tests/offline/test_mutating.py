"""What mutating policies make of manifests: only what they change differs from what was written."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.offline.mutating import overlaid

WRITTEN = {"cpu": 0.5, "labels": {"a": "1"}, "items": [{"name": "x", "image": "i"}, {"name": "y"}], "dropped": {}}
READ = {
    "cpu": "500m",
    "labels": {"a": "1"},
    "items": [{"name": "x", "image": "i", "pull": "Always"}, {"name": "y", "pull": "Always"}],
    "policy": "Default",
    "nested": {"default": 1},
}


@pytest.mark.parametrize(
    ("changed", "made"),
    [
        ({}, {}),
        ({"cpu": "250m"}, {"cpu": "250m"}),
        ({"policy": "Other"}, {"policy": "Other"}),
        ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": "1", "b": "2"}}),
        ({"labels": {"b": "2"}}, {"labels": {"b": "2"}}),
        ({"nested": {"default": 1, "more": 2}}, {"nested": {"more": 2}}),
        (
            {"items": [{"name": "x", "image": "j", "pull": "Always"}, {"name": "y", "pull": "Always"}]},
            {"items": [{"name": "x", "image": "j"}, {"name": "y"}]},
        ),
        (
            {"items": [{"name": "new"}, *READ["items"]]},
            {"items": [{"name": "new"}, {"name": "x", "image": "i"}, {"name": "y"}]},
        ),
        ({"items": [{"name": "y", "pull": "Never"}]}, {"items": [{"name": "y", "pull": "Never"}]}),
        ({"items": []}, {"items": []}),
        ({"items": "text"}, {"items": "text"}),
    ],
)
def test_what_a_policy_does_not_change_stays_as_it_is_written(changed: dict[str, Any], made: dict[str, Any]) -> None:
    assert overlaid(WRITTEN, READ, {**READ, **changed}) == {**WRITTEN, **made}


def test_what_is_removed_is_gone() -> None:
    after = {key: value for key, value in READ.items() if key != "labels"}
    assert overlaid(WRITTEN, READ, after) == {key: value for key, value in WRITTEN.items() if key != "labels"}


def test_items_without_names_are_the_same_by_their_place() -> None:
    assert overlaid([{"a": 1}, 2], [{"a": "1", "d": 0}, "2"], [{"a": "1", "d": 0, "n": 1}, "2"]) == [
        {"a": 1, "n": 1},
        2,
    ]
    assert overlaid([1], ["1"], ["0", "1"]) == ["0", 1]

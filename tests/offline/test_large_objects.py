"""The work that an object of twice the size takes, counted in calls; and how much is reported of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bench import objects
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import parse
from webhook.offline.requests import Options, plan
from webhook.offline.verdicts import MAX_REFUSALS, Located, verdicts
from webhook.policy.policyset import PolicySet

NO_POLICIES = PolicySet((), ())
Object = dict[str, Any]


def judged(value: Object) -> list[Located]:
    """What check finds in an object."""
    planned = plan(parse(json.dumps(value), "in.json")[0], Options())
    cluster = ManifestsView(planned.objects, planned.kinds, assume_namespaces=True)
    return [each for verdict in verdicts(planned.requests, NO_POLICIES, cluster) for each in verdict.findings]


def calls(value: Object) -> int:
    """How many functions are called while the object is read and judged."""
    count = 0

    def counted(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        judged(value)
    finally:
        sys.setprofile(None)
    return count


def numbers(size: int) -> Object:
    """Annotations that are no texts."""
    return {f"a{each}": each for each in range(size)}


MADE: dict[str, Callable[[int], Object]] = {
    "keys": objects.config_map,
    "wrong keys": lambda size: objects.config_map(size, key="a key {}"),
    "values of a wrong type": lambda size: objects.config_map(
        1, annotations={f"a{each}": each for each in range(size)}
    ),
    "containers": objects.pod,
    "containers without an image": lambda size: objects.pod(size, image=""),
    "workload": objects.workload,
    "wrong labels": objects.labelled,
    "unknown fields": objects.misspelt,
    "unknown fields of a custom object": lambda size: objects.custom({f"u{each}": 1 for each in range(size)}),
    "wrong types in a custom object": lambda size: objects.custom({"items": ["x"] * size}),
    "items of a custom object": lambda size: objects.custom({"items": [5] * size}, ("self.all(x, x >= 0)",)),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
def test_twice_the_object_takes_twice_the_work(made: Callable[[int], Object]) -> None:
    judged(made(10))  # what is compiled and kept is no work of the object
    one, two, four = (calls(made(size)) for size in (300, 600, 1200))
    assert four - two <= 2.2 * (two - one) + 100, (one, two, four)


def test_a_number_in_a_list_of_a_custom_object_takes_few_calls() -> None:
    """Steps that only concern what holds other values make no call for it."""
    few, many = (calls(objects.custom({"items": [5] * size}, ("self.all(x, x >= 0)",))) for size in (1_000, 3_000))
    assert (many - few) / 2_000 < PER_NUMBER


PER_NUMBER = 27  # functions called, built-in ones too


@pytest.mark.parametrize(
    ("value", "more"),
    [
        (objects.labelled(60), "20 more refusals of this object, not listed"),
        (objects.labelled(2_000), "at least 900 more refusals of this object, not listed"),
        (objects.config_map(101, key="a key {}"), "1 more refusal of this object, not listed"),
        (objects.misspelt(130), "30 more refusals of this object, not listed"),
        (objects.misspelt(1_000), "at least 900 more refusals of this object, not listed"),
        (objects.custom({f"u{each}": 1 for each in range(5_000)}), "at least 900 more refusals of this object"),
        (objects.config_map(1, annotations=numbers(150)), "50 more refusals"),
    ],
    ids=range(7),
)
def test_a_hundred_refusals_are_listed_and_the_others_counted(value: Object, more: str) -> None:
    found = judged(value)
    assert len(found) == MAX_REFUSALS + 1
    (counted,) = (each for each in found if each.message.endswith("not listed"))
    assert counted.message.startswith(more)
    assert counted.path == ()

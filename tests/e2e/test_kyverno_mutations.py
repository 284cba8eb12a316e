"""Kyverno's mutations, converted, in a real API server: it makes of each object what it makes of Kyverno's answer."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.convert.kyverno import mutating
from tests.convert.kyverno.mutating import SAME, Case
from tests.e2e.controlplane import ControlPlane
from tests.e2e.stored import PATHS, bound, space, stored, under
from tests.server.running import wait_for
from webhook.convert.model import JSONObject

SPACES = ("default", "shop", "live")


FILES = [file for file in mutating.files() if file.stem != "merge"]
"""Those of merges are about tolerations too, which the server adds before policies run."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_server_makes_what_kyverno_makes(cluster: ControlPlane, file: Path) -> None:
    theirs = mutating.answers(file)
    meant = [each for each in mutating.cases(file) if not (each.differs or each.refused)]
    meant = [
        each for each in meant if each.objects[0]["kind"] in PATHS and len(each.policy["spec"].get("rules", [1])) == 1
    ]
    install(cluster, file.stem, meant)
    compared = changed = 0
    for index, one in enumerate(meant):
        pairs = list(zip(one.objects, theirs[one.name], strict=True))
        # Those that it changes first: until one is changed, the server may not have seen the policy.
        for value, (answer, *_) in sorted(pairs, key=lambda pair: not isinstance(pair[1][0], dict)):
            if isinstance(answer, str) and answer != SAME:
                continue  # refused as a whole, which an object without the policy is not
            expected = stored(cluster, answer if isinstance(answer, dict) else value, mutating.ordered)
            print(f"{one.name}: {value['metadata']['name']}")  # shown where it is not so
            wait_for(partial(makes, cluster, under(f"{file.stem}-{index}", value), expected), 30)
            compared += expected is not None
            changed += answer != SAME
    assert compared > 12
    assert changed > 10


def makes(cluster: ControlPlane, value: JSONObject, expected: Any) -> bool:
    """Whether the server stores an object as expected; None: whether it refuses it."""
    return bool(stored(cluster, value, mutating.ordered) == expected)


def install(cluster: ControlPlane, name: str, cases: list[Case]) -> None:
    """The converted policies in the server, each for the objects with a label of its name."""
    for name_of_space in SPACES:
        space(cluster, name_of_space)
    for index, one in enumerate(cases):
        policy = copy.deepcopy(one.policy)
        policy["metadata"]["name"] = f"{name}-{index}"
        (outcome,) = mutating.converted([policy])
        cluster.apply(*outcome.policies, *(bound(outcome.folder, each) for each in outcome.bindings))

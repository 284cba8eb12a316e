"""What the library changes, it changes once: a policy has nothing to do on its own result.

The API server calls mutating policies again where another one has changed the object (reinvocationPolicy), and clients
send what they got back. A policy that adds a second sidecar then adds a third.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.policies.conftest import LIBRARY
from webhook.admission.engine import decide
from webhook.offline.cases import policytest
from webhook.offline.cases.policytest import PlannedCase
from webhook.offline.cases.setup import Setup, Setups
from webhook.policy.load.loading import load
from webhook.policy.request import JSONObject, Request
from webhook.policy.written.policykinds import MUTATING

TREE = load(LIBRARY)
MUTATIONS = sorted({policy.name for policy in TREE.policies if policy.kind == MUTATING})


def cases(name: str) -> list[PlannedCase]:
    planned, problems = policytest.plan([str(LIBRARY / name)], TREE)
    assert problems == []
    return [each for each in planned if each.request.object is not None and not each.case.validate_only]


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_second_time_changes_nothing(name: str) -> None:
    setups = Setups(TREE)
    changed = 0
    for planned in cases(name):
        setup = setups.of(planned)
        once = mutated(planned.request, setup)
        if once == planned.request.object:
            continue
        changed += 1
        assert mutated(replace(planned.request, object=once), setup) == once, planned.case.name
    assert changed, "no case of it shows a change"


def mutated(request: Request, setup: Setup) -> JSONObject | None:
    """The object as the policies leave it."""
    mutation = decide(request, setup.policies, setup.view).mutation
    return mutation.object if mutation and mutation.object is not None else request.object

"""Services, Ingresses and NetworkPolicies."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, cases, changed, check, refusals, sound


@pytest.mark.parametrize("case", cases("network"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)


def test_of_a_new_service_without_addresses_nothing_else_is_told() -> None:
    """The API server allocates them before it looks at anything else; on an update it does so afterwards."""
    service = changed(sound()["Service"], {"spec.ipFamilies": ["IPv5"], "spec.internalTrafficPolicy": "local"})
    family = 'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"'
    assert refusals(service) == [family]
    assert len(refusals(service, sound()["Service"])) == 2

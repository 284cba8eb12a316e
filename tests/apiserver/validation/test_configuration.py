"""ConfigMaps, Secrets, limits, quotas, budgets, and classes."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, cases, changed, check, refusals, sound


@pytest.mark.parametrize("case", cases("configuration"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)


def test_what_shows_all_scopes_is_told_once() -> None:
    spec = {"hard": {"configmaps": "1", "secrets": "1"}, "scopes": ["A", "B", "Terminating", "PriorityClass"]}
    shown = 'spec.scopes: Invalid value: ["A","B","Terminating","PriorityClass"]: '
    assert refusals(changed(sound()["ResourceQuota"], {"spec": spec})) == [
        f"{shown}unsupported scope",
        f"{shown}unsupported scope applied to resource",
    ]

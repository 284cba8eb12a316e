"""Security contexts."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, cases, changed, check, refusals, sound


@pytest.mark.parametrize("case", cases("security"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)


def test_what_shows_the_whole_context_is_told_once() -> None:
    context = {"allowPrivilegeEscalation": False, "capabilities": {"add": ["CAP_SYS_ADMIN"] * 3}}
    (text,) = refusals(changed(sound()["Pod"], {"spec.containers.0.securityContext": context}))
    assert text.endswith("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")

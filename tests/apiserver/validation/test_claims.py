"""Claims of devices."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, cases, check


@pytest.mark.parametrize("case", cases("claims"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)

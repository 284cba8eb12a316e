"""Faults that an object keeps on an update."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, cases, check


@pytest.mark.parametrize("case", cases("tolerated"), ids=lambda case: case.name)
def test_kept(case: Case) -> None:
    check(case)

"""The API server's own CEL, for the tests that compare with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import goprograms
from tests.cel.apiserver import SOURCE


@pytest.fixture(scope="session")
def kubernetes() -> Path:
    """The program that answers as a kube-apiserver would. Skips the test where it cannot be built."""
    return goprograms.built(SOURCE)

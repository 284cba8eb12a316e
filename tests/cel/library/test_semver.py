"""Semantic versions: values and errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value

VALUES: list[tuple[str, Any]] = [
    ("semver('1.2.3').major() + semver('1.2.3').minor() + semver('1.2.3').patch()", 6),
    ("isSemver('1.0.0') && isSemver('1.0.0-alpha.1+build.5')", True),
    ("isSemver('v1.0.0') || isSemver('1.0') || isSemver('01.0.0') || isSemver('1.0.0-01') || isSemver('')", False),
    ("isSemver('v1.0', true) && isSemver('01.02.03', true) && isSemver('1', true)", True),
    ("isSemver('V1.0.0', true) || isSemver('1.0-rc', true) || isSemver('1.0.0', false) == false", False),
    ("semver('v1.01', true) == semver('1.1.0')", True),
    ("semver('1.2.3').compareTo(semver('1.2.3'))", 0),
    ("semver('1.2.3+a') == semver('1.2.3+b')", True),
    (
        "['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11',"
        " '1.0.0-rc.1', '1.0.0'].map(v, semver(v)).all(i, v, i == 0 || v.compareTo(semver('1.0.0-alpha')) == 1)",
        True,
    ),
    ("semver('1.0.0-beta.2').isLessThan(semver('1.0.0-beta.11'))", True),
    ("semver('1.0.0-1').isLessThan(semver('1.0.0-a'))", True),
    ("semver('18446744073709551615.0.0').major()", -1),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("semver('')", "Version string empty"),
    ("semver('1.2.x')", 'Invalid character(s) found in patch number "x"'),
    ("semver('1.02.3')", 'Minor number must not contain leading zeroes "02"'),
    ("semver('99999999999999999999.0.0')", 'strconv.ParseUint: parsing "99999999999999999999": value out of range'),
    ("semver('1-rc', true)", "short version cannot contain PreRelease/Build meta data"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)

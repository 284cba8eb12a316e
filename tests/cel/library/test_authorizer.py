"""The authorizer: values, errors, and what the types refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value, is_refused

DEPLOYMENTS = "authorizer.group('apps').resource('deployments')"

# The user of the tests may get the Pods of one namespace, and /healthz.
VALUES: list[tuple[str, Any]] = [
    ("authorizer.path('/healthz').check('get').allowed()", True),
    ("authorizer.path('/healthz').check('post').allowed()", False),
    ("authorizer.group('').resource('pods').namespace('default').name('a').check('get').reason()", "declared"),
    ("authorizer.group('').resource('pods').check('get').allowed()", False),
    (f"{DEPLOYMENTS}.subresource('scale').namespace('default').check('update').allowed()", False),
    (
        "authorizer.serviceAccount('default', 'ci').group('').resource('pods').namespace('default')"
        ".check('get').allowed()",
        False,
    ),
    ("authorizer.path('/healthz').check('get').errored()", False),
    ("authorizer.path('/healthz').check('get').error()", ""),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("authorizer.path('')", "path must not be empty"),
    ("authorizer.serviceAccount('Default', 'ci')", "Invalid service account namespace"),
    ("authorizer == authorizer", "no such overload"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


REFUSED: list[tuple[str, str]] = [
    ("authorizer.check('get')", "found no matching overload for 'check'"),
    ("authorizer.resource('pods')", "found no matching overload for 'resource'"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    is_refused(expression, text)

"""Named formats: values, errors, and what the types refuse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cel.evaluating import has_error, has_value, is_refused

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

VALUES: list[tuple[str, Any]] = [
    ("format.dns1123Label().validate('my-name').hasValue()", False),
    ("format.dns1123Label().validate('Contains_Bad')", [LABEL]),
    ("format.dns1123Label().validate('a.b')", ["must not contain dots"]),
    ("format.dns1123Label().validate(lists.range(64).map(i, 'a').join())", ["must be no more than 63 characters"]),
    ("format.dns1123Subdomain().validate('a.b-c.1').hasValue()", False),
    ("format.dns1035Label().validate('1a').value().size()", 1),
    ("format.dns1123LabelPrefix().validate('name-').hasValue()", False),
    ("format.qualifiedName().validate('example.com/MyName').hasValue()", False),
    ("format.qualifiedName().validate('/a')", ["prefix part must be non-empty"]),
    (
        "format.qualifiedName().validate(lists.range(64).map(i, 'a').join())",
        ["name part must be no more than 63 bytes"],
    ),
    ("format.labelValue().validate('').hasValue() || format.labelValue().validate('a_B.c').hasValue()", False),
    ("format.uri().validate('a')", ['parse "a": invalid URI for request']),
    ("format.uuid().validate('123e4567-e89b-12d3-a456-42661417400')", ["does not match the UUID format"]),
    ("format.byte().validate('aGVsbG8=').hasValue() || format.byte().validate('aGVsbG8').hasValue() == false", False),
    ("format.date().validate('2024-02-29').hasValue()", False),
    ("format.date().validate('2025-02-29')", ["invalid date"]),
    ("format.datetime().validate('2024-02-29t12:00:00.5+01:00').hasValue()", False),
    ("format.datetime().validate('2024-02-29T24:00:00Z')", ["invalid datetime"]),
    ("format.named('dns1123Label').value() == format.dns1123Label()", True),
    ("format.named('DNS1123Label').hasValue()", False),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_value(expression: str, value: Any) -> None:
    if type(value) is list:
        expression += ".value()"
    has_value(expression, value)


ERRORS: list[tuple[str, str]] = [
    ("format.named('nope').value()", "optional.none() dereference"),
]


@pytest.mark.parametrize(("expression", "text"), ERRORS)
def test_error(expression: str, text: str) -> None:
    has_error(expression, text)


REFUSED: list[tuple[str, str]] = [
    ("format.nope()", "undeclared reference to 'format.nope'; did you mean 'format.named'?"),
]


@pytest.mark.parametrize(("expression", "text"), REFUSED)
def test_what_the_types_rule_out_is_refused_when_compiled(expression: str, text: str) -> None:
    is_refused(expression, text)

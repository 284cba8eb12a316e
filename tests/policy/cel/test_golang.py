"""Values as Go's %T, %v, %#v and %q show them."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.policy.cel.golang import Opaque, quoted, syntax, text, type_name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ("<nil>", "<nil>", "interface {}(nil)")),
        (True, ("bool", "true", "true")),
        (False, ("bool", "false", "false")),
        (3, ("int64", "3", "3")),
        (1.5, ("float64", "1.5", "1.5")),
        ('a"b', ("string", 'a"b', '"a\\"b"')),
        ([1, "a", None], ("[]interface {}", "[1 a <nil>]", '[]interface {}{1, "a", interface {}(nil)}')),
        (
            {"b": [True], "a": {"c": "é"}},
            (
                "map[string]interface {}",
                "map[a:map[c:é] b:[true]]",
                'map[string]interface {}{"a":map[string]interface {}{"c":"é"}, "b":[]interface {}{true}}',
            ),
        ),
        (Opaque("types.Duration", "1s", "types.Duration{1}"), ("types.Duration", "1s", "types.Duration{1}")),
    ],
)
def test_a_value_is_shown_as_go_shows_it(value: Any, shown: tuple[str, str, str]) -> None:
    assert (type_name(value), text(value), syntax(value)) == shown


def test_a_text_is_quoted() -> None:
    assert quoted('a\n\t"é\\') == '"a\\n\\t\\"é\\\\"'

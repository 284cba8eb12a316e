"""Paths of fields that are to be redacted."""

from __future__ import annotations

import pytest

from webhook.recordings.fieldpaths import MAX_STEPS, BadFieldPath, parse


@pytest.mark.parametrize(
    ("text", "steps", "of_request"),
    [
        ("spec.token", ("spec", "token"), False),
        ("spec.containers[*].env[0].value", ("spec", "containers", "*", "env", "0", "value"), False),
        ("metadata.annotations['example.com/token']", ("metadata", "annotations", "example.com/token"), False),
        ('metadata.annotations["a b"].*', ("metadata", "annotations", "a b", "*"), False),
        ("**.password", ("**", "password"), False),
        ("request.userInfo.extra", ("userInfo", "extra"), True),
        ("['request'].x", ("request", "x"), False),
    ],
)
def test_a_path_is_read(text: str, steps: tuple[str, ...], of_request: bool) -> None:
    found = parse(text)
    assert (found.steps, found.of_request) == (steps, of_request)


def test_a_quoted_star_is_a_key() -> None:
    assert not parse("data['*']").wild(1, "*")
    assert parse("data.*").wild(1, "*")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the path of a field"),
        ("request", "expected the path of a field"),
        ("spec.**", "expected the path of a field"),
        (".spec", "column 1: expected a field"),
        ("spec..x", "column 5: expected a field"),
        ("spec[x]", "column 5: expected a field"),
        ("spec['x'", "column 5: expected a field"),
        ("a b", "column 2: expected a field"),
        ("[0]x", "column 4: expected a field"),
        (".".join("a" * (MAX_STEPS + 1)), f"expected at most {MAX_STEPS} steps"),
    ],
)
def test_a_wrong_path_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(BadFieldPath, match=message):
        parse(text)

"""Values as Go writes them, and refusals with them."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.apiserver import fielderrors, goshown
from webhook.apiserver.fielderrors import Key


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [None, True, "<x>"]}, '{"a":[null,true,"\\u003cx\\u003e"],"b":1}'),
        (1.0, "1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        ("\x01\u2028", '"\\u0001\\u2028"'),
    ],
)
def test_json(value: Any, written: str) -> None:
    assert goshown.json_text(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "<nil>"),
        (True, "true"),
        (1e6, "1e+06"),
        (0.5, "0.5"),
        ([1, "a"], "[1 a]"),
        ({"b": 1, "a": 2}, "map[a:2 b:1]"),
    ],
)
def test_shown(value: Any, written: str) -> None:
    assert goshown.shown(value) == written


def test_texts_of_refusals() -> None:
    path = ("spec", "labels", Key("app"), 0, "x")
    assert fielderrors.named(path) == "spec.labels[app][0].x"
    assert fielderrors.named(()) == "<nil>"
    assert fielderrors.invalid(("a",), {"b": "c"}, "why").text == 'a: Invalid value: {"b":"c"}: why'
    assert fielderrors.required(("a",)).text == "a: Required value"
    assert fielderrors.not_supported(("a",), "x", ("y", "z")).text == (
        'a: Unsupported value: "x": supported values: "y", "z"'
    )
    assert fielderrors.duplicate(("a", 1), 2.5).text == "a[1]: Duplicate value: 2.5"
    assert fielderrors.too_long(("a",), 1).text == "a: Too long: may not be more than 1 byte"
    assert fielderrors.too_many(("a",), 3, 2).text == "a: Too many: 3: must have at most 2 items"
    assert fielderrors.not_found(("a",), "x").text == 'a: Not found: "x"'

"""Kyverno's conditions in CEL: each operator, with values of each type, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation
from webhook.convert.kyverno.conditions import conditions
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.model import Unsupported
from webhook.policy.cel.declared import base_environment

OBJECT: dict[str, Any] = {
    "text": "web-1",
    "number": 5,
    "float": 1.5,
    "yes": True,
    "size": "2Gi",
    "time": "90m",
    "list": ["a", "b"],
    "map": {"a": "b"},
    "none": [],
    "null": None,
}


def held(given: Any) -> Any:
    translator = Translator({})
    cel = conditions(given, translator, ())
    program = base_environment(with_params=False, with_authorizer=False).compile(cel, ())
    names = {"object": OBJECT, "oldObject": None, "request": {"operation": "CREATE"}, "namespaceObject": None}
    return program.evaluate(Activation(names))


def one(key: Any, operator: str, value: Any) -> Any:
    key = f"{{{{ request.object.{key} }}}}" if (isinstance(key, str) and key in OBJECT) or key == "missing" else key
    return held([{"key": key, "operator": operator, "value": value}])


@pytest.mark.parametrize(
    ("key", "operator", "value", "expected"),
    [
        ("text", "Equals", "web-*", True),
        ("text", "NotEquals", "web-?", False),
        ("missing", "Equals", "", False),
        ("missing", "Equals", "x", False),
        ("missing", "NotEquals", "x", False),
        ("missing", "AnyIn", ["x"], False),
        ("missing", "AnyNotIn", ["x"], False),
        ("number", "Equals", 5, True),
        ("number", "Equal", "5", True),
        ("number", "NotEqual", 6, True),
        ("yes", "Equals", True, True),
        ("yes", "Equals", "true", False),
        ("size", "Equals", "2048Mi", True),
        ("time", "Equals", "1h30m", True),
        ("number", "Equals", "5000m", False),
        ("number", "NotEquals", "5000m", True),
        ("time", "Equals", "5000m", False),
        ("list", "AnyIn", '["b", "c"]', True),
        ("text", "AnyNotIn", '["web-1"]', False),
        ("text", "AnyIn", "[x", False),
        ("list", "Equals", ["a", "b"], True),
        ("map", "Equals", {"a": "b"}, True),
        ("none", "Equals", [], True),
        ("text", "Equals", "{{ request.object.text }}", True),
        ("number", "GreaterThan", 4, True),
        ("number", "GreaterThan", "5", False),
        ("number", "GreaterThanOrEquals", 5, True),
        ("number", "LessThan", "{{ request.object.float }}", False),
        ("float", "LessThanOrEquals", 1.5, True),
        ("size", "GreaterThan", "1Gi", True),
        ("time", "LessThan", "2h", True),
        ("time", "DurationGreaterThan", "1h", True),
        ("time", "DurationLessThanOrEquals", 5400, True),
        ("number", "DurationLessThan", "6s", True),
        ("text", "GreaterThan", 1, False),
        ("list", "AnyIn", ["b", "c"], True),
        ("list", "AllIn", ["b", "c"], False),
        ("list", "AnyNotIn", ["b", "c"], True),
        ("list", "AllNotIn", ["c", "d"], True),
        ("list", "AllIn", "*", True),
        ("text", "AnyIn", ["web-*"], True),
        ("text", "In", ["x", "web-1"], True),
        ("text", "NotIn", ["x"], True),
        ("number", "AnyIn", "1-5", True),
        ("number", "AnyIn", ["6-9"], False),
        ("number", "AnyIn", [5, 6], True),
        ("yes", "AnyIn", [True], True),
        ("null", "AnyIn", [None], True),
        ("number", "AnyIn", ["5"], True),
        ("b", "AnyIn", "{{ request.object.list }}", True),
        ("b", "AnyIn", "{{ request.object.list[] }}", True),
        ("b", "AnyIn", "{{ request.object.[text, size] }}", False),
        ("web-1", "AnyIn", "{{ request.object.text }}", True),
        ("b", "AnyIn", "{{ split('a,b', ',') }}", True),
        ("b", "AnyIn", ["{{ request.object.text }}", "b"], True),
        ("CREATE", "Equals", "{{ request.operation }}", True),
        ("{{ request.operation }}", "Equals", 5, False),
        ("{{ length(request.object.list) }}", "Equals", 2, True),
        ("{{ contains(request.object.list, 'a') }}", "Equals", "true", False),
        ("{{ split('a,b', ',') }}", "Equals", ["a", "b"], True),
        ("{{ request.object.[text, size] }}", "AllNotIn", ["2Gi"], False),
    ],
)
def test_an_operator(key: Any, operator: str, value: Any, expected: bool) -> None:
    assert one(key, operator, value) is expected


def test_any_and_all() -> None:
    yes = {"key": "a", "operator": "Equals", "value": "a"}
    no = {"key": "a", "operator": "Equals", "value": "b"}
    assert held(None) is True
    assert held([]) is True
    assert held([yes, no]) is False
    assert held({"any": [yes, no]}) is True
    assert held({"all": [yes, no]}) is False
    assert held({"any": [yes, no], "all": [yes]}) is True
    assert held({"any": [no], "all": [yes]}) is False
    assert held({"any": [], "all": [yes]}) is True
    assert held([{"any": [yes]}, {"all": [no]}]) is False


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([5], "a condition must be a mapping"),
        ([{"operator": "Equals", "value": 1}], "a condition without a key"),
        ([{"key": "a", "operator": "AnyIn", "value": '["a*"]'}], "a list in JSON whose items have wildcards"),
        ([{"key": "a", "operator": "Like", "value": 1}], "the operator 'Like'"),
        ({"some": []}, "'some' in conditions"),
        ([{"key": "{{ request }}", "operator": "Equals", "value": 1}], "the whole of request"),
        ([{"key": "{{ request.object.list[] }}", "operator": "In", "value": ["a"]}], "the old operator In"),
        ([{"key": "a", "operator": "GreaterThan", "value": True}], "no number or text"),
        ([{"key": "a", "operator": "DurationLessThan", "value": "much"}], "no duration"),
        ([{"key": "a", "operator": "DurationLessThan", "value": "{{ request.name }}"}], "a variable as value"),
    ],
)
def test_what_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(Unsupported, match=reason.replace("'", ".")):
        held(given)

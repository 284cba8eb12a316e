"""JMESPath in CEL: what is translated has the value that JMESPath gives it."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation, EvaluationError
from webhook.convert.kyverno import jmespath, variables
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmesvalues import Missing
from webhook.convert.model import Unfinished
from webhook.policy.cel.declared import base_environment

POD: dict[str, Any] = {
    "metadata": {"name": "web", "labels": {"a": "1", "b": "2"}},
    "spec": {
        "flag": True,
        "empty": "",
        "number": 3,
        "key": "b",
        "containers": [
            {"name": "x", "image": "A/b:1", "ports": [{"port": 80}, {"port": 81}], "drop": ["ALL"]},
            {"name": "y", "image": "c:2", "ports": [{"port": 90}], "drop": ["NET", "ALL"]},
            {"name": "z"},
        ],
        "initContainers": [{"name": "i", "image": "d"}],
    },
}


def translated(text: str) -> str:
    translator = Translator({"gone": Missing("it is gone")}, "object", "(oldObject == null ? dyn({}) : oldObject)")
    return translator.scalar(translator.value(jmespath.parse(text))).cel


def value(cel: str) -> Any:
    program = base_environment(with_params=False, with_authorizer=False).compile(cel, ())
    request = {"operation": "CREATE", "userInfo": {"username": "system:serviceaccount:ci:bot", "groups": ["g"]}}
    return program.evaluate(
        Activation(
            {"object": POD, "oldObject": None, "request": request | {"kind": {"kind": "Pod"}}, "namespaceObject": None}
        )
    )


OBJECT = "request.object."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{OBJECT}metadata.name", "web"),
        (f"{OBJECT}spec.none.deeper", None),
        (f"{OBJECT}spec.containers[0].image", "A/b:1"),
        (f"{OBJECT}spec.containers[9].image", None),
        (f"{OBJECT}spec.containers[].image", ["A/b:1", "c:2"]),
        (f"{OBJECT}spec.containers[*].name", ["x", "y", "z"]),
        (f"{OBJECT}spec.containers[?name == 'y'].image", ["c:2"]),
        (f"{OBJECT}spec.containers[?drop].name", ["x", "y"]),
        (f"{OBJECT}spec.containers[?!drop].name", ["z"]),
        (f"{OBJECT}spec.[initContainers, containers][].image", ["d", "A/b:1", "c:2"]),
        (f"{OBJECT}spec.[initContainers, none][].name", ["i"]),
        (f"{OBJECT}spec.containers[].ports[].port | length(@)", None),
        (f"length({OBJECT}spec.containers[].ports[])", 3),
        (f"length({OBJECT}spec.containers[?ports].ports[])", 3),
        (f"length({OBJECT}spec.containers)", 3),
        (f"length({OBJECT}metadata.name)", 3),
        (f"{OBJECT}spec.none || 'other'", "other"),
        (f"{OBJECT}spec.empty || 'other'", "other"),
        (f"{OBJECT}spec.empty || ''", ""),
        (f"{OBJECT}spec.none || `[]`", []),
        (f"{OBJECT}spec.none[].x || `[1]`", [1]),
        (f"{OBJECT}spec.none[].x || `[]`", []),
        (f"{OBJECT}spec.flag && {OBJECT}spec.number", 3),
        (f"{OBJECT}spec.empty && {OBJECT}spec.number", ""),
        (f"{OBJECT}spec.containers[0:2].name", ["x", "y"]),
        (f"{OBJECT}spec.{{n: number}}.n", 3),
        (f"divide(`6`, {OBJECT}spec.number)", 2.0),
        (f"max_by({OBJECT}spec.containers[?drop], &length(drop)).name", "y"),
        (f"map(&name, {OBJECT}spec.containers)", ["x", "y", "z"]),
        ("floor(`-1.5`)", -2),
        ("ceil(`1.5`)", 2),
        ("abs(`-3`)", 3.0),
        ("round(`2.25`, `1`)", 2.3),
        ("avg(`[1, 2]`)", 1.5),
        ("to_number('1.5')", 1.5),
        ("to_number('x')", None),
        ("to_boolean('TRUE')", True),
        (f"to_string({OBJECT}spec.none)", "null"),
        ("semver_compare('1.2.3', '>=1.0.0 <2.0.0')", True),
        ("semver_compare('1.2.3', '>2.0.0 || <1.0.0')", False),
        ("time_after(time_add('2020-01-01T00:00:00Z', '1h'), '2020-01-01T00:30:00Z')", True),
        ("image_normalize('nginx')", "docker.io/nginx:latest"),
        (f"{OBJECT}spec.none == null", True),
        (f"!({OBJECT}spec.none)", True),
        (f"{OBJECT}spec.number > `2`", True),
        (f"{OBJECT}spec.number == `2`", False),
        (f"{OBJECT}spec.empty > `2`", None),
        (f"{OBJECT}spec.number != 'x'", True),
        (f"{OBJECT}spec.none == `null` || `true`", True),
        ("request.operation || 'BACKGROUND'", "CREATE"),
        ("request.userInfo.username", "system:serviceaccount:ci:bot"),
        ("request.userInfo.groups[0]", "g"),
        ("request.kind.kind == 'Pod'", True),
        ("request.oldObject.spec.x", None),
        ("serviceAccountName", "bot"),
        ("serviceAccountNamespace", "ci"),
        (f"keys({OBJECT}metadata.labels)", ["a", "b"]),
        (f"values({OBJECT}metadata.labels)", ["1", "2"]),
        (f"{OBJECT}metadata.labels.*", ["1", "2"]),
        (f"join('-', {OBJECT}spec.containers[].name)", "x-y-z"),
        (f"split({OBJECT}metadata.name, 'e')", ["w", "b"]),
        (f"to_upper({OBJECT}metadata.name)", "WEB"),
        (f"to_lower({OBJECT}spec.containers[0].image)", "a/b:1"),
        (f"to_string({OBJECT}spec.number)", "3"),
        (f"to_number({OBJECT}metadata.labels.b)", 2),
        (f"contains({OBJECT}spec.containers[].name, 'x')", True),
        (f"contains({OBJECT}metadata.name, 'eb')", True),
        (f"contains({OBJECT}spec.containers[1].drop, 'NET')", True),
        ("contains('abc', 'b')", True),
        ("contains(`[\"abc\"]`, 'b')", False),
        (f"contains(not_null({OBJECT}spec.none, 'abc'), 'b')", True),
        (f"starts_with({OBJECT}metadata.name, 'w')", True),
        (f"ends_with({OBJECT}metadata.name, 'w')", False),
        (f"replace_all({OBJECT}metadata.name, 'w', 'v')", "veb"),
        (f"regex_match('^w.b$', {OBJECT}metadata.name)", True),
        (f"pattern_match('w*', {OBJECT}metadata.name)", True),
        (f"not_null({OBJECT}spec.none, {OBJECT}metadata.name)", "web"),
        ("max(`[1, 3, 2]`)", 3),
        ("min([`4`, `2`])", 2),
        ("sum(`[1, 2]`)", 3),
        ("add(`1`, `2`)", 3),
        (f"subtract({OBJECT}spec.number, `1`)", 2),
        (f"add({OBJECT}spec.number, {OBJECT}spec.number)", 6),
        ("modulo(`5`, `3`)", 2),
        ("divide(`5`, `2`)", 2.5),
        (f"{OBJECT}spec.containers[-1].name", "z"),
        (f"{OBJECT}spec.none[-1]", None),
        (f"split({OBJECT}spec.containers[0].image, ':')[-1]", "1"),
        ("equal_fold('aB', 'Ab')", True),
        ("trim(' -a- ', ' -')", "a"),
        ("trim('-a-b]', '-]^')", "a-b"),
        ("trim('---', '-')", ""),
        (f"trim_prefix({OBJECT}metadata.name, 'w')", "eb"),
        (f"trim_prefix({OBJECT}metadata.name, 'x')", "web"),
        (f"truncate({OBJECT}metadata.name, `2`)", "we"),
        (f"truncate({OBJECT}metadata.name, `9`)", "web"),
        ("replace('aaa', 'a', 'b', `2`)", "bba"),
        ("compare('a', 'b')", -1),
        ("compare('b', 'a')", 1),
        (f"items({OBJECT}metadata.labels, 'key', 'value')", [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]),
        (f"lookup({OBJECT}metadata.labels, 'a')", "1"),
        (f"lookup({OBJECT}metadata.labels, 'z')", None),
        (f"lookup({OBJECT}spec.containers, `1`).name", "y"),
        (f'label_match(`{{"a": "1"}}`, {OBJECT}metadata.labels)', True),
        (f'label_match(`{{"a": "2"}}`, {OBJECT}metadata.labels)', False),
        (f"to_array({OBJECT}spec.number)", [3]),
        (f"to_array({OBJECT}spec.containers[].name)", ["x", "y", "z"]),
        ("to_array('a')", ["a"]),
        (f"type({OBJECT}spec.number)", "number"),
        (f"type({OBJECT}spec.flag)", "boolean"),
        (f"type({OBJECT}spec.none)", "null"),
        (f"{OBJECT}spec.[flag, number, none][]", [True, 3]),
        ("multiply(`2`, `3`)", 6),
    ],
)
def test_a_value(text: str, expected: Any) -> None:
    if expected is None and "| length" in text:
        with pytest.raises(Unfinished, match="nested projection"):
            translated(text)
        return
    assert value(translated(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"length({OBJECT}spec.none)",
        f"length({OBJECT}spec.none[].name)",
        f"length({OBJECT}spec.number)",
        f"join('-', {OBJECT}spec.none)",
        f"split({OBJECT}spec.none, 'e')",
        f"items({OBJECT}metadata.none, 'key', 'value')",
        f"keys({OBJECT}spec.containers)",
        f"contains({OBJECT}spec.number, 'a')",
        f"{OBJECT}spec.containers[?contains(ports, 'a') && name].name",
        f"regex_match('a', {OBJECT}spec.flag)",
        f"compare({OBJECT}spec.number, 'a')",
        f"divide({OBJECT}metadata.name, `2`)",
        "divide('1Gi', '0')",
        f"sum({OBJECT}spec.none[])",
        "to_boolean('yes')",
        f"time_after({OBJECT}spec.number, '2020-01-01T00:00:00Z')",
    ],
)
def test_what_is_an_error_for_kyverno_is_one(text: str) -> None:
    with pytest.raises(EvaluationError):
        value(translated(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@", "outside of a projection"),
        ("nobody", "the variable nobody"),
        ("gone", "it is gone"),
        ("request", "the whole of request"),
        ("request.roles", "request.roles"),
        ("request.userInfo.extra", "request.userInfo.extra"),
        (f"{OBJECT}spec.containers[].y[].w[-1]", "the list of a nested projection"),
        (f"{OBJECT}a[1:]", "a slice"),
        ("time_since('', '2020-01-01T00:00:00Z', '')", "up to now"),
        ("semver_compare('1.0.0', '1.x')", "a range of another form"),
        ("{x: request.name}", "a hash of several values"),
        (f"{OBJECT}[a, b].c", "the field c of a list"),
        ("request[]", "a projection of request"),
        ("request.*", "a projection of request"),
        (f"sort_by({OBJECT}a, &b)", "sort_by()"),
        (f"unknown({OBJECT}a)", "unknown()"),
        ("length(request.name, request.name)", "length() with 2 arguments"),
        ("not_null()", "not_null() without arguments"),
        ("truncate(" * 20 + "request.name" + ", `3`)" * 20, "CEL is too long"),
        (" || ".join([f"{OBJECT}spec.a"] * 38), "CEL is too long"),
        (f"trim({OBJECT}a, {OBJECT}b)", "characters that are no constant"),
        (f"truncate({OBJECT}a, {OBJECT}b)", "a length that is no constant"),
        (f"replace({OBJECT}a, 'a', 'b', {OBJECT}b)", "a count that is no constant"),
        ("divide(`5`, `0`)", "divide() by what is no constant number"),
        (f"to_string(add({OBJECT}a, '1Gi'))", "a quantity or a duration that is computed"),
        (f"pattern_match({OBJECT}a, 'b')", "a pattern that is no constant"),
    ],
)
def test_what_has_no_meaning_is_named(text: str, reason: str) -> None:
    with pytest.raises(Unfinished) as caught:
        translated(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ request.object.metadata.name }}", "web"),
        ("a-{{ request.object.metadata.name }}-{{request.object.spec.number}}", "a-web-3"),
        ("{{ request.object.spec.none }}.", "null."),
        ("{{ request.object.spec.containers[].name }}.", '["x","y","z"].'),
        ("{{ request.object.spec.containers }}!", "[{},{},{}]!"),
        ("{{ to_upper('{{ request.object.metadata.name }}-a') }}", "WEB-A"),
        ('{{ request.object.metadata.labels."{{ request.object.spec.key }}" }}', "2"),
        ("{{ length(`{{ request.object.metadata.labels }}`) }}", 2),
        ("{{ add(`1`, `2`) }}.", "3."),
        ("plain", "plain"),
    ],
)
def test_a_text_with_variables(text: str, expected: str) -> None:
    translator = Translator({})
    assert value(translator.scalar(variables.value(text, translator)).cel) == expected

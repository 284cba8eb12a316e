"""What is taken out of a review before it is written, and what stays as it was."""

from __future__ import annotations

import base64
import json
import random
import tracemalloc
from typing import Any

import orjson
import pytest

from tests.recordings.making import REVIEWS
from webhook.admission.redaction import LAST_APPLIED
from webhook.recordings import redacting
from webhook.recordings.fieldpaths import parse
from webhook.recordings.recognising import CREDENTIALS, fill
from webhook.recordings.redacting import Redacting, Redactor, TooMuch

VALUE = "correct-horse-battery"
ENCODED = base64.b64encode(VALUE.encode()).decode()
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


def redacted(request: dict[str, Any], *paths: str) -> tuple[dict[str, Any], Redacting]:
    found = Redactor([parse(path) for path in paths]).begin()
    copy = orjson.loads(orjson.dumps(request))
    found.request(copy, orjson.dumps(copy))
    return copy, found


def request(value: Any = None, old: Any = None, resource: str = "configmaps", **more: Any) -> dict[str, Any]:
    return {"resource": {"group": "", "version": "v1", "resource": resource}, "object": value, "oldObject": old, **more}


def secret(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "data": {"key": ENCODED}, **more}


def applied(value: Any) -> dict[str, Any]:
    return {"name": "db", "annotations": {LAST_APPLIED: json.dumps(value) + "\n"}}


BARE = {key: value for key, value in secret().items() if key != "kind"}
HOLDERS: dict[str, dict[str, Any]] = {
    "an object": request(secret(), resource="secrets"),
    "an object without a kind": request(BARE, resource="secrets"),
    "stringData": request({"kind": "Secret", "stringData": {"key": VALUE}}, resource="secrets"),
    "an old object": request(None, secret(), resource="secrets", operation="DELETE"),
    "both": request(secret(), secret(), resource="secrets", operation="UPDATE"),
    "a List": request({"kind": "List", "items": [{"kind": "Pod"}, secret()]}),
    "a SecretList": request({"kind": "SecretList", "items": [{"data": {"key": ENCODED}}]}),
    "an object within": request({"kind": "Thing", "spec": {"template": secret()}}),
    "values of other types": request({"kind": "Secret", "data": {"a": {"b": [VALUE, 12345678]}}}),
    "last applied": request({"kind": "Secret", "metadata": applied(secret())}, resource="secrets"),
    "last applied, other values": request(
        {"kind": "Secret", "metadata": applied(secret()), "data": {"key": "b3RoZXI="}}, resource="secrets"
    ),
    "last applied, broken": request(
        {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: f"{{{VALUE} {ENCODED}"}}}, resource="secrets"
    ),
    "last applied, no text": request(
        {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: {"x": VALUE}}}}, resource="secrets"
    ),
    "last applied of a List": request({"kind": "Thing", "metadata": applied({"kind": "List", "items": [secret()]})}),
    "last applied with escapes": request(
        {"kind": "Thing", "metadata": {"annotations": {LAST_APPLIED: json.dumps(secret()).replace("S", "\\u0053")}}}
    ),
    "another text of the object": request(
        {**secret(), "metadata": {"name": "db", "annotations": {"note": f"it is {VALUE}, {ENCODED}"}}},
        resource="secrets",
    ),
    "TokenReview": request({"kind": "TokenReview", "spec": {"token": VALUE}}),
    "TokenRequest": request({"kind": "TokenRequest", "status": {"token": VALUE}}, subResource="token"),
    "a token request without a kind": request({"status": {"token": VALUE}}, subResource="token"),
    "a credential's field": request({"kind": "Thing", "spec": {"password": VALUE}}),
    "a bearer token": request({"kind": "Thing", "spec": {"header": f"Authorization: Bearer {VALUE}"}}),
    "basic authentication": request({"kind": "Thing", "spec": {"header": f"Basic {ENCODED}"}}),
    "a password in a URL": request({"kind": "Thing", "spec": {"url": f"postgres://ann:{VALUE}@db/shop"}}),
    "a private key": request(
        {"kind": "Thing", "spec": {"k": f"-----BEGIN RSA PRIVATE KEY-----\n{ENCODED}\n-----END RSA PRIVATE KEY-----"}}
    ),
    "a credential that is a number": request({"kind": "Thing", "spec": {"password": 12345678, "x": "12345678"}}),
    "credentials in a list": request({"kind": "Thing", "spec": {"apiKey": [VALUE, {"b": [VALUE]}]}}),
    "a credential with fields": request(
        {"kind": "Thing", "spec": {"token": {"value": VALUE, "more": {"n": 12345678}}}}
    ),
    "an encrypted private key": request(
        {"kind": "Thing", "spec": {"k": f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{ENCODED}\n-----"}}
    ),
    "a PGP key": request(
        {"kind": "Thing", "spec": {"k": f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nComment: a-b\n\n{ENCODED}\n-----END"}}
    ),
    "a password with a sign in a URL": request({"kind": "Thing", "spec": {"url": f"https://u:p@{VALUE}@h/x@y"}}),
    "options": request(None, options={"kind": "Options", "token": VALUE}),
}


@pytest.mark.parametrize("where", HOLDERS)
def test_a_value_is_taken_out(where: str) -> None:
    before = HOLDERS[where]
    found, redacting = redacted(before)
    text = orjson.dumps(found).decode()
    assert VALUE not in text
    assert ENCODED not in text
    assert "12345678" not in text
    assert redacting.named
    again, _ = redacted(found)
    assert again == found, "redacting twice gives the same"


def test_a_json_web_token_is_taken_out_of_any_text() -> None:
    found, _ = redacted(request({"kind": "Thing", "spec": {"args": [f"--jwt={JWT}", "--verbose"]}}))
    assert found["object"]["spec"]["args"] == [f"--jwt={fill(len(JWT))}", "--verbose"]


def test_types_lengths_and_base64_stay() -> None:
    data = {"key": ENCODED, "odd": "not base64!", "n": 4711, "f": 1.5, "b": True, "none": None, "empty": ""}
    found, redacting = redacted(request({"kind": "Secret", "metadata": {"name": "db"}, "data": data}))
    after = found["object"]["data"]
    assert base64.b64decode(after["key"], validate=True) == fill(len(VALUE)).encode()
    assert after["odd"] == "REDACTEDRED"
    assert (after["n"], after["f"], after["b"], after["none"], after["empty"]) == (1000, 0.0, False, None, "")
    assert "request.object.data.key" in redacting.named


def test_what_is_no_secret_stays() -> None:
    for file in REVIEWS.glob("*e-*-*.json"):
        body = json.loads(file.read_text())["request"]
        if "secret" in json.dumps(body).lower() or "token" in json.dumps(body).lower():
            continue
        assert redacted(body)[0] == body, file


def test_the_name_of_an_object_stays_though_a_value_is_in_it() -> None:
    value = {"kind": "Secret", "metadata": {"name": VALUE, "labels": {"app": VALUE}}, "data": {"key": ENCODED}}
    found, _ = redacted(request(value, resource="secrets", name=VALUE))
    assert (found["object"]["metadata"]["name"], found["name"]) == (VALUE, VALUE)
    assert found["object"]["metadata"]["labels"]["app"] == fill(len(VALUE))


POD = {
    "kind": "Pod",
    "metadata": {"annotations": {"example.com/key": VALUE, "other": "stays"}},
    "spec": {"containers": [{"name": "a", "env": [{"name": "X", "value": VALUE}, {"name": "N", "value": "n"}]}]},
}


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (["metadata.annotations['example.com/key']", "spec.containers[*].env[*].value"], ["X", "stays", "a"]),
        (["**.value", "metadata.annotations.*"], ["X", "a"]),
        (["spec", "metadata.annotations"], []),
        (["**.env[0].value", "**['example.com/key']"], ["X", "stays", "a", "n"]),
        (["request.object"], []),
    ],
)
def test_configured_fields_are_taken_out(paths: list[str], left: list[str]) -> None:
    found, _ = redacted(request(POD), *paths)
    text = orjson.dumps(found["object"]).decode()
    assert VALUE not in text
    texts = {"X", "stays", "a", "n"}
    assert {each for each in texts if f'"{each}"' in text} == set(left)


def test_configured_fields_are_taken_out_of_what_was_applied_last_and_of_the_request() -> None:
    value = {"kind": "Pod", "metadata": applied({"spec": {"x": VALUE}, "y": "stays"}), "spec": {"x": "now"}}
    found, _ = redacted(request(value, userInfo={"extra": {"sid": [VALUE]}}), "spec.x", "request.userInfo.extra")
    assert VALUE not in orjson.dumps(found).decode()
    assert json.loads(found["object"]["metadata"]["annotations"][LAST_APPLIED])["y"] == "stays"


def test_messages_lose_the_values() -> None:
    _, found = redacted(request(POD), "spec.containers[*].env[*].value")
    assert found.text(f"{VALUE} is not allowed") == f"<{len(VALUE)} characters> is not allowed"
    assert found.texts({"a": [f"x {VALUE}", 1]}) == {"a": [f"x <{len(VALUE)} characters>", 1]}
    assert found.text(f"Bearer {JWT}") == f"Bearer {fill(len(JWT))}"


def test_values_of_looked_up_objects_are_taken_out_of_the_request_and_of_messages() -> None:
    value = request({"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "it is of a looked-up object"}})
    found = Redactor().begin()
    found.request(value, orjson.dumps(value), ["of a looked-up object"])
    assert "looked-up" not in orjson.dumps(value).decode()
    assert "looked-up" not in found.text("it is of a looked-up object")
    other = {"kind": "ConfigMap", "data": {"b": "of a looked-up object"}}
    assert found.repeats(orjson.dumps(other)) and not found.repeats(orjson.dumps({"b": "of another"}))
    found.repeated(other)
    assert "looked-up" not in str(other)


def test_a_value_with_characters_that_json_escapes_is_found() -> None:
    value = request({"kind": "ConfigMap", "metadata": {"name": "a"}})
    for held in ('a "quoted" value', "line\nline and more", "tab\tand \x01 more", "é ü and \U0001f600 more"):
        found = Redactor().begin()
        found.request(value, orjson.dumps(value), [held])
        assert found.repeats(orjson.dumps({"data": {"x": f"<{held}>"}})), held


@pytest.mark.parametrize(
    ("operation", "resource"),
    [
        ({"op": "add", "path": "/data/key", "value": ENCODED}, "secrets"),
        ({"op": "add", "path": "/data", "value": {"key": ENCODED}}, "secrets"),
        ({"op": "replace", "path": "", "value": secret()}, "things"),
        ({"op": "replace", "path": "", "value": VALUE}, "things"),
        ({"op": "add", "path": "/items/1/data/key", "value": ENCODED}, "things"),
        ({"op": "add", "path": "/spec/token", "value": VALUE}, "things"),
        ({"op": "add", "path": "/metadata/labels/x~1y", "value": VALUE}, "secrets"),
    ],
)
def test_a_patch_loses_the_values(operation: dict[str, Any], resource: str) -> None:
    value = secret() if resource == "secrets" else {"kind": "List", "items": [{"kind": "Pod"}, secret()]}
    _, found = redacted(request(value, resource=resource))
    text = orjson.dumps(found.patch([operation, {"op": "remove", "path": "/x"}])).decode()
    assert VALUE not in text
    assert ENCODED not in text


@pytest.mark.parametrize(
    ("path", "value"), [("/spec/token", VALUE), ("/spec/token/value", VALUE), ("/spec/apiKey", [VALUE])]
)
def test_a_patch_that_adds_a_credential_to_an_object_without_one_loses_it(path: str, value: Any) -> None:
    _, found = redacted(request({"kind": "Thing", "spec": {}}))
    assert VALUE not in orjson.dumps(found.patch([{"op": "add", "path": path, "value": value}])).decode()


def test_a_patch_of_a_secret_without_values_in_a_list_loses_them() -> None:
    _, found = redacted(request({"kind": "List", "items": [{"kind": "Secret"}]}))
    patch = [{"op": "add", "path": "/items/0/data", "value": {"key": ENCODED}}]
    assert ENCODED not in orjson.dumps(found.patch(patch)).decode()


def test_a_patch_without_values_stays() -> None:
    _, found = redacted(request({"kind": "Pod"}))
    operations = [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    assert found.patch(operations) == [{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]
    assert found.patch("no list") == "no list"


def test_an_object_that_was_looked_up_is_redacted() -> None:
    redactor = Redactor([parse("data.token-file")])
    assert redactor.begin().looked_up({"metadata": {}, "data": {"key": ENCODED}}, "Secret")["data"]["key"] != ENCODED
    assert redactor.begin().looked_up({"data": {"token-file": VALUE}}, "ConfigMap")["data"]["token-file"] != VALUE
    assert Redactor().begin().looked_up({"data": {"a": "b"}}, "ConfigMap") == {"data": {"a": "b"}}


def test_too_much_to_compare_is_refused() -> None:
    values = {str(number): f"a long value {number}" for number in range(2000)}
    value = {"kind": "Secret", "stringData": values, "metadata": {"labels": {str(n): "x" * 50 for n in range(2000)}}}
    with pytest.raises(TooMuch):
        redacted(request(value, resource="secrets"))


class Counted(str):
    """A text that counts the characters in which something is looked for, and those that are compared."""

    characters = 0

    def find(self, *arguments: Any) -> int:
        Counted.characters += len(self)
        return super().find(*arguments)

    def startswith(self, beginning: Any, *arguments: Any) -> bool:
        Counted.characters += len(beginning)
        return super().startswith(beginning, *arguments)


LARGE: dict[str, tuple[str, list[str]]] = {
    "many values in a large text": (
        " ".join(f"Bearer {number:08d}" for number in range(10_000)),
        ["0000" * 250_000],
    ),
    "lines that begin as the text does": (f"Bearer {'a' * 100_000}", ["a" * 99_999 + "b"]),
    "many texts": (" ".join(f"Bearer {number:08d}" for number in range(1000)), ["12345678"] * 100_000),
}


@pytest.mark.parametrize("what", LARGE)
def test_what_is_compared_is_bounded_in_characters(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is known before anything is looked for, and counted where it cannot be known."""
    credentials, texts = LARGE[what]
    found = Redactor().begin()
    value = {"kind": "Thing", "a": credentials, "b": [Counted(text) for text in texts]}
    most = 10_000_000
    monkeypatch.setattr(redacting, "MAX_COMPARED", most)
    Counted.characters = 0
    with pytest.raises(TooMuch):
        found.request(request(value), orjson.dumps(request({"kind": "Thing", "a": credentials})))
    assert Counted.characters <= 2 * most


def test_a_large_secret_is_redacted() -> None:
    """What stands in place of its values is not looked through for them."""
    lines = "\n".join(f"{number:040d}" for number in range(20_000))
    value = {"kind": "Secret", "stringData": {"key": lines}, "metadata": {"annotations": {"x": f"has {7:040d}"}}}
    found, _ = redacted(request(value, resource="secrets"))
    assert found["object"]["metadata"]["annotations"]["x"] == f"has {fill(40)}"


def test_a_value_is_replaced_wherever_it_stands_and_the_longest_first() -> None:
    value = {"kind": "Secret", "stringData": {"a": "abcdefgh", "b": "abcdefghij-and-more", "c": "xabcdefghx"}}
    texts = ["abcdefgh", "abcdefghabcdefgh", "-abcdefghij-and-more-", "abcdefgabcdefgh", "xabcdefghx", "abcdefg"]
    found, _ = redacted(request({**value, "spec": texts}, resource="secrets"))
    assert found["object"]["spec"] == [
        *(fill(8), fill(8) * 2, f"-{fill(19)}-", f"abcdefg{fill(8)}", fill(10), "abcdefg"),
    ]


LONG = "K" * 100_000
HELD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "containers": ({LONG: [{"a": 1} for _ in range(1000)], "x": "eyJ"}, []),
    "fields that are found": ({LONG: [{"a": {}} for _ in range(1000)]}, ["**.nowhere"]),
    "fields that are named": ({LONG: {f"a{number}": {"password": "x"} for number in range(64)}}, []),
    "deep": ({LONG: {LONG[1:]: [{"token": "x"}] * 64}}, ["**.x.**.y"]),
}


@pytest.mark.parametrize("what", HELD)
def test_the_path_of_a_field_is_not_held_for_what_is_below_it(what: str) -> None:
    value, paths = HELD[what]
    body = request({"kind": "Thing", **value})
    text = orjson.dumps(body)
    found = Redactor([parse(path) for path in paths]).begin()
    tracemalloc.start()
    try:
        found.request(body, text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
    assert all(len(name) <= redacting.MAX_NAME for name in found.named)


def test_a_long_name_keeps_its_end() -> None:
    _, found = redacted(request({"kind": "Thing", LONG: {"spec": [{"password": VALUE}]}}))
    (name,) = found.named
    assert name.startswith("…K")
    assert name.endswith("K.spec.0.password")
    assert len(name) == redacting.MAX_NAME


def test_a_path_with_deep_steps_visits_each_value_once_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    value: dict[str, Any] = {"kind": "Thing"}
    for _ in range(60):
        value = {"a": value}
    visits = 0
    configured = Redacting._configured

    def counted(self: Redacting, *arguments: Any) -> None:
        nonlocal visits
        visits += 1
        configured(self, *arguments)

    monkeypatch.setattr(Redacting, "_configured", counted)
    redacted(request(value), "**.a.**.a.**.a.**.secret")
    assert 60 < visits < 60 * 7 * 3


def test_without_a_sign_nothing_is_there_to_redact(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked for in the text before anything is visited finds all that a visit of every field would."""
    chance = random.Random(7)
    parts = ["Secret", "kind", "data", "token", "password", VALUE, JWT, f"Bearer {VALUE}", f"bearer {VALUE}", "spec"]
    parts += [f"BASIC {ENCODED}", "http://a:b@c", "http://a@b:c", LAST_APPLIED, json.dumps(secret()), "metadata", "é"]
    parts += ["annotations", "PRIVATE KEY-----abc", "TokenReview", *sorted(CREDENTIALS)[:6], '{"token" : "abcdefghij"}']

    def some(depth: int) -> Any:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(parts)
        if chance.random() < 0.2:
            return [some(depth - 1) for _ in range(chance.randrange(3))]
        return {chance.choice(parts): some(depth - 1) for _ in range(chance.randrange(4))}

    differ = 0
    for _ in range(1500):
        value = request({"kind": chance.choice(["Secret", "Pod", "List"]), "metadata": some(3), "spec": some(4)})
        fast, _ = redacted(value)
        with monkeypatch.context() as patched:
            patched.setattr(redacting, "may_hold_secrets", lambda text: True)
            slow, _ = redacted(value)
        assert fast == slow
        differ += fast != value
    assert differ > 300

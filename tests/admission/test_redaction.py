"""What is masked in a text: values of Secrets, in which forms, and what is left alone."""

import base64
import json

import pytest

from webhook.admission.redaction import HIDDEN, INDEXED, LAST_APPLIED, LIMIT, Redaction, SecretsSeen
from webhook.cluster.manifestsview import ManifestsView

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default", "annotations": {LAST_APPLIED: '{"data":"x"}', "other": "kept"}},
    "data": {"key": base64.b64encode(b"hunter2").decode(), "same": "c2FtZQ=="},
    "stringData": {"text": "line one\nline two\n"},
}


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        base64.b64encode(b"hunter2").decode(),
        "line one",
        "line two",
        '{"data":"x"}',
        b"hunter2".hex(),
        base64.b64encode(b"(hunter2!)").decode()[2:10],
    ],
)
def test_a_value_of_a_secret_shows_as_its_length_in_any_form(text: str) -> None:
    assert Redaction.of(None, SECRET).applied(f"is {text}") == f"is <{len(text)} characters>"


def test_slices_of_values_are_masked_too_whatever_their_case() -> None:
    redaction = Redaction.of(SECRET)
    assert redaction.applied("begins with HUNTER and more") == "begins with <6 characters> and more"
    assert redaction.applied("hunte and ine one") == "hunte and <7 characters>"


def test_secrets_within_other_objects_are_found() -> None:
    redaction = Redaction.of({"kind": "List", "items": [{"kind": "ConfigMap"}, SECRET]})
    assert redaction.applied("is hunter2") == "is <7 characters>"
    assert redaction
    assert not Redaction.of({"kind": "List", "items": [{"kind": "ConfigMap"}]})


class _Text(str):
    __slots__ = ()


class _Object(dict[str, object]):
    pass


def test_secrets_are_found_however_deep_and_in_values_of_every_type() -> None:
    deep: object = SECRET
    for _ in range(3000):
        deep = [deep]
    named = {**SECRET, "kind": _Text("Secret")}
    for value in (deep, named, _Object(SECRET), {"list": [_Object(SECRET)]}, {"a": {1, 2}, "b": named}):
        assert Redaction.of(None, value).applied("is hunter2") == "is <7 characters>"


def test_what_was_applied_last_masks_nothing_that_the_object_tells_anyway() -> None:
    applied = {"kind": "Secret", "metadata": {"name": "credentials"}, "stringData": {"a": "correct horse"}}
    annotated = {**applied, "metadata": {**applied["metadata"], "annotations": {LAST_APPLIED: json.dumps(applied)}}}  # type: ignore[dict-item]
    text = "credentials: metadata.name, correct horse"
    assert Redaction.of(annotated).applied(text) == "credentials: metadata.name, <13 characters>"


def test_other_objects_are_not_touched() -> None:
    assert Redaction.of({"kind": "ConfigMap", "data": {"key": "hunter2"}}).applied("is hunter2") == "is hunter2"


def test_secrets_that_were_looked_up_are_remembered_until_the_next_request() -> None:
    view = SecretsSeen(ManifestsView([SECRET]))
    view.namespace("default")
    view.list("v1", "ConfigMap")
    assert view.seen == []
    view.get("v1", "Secret", "s", "default")
    view.list("v1", "Secret")
    assert view.seen == [SECRET, SECRET]
    view.forget()
    assert view.seen == []


@pytest.mark.parametrize("text", ["HUNTER2", "2retnuh", "eno enil", "6875", "c2FtZQ==", "same", "SAME", "emas"])
def test_reversed_and_upper_case_are_masked(text: str) -> None:
    expected = text if text == "6875" else f"<{len(text)} characters>"  # too short a part of the hexadecimal form
    assert Redaction.of(SECRET).applied(f"is {text}.") == f"is {expected}."


@pytest.mark.parametrize("value", ["1", "ab", "true", "False", "null"])
def test_values_that_are_in_every_message_are_left_alone(value: str) -> None:
    redaction = Redaction.of({"kind": "Secret", "stringData": {"a": value}})
    assert redaction
    assert redaction.applied(f"replicas: 1, labels: true, None, False, null, {value}") == (
        f"replicas: 1, labels: true, None, False, null, {value}"
    )


def test_the_shortest_value_that_is_masked_has_three_characters() -> None:
    redaction = Redaction.of({"kind": "Secret", "stringData": {"a": "xyz"}})
    assert redaction.applied("it is xyz, not xy") == "it is <3 characters>, not xy"


def test_large_secrets_are_masked_without_an_index_too() -> None:
    value = "".join(f"{number:06x}" for number in range(0, INDEXED, 5))
    redaction = Redaction.of({"kind": "Secret", "stringData": {"a": value, "b": "short-one"}})
    assert redaction.index is None
    assert redaction.applied(f"is {value[600:630].upper()}, short-one") == "is <30 characters>, <9 characters>"
    assert redaction.holds("a short-one")
    assert redaction.holds("xyz " + value)
    assert not redaction.holds("nothing of it")


def test_of_too_large_secrets_nothing_is_looked_for_and_all_is_hidden() -> None:
    small = Redaction.of({"kind": "Secret", "stringData": {"a": "x" * LIMIT}}, limit=LIMIT)
    large = Redaction.of({"kind": "Secret", "data": {"a": "x" * (LIMIT + 1)}}, limit=LIMIT)
    assert small.applied("a text") == "a text"
    assert large.applied("a text") == HIDDEN
    assert large.applied("") == ""
    assert large.holds("a longer text")
    applied = {"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: "x" * (LIMIT + 1)}}}
    assert Redaction.of(applied, limit=LIMIT).excessive


def test_many_lines_that_were_applied_last_are_found_by_the_index() -> None:
    labels = {f"label-{number:04}": f"public-{number:04}" for number in range(200)}
    applied = json.dumps({"kind": "Secret", "metadata": {"labels": labels}}, indent=1)
    metadata = {"labels": labels, "annotations": {LAST_APPLIED: applied}}
    redaction = Redaction.of({"kind": "Secret", "metadata": metadata})
    assert redaction.whole == ()
    assert redaction.applied('is "label-0007": "public-0007"') == "is<28 characters>"


def test_masking_takes_time_linear_in_the_text() -> None:
    """As every value may begin alike, none of them is looked for on its own."""
    redaction = Redaction.of({"kind": "Secret", "stringData": {str(at): f"aaaaaa{at}" for at in range(500)}})
    assert redaction.whole == ()
    assert redaction.applied("a" * 10_000) == "<10,000 characters>"


def test_the_index_has_a_size() -> None:
    """The most that a client can make the server keep: some 20,000 characters in each of some 13 forms."""
    value = "".join(chr(0x100 + (at * 7919) % 5000) for at in range(LIMIT))
    redaction = Redaction.of({"kind": "Secret", "stringData": {"a": value}}, limit=LIMIT)
    assert len(redaction.index or ()) <= INDEXED

import base64
import json

import pytest

from webhook.admission.redaction import LAST_APPLIED, Redaction, SecretsSeen
from webhook.cel.why.privacy import CLEAN, HOLDS, PRIVATE
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.secrets import CHANGED_MASK, MASK, masked, private_parts

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


def test_what_was_applied_last_masks_nothing_that_the_object_tells_anyway() -> None:
    applied = {"kind": "Secret", "metadata": {"name": "credentials"}, "stringData": {"a": "correct horse"}}
    annotated = {**applied, "metadata": {**applied["metadata"], "annotations": {LAST_APPLIED: json.dumps(applied)}}}  # type: ignore[dict-item]
    text = "credentials: metadata.name, correct horse"
    assert Redaction.of(annotated).applied(text) == "credentials: metadata.name, <13 characters>"


def test_private_parts_are_known_by_their_identity() -> None:
    private = private_parts({"kind": "List", "items": [SECRET]}, None)
    metadata = SECRET["metadata"]
    assert isinstance(metadata, dict)
    levels = [SECRET, SECRET["data"], metadata, metadata["annotations"], metadata["annotations"][LAST_APPLIED]]
    assert list(map(private.level, levels)) == [HOLDS, PRIVATE, HOLDS, HOLDS, PRIVATE]
    assert private.level(metadata["name"]) == CLEAN
    assert not private_parts({"kind": "ConfigMap", "data": {"a": "b"}})


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


def test_diffs_show_the_keys_of_a_secret_and_which_changed() -> None:
    after = {**SECRET, "data": {"key": "bmV3", "same": "c2FtZQ==", "added": "eA=="}, "stringData": "nonsense"}
    shown_before, shown_after = masked(SECRET, after, Redaction.of(SECRET))
    assert shown_before["data"] == {"key": MASK, "same": MASK}
    assert shown_after["data"] == {"key": CHANGED_MASK, "same": MASK, "added": MASK}
    assert shown_after["stringData"] == CHANGED_MASK
    assert shown_before["metadata"]["annotations"] == {LAST_APPLIED: MASK, "other": "kept"}
    assert SECRET["data"]["same"] == "c2FtZQ=="  # type: ignore[index]


def test_a_diff_hides_what_a_policy_copies_out_of_a_secret() -> None:
    before = {
        "kind": "Secret",
        "metadata": {"name": "opensesame", "annotations": {"a": "b"}},
        "stringData": {"word": "opensesame"},
    }
    after = {
        "kind": "Secret",
        "metadata": {
            "name": "opensesame",  # stood there before: nothing new is told
            "annotations": {"a": "is opensesame", "opensesame": "c", "code": "b3BlbnNlc2FtZQ=="},
            "finalizers": ["x/opensesame"],
        },
        "stringData": {"word": "opensesame", "opensesame": ""},
    }
    _, shown = masked(before, after, Redaction.of(before))
    assert shown == {
        "kind": "Secret",
        "metadata": {
            "name": "opensesame",
            "annotations": {"a": "is <10 characters>", "<10 characters>": "c", "code": "<16 characters>"},
            "finalizers": ["x/<10 characters>"],
        },
        "stringData": {"word": "***", "<10 characters>": "***"},
    }

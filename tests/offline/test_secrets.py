import base64

import pytest

from webhook.cluster.manifests import ManifestsView
from webhook.offline.secrets import CHANGED_MASK, LAST_APPLIED, MASK, Redaction, SecretsSeen, masked

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default", "annotations": {LAST_APPLIED: '{"data":"x"}', "other": "kept"}},
    "data": {"key": base64.b64encode(b"hunter2").decode(), "same": "c2FtZQ=="},
    "stringData": {"text": "line one\nline two\n"},
}


@pytest.mark.parametrize(
    "text",
    ["is hunter2", f"is {base64.b64encode(b'hunter2').decode()}", "is line one", "is line two", 'is {"data":"x"}'],
)
def test_no_value_of_a_secret_is_shown_in_any_form(text: str) -> None:
    assert Redaction.of(None, SECRET).applied(text) == f"is {MASK}"


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
    shown_before, shown_after = masked(SECRET, after)
    assert shown_before["data"] == {"key": MASK, "same": MASK}
    assert shown_after["data"] == {"key": CHANGED_MASK, "same": MASK, "added": MASK}
    assert shown_after["stringData"] == CHANGED_MASK
    assert shown_before["metadata"]["annotations"] == {LAST_APPLIED: MASK, "other": "kept"}
    assert SECRET["data"]["same"] == "c2FtZQ=="  # type: ignore[index]

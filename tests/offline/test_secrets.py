import base64

from webhook.admission.redaction import LAST_APPLIED, Redaction
from webhook.cel.why.privacy import CLEAN, HOLDS, PRIVATE
from webhook.offline.secrets import CHANGED_MASK, MASK, masked, private_parts

SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "default", "annotations": {LAST_APPLIED: '{"data":"x"}', "other": "kept"}},
    "data": {"key": base64.b64encode(b"hunter2").decode(), "same": "c2FtZQ=="},
    "stringData": {"text": "line one\nline two\n"},
}


def test_private_parts_are_known_by_their_identity() -> None:
    private = private_parts({"kind": "List", "items": [SECRET]}, None)
    metadata = SECRET["metadata"]
    assert isinstance(metadata, dict)
    levels = [SECRET, SECRET["data"], metadata, metadata["annotations"], metadata["annotations"][LAST_APPLIED]]
    assert list(map(private.level, levels)) == [HOLDS, PRIVATE, HOLDS, HOLDS, PRIVATE]
    assert private.level(metadata["name"]) == CLEAN
    assert not private_parts({"kind": "ConfigMap", "data": {"a": "b"}})


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

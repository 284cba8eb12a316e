"""Findings of late are bounded, counted with their equals, and no tenant drives out another's."""

from __future__ import annotations

from typing import Any

from tests.server.running import changed, recorded
from webhook.admission import review
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.request import Request
from webhook.server.telemetry.seen import MOST, OF_A_NAMESPACE, OF_A_REVIEW, WAITING, Outbox, Seen, owner_of

DENIED = {"policy": "p", "binding": "b", "result": "deny", "message": "no"}


def request(**changes: Any) -> Request:
    return review.parse(changed(recorded("020"), **changes))


def test_equal_findings_are_one_that_is_counted() -> None:
    seen = Seen()
    for _ in range(3):
        seen.take("/validate", request(), [DENIED])
    seen.take("/validate", request(name="other"), [DENIED, {**DENIED, "result": "warn"}])
    found = seen.listed()
    assert [(each["name"], each["result"], each["count"]) for each in found] == [
        ("other", "deny", 1),
        ("other", "warn", 1),
        (request().name, "deny", 3),
    ]
    assert (found[0]["resource"], found[0]["operation"], found[0]["path"]) == ("pods", "CREATE", "/validate")


def test_the_owner_is_named_by_the_object_or_its_namespace() -> None:
    namespaces = {"shop": {"labels": {"team": "shop-team"}}, "bare": {}, "noted": {"annotations": {"team": "notes"}}}
    view = ManifestsView(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}}
        for name, metadata in namespaces.items()
    )
    labelled = {"metadata": {"name": "web", "labels": {"team": "web"}}}
    bare = {"metadata": {"name": "web", "labels": {}, "annotations": {"team": 3}}}
    long = {"metadata": {"name": "web", "annotations": {"team": "x" * 300}}}
    for namespace, value, expected in (
        ("shop", labelled, "web"),
        ("shop", bare, "shop-team"),
        ("noted", bare, "notes"),
        ("bare", bare, ""),
        ("unknown", bare, ""),
        ("", bare, ""),
        ("bare", long, "x" * 253),
    ):
        assert owner_of(request(namespace=namespace, object=value), "team", view) == expected
        gone = request(namespace=namespace, operation="DELETE", object=None, oldObject=value)
        assert owner_of(gone, "team", view) == expected
        assert owner_of(request(namespace=namespace, object=value), "", view) == ""
    unknown = ManifestsView(())
    assert owner_of(request(namespace="shop", object=bare), "team", unknown) == ""


def test_equal_findings_have_the_last_owner() -> None:
    seen, outbox = Seen(), Outbox()
    seen.take("/validate", request(), [DENIED], "one")
    outbox.take("/validate", request(), [DENIED], "two")
    seen.also(outbox.emptied())
    assert [(each["owner"], each["count"]) for each in seen.listed()] == [("two", 2)]


def test_one_namespace_does_not_drive_out_the_others() -> None:
    seen = Seen()
    seen.take("/validate", request(namespace="quiet"), [DENIED])
    of_one = request(namespace="loud")
    for number in range(OF_A_NAMESPACE * 2):
        seen.take("/validate", of_one, [{**DENIED, "policy": f"p-{number}"}])
    found = seen.listed()
    assert len(found) == OF_A_NAMESPACE + 1
    assert any(each["namespace"] == "quiet" for each in found)
    assert {each["policy"] for each in found if each["namespace"] == "loud"} == {
        f"p-{number}" for number in range(OF_A_NAMESPACE, OF_A_NAMESPACE * 2)
    }


def test_there_are_never_more_than_most() -> None:
    seen = Seen()
    every = [request(namespace=f"n-{number}") for number in range(MOST // 100 + 3)]
    for each in every:
        for number in range(100):
            seen.take("/validate", each, [{**DENIED, "policy": f"p-{number}"}])
    found = seen.listed()
    assert len(found) == MOST
    assert {each["namespace"] for each in found} == {f"n-{number}" for number in range(3, MOST // 100 + 3)}


def test_of_one_review_and_of_its_texts_a_part_is_kept() -> None:
    seen = Seen()
    hostile = "\x1b]0;x\x07\u202e" + "m" * 10_000
    seen.take("/validate", request(name="", object={"metadata": {"generateName": "web-"}}), [
        {**DENIED, "policy": f"p-{number}", "message": hostile} for number in range(100)
    ])  # fmt: skip
    found = seen.listed()
    assert len(found) == OF_A_REVIEW
    assert found[0]["name"] == "web-…"
    assert "\x1b" not in found[0]["message"] and "\u202e" not in found[0]["message"]
    assert len(found[0]["message"]) < 600


def test_a_worker_reports_its_findings_once() -> None:
    outbox, seen = Outbox(), Seen()
    outbox.take("/validate", request(), [DENIED])
    seen.also(outbox.emptied())
    seen.also(outbox.emptied())
    assert [each["count"] for each in seen.listed()] == [1]
    one = request()
    for number in range(WAITING + 5):
        outbox.take("/validate", one, [{**DENIED, "policy": f"p-{number}"}])
    waiting = outbox.emptied()
    assert [waiting[0]["policy"], len(waiting)] == ["p-5", WAITING]

"""A recorded view gives the recorded answers; the policy tree answers what it has; the rest is said to be missing."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.access import Access, AccessDecision, AccessUnknown
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import Answer, NotCached, UnknownKind
from webhook.recordings.view import NotRecorded, RecordedView
from webhook.schema import Kinds

ACCESS = Access("ann", "get", "", (), (), "", "", "pods", "", "", "", "")
KINDS = Kinds.builtin()


def config_map(name: str, value: str, namespace: str = "shop") -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": value}}


def tree(*objects: dict[str, Any]) -> ManifestsView:
    return ManifestsView(list(objects), KINDS)


def test_recorded_answers_are_given_with_their_age() -> None:
    shop = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    view = RecordedView(
        {
            ("namespace", "shop"): Answer(shop, 1.5),
            ("get", "v1", "ConfigMap", "a", "shop"): Answer(None, 2.5),
            ("list", "v1", "ConfigMap", "shop"): Answer([config_map("b", "x")], 0.0),
            ("access", ACCESS): AccessDecision(True, "because", ""),
        },
        KINDS,
    )
    assert view.namespace("shop") == Answer(shop, 1.5)
    assert view.get("v1", "ConfigMap", "a", "shop") == Answer(None, 2.5)
    assert view.list("v1", "ConfigMap", "shop").value == [config_map("b", "x")]
    assert view.authorize(ACCESS).allowed


def test_recorded_errors_are_raised() -> None:
    view = RecordedView(
        {
            ("get", "a/v1", "B", "a", None): UnknownKind("a/v1", "B"),
            ("list", "v1", "Service", None): NotCached("not listed yet"),
            ("access", ACCESS): AccessUnknown("no answer in time"),
        },
        KINDS,
    )
    with pytest.raises(UnknownKind, match="unknown kind: B of a/v1"):
        view.get("a/v1", "B", "a")
    with pytest.raises(NotCached, match="not listed yet"):
        view.list("v1", "Service")
    with pytest.raises(AccessUnknown, match="no answer in time"):
        view.authorize(ACCESS)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda view: view.namespace("shop"), "Namespace shop"),
        (lambda view: view.get("v1", "ConfigMap", "a", "shop"), "ConfigMap shop/a of v1"),
        (lambda view: view.get("v1", "Node", "n"), "Node n of v1"),
        (lambda view: view.list("v1", "ConfigMap"), "all ConfigMap of v1"),
        (lambda view: view.list("v1", "ConfigMap", "shop"), "all ConfigMap of v1 in shop"),
        (lambda view: view.authorize(ACCESS), "an access check: "),
    ],
)
def test_what_was_not_recorded_is_said_and_never_taken_for_absent(ask: Any, said: str) -> None:
    view = RecordedView({("list", "v1", "ConfigMap", None): None}, KINDS, tree(config_map("other", "x")))
    with pytest.raises(NotRecorded) as raised:
        ask(view)
    assert raised.value.lookup.startswith(said)
    assert not isinstance(raised.value, Exception)  # a policy cannot catch it


def test_the_tree_answers_what_is_not_recorded() -> None:
    own = config_map("a", "tree")
    view = RecordedView(
        {("get", "v1", "ConfigMap", "b", "shop"): Answer(config_map("b", "then"), 9.0)}, KINDS, tree(own)
    )
    assert view.get("v1", "ConfigMap", "a", "shop") == Answer(own, 0.0)
    both = RecordedView(
        {("get", "v1", "ConfigMap", "a", "shop"): Answer(config_map("a", "then"), 9.0)}, KINDS, tree(own)
    )
    assert both.get("v1", "ConfigMap", "a", "shop").value["data"] == {"a": "then"}


def test_with_tree_first_its_objects_go_before_recorded_ones() -> None:
    then = [config_map("a", "then"), config_map("b", "then")]
    answers = {
        ("get", "v1", "ConfigMap", "b", "shop"): Answer(then[1], 9.0),
        ("list", "v1", "ConfigMap", "shop"): Answer(then, 9.0),
        ("list", "v1", "ConfigMap", "office"): Answer([], 9.0),
    }
    view = RecordedView(answers, KINDS, tree(config_map("b", "now"), config_map("c", "now")), tree_first=True)
    assert view.get("v1", "ConfigMap", "b", "shop") == Answer(config_map("b", "now"), 0.0)
    listed = view.list("v1", "ConfigMap", "shop").value
    assert [(each["metadata"]["name"], each["data"]["a"]) for each in listed] == [
        ("a", "then"),
        ("b", "now"),
        ("c", "now"),
    ]
    assert view.list("v1", "ConfigMap", "office").value == []

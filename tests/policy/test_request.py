"""The CEL variable `request`, and what else a Request says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.trees import binding, loaded, pod, policy, request, verdict
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request, User
from webhook.policy.reviewing import Review


def cel(asked: Request) -> dict[str, Any]:
    return Review(asked, None, lambda _name: None).cel()


def test_it_cannot_be_changed() -> None:
    for asked in (request(), Request(operation="CREATE", resource=request().resource, kind=request().kind)):
        assert type(asked) is Request
        with pytest.raises(AttributeError):
            asked.namespace = "kube-system"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            asked.anything = 1  # type: ignore[attr-defined]


def test_cel_sees_the_fields_of_an_admission_request() -> None:
    asked = request(
        pod("web"),
        "UPDATE",
        resource="apps/v1/deployments/scale",
        kind="Scale",
        uid="1",
        dry_run=True,
        options={"kind": "UpdateOptions"},
        user=User("jane", "u1", ("dev",), {"scopes": ["a"]}),
    )
    assert cel(asked) == {
        "kind": {"group": "apps", "version": "v1", "kind": "Scale"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "subResource": "scale",
        "requestKind": {"group": "apps", "version": "v1", "kind": "Scale"},
        "requestResource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "requestSubResource": "scale",
        "name": "web",
        "namespace": "default",
        "operation": "UPDATE",
        "userInfo": {"username": "jane", "uid": "u1", "groups": ["dev"], "extra": {"scopes": ["a"]}},
        "dryRun": True,
        "options": {"kind": "UpdateOptions"},
    }


def test_empty_fields_are_absent() -> None:
    found = cel(request(name="", namespace="", user=User()))
    assert not found.keys() & {"subResource", "requestSubResource", "name", "namespace"}
    assert found["userInfo"] == {}
    assert found["kind"]["group"] == ""  # but not the core group
    assert found["options"] is None


def test_an_expression_on_an_absent_field_is_an_error_and_has_tells() -> None:
    on_main = loaded(policy(validations=[{"expression": "request.subResource == ''"}]), binding())
    assert verdict(on_main).message.endswith("resulted in error: no such key: subResource")
    told = loaded(
        policy(validations=[{"expression": "!has(request.subResource) && request.?name.orValue('') != ''"}]), binding()
    )
    assert verdict(told).allowed


def test_it_is_computed_once() -> None:
    review = Review(request(), None, lambda _name: None)
    assert review.cel() is review.cel()


def test_what_the_client_sent_is_what_the_policy_is_given_unless_the_server_converted_it() -> None:
    sent = GroupVersionResource("apps", "v1beta1", "deployments")
    kind = GroupVersionKind("apps", "v1", "Deployment")
    asked = Request(operation="CREATE", resource=sent._replace(version="v1"), kind=kind, request_resource=sent)
    assert cel(asked)["requestResource"]["version"] == "v1beta1"
    assert cel(asked)["resource"]["version"] == "v1"
    assert asked.request_kind == asked.kind


def test_another_object_leaves_everything_else() -> None:
    asked = request(pod("web"), uid="7", dry_run=True)
    other = asked.with_object(pod("db"))
    assert (other.uid, other.dry_run, other.user) == ("7", True, asked.user)
    assert other.object == pod("db")
    assert asked.object == pod("web")


def test_its_text_shows_no_object() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"password": "aHVudGVyMg=="}}
    assert "aHVudGVyMg" not in repr(request(secret, "UPDATE", old_object=secret, options={"x": "aHVudGVyMg=="}))


def test_api_versions_read_as_in_manifests() -> None:
    assert GroupVersionKind("", "v1", "Pod").api_version == "v1"
    assert GroupVersionKind("apps", "v1", "Deployment").api_version == "apps/v1"

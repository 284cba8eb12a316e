"""An AdmissionReview is read strictly and answered in the shape that the API server takes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest

from webhook.admission import replying, review
from webhook.admission.decision import MUTATING, Decision, Finding, Mutation
from webhook.policy.matching import labels_of

RECORDED = sorted((Path(__file__).parent.parent / "fixtures" / "reviews").glob("0*.json"))


def _review(**changes: Any) -> dict[str, Any]:
    request = {
        "uid": "u-1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "ada", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["a", "b"]}},
        "object": {"metadata": {"name": "web", "labels": {"app": "web"}}},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, **changes}}


def _parse(**changes: Any) -> Any:
    return review.parse(orjson.dumps(_review(**changes)))


def _answer(body: bytes) -> dict[str, Any]:
    document = orjson.loads(body)
    assert document.pop("apiVersion") == "admission.k8s.io/v1"
    assert document.pop("kind") == "AdmissionReview"
    response: dict[str, Any] = document.pop("response")
    assert document == {}
    return response


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_a_recorded_review_is_read_whole(file: Path) -> None:
    wire = orjson.loads(file.read_bytes())["request"]
    request = review.parse(file.read_bytes())
    assert request.uid == wire["uid"]
    assert request.operation == wire["operation"]
    assert request.kind._asdict() == wire["kind"]
    assert request.resource._asdict() == wire["resource"]
    assert request.request_kind._asdict() == wire["requestKind"]
    assert request.request_resource._asdict() == wire["requestResource"]
    assert (request.subresource, request.request_subresource) == (
        wire.get("subResource", ""),
        wire.get("requestSubResource", ""),
    )
    assert (request.name, request.namespace) == (wire.get("name", ""), wire.get("namespace", ""))
    assert (request.user.username, request.user.uid) == (
        wire["userInfo"].get("username", ""),
        wire["userInfo"].get("uid", ""),
    )
    assert list(request.user.groups) == wire["userInfo"].get("groups", [])
    assert request.object == wire["object"]
    assert request.old_object == wire["oldObject"]
    assert request.options == wire["options"]
    assert request.dry_run is wire["dryRun"]


def test_there_are_recorded_reviews() -> None:
    assert len(RECORDED) == 58


def test_what_the_client_asked_for_is_kept_beside_what_it_was_converted_to() -> None:
    request = _parse(
        requestKind={"group": "extensions", "version": "v1beta1", "kind": "Deployment"},
        requestResource={"group": "extensions", "version": "v1beta1", "resource": "deployments"},
        subResource="scale",
    )
    assert request.resource == ("apps", "v1", "deployments")
    assert request.request_resource == ("extensions", "v1beta1", "deployments")
    assert request.request_kind == ("extensions", "v1beta1", "Deployment")
    assert (request.subresource, request.request_subresource) == ("scale", "")


def test_what_is_left_out_is_empty() -> None:
    document = _review()
    for field in ("name", "namespace", "userInfo", "oldObject", "options", "dryRun"):
        del document["request"][field]
    request = review.parse(orjson.dumps(document))
    assert (request.name, request.namespace, request.old_object, request.options) == ("", "", None, None)
    assert (request.user.username, request.user.groups, request.dry_run) == ("", (), False)
    assert request.request_resource == request.resource
    assert request.request_kind == request.kind


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"not json", "line 1 column"),
        (b'{"apiVersion": NaN}', "line 1 column 16"),
        (b'{"apiVersion": "\xff"}', "UTF-8"),
        (b'{"request": ' * 5000 + b"1" + b"}" * 5000, "250 levels"),
        (b"null", "got null"),
        (b"[]", "got a list"),
        (b'"AdmissionReview"', "got a string"),
        (b"7", "got a number"),
        (b"{}", "apiVersion: expected 'admission.k8s.io/v1', got nothing"),
        (b'{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}', "'admission.k8s.io/v1beta1'"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "Pod"}', "kind: expected 'AdmissionReview', got 'Pod'"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": ["x"]}', "kind: expected 'AdmissionReview', got a list"),
        (
            b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}',
            "request: expected an object, got nothing",
        ),
    ],
)
def test_a_body_that_is_no_review_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(review.BadReview) as error:
        review.parse(body)
    assert told in str(error.value)


GVK = {"group": "", "version": "v1", "kind": "Pod"}
GVR = {"group": "", "version": "v1", "resource": "pods"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"uid": ""}, "request.uid: expected a string that is not empty, got an empty string"),
        ({"uid": 7}, "request.uid: expected a string that is not empty, got a number"),
        ({"uid": None}, "request.uid: expected a string that is not empty, got null"),
        ({"operation": "PATCH"}, "request.operation: expected CREATE, UPDATE, DELETE or CONNECT, got 'PATCH'"),
        ({"operation": ["CREATE"]}, "request.operation"),
        ({"kind": None}, "request.kind: expected an object, got null"),
        ({"kind": {**GVK, "kind": ""}}, "request.kind.kind: expected a string that is not empty, got an empty string"),
        ({"kind": {**GVK, "version": 1}}, "request.kind.version: expected a string, got a number"),
        ({"kind": {"group": "", "kind": "Pod"}}, "request.kind.version: expected a string that is not empty"),
        ({"resource": "pods"}, "request.resource: expected an object, got a string"),
        ({"resource": {**GVR, "resource": {}}}, "request.resource.resource: expected a string, got an object"),
        ({"resource": {**GVR, "group": "g" * 254}}, "request.resource.group: expected at most 253 characters, got 254"),
        ({"requestKind": []}, "request.requestKind: expected an object, got a list"),
        ({"requestResource": {"group": "x"}}, "request.requestResource.version"),
        ({"subResource": True}, "request.subResource: expected a string, got a boolean"),
        ({"requestResource": GVR, "requestSubResource": 1}, "request.requestSubResource: expected a string"),
        ({"name": 7}, "request.name: expected a string, got a number"),
        ({"namespace": {}}, "request.namespace: expected a string, got an object"),
        ({"dryRun": "false"}, "request.dryRun: expected a boolean, got a string"),
        ({"object": []}, "request.object: expected an object or null, got a list"),
        ({"oldObject": "x"}, "request.oldObject: expected an object or null, got a string"),
        ({"options": 1}, "request.options: expected an object or null, got a number"),
        ({"object": {"metadata": []}}, "request.object.metadata: expected an object, got a list"),
        ({"object": {"metadata": {"labels": "x"}}}, "request.object.metadata.labels: expected an object, got a string"),
        (
            {"oldObject": {"metadata": {"labels": {"a": 1}}}},
            "request.oldObject.metadata.labels['a']: expected a string",
        ),
        ({"userInfo": "ada"}, "request.userInfo: expected an object, got a string"),
        ({"userInfo": {"username": 7}}, "request.userInfo.username: expected a string, got a number"),
        ({"userInfo": {"groups": "dev"}}, "request.userInfo.groups: expected a list of strings, got a string"),
        ({"userInfo": {"groups": ["dev", None]}}, "request.userInfo.groups[1]: expected a string, got null"),
        ({"userInfo": {"extra": []}}, "request.userInfo.extra: expected an object, got a list"),
        ({"userInfo": {"extra": {"k": "v"}}}, "request.userInfo.extra.k: expected a list of strings, got a string"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(review.BadReview) as error:
        _parse(**changes)
    assert told in str(error.value)


def test_an_error_quotes_nothing_of_an_object() -> None:
    with pytest.raises(review.BadReview) as error:
        _parse(object={"metadata": {"labels": "hunter2"}, "data": "hunter2"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(("levels", "refused"), [(240, False), (260, True), (1000, True)])
def test_nesting_is_bounded(levels: int, refused: bool) -> None:
    nested: Any = {}
    for level in range(levels):
        nested = {"a": nested} if level % 2 else [nested]
    text = orjson.dumps(_review(object={"spec": None})).replace(b'"spec":null', b'"spec":' + _dump(nested))
    if refused:
        with pytest.raises(review.BadReview, match="nested deeper than 250 levels"):
            review.parse(text)
    else:
        assert review.parse(text).object is not None


def _dump(nested: Any) -> bytes:
    """JSON text by hand: orjson writes 254 levels at most."""
    opened, closed = b"", b""
    while nested:
        if isinstance(nested, list):
            opened, closed, nested = opened + b"[", b"]" + closed, nested[0]
        else:
            opened, closed, nested = opened + b'{"a":', b"}" + closed, nested["a"]
    return opened + b"{}" + closed


def test_many_shallow_objects_are_not_deep() -> None:
    assert _parse(object={"spec": [{"a": []} for _ in range(1000)]}).object is not None


def test_an_allowed_request_is_answered_with_nothing_but_that() -> None:
    assert _answer(replying.respond(_parse(), Decision(allowed=True))) == {"uid": "u-1", "allowed": True}


def test_a_denial_names_every_policy_in_the_message_and_all_denials_as_causes() -> None:
    first = Finding("a", "b", "Deny", "Forbidden", 403, "no", path=("spec", "volumes", 0, "hostPath"))
    second = Finding("c", "d", "Deny", "Invalid", 422, "nor this")
    noted = Finding("e", "f", "Audit", "Invalid", 422, "by the way")
    decision = Decision(
        allowed=False,
        findings=(first, second, noted),
        warnings=("mind this",),
        audit_annotations={"validation_failure": "[]"},
        code=403,
        reason="Forbidden",
        message=first.text(),
        causes=(first.text(), second.text()),
    )
    assert _answer(replying.respond(_parse(), decision)) == {
        "uid": "u-1",
        "allowed": False,
        "status": {
            "status": "Failure",
            "code": 403,
            "reason": "Forbidden",
            "message": "ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no\n"
            "ValidatingAdmissionPolicy 'c' with binding 'd' denied request: nor this",
            "details": {
                "name": "web",
                "group": "apps",
                "kind": "deployments",
                "causes": [
                    {"reason": "Forbidden", "message": first.text(), "field": "spec.volumes[0].hostPath"},
                    {"reason": "Invalid", "message": second.text()},
                ],
            },
        },
        "warnings": ["mind this"],
        "auditAnnotations": {"validation_failure": "[]"},
    }


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"name": "", "object": {"metadata": {"generateName": "web-"}}}, "web-"),
        ({"name": "", "object": {"metadata": {"name": "web"}}}, "web"),
        ({"name": "", "object": {"kind": "TokenReview"}}, "Unknown"),
        ({"name": "", "object": None}, "Unknown"),
        ({"name": "web-1", "object": {"metadata": {"name": "other"}}}, "web-1"),
    ],
)
def test_a_denial_names_the_object_as_far_as_it_has_a_name(changes: dict[str, Any], shown: str) -> None:
    answer = _answer(
        replying.respond(_parse(**changes), Decision(allowed=False, code=422, reason="Invalid", message="no"))
    )
    assert answer["status"]["details"] == {"name": shown, "group": "apps", "kind": "deployments", "causes": []}


def test_a_message_that_utf8_cannot_hold_is_still_an_answer() -> None:
    decision = Decision(allowed=False, code=422, reason="Invalid", message="half a pair: \ud83d")
    assert _answer(replying.respond(_parse(), decision))["status"]["message"] == "half a pair: \\ud83d"


def test_a_mutation_is_answered_with_its_patch() -> None:
    request = _parse()
    after = {"metadata": {"name": "web", "labels": {"app": "web", "team": "ä"}}}
    response = _answer(replying.respond_mutation(request, Mutation(after, changed=True, policies=("p",))))
    patch = orjson.loads(base64.b64decode(response.pop("patch"), validate=True))
    assert patch == [{"op": "add", "path": "/metadata/labels/team", "value": "ä"}]
    assert response == {"uid": "u-1", "allowed": True, "patchType": "JSONPatch"}


@pytest.mark.parametrize("changed", [True, False])
def test_no_change_is_no_patch(changed: bool) -> None:
    request = _parse()
    assert _answer(replying.respond_mutation(request, Mutation(request.object, changed=changed))) == {
        "uid": "u-1",
        "allowed": True,
    }


def test_nothing_is_patched_on_delete() -> None:
    request = _parse(operation="DELETE", object=None, oldObject={"metadata": {}})
    assert "patch" not in _answer(replying.respond_mutation(request, Mutation(None)))


def test_a_mutation_that_failed_denies_and_patches_nothing() -> None:
    error = Finding("p", "b", "Deny", "Invalid", 403, "boom", error=True, kind=MUTATING)
    mutation = Mutation({"metadata": {}}, changed=True, policies=("q",), findings=(error,))
    response = _answer(replying.respond_mutation(_parse(), mutation))
    assert response["allowed"] is False
    assert "patch" not in response
    assert response["status"]["code"] == 403
    assert response["status"]["message"] == "policy 'p' with binding 'b' denied request: boom"


def test_the_quick_and_the_careful_way_read_the_same() -> None:
    """Of each recorded review, with each field of the request left out, and of each type: what is read in one call is
    what is read field by field, and nothing is read that the other way refuses."""
    labels: tuple[Any, ...] = ({"a": 1}, {"a": "b"}, [], None)
    values: list[Any] = [None, "", "x", "y" * 300, True, 1, 2.5, [], ["a"], [1], {}, {"metadata": {}}, {"metadata": []}]
    values += [{"metadata": {"labels": each}} for each in labels]
    values += [{"group": "", "version": version, "kind": "Pod"} for version in ("v1", "")]
    values += [{"username": "u", "groups": ["a", 1]}, {"groups": None}, {"extra": {"a": ["b"]}}, {"extra": {"a": "b"}}]
    read = 0
    for file in RECORDED:
        sent = orjson.loads(file.read_bytes())["request"]
        for field in ("", *review._Sent.__struct_encode_fields__):
            cases = [sent] if not field else [{**sent, field: value} for value in values]
            cases += [{name: value for name, value in sent.items() if name != field}] if field else []
            for case in cases:
                quick = review._quickly_read(case)
                if quick is None:
                    continue
                read += 1
                assert quick == review._carefully_read(case)
                assert repr(quick) == repr(review._carefully_read(case))
    assert read > 1000
    assert all(review._quickly_read(orjson.loads(file.read_bytes())["request"]) for file in RECORDED)


def test_a_null_among_the_labels_is_taken_as_the_api_server_sends_it() -> None:
    """A server-side apply of a custom object leaves it there. Refused, the review would pass a webhook that ignores
    failures, with all policies behind it."""
    value = {"metadata": {"name": "web", "labels": {"a": None, "b": "c"}}}
    request = _parse(object=value, oldObject=value)
    assert (request.object, request.old_object) == (value, value)
    assert labels_of(request.object) == {}  # as for selectors of the API server
    assert labels_of({"metadata": {"labels": {"b": "c"}}}) == {"b": "c"}

"""Reviews whose objects cannot be read: whoever writes an object gains nothing by its shape."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tests.policy.trees import (
    binding,
    exception,
    loaded,
    messages,
    mutating_binding,
    mutating_policy,
    namespace,
    policy,
    request,
)
from webhook.admission import review, unread
from webhook.admission.decision import Decision, Mutation
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.evaluation import Failure
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request

FAILURE = unread.too_deep()
SAID = "objects that are nested deeper than 250 levels cannot be evaluated"


def _verdict(policies: PolicySet, asked: Request, *cluster: dict[str, Any], failure: Failure = FAILURE) -> Decision:
    return unread.validate(asked, policies, ManifestsView(cluster, assume_namespaces=False), failure)


def _asked(operation: str = "DELETE", **fields: Any) -> Request:
    return replace(request(None, operation, **fields), object=None)


def test_each_policy_that_may_match_denies_whatever_its_failure_policy() -> None:
    policies = loaded(
        policy("a", failurePolicy="Ignore"),
        binding("a", name="a"),
        policy("b", rules=[{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}]),
        binding("b", name="b"),
        policy("unbound"),
    )
    decision = _verdict(policies, _asked(), namespace("default"))
    assert (decision.allowed, decision.code, decision.reason) == (False, 422, "Invalid")
    assert decision.causes == (f"ValidatingAdmissionPolicy 'a' with binding 'a' denied request: {SAID}",)
    large = _verdict(policies, _asked(), namespace("default"), failure=unread.too_large("192 MiB"))
    assert (large.code, large.reason) == (413, "RequestEntityTooLarge")
    assert "192 MiB" in large.message


def test_the_actions_are_the_bindings() -> None:
    decision = _verdict(loaded(policy(), binding("p", "Warn", "Audit")), _asked(), namespace("default"))
    assert decision.allowed
    assert decision.warnings == (f"Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': {SAID}",)
    (audited,) = orjson.loads(decision.audit_annotations["validation_failure"])
    assert (audited["policy"], audited["message"]) == ("p", SAID)


@pytest.mark.parametrize("bound", [False, True])
@pytest.mark.parametrize(
    ("selecting", "denied"),
    [
        ({"namespaceSelector": {"matchLabels": {"env": "prod"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"env": "dev"}}}, False),
        ({"objectSelector": {"matchLabels": {"on": "yes"}}}, True),  # nobody knows the labels
        ({"objectSelector": {"matchExpressions": [{"key": "off", "operator": "DoesNotExist"}]}}, True),
        (
            {
                "objectSelector": {"matchLabels": {"on": "yes"}},
                "namespaceSelector": {"matchLabels": {"env": "dev"}},
            },
            False,
        ),
    ],
)
def test_what_depends_on_the_object_itself_matches(selecting: dict[str, Any], denied: bool, bound: bool) -> None:
    if bound:
        policies = loaded(policy(), binding(matchResources=selecting))
    else:
        policies = loaded(policy(match=selecting), binding())
    assert _verdict(policies, _asked(), namespace("default", env="prod")).allowed is not denied


def test_a_namespace_that_is_not_known_matches() -> None:
    policies = loaded(policy(match={"namespaceSelector": {"matchLabels": {"env": "prod"}}}), binding())
    assert not _verdict(policies, _asked()).allowed


def test_labels_of_a_namespace_under_review_are_not_known() -> None:
    policies = loaded(policy(match={"namespaceSelector": {"matchLabels": {"env": "prod"}}}), binding())
    asked = _asked(resource="v1/namespaces", kind="Namespace", name="default")
    assert not _verdict(policies, asked, namespace("default", env="dev")).allowed


def test_an_exception_of_the_whole_policy_is_the_way_out() -> None:
    policies = loaded(policy(), binding(), exception(objects={"namespaces": ["default"], "names": ["web"]}))
    assert not _verdict(policies, _asked(name="other"), namespace("default")).allowed
    decision = _verdict(policies, _asked(name="web"), namespace("default"))
    assert (decision.allowed, messages(decision), len(decision.excepted)) == (True, [], 1)


PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}]
LABEL = {"ApplyConfiguration": 'Object{metadata: Object.metadata{labels: {"a": "b"}}}'}


def _mutated(policies: PolicySet, asked: Request, *cluster: dict[str, Any]) -> Mutation:
    return unread.mutate(asked, policies, ManifestsView(cluster, assume_namespaces=False), FAILURE)


def test_a_mutation_under_fail_denies_and_one_under_ignore_leaves_the_object() -> None:
    ignoring = mutating_policy("i", LABEL, rules=PODS, failurePolicy="Ignore"), mutating_binding("i")
    failing = mutating_policy("m", LABEL, rules=PODS), mutating_binding("m", name="bound")
    denied = _mutated(loaded(*ignoring, *failing), _asked(operation="CREATE"), namespace("default"))
    assert denied.causes == (f"policy 'm' with binding 'bound' denied request: {SAID}",)
    assert (denied.allowed, denied.code, denied.changed) == (False, 403, False)
    assert [each.policy for each in denied.evaluated] == ["i", "m"]
    left = _mutated(loaded(*ignoring), _asked(operation="CREATE"), namespace("default"))
    assert (left.allowed, left.changed, [each.policy for each in left.evaluated]) == (True, False, ["i"])


def test_what_nothing_mutates_is_left_alone() -> None:
    policies = loaded(mutating_policy("m", LABEL, rules=PODS), mutating_binding("m"))
    secret = _asked(operation="CREATE", resource="v1/secrets", kind="Secret")
    for asked in (secret, _asked(operation="DELETE")):
        mutation = _mutated(policies, asked, namespace("default"))
        assert (mutation.allowed, mutation.evaluated) == (True, ())


@pytest.mark.parametrize(("env", "allowed"), [("prod", False), ("dev", True)])
def test_a_mutation_matches_by_all_that_is_known(env: str, allowed: bool) -> None:
    only = {"namespaceSelector": {"matchLabels": {"env": "prod"}}, "objectSelector": {"matchLabels": {"on": "yes"}}}
    for policies in (
        loaded(mutating_policy("m", LABEL, rules=PODS, match=only), mutating_binding("m")),
        loaded(mutating_policy("m", LABEL, rules=PODS), mutating_binding("m", matchResources=only)),
    ):
        assert _mutated(policies, _asked(operation="CREATE"), namespace("default", env=env)).allowed is allowed


def test_an_exception_of_the_mutating_policy_is_the_way_out() -> None:
    policies = loaded(
        mutating_policy("p", LABEL, rules=PODS),
        mutating_binding("p"),
        exception(objects={"namespaces": ["default"], "names": ["web"]}),
    )
    assert not _mutated(policies, _asked(operation="CREATE", name="other"), namespace("default")).allowed
    mutation = _mutated(policies, _asked(operation="CREATE", name="web"), namespace("default"))
    assert (mutation.allowed, [each.finding.message for each in mutation.excepted]) == (True, [SAID])


def _read(text: bytes) -> Request | None:
    begin = unread.without_objects(text)
    return None if begin is None else unread.request_of(begin)


def _text(**fields: Any) -> bytes:
    """A review as an API server writes it: what identifies the request, then its objects."""
    kind, resource = (
        {"group": "", "version": "v1", name: what} for name, what in (("kind", "Pod"), ("resource", "pods"))
    )
    asked = {
        "uid": "u",
        "kind": kind,
        "resource": resource,
        "name": "web",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": 'a,"object":{', "extra": {"a": ["b"], "object": ["c"]}},
        **fields,
    }
    return orjson.dumps({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": asked})


@pytest.mark.parametrize(
    ("objects", "operation"),
    [
        ({"object": {"a": 1}, "oldObject": None}, "CREATE"),
        ({"object": {"a": 1}, "oldObject": {"object": {}}}, "UPDATE"),
        ({"object": None, "oldObject": {"a": 1}}, "DELETE"),
    ],
)
def test_the_request_is_read_from_what_stands_before_its_objects(objects: dict[str, Any], operation: str) -> None:
    text = _text(operation=operation, **objects, dryRun=False)
    found = _read(text[: text.index(b'"a":1')])
    assert found is not None
    assert (found.uid, found.name, found.namespace, found.operation) == ("u", "web", "default", operation)
    assert found.user.username == 'a,"object":{'
    assert found.object is found.old_object is None


@pytest.mark.parametrize("text", [b"", b"[", b'{"request":{"uid":"u"', b'{"request":{"uid":"u","object":{', _text()])
def test_what_no_api_server_wrote_is_no_request(text: bytes) -> None:
    assert _read(text) is None


@pytest.mark.parametrize("levels", [251, 2_000, 100_000])
def test_any_depth_is_too_deep(levels: int) -> None:
    text = _text(object={"spec": None}).replace(b"null", b"[" * levels + b"]" * levels)
    with pytest.raises(review.TooDeep):
        review.parse(text)
    assert _read(text) is not None

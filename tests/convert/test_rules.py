"""Kinds as foreign policies name them, and label selectors."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.cel import Activation
from webhook.convert import rules
from webhook.convert.model import Unsupported
from webhook.convert.rules import Kind
from webhook.policy.cel.declared import base_environment
from webhook.schema.kinds import Kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pod", Kind("*", "*", "Pod")),
        ("v1/Pod", Kind("*", "v1", "Pod")),
        ("apps/v1/Deployment", Kind("apps", "v1", "Deployment")),
        ("apps/*/Deploy*", Kind("apps", "*", "Deploy*")),
        ("apps/Deployment", Kind("apps", "*", "Deployment")),
        ("Pod/exec", Kind("*", "*", "Pod", "exec")),
        ("Pod.status", Kind("*", "*", "Pod", "status")),
        ("v1/Pod/exec", Kind("*", "v1", "Pod", "exec")),
        ("apps/v1/Deployment/scale", Kind("apps", "v1", "Deployment", "scale")),
        ("*", Kind()),
        ("*/*", Kind(sub="*")),
        ("batch/*/*", Kind("batch", "*", "*")),
    ],
)
def test_a_kind(text: str, kind: Kind) -> None:
    assert rules.kind_of(text) == kind


@pytest.mark.parametrize("text", ["", "a/b/c/D/e", "A/b/c", "x" * 300])
def test_no_kind(text: str) -> None:
    with pytest.raises(Unsupported, match="the kind"):
        rules.kind_of(text)


@pytest.mark.parametrize(
    ("kind", "resources", "guess"),
    [
        (Kind(kind="Pod"), [("", "*", ["pods"])], ""),
        (Kind(kind="Pod", sub="exec"), [("", "*", ["pods/exec"])], ""),
        (
            Kind("apps", "v1", "*Set"),
            [("apps", "v1", ["daemonsets", "replicasets", "statefulsets"])],
            "custom resources",
        ),
        (Kind(), [("*", "*", ["*"])], ""),
        (Kind(sub="*"), [("*", "*", ["*/*"])], ""),
        (Kind("acme.io", "v1", "Widget"), [("acme.io", "v1", ["widgets"])], "taken to be widgets"),
        (Kind("acme.io", "v1", "Widget", "status"), [("acme.io", "v1", ["widgets/status"])], "taken to be widgets"),
        (Kind("acme.io", "v1", "*"), [("acme.io", "v1", ["*"])], ""),
        (Kind("apps", "*", "*"), [("apps", "*", ["*"])], ""),
        (Kind("", "*", "*", "status"), [("", "*", ["*/status"])], ""),
        (Kind("acme.io", "v1", "W*"), [("acme.io", "v1", ["*"])], "no kind is known"),
    ],
)
def test_its_resources(kind: Kind, resources: list[Any], guess: str) -> None:
    made, guessed = rules.resource_rules([kind], Kinds.builtin(), ("CREATE",))
    assert [(each["apiGroups"][0], each["apiVersions"][0], each["resources"]) for each in made] == resources
    assert all(guess in each for each in guessed)
    assert bool(guessed) == bool(guess)


def selected(selector: Any, labels: dict[str, str], *, wild: bool = False) -> Any:
    cel = rules.selector(selector, "object", wild=wild)
    program = base_environment(with_params=False, with_authorizer=False).compile(cel, ())
    return program.evaluate(Activation({"object": labels, "oldObject": None, "request": {}, "namespaceObject": None}))


def test_a_selector() -> None:
    assert selected({}, {}) is True
    assert selected({"matchLabels": {"a": "b"}}, {"a": "b"}) is True
    assert selected({"matchLabels": {"a": "b*"}}, {"a": "bc"}) is False
    assert selected({"matchLabels": {"a*": "b*"}}, {"ax": "bc"}, wild=True) is True
    assert selected({"matchLabels": {"a*": "b*"}}, {"x": "bc"}, wild=True) is False
    for operator, values, labels, expected in [
        ("In", ["x", "y"], {"k": "y"}, True),
        ("In", ["x"], {}, False),
        ("NotIn", ["x"], {}, True),
        ("NotIn", ["x"], {"k": "x"}, False),
        ("Exists", [], {"k": ""}, True),
        ("DoesNotExist", [], {"k": ""}, False),
    ]:
        found = selected({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}, labels)
        assert found is expected, operator


@pytest.mark.parametrize(
    "selector",
    [
        5,
        {"labels": {}},
        {"matchLabels": {"a": 5}},
        {"matchExpressions": [{"key": 5, "operator": "Exists"}]},
        {"matchExpressions": [{"key": "a", "operator": "Near"}]},
    ],
)
def test_a_malformed_selector(selector: Any) -> None:
    with pytest.raises(Unsupported, match="a selector"):
        rules.selector(selector, "object")


def test_a_request_about_a_subresource_is_known_by_its_resource() -> None:
    """Its kind is that of what is sent, such as PodExecOptions."""
    assert rules.kind_of("Pod/exec").condition() == (
        "request.resource.resource == 'pods' && request.?subResource.orValue('') == 'exec'"
    )


def test_a_kind_is_not_guessed_in_a_group_beside_its_own() -> None:
    named = [Kind(group, "*", kind) for group in ("apps", "batch") for kind in ("Deployment", "CronJob")]
    made, guessed = rules.resource_rules(named, Kinds.builtin(), ("CREATE",))
    assert guessed == []
    assert [(each["apiGroups"], each["resources"]) for each in made] == [
        (["apps"], ["deployments"]), (["batch"], ["cronjobs"]),
    ]  # fmt: skip


def test_a_kind_of_a_group_that_is_not_known_is_guessed_beside_a_known_one() -> None:
    """Custom resources may have the name of a kind of Kubernetes: Knative's Service."""
    named = [Kind(group, "*", "Service") for group in ("", "serving.knative.dev")]
    made, _ = rules.resource_rules(named, Kinds.builtin(), ("CREATE",))
    assert [(each["apiGroups"], each["resources"]) for each in made] == [
        ([""], ["services"]),
        (["serving.knative.dev"], ["services"]),
    ]

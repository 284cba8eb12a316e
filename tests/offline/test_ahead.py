from __future__ import annotations

import pytest
import yaml

from tests.policy.trees import binding, config_map, loaded, policy
from webhook.apiserver.plugins.lookups import LOOKED_UP
from webhook.offline.ahead import Ahead, ahead_of, may_be_structure
from webhook.versions import NEWEST

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}


def of_param(kind: dict[str, str], **ref: object) -> Ahead:
    """What is known ahead of a policy with params."""
    refers = {**ref, "parameterNotFoundAction": "Deny"}
    return ahead_of(loaded(policy(paramKind=kind), binding("p", "Deny", paramRef=refers)), NEWEST)


def may_hold(ahead: Ahead, value: object) -> bool:
    return ahead.may_hold(yaml.safe_dump(value).encode())


@pytest.mark.parametrize("type_", sorted({*LOOKED_UP, ("apiextensions.k8s.io/v1", "CustomResourceDefinition")}))
def test_what_plugins_look_up_and_definitions_are_always_wanted(type_: tuple[str, str]) -> None:
    ahead = ahead_of(loaded(policy(), binding()), NEWEST)
    value = {"apiVersion": type_[0], "kind": type_[1], "metadata": {"name": "x"}}
    assert ahead.wants(value)
    assert may_hold(ahead, value)
    assert may_hold(ahead, {"apiVersion": type_[0], "kind": f"{type_[1]}List", "items": [{"metadata": {"name": "x"}}]})


def test_other_objects_are_not_wanted() -> None:
    ahead = ahead_of(loaded(policy(), binding()), NEWEST)
    assert not ahead.wants(config_map("x", namespace="y"))
    assert not may_hold(ahead, config_map("x", namespace="y"))
    assert not ahead.wants(["Namespace"])
    assert not ahead.wants({"kind": ["Namespace"], "apiVersion": {}})
    assert not ahead.wants({"apiVersion": "other/v1", "kind": "Namespace"})


def test_params_of_a_built_in_kind_are_wanted_by_name() -> None:
    ahead = of_param(CONFIG_MAP, name="limits")
    assert ahead.wants(config_map("limits"))
    assert may_hold(ahead, config_map("limits"))
    assert not ahead.wants(config_map("other"))
    assert not may_hold(ahead, config_map("other"))


def test_a_name_that_is_made_up_is_wanted() -> None:
    ahead = of_param(CONFIG_MAP, name="limits")
    value = {**CONFIG_MAP, "metadata": {"generateName": "lim"}}
    assert ahead.wants(value)
    assert may_hold(ahead, value)


def test_params_by_labels_are_all_wanted() -> None:
    ahead = of_param(CONFIG_MAP, selector={"matchLabels": {"a": "b"}})
    assert ahead.wants(config_map("other"))
    assert may_hold(ahead, config_map("other"))


def test_any_object_of_an_unknown_kind_makes_it_known() -> None:
    ahead = of_param({"apiVersion": "x.example/v1", "kind": "Limits"}, name="limits")
    value = {"apiVersion": "x.example/v1", "kind": "Limits", "metadata": {"name": "other"}}
    assert ahead.wants(value)
    assert may_hold(ahead, value)


def test_a_name_that_is_no_plain_word_leaves_all_files_open() -> None:
    ahead = of_param(CONFIG_MAP, name="of: two words")
    assert may_hold(ahead, config_map("other"))
    assert not ahead.wants(config_map("other"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: CustomResourceDefinition", True),
        ("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component", True),
        ('kind: "Custom\\x52esourceDefinition"', True),
        ("kind: ConfigMap", False),
    ],
)
def test_what_may_say_how_other_files_are_read(text: str, expected: bool) -> None:
    assert may_be_structure(text.encode()) is expected

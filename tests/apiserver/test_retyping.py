"""Between two mutations: decoded and defaulted, and nothing lost that another version of the API server has."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.generated import objects
from webhook.apiserver import admitted
from webhook.apiserver.customresources import definitions
from webhook.apiserver.retyping import retyped

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "creationTimestamp": None},
    "spec": {"containers": [{"name": "web", "image": "web:1", "newField": 1}], "fromTheFuture": {"a": []}},
    "status": {},
}


def after(**changes: Any) -> dict[str, Any]:
    changed = deepcopy(POD)
    for name, value in changes.items():
        changed["spec"][name] = value
    return changed


def test_what_a_mutation_leaves_empty_is_gone_and_what_it_adds_has_its_defaults() -> None:
    helper = {"name": "helper", "image": "helper"}
    changed = after(initContainers=[helper], nodeSelector={}, tolerations=[], priorityClassName="")
    made, problems, _ = retyped(POD, changed)
    assert problems == ()
    (container,) = made["spec"]["initContainers"]
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"] == {}
    assert not {"nodeSelector", "tolerations", "priorityClassName"} & made["spec"].keys()


def test_what_the_api_server_sent_stays_as_it_is() -> None:
    made, problems, _ = retyped(POD, after(hostNetwork=True))
    assert problems == ()
    expected = after(hostNetwork=True)
    assert made["metadata"] == expected["metadata"]  # with a null that a newer version does not write
    assert made["spec"]["fromTheFuture"] == {"a": []}
    assert made["spec"]["containers"] == expected["spec"]["containers"]
    assert "restartPolicy" not in made["spec"]  # a default that this API server does not have


def test_a_change_within_what_is_not_known_stays() -> None:
    changed = after()
    changed["spec"]["fromTheFuture"] = {"a": [1]}
    assert retyped(POD, changed)[0]["spec"]["fromTheFuture"] == {"a": [1]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"hostNetwork": "yes"},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        ({"hostnetwork": True}, 'unknown field "spec.hostnetwork"'),
    ],
)
def test_what_cannot_be_decoded_is_a_problem_of_the_mutation(changes: dict[str, Any], message: str) -> None:
    assert [each.message for each in retyped(POD, after(**changes)).problems] == [message]


def test_objects_of_every_kind_are_typed_as_kubernetes_does_it() -> None:
    """Of an API server of the same version: objects that it sent, with a part of another object merged in."""
    made = objects("retyped", amount(3000, 300), 0)
    # A zero time is written as null, and then gone; the default of a device's taint is the time of day.
    made = [each for each in made if "0001-01-01" not in repr(each) and each["kind"] != "DeviceTaintRule"]
    sent = [answer["object"] for answer in oracle.ask(made, "default")]
    parts = ("spec", "data", "rules")
    changed = [
        {**value, **{name: other[name] for name in parts if name in other}}
        for value, other in zip(sent, made, strict=True)
    ]
    expected = oracle.ask(changed, "default")
    differences = [
        (value, right, mine)
        for before, value, right in zip(sent, changed, expected, strict=True)
        if (mine := retyped(before, value).object) != right["object"]
    ]
    assert not differences, f"{len(differences)} of {len(made)}; the first: {differences[0]}"


def test_what_was_typed_is_typed_once() -> None:
    """Of an object that is as the tables here make it, typing changes nothing; so what is known of it is not asked."""
    written = [each for each in objects("typed", amount(3000, 300), 0) if "0001-01-01" not in repr(each)]
    parts = ("metadata", "spec", "data", "rules")
    for one, other in pairwise(written):
        before = admitted.read(one).object
        assert retyped(before, deepcopy(before), typed=True) == (before, (), True)
        changed = {**before, **{name: other[name] for name in parts if name in other}}
        assert retyped(before, changed, typed=True) == retyped(before, changed)


def test_an_object_of_another_server_is_not_typed() -> None:
    assert not retyped(POD, after(hostNetwork=True)).typed
    same = admitted.read({**POD, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}).object
    assert retyped(same, {**same, "metadata": {"name": "web", "labels": {"a": "b"}}}).typed


def test_a_custom_object_stays() -> None:
    custom = {"apiVersion": "example.com/v1", "kind": "Ox", "metadata": {"labels": {}}}
    assert retyped(custom, custom).object is custom


def test_a_custom_object_has_the_defaults_of_its_definition_and_is_not_pruned() -> None:
    part = {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}
    spec = {"type": "object", "properties": {"parts": {"type": "array", "items": part}}}
    version = {"name": "v1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"kind": "Ox", "plural": "oxen"}
    definition = {
        "metadata": {"name": "oxen.example.com"},
        "spec": {
            "group": "example.com",
            "names": names,
            "scope": "Namespaced",
            "versions": [{**version, "schema": schema}],
        },
    }
    (kind,) = definitions.read(definition).kinds.values()
    before = {"apiVersion": "example.com/v1", "kind": "Ox", "metadata": {"name": "o"}, "spec": {}}
    after = {**before, "spec": {"parts": [{}, {"size": 1}], "unknown": {}}}
    kept = deepcopy(after)
    made = retyped(before, after, {("example.com/v1", "Ox"): kind})
    assert made == ({**before, "spec": {"parts": [{"size": 3}, {"size": 1}], "unknown": {}}}, (), False)
    assert after == kept
    assert retyped(before, after, {("example.com/v2", "Ox"): kind}).object is after

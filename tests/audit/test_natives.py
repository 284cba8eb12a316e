"""The policies of a cluster itself: which are judged, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit.clusters import KINDS, NOBODY, Object, Server, loaded, made, policy, reading, told
from webhook.audit.auditing import Asked, Audit
from webhook.audit.natives import Native, beside, native
from webhook.audit.sources import Cluster
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.versions import NEWEST

GROUP = "admissionregistration.k8s.io/v1"
SERVED = {
    **KINDS,
    "validatingadmissionpolicies": (GROUP, "ValidatingAdmissionPolicy", False),
    "validatingadmissionpolicybindings": (GROUP, "ValidatingAdmissionPolicyBinding", False),
    "mutatingadmissionpolicies": (GROUP, "MutatingAdmissionPolicy", False),
    "mutatingadmissionpolicybindings": (GROUP, "MutatingAdmissionPolicyBinding", False),
}


def stored(text: str) -> list[Object]:
    """The objects of a policy as a cluster stores them."""
    objects = [json.loads(each) for each in text.split("\n---\n")]
    for each in objects:
        each["metadata"] |= {
            "uid": "u",
            "resourceVersion": "1",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        each["status"] = {"observedGeneration": 1}
    return objects


def of(objects: list[Object], assumed: str = "") -> tuple[Native, list[str]]:
    """The policies of a cluster, and what they say of its objects."""
    with reading(Server(objects, kinds=SERVED)) as reader:
        cluster = Cluster(reader, "prod")
        served = cluster.served()
        assert served is not None
        kinds = Kinds.builtin().with_resources(each.resource for each in served)
        found = native(cluster, kinds, NEWEST, assumed)
        return found, told(list(Audit(cluster, found.policies, Asked(NOBODY)).verdicts()))


SHORT = policy("short", "object.metadata.name.size() < 6", "too long")
LONG = made("ConfigMap", "long-name")


def test_what_is_bound_is_judged_with_its_params() -> None:
    bound = {"paramRef": {"name": "limits", "namespace": "rules", "parameterNotFoundAction": "Deny"}}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    limited = policy(
        "limited", "object.metadata.name.size() < int(params.data.most)", "limited", paramKind=kind, binding=bound
    )
    limits = made("ConfigMap", "limits", "rules", data={"most": "8"})
    found, said = of([*stored(SHORT), *stored(limited), LONG, limits])
    assert sorted(said) == [
        "ConfigMap limits: too long",
        "ConfigMap long-name: limited",
        "ConfigMap long-name: too long",
    ]
    assert not found.problems and not found.notes
    assert {each.file for each in found.policies.policies} == {
        "prod/ValidatingAdmissionPolicy/short.json",
        "prod/ValidatingAdmissionPolicy/limited.json",
    }


@pytest.mark.parametrize(("assumed", "said"), [("", []), ("Warn", ["ConfigMap long-name: too long"])])
def test_what_is_not_bound_is_judged_if_it_is_assumed_to_be(assumed: str, said: list[str]) -> None:
    found, heard = of([*stored(SHORT)[:1], LONG], assumed)
    assert heard == said
    assert [each.actions for each in found.policies.bindings] == ([(assumed,)] if assumed else [])
    assert found.notes == (
        () if assumed else ("prod: without a binding, and not judged unless --assume-bound says how: short",)
    )


def test_a_policy_that_cannot_be_judged_is_named_and_the_rest_is() -> None:
    broken = policy("broken", "object.nothing(", "broken")
    found, said = of([*stored(SHORT), *stored(broken), LONG])
    assert said == ["ConfigMap long-name: too long"]
    (problem,) = found.problems
    assert problem.file == "prod/ValidatingAdmissionPolicy/broken.json"


def test_a_binding_without_a_policy_is_noted() -> None:
    found, said = of([*stored(SHORT), *stored(policy("gone", "true"))[1:], LONG])
    assert said == ["ConfigMap long-name: too long"]
    assert found.notes == ("prod: binding gone names a policy that is not there",) and not found.problems


def test_a_cluster_without_any_has_none() -> None:
    found, said = of([LONG])
    assert not found.policies.policies and not said and not found.problems


def test_policies_may_not_be_listed() -> None:
    def refused(exchange: Any) -> bool:
        exchange.refuse(403, "forbidden")
        return True

    paths = {f"/apis/{GROUP}/validatingadmissionpolicies": refused}
    with reading(Server([LONG], paths, SERVED)) as reader:
        cluster = Cluster(reader, "prod")
        resources = [each.resource for each in cluster.served() or ()]
        found = native(cluster, Kinds.builtin().with_resources(resources), NEWEST)
    assert [each.message for each in found.problems] == ["ValidatingAdmissionPolicy cannot be listed: 403: forbidden"]


def test_a_policy_of_the_tree_stands_for_one_of_the_cluster(tmp_path: Path) -> None:
    tree: PolicySet = loaded(tmp_path, SHORT.replace("< 6", "< 60"), policy("own", "true"))
    found, _ = of([*stored(SHORT), *stored(policy("other", "true"))])
    policies, twice = beside(tree, found.policies)
    assert twice == ["short"]
    assert {each.name: each.file.startswith("prod/") for each in policies.policies} == {
        "other": True,
        "own": False,
        "short": False,
    }

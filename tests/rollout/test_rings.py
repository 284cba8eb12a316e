"""What of a binding is in a ring, and which bindings decide there."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit.clusters import policy
from webhook.policy.load.loading import load
from webhook.policy.policyset import Binding, Policy
from webhook.policy.selectors import Requirement
from webhook.rollout.rings import (
    covers,
    is_wider,
    may_be_cluster_scoped,
    name_of,
    of_binding,
    parse,
    parse_all,
    reaches,
)
from webhook.schema import Kinds

DEV, PROD, CANARY = RINGS = parse_all(["env=dev", "env=prod", "env=prod,tier=canary"])


def loaded(folder: Path, on: str = "configmaps", **bindings: dict[str, Any]) -> tuple[Policy[Any], dict[str, Binding]]:
    """A policy with bindings, by name: what their matchResources and their spec are."""
    made = []
    for name, given in bindings.items():
        spec = {"policyName": "tiny", "validationActions": ["Audit"], **given}
        made.append({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": spec,
        })  # fmt: skip
    only, _, _ = policy("tiny", "true", on=on).partition("\n---\n")
    (folder / "policy.yaml").write_text("\n---\n".join([only, *map(json.dumps, made)]))
    (found,) = load(folder).validating
    return found, {each.name: each for each in found.bindings}


def selecting(labels: dict[str, str] | None = None, *expressions: Any, **more: Any) -> dict[str, Any]:
    wanted = [dict(zip(("key", "operator", "values"), each, strict=False)) for each in expressions]
    return {"matchResources": {"namespaceSelector": {"matchLabels": labels or {}, "matchExpressions": wanted}, **more}}


def test_the_labels_of_a_ring() -> None:
    assert parse(" tier=canary , env=prod").text == "env=prod,tier=canary"
    assert parse("example.com/env=").requirements == (Requirement("example.com/env", "In", frozenset([""])),)
    assert [each.suffix for each in (DEV, CANARY, parse("example.com/env="), parse("a=B_c..d"))] == [
        *("dev", "prod-canary", "env", "b-c-d"),
    ]
    assert CANARY.has({"env": "prod", "tier": "canary", "team": "a"})
    assert not CANARY.has({"env": "prod"})
    assert parse("env==prod") == parse("env = prod") == parse("env in (prod)")
    with pytest.raises(ValueError, match="at most 100 rings"):
        parse_all(f"env={number}" for number in range(101))


@pytest.mark.parametrize(
    ("text", "written", "suffix", "inside", "outside"),
    [
        ("env in (test, dev)", "env in (dev,test)", "dev-test", [{"env": "dev"}], [{}, {"env": "prod"}]),
        ("env notin (a,b)", "env notin (a,b)", "not-a-b", [{}, {"env": "c"}], [{"env": "b"}]),
        ("env!=prod", "env!=prod", "not-prod", [{}, {"env": "dev"}], [{"env": "prod"}]),
        ("example.com/canary", "example.com/canary", "canary", [{"example.com/canary": ""}], [{"canary": ""}]),
        ("! canary", "!canary", "not-canary", [{}], [{"canary": "x"}]),
        ("tier,env in (a,b)", "env in (a,b),tier", "a-b-tier", [{"env": "b", "tier": "1"}], [{"env": "b"}]),
    ],
)
def test_sets_of_labels(text: str, written: str, suffix: str, inside: Any, outside: Any) -> None:
    ring = parse(text)
    assert (ring.text, ring.suffix, parse(ring.text)) == (written, suffix, ring)
    assert (list(map(ring.has, inside)), list(map(ring.has, outside))) == ([True] * len(inside), [False] * len(outside))


@pytest.mark.parametrize(
    "text",
    [
        *("", "env in dev", "env in (dev", "env in (dev) x", "env is (dev)", "in (dev)", "env in (a b)"),
        *("!env=dev", "env=a,", "(dev)", "env=(dev)", "env>1", "!", "=a", "env in ((a))"),
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected labels of namespaces, such as env=prod"):
        parse(text)


def test_rings_and_bindings_against_all_labels(tmp_path: Path) -> None:
    """Which ring is part of which, which bindings reach one, and which are inside: by every set of labels of two keys,
    each absent or with one of four values, the last of which stands for those that nothing names."""
    keys, values = ("a", "b"), (None, "1", "2", "3", "other")
    labels = [
        {key: value for key, value in zip(keys, each, strict=True) if value is not None}
        for each in itertools.product(values, repeat=2)
    ]
    of_key = ["K=1", "K=2", "K!=1", "K", "!K", "K in (1,2)", "K in (2,3)", "K notin (1,2)", "K notin (1,2,3)"]
    texts = [each.replace("K", key) for key in keys for each in of_key]
    texts += [f"{one.replace('K', 'a')},{two.replace('K', 'b')}" for one in of_key[:6] for two in of_key[3:]]
    rings = {ring: frozenset(n for n, each in enumerate(labels) if ring.has(each)) for ring in map(parse, texts)}
    selectors = {
        f"n{number}": selecting({}, *((each.key, each.operator, sorted(each.values)) for each in ring.requirements))
        for number, ring in enumerate(rings)
    }
    for each in selectors.values():
        for expression in each["matchResources"]["namespaceSelector"]["matchExpressions"]:
            if not expression["values"]:
                del expression["values"]
    _, bindings = loaded(tmp_path, "configmaps", **selectors)
    for (one, of_one), (two, of_two) in itertools.product(rings.items(), repeat=2):
        binding = bindings[f"n{list(rings).index(one)}"]
        assert one.is_part_of(two) == (of_one < of_two), (one.text, two.text)
        assert reaches(binding, two) == bool(of_one & of_two), (one.text, two.text)
        assert (of_binding(binding, [two]) is not None) == (of_one <= of_two), (one.text, two.text)
        assert covers(bindings[f"n{list(rings).index(two)}"], binding, None, one) == (of_one <= of_two)


@pytest.mark.parametrize(
    ("selector", "reached", "own"),
    [
        (selecting(), ["env=dev", "env=prod", "env=prod,tier=canary"], None),
        (selecting({"team": "a"}), ["env=dev", "env=prod", "env=prod,tier=canary"], None),
        (selecting({"env": "dev"}), ["env=dev"], "env=dev"),
        (selecting({"env": "test"}), [], None),
        (selecting({"env": "prod", "team": "a"}), ["env=prod", "env=prod,tier=canary"], "env=prod"),
        (selecting({"env": "prod", "tier": "canary"}), ["env=prod", "env=prod,tier=canary"], "env=prod,tier=canary"),
        (selecting({}, ("env", "In", ["dev", "test"])), ["env=dev"], None),
        (selecting({}, ("env", "In", ["dev"])), ["env=dev"], "env=dev"),
        (selecting({}, ("env", "NotIn", ["dev"])), ["env=prod", "env=prod,tier=canary"], None),
        (selecting({}, ("tier", "DoesNotExist")), ["env=dev", "env=prod"], None),
    ],
)
def test_where_a_binding_reaches(selector: Any, reached: list[str], own: str | None, tmp_path: Path) -> None:
    _, bindings = loaded(tmp_path, one=selector)
    assert [each.text for each in RINGS if reaches(bindings["one"], each)] == reached
    found = of_binding(bindings["one"], RINGS)
    assert (found and found.text) == own


def test_a_binding_that_applies_to_all_of_another_in_a_ring(tmp_path: Path) -> None:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
    everything = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]
    _, found = loaded(
        tmp_path,
        all={},
        team=selecting({"team": "a"}),
        dev=selecting({"env": "dev"}),
        namespaced=selecting({"env": "dev"}, excludeResourceRules=[{**everything[0], "scope": "Cluster"}]),
        both=selecting({"env": "dev", "team": "a"}),
        several=selecting({"env": "dev"}, ("team", "In", ["a", "b"])),
        exists=selecting({}, ("env", "Exists")),
        objects=selecting({"env": "dev"}, objectSelector={"matchLabels": {"a": "b"}}),
        rules=selecting({"env": "dev"}, resourceRules=rules),
        excludes=selecting({"env": "dev"}, excludeResourceRules=rules),
    )  # fmt: skip
    covering = {
        name: sorted(other for other, each in found.items() if covers(each, found[name], None, DEV))
        for name in ("all", "team", "rules")
    }
    assert covering["all"] == ["all", "dev", "exists", "namespaced"]
    assert covering["team"] == ["all", "both", "dev", "exists", "namespaced", "several", "team"]
    assert covering["rules"] == ["all", "dev", "exists", "namespaced", "rules"]
    # What is of a ring stands for what it would be in another one.
    assert covers(found["dev"], found["dev"], DEV, DEV)
    assert not covers(found["dev"], found["dev"], DEV, PROD)
    assert covers(found["all"], found["dev"], DEV, PROD)
    wider = [name for name, each in found.items() if is_wider(each, found["both"], DEV)]
    assert wider == ["all", "exists", "team"]
    assert not is_wider(found["dev"], found["both"], DEV)


def test_bindings_with_other_params_do_not_cover_each_other(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(
        'from gatewright import validate\n\n'
        '@validate(resources=["v1/configmaps"], operations=["CREATE"], name="tiny")\n'
        "def tiny(request):\n    return []\n"
    )  # fmt: skip
    template = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding"}
    for name, condition in (("a", "true"), ("b", "true"), ("c", "!false")):
        conditions = json.dumps([{"name": "one", "expression": condition}])
        metadata = {"name": name, "annotations": {"gatewright.dev/match-conditions": conditions}}
        spec = {"policyName": "tiny", "validationActions": ["Audit"]}
        (tmp_path / f"{name}.yaml").write_text(json.dumps({**template, "metadata": metadata, "spec": spec}))
    (found,) = load(tmp_path).validating
    a, b, c = found.bindings
    assert (covers(a, b, None, DEV), covers(c, b, None, DEV)) == (True, False)


@pytest.mark.parametrize(
    ("on", "selector", "expected"),
    [
        ("configmaps", {}, False),
        ("configmaps,namespaces", {}, True),
        ("of-nobody-known", {}, True),
        ("*", {}, True),
        ("namespaces", selecting(excludeResourceRules=[
            {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "Cluster"}
        ]), False),
        ("*", selecting(resourceRules=[
            {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "Namespaced"}
        ]), False),
    ],
)  # fmt: skip
def test_what_may_be_cluster_scoped(on: str, selector: Any, expected: bool, tmp_path: Path) -> None:
    found, bindings = loaded(tmp_path, on, one=selector)
    assert may_be_cluster_scoped(found.match, bindings["one"], Kinds.builtin()) is expected


def test_names_of_bindings_of_rings(tmp_path: Path) -> None:
    _, found = loaded(tmp_path, "configmaps", one={}, **{"n" * 253: {}})
    assert name_of(found["one"], CANARY, ["one"]) == "one-prod-canary"
    assert name_of(found["one"], DEV, ["one", "one-dev", "one-dev-2"]) == "one-dev-3"
    long = name_of(found["n" * 253], DEV, [])
    assert (len(long), long[-6:]) == (253, "nn-dev")

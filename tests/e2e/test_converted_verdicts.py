"""Converted policies of Kyverno in a real API server: it takes each, and decides as `gatewright check` does.

Rules with JMESPath, patterns and conditions that tests ask Kyverno about are created with their bindings, each for
objects with a label of its name, and the objects are sent as dry runs. So their costs count too: a policy that the
server estimates as too expensive is not taken, and one that runs out of its budget denies with words of its own.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.amounts import amount
from tests.convert.kyverno import corpus, generated, jmesasked, jmesquestions, ours
from tests.convert.kyverno.ours import Asked
from tests.e2e.controlplane import ControlPlane
from tests.e2e.objects import definition
from tests.e2e.stored import PATHS, bound, space, under
from tests.server.running import wait_for
from tests.timing import HANGING
from webhook.convert import writing
from webhook.convert.foreigntests.expected import FAILURES, Expected, case
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.policy.load.loading import load
from webhook.versions import NEWEST

WIDGETS = "/apis/example.com/v1/namespaces/{}/widgets"
PLACES = {**PATHS, "Widget": WIDGETS}
SPENT = ("cost", "budget")
"""Words of a denial for what an evaluation costs."""


class Rule(Struct):
    """A policy and the requests that it is asked about."""

    policy: dict[str, Any]
    requests: list[Asked]


def jmespath() -> Iterator[Rule]:
    for each in jmesquestions.questions():
        yield Rule(each.policy, each.requests)


def conditions() -> Iterator[Rule]:
    for each in jmesasked.generated_questions():
        yield Rule(each.policy, each.requests)


def patterns() -> Iterator[Rule]:
    batches = [*generated.scalars(), *islice(generated.patterns(1, 60, 12), amount(60, 2))]
    for batch in batches:
        for rule in batch.policy["spec"]["rules"]:
            yield Rule({**batch.policy, "spec": {**batch.policy["spec"], "rules": [rule]}}, batch.requests)


def documented() -> Iterator[Rule]:
    for each in corpus.given():
        yield Rule(each.policy, each.requests)


@pytest.fixture(scope="module")
def spaces(cluster: ControlPlane) -> ControlPlane:
    for name in ("default", "prod", "live", "kube-system"):
        space(cluster, name)
    cluster.apply(definition("example.com", "widgets", "Widget", "v1"))
    probe = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a", "namespace": "default"}}
    wait_for(lambda: cluster.client().post(WIDGETS.format("default") + "?dryRun=All", probe).ok, HANGING)
    return cluster


@pytest.mark.parametrize("kind", [jmespath, conditions, patterns, documented], ids=lambda kind: kind.__name__)
def test_the_server_decides_as_check_does(spaces: ControlPlane, kind: Any, tmp_path: Path) -> None:
    rules = []
    for number, each in enumerate(kind()):
        sent = [
            one for one in each.requests if one.operation == "CREATE" and not one.user and one.object["kind"] in PLACES
        ]
        if sent:
            policy = copy.deepcopy(each.policy)
            policy["metadata"] = {**policy["metadata"], "name": f"{kind.__name__}-{number}"}
            rules.append(Rule(policy, sent[:: max(1, len(sent) // 16)]))
    outcomes = [
        each
        for each in ours.converted([each.policy for each in rules], [generated.WIDGETS])
        if each.kind in ("ClusterPolicy", "Policy")
    ]
    asked = []
    for rule, outcome in zip(rules, outcomes, strict=True):
        if outcome.policies and not outcome.python and not outcome.params:
            asked.append((rule, outcome))
    here = verdicts(asked, tmp_path)
    objects = [made for _, outcome in asked for made in outcome.policies]
    ties = [bound(outcome.folder, each) for _, outcome in asked for each in outcome.bindings]
    client = spaces.client()
    last = ours.converted([sentinel(kind.__name__)])[0]
    for made in (*objects, *ties, *last.policies, *(bound(last.folder, each) for each in last.bindings)):
        if "validationActions" in made["spec"]:
            made["spec"]["validationActions"] = ["Deny"]
        plural = f"{made['kind'].removesuffix('Policy').removesuffix('PolicyBinding').lower()}policies"
        if made["kind"].endswith("Binding"):
            plural = plural.removesuffix("policies") + "policybindings"
        reply = client.post(f"/apis/admissionregistration.k8s.io/v1/{plural}", made)
        assert reply.ok, (reply.message, json.dumps(made))
        assert not reply.warnings, (reply.warnings, made)
    # The server learns of all policies before this one.
    value = under(
        last.folder, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s", "namespace": "default"}}
    )
    wait_for(lambda: not client.post(PATHS["ConfigMap"].format("default") + "?dryRun=All", value).ok, HANGING)
    compared = denied = 0
    differ = []
    for (rule, outcome), said in zip(asked, here, strict=True):
        for request, refused in zip(rule.requests, said, strict=True):
            value = under(outcome.folder, request.object)
            path = PLACES[value["kind"]].format(value["metadata"].get("namespace", "default")) + "?dryRun=All"
            reply = client.post(path, value)
            if not reply.ok and " denied request" not in reply.message:
                continue  # the server does not take the object, whatever the policies say
            compared += 1
            denied += refused
            if (not reply.ok) is not refused or any(word in reply.message for word in SPENT):
                differ.append((outcome.folder, json.dumps(value), reply.message, refused))
    assert not differ, (len(differ), differ[:5])
    assert compared > 200
    assert 0 < denied < compared


def sentinel(name: str) -> dict[str, Any]:
    """A policy that denies what names it."""
    match = {"any": [{"resources": {"kinds": ["ConfigMap"]}}]}
    rule = {"name": "r", "match": match, "validate": {"message": "no", "pattern": {"data": {"there": "?*"}}}}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": f"z-{name}"},
        "spec": {"validationFailureAction": "Enforce", "rules": [rule]},
    }


def verdicts(asked: Sequence[tuple[Rule, Any]], folder: Path) -> list[list[bool]]:
    """Whether each request is refused here, with the label by which it names its policy."""
    ours.staged([outcome for _, outcome in asked], folder)
    (folder / "definitions.yaml").write_text(dumped(generated.WIDGETS))
    policies = load(str(folder), NEWEST)
    found = [[False] * len(rule.requests) for rule, _ in asked]
    for number, (rule, outcome) in enumerate(asked):
        tests = []
        for made in outcome.made:
            cases = []
            for at, request in enumerate(rule.requests):
                value = under(outcome.folder, request.object)
                one = Expected(outcome, [made], f"{number}/{at}", outcome.document, 1, "pass", value)
                cases.append(case(one, "allow"))
            tests.append(writing.policy_test(made, cases))
        (folder / outcome.folder / "tests.yaml").write_text("---\n".join(map(dumped, tests)), encoding="utf-8")
    planned, problems = policytest.plan([str(folder)], policies)
    assert not problems, problems[:3]
    for result in runs.run(planned, policies):
        policy, _, request_number = result.planned.case.name.partition("/")
        found[int(policy)][int(request_number)] |= result.verdict in FAILURES
    return found

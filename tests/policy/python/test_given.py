"""What a policy does to what it is given reaches nobody else: each way to try."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gatewright
from tests.policy.trees import binding, config_map, messages, mutating_binding, pod, request, tree, unit_test_request
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.request import Request, User

PARAMS = config_map("c", {"x": "1"})
LOOKED_UP = config_map("looked-up", {"x": "1"})
BOUND: dict[str, Any] = {"paramRef": {"name": "c", "parameterNotFoundAction": "Deny"}}

# The second policy, which reports everything that it sees.
SEE = """
import json

@validate(resources=["*"], param_kind="v1/ConfigMap", reads=["v1/ConfigMap"])
def q(request, params):
    found = request.cluster.get("v1", "ConfigMap", "looked-up", "default").value
    listed = request.cluster.list("v1", "ConfigMap").value
    yield json.dumps([request.object, request.old_object, params, found, list(listed), request.options,
                      request.user.username, request.user.groups, request.user.extra, request.name])
"""

HEADER = """
KEPT = []

@{decorator}(resources=["*"], param_kind="v1/ConfigMap", reads=["v1/ConfigMap"])
def p(request, params):
    found = request.cluster.get("v1", "ConfigMap", "looked-up", "default").value
    listed = request.cluster.list("v1", "ConfigMap").value
"""


def asked() -> Request:
    spec = {"list": [{"n": n} for n in range(100)], "numbers": [3, 1, 2]}
    user = User("ann", "1", ("a", "b"), {"k": ["v"]})
    made = request(pod("web", labels={"a": "1"}, **spec), "UPDATE", old_object=pod("web", labels={"a": "0"}, **spec))
    return replace(made, options={"kind": "UpdateOptions"}, user=user)


def decided(root: Path, body: str, decorator: str = "validate") -> Decision:
    """The verdict of two policies, p and q, of which p has this body; of the second request of two."""
    code = HEADER.format(decorator=decorator) + "".join(f"    {line}\n" for line in body.splitlines()) + SEE
    bound = binding("p", **BOUND) if decorator == "validate" else mutating_binding("p", **BOUND)
    policies = tree(root, code, bound, binding("q", name="c", **BOUND))
    objects = copy.deepcopy([PARAMS, LOOKED_UP])
    cluster = ManifestsView(objects, assume_namespaces=True)
    decide(asked(), policies, cluster)
    sent = asked()
    before = copy.deepcopy((sent.object, sent.old_object, sent.options, sent.user))
    decision = decide(sent, policies, cluster)
    assert (sent.object, sent.old_object, sent.options, sent.user) == before
    assert objects == [PARAMS, LOOKED_UP]
    return decision


def seen(decision: Decision) -> Any:
    """What the second policy saw."""
    return json.loads(messages(decision)[-1])


def unchanged() -> Any:
    sent = asked()
    objects = (sent.object, sent.old_object, PARAMS, LOOKED_UP, [PARAMS, LOOKED_UP], sent.options)
    return json.loads(json.dumps([*objects, "ann", ["a", "b"], {"k": ["v"]}, "web"]))


REFUSED = [
    'request.object["x"] = 1',
    'request.object["metadata"]["labels"]["a"] = "2"',
    'request.object.get("metadata").get("labels")["a"] = "2"',
    'del request.object["metadata"]["labels"]',
    'request.object["spec"]["containers"][0]["image"] = "x"',
    'for container in request.object["spec"]["containers"]: container["image"] = "x"',
    'for item in request.object["spec"]["list"]: item["n"] = 0',
    'for key, each in request.object.items():\n    if key == "metadata": each["name"] = "x"',
    'request.object["spec"]["containers"].append({})',
    'request.object["spec"]["numbers"].sort()',
    'request.object["spec"]["numbers"] += [1]',
    'numbers = request.object["spec"]["numbers"]\nnumbers += [1]',
    'labels = request.object["metadata"]["labels"]\nlabels |= {"a": "2"}',
    'request.object.setdefault("x", {})',
    'request.object.pop("spec")',
    'request.object["metadata"].copy()["labels"]["a"] = "2"',
    '{**request.object["metadata"]}["labels"]["a"] = "2"',
    "request.object.__setitem__('x', 1)",
    'getattr(request.object, "up" + "date")(x=1)',
    'request.old_object["metadata"]["labels"]["a"] = "2"',
    'params["data"]["x"] = "2"',
    'found["data"]["x"] = "2"',
    'listed[0]["data"]["x"] = "2"',
    "listed.clear()",
    'request.options["kind"] = "x"',
    'request.user.extra["k"].append("w")',
    'request.name = "x"',
    "request.object = {}",
    "del request.object",
]


@pytest.mark.parametrize("body", REFUSED)
def test_writing_is_an_error_of_the_policy(tmp_path: Path, body: str) -> None:
    decision = decided(tmp_path, body)
    assert "ReadOnlyError" in messages(decision)[0]
    assert decision.findings[0].error
    assert seen(decision) == unchanged()


@pytest.mark.parametrize("body", REFUSED)
def test_an_error_that_is_caught_leaves_no_trace(tmp_path: Path, body: str) -> None:
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    assert seen(decided(tmp_path, f"try:\n{indented}except TypeError: pass")) == unchanged()


@pytest.mark.parametrize(
    "body",
    [
        'dict.__setitem__(request.object, "x", 1)',
        'dict.update(request.object["metadata"]["labels"], a="2")',
        'dict.update(request.old_object["metadata"]["labels"], a="2")',
        'dict.__setitem__(params["data"], "x", "2")',
        'dict.__setitem__(found["data"], "x", "2")',
        "dict.clear(listed[0])",
        'list.append(request.object["spec"]["numbers"], 1)',
        'request.object.__init__({"x": 1})',
        'object.__setattr__(request, "object", {})',
        'object.__setattr__(request, "_sent", None)',
        'object.__setattr__(request.user, "username", "root")',
        'object.__setattr__(request.user, "groups", ())',
        'import copy\nmine = copy.deepcopy(request.object)\nmine["metadata"]["labels"]["a"] = "2"',
        'mine = request.object["metadata"]["labels"].copy()\nmine["a"] = "2"',
        'import pickle\npickle.loads(pickle.dumps(request.object))["spec"].clear()',
        'import heapq\nheapq.heapify(request.object["spec"]["numbers"])',
        'import random\nrandom.shuffle(list(request.object["spec"]["numbers"]))',
    ],
)
def test_what_goes_past_the_methods_ends_with_the_evaluation(tmp_path: Path, body: str) -> None:
    decision = decided(tmp_path, body)
    assert len(messages(decision)) == 1
    assert seen(decision) == unchanged()


def test_a_reference_that_is_kept_is_of_no_use_later(tmp_path: Path) -> None:
    body = """
for kept in KEPT:
    try: kept["metadata"]["labels"]["a"] = "2"
    except TypeError: pass
    dict.update(kept["metadata"]["labels"], a="2")
KEPT.extend([request.object, request.old_object, found, listed[0]])
for kept in KEPT[-4:]: kept["metadata"].get("labels")
KEPT[:] = [kept for kept in KEPT if "labels" in kept["metadata"]]
"""
    assert seen(decided(tmp_path, body)) == unchanged()


class TestMutate:
    @pytest.mark.parametrize(
        "body",
        [
            'request.old_object["metadata"]["labels"]["a"] = "2"',
            'params["data"]["x"] = "2"',
            'found["data"]["x"] = "2"',
            'listed[0]["data"]["x"] = "2"',
            'request.user.extra["k"].append("w")',
            "request.object = {}",
            'request.object["metadata"]["labels"] = request.old_object["metadata"]["labels"]\n'
            'request.object["metadata"]["labels"]["b"] = "1"',
        ],
    )
    def test_edits_the_object_alone(self, tmp_path: Path, body: str) -> None:
        decision = decided(tmp_path, body, "mutate")
        assert not decision.allowed
        assert "ReadOnlyError" in decision.message

    def test_may_put_what_it_is_given_into_the_object(self, tmp_path: Path) -> None:
        body = """
request.object["metadata"]["labels"] = request.old_object["metadata"]["labels"]
request.object["spec"] = {"params": params["data"], "found": [found], "listed": listed, "containers": []}
"""
        decision = decided(tmp_path, body, "mutate")
        assert decision.mutation is not None
        assert decision.mutation.object is not None
        expected = {"params": {"x": "1"}, "found": [LOOKED_UP], "listed": [PARAMS, LOOKED_UP], "containers": []}
        assert decision.mutation.object["spec"] == expected
        assert decision.mutation.object["metadata"]["labels"] == {"a": "0"}
        for each in (decision.mutation.object["metadata"]["labels"], expected["params"]):
            assert type(each) is dict
        assert type(decision.mutation.object["spec"]["listed"]) is list


class TestTheRequest:
    def test_of_a_unit_test_has_the_objects_that_it_passes(self) -> None:
        asked = unit_test_request()
        asked.object["metadata"]["name"] = "other"
        assert asked.object["metadata"]["name"] == "other"
        assert (asked.operation, asked.resource.resource, asked.kind.kind, asked.name) == (
            "CREATE",
            "pods",
            "Pod",
            "web",
        )
        assert (asked.request_kind, asked.request_resource) == (asked.kind, asked.resource)
        assert (asked.subresource, asked.request_subresource, asked.namespace) == ("", "", "")
        assert (asked.old_object, asked.options, asked.dry_run, asked.uid) == (None, None, False, "")
        assert asked.user == gatewright.User()
        assert repr(asked) == "<Request: CREATE v1/pods /web>"

    def test_of_a_unit_test_cannot_be_changed_either(self) -> None:
        with pytest.raises(gatewright.ReadOnlyError, match=r"request\.name cannot be set"):
            unit_test_request().name = "x"  # type: ignore[misc]

    def test_says_that_there_is_no_cluster(self) -> None:
        with pytest.raises(LookupError, match="in a unit test, pass one"):
            _ = unit_test_request().cluster

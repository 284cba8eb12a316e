"""What a policy does to what it is given reaches nobody else: each way to try."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

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
        'import msgspec\nmsgspec.structs.force_setattr(request.user, "username", "root")',
        'import msgspec\nmsgspec.structs.force_setattr(request.user, "groups", ())',
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


def test_a_user_cannot_be_changed(tmp_path: Path) -> None:
    decision = decided(tmp_path, 'request.user.username = "root"')
    assert decision.findings[0].error
    assert seen(decision) == unchanged()


def test_a_user_that_is_changed_by_force_ends_with_the_evaluation(tmp_path: Path) -> None:
    # An error up to Python 3.12.
    decision = decided(tmp_path, 'object.__setattr__(request.user, "username", "root")')
    assert seen(decision) == unchanged()


MODEL = """
from typing import Any
from pydantic import BaseModel
class Model(BaseModel):
    metadata: dict
    spec: Any
"""
LONG = """
from pydantic import BaseModel
class Item(BaseModel):
    n: int
    deep: dict = {}
class Spec(BaseModel):
    list: list[Item]
class Pod(BaseModel):
    spec: Spec
for item in Pod.model_validate(request.object).spec.list: item.deep.get("x", {})["a"] = 1
"""
CHANGING = [
    LONG,
    MODEL + 'Model.model_validate(request.object).metadata["labels"]["a"] = "2"',
    MODEL + 'Model.model_validate(request.object).spec["containers"].clear()',
    'dict.__getitem__(request.object, "spec")["containers"] = []',
    'dict.get(request.object, "spec")["containers"] = []',
    'for v in dict.values(request.object): isinstance(v, dict) and v.pop("containers", None)',
    'for _, v in dict.items(request.object): isinstance(v, dict) and v.pop("containers", None)',
    'list.__getitem__(request.object["spec"]["list"], 0)["n"] = 7',
    'for v in list.__iter__(request.object["spec"]["list"]): v["n"] = 7',
    'dict.__getitem__(request.object, "metadata")["self"] = dict.__getitem__(request.object, "metadata")',
    'dict.__getitem__(request.object, "metadata")["x"] = object()',
    'raw = request._sent.object\nraw["spec"] = raw["metadata"]\nraw["metadata"]["labels"] = raw',
    'del request._sent.object["spec"]["list"][3:]',
    'request._sent.object["spec"]["list"].append(request._sent.object["spec"]["list"][0])',
    'request._sent.object["spec"].clear()',
    "request._sent.object.clear()",
    "request._sent.user.extra.clear()",
    "request._sent.options.clear()",
    'dict.__getitem__(request.old_object, "metadata")["labels"]["a"] = "2"',
    'dict.__getitem__(params, "data")["x"] = "2"',
    'dict.__getitem__(request.object, "spec")["containers"] = []\nraise ValueError("x")',
    'import string as text\ntext.Formatter().get_field("0._sent.object[spec].clear", (request,), {})[0]()',
    'from collections import namedtuple\nBox = namedtuple("Box", "copy")\n'
    'pod = Box(lambda: request.object).copy()\npod["spec"] = {}',
    "from dataclasses import dataclass\n@dataclass\nclass Box:\n    pod: dict\n    copy = lambda self: self.pod\n"
    'pod = Box(request.object).copy()\npod["spec"] = {}',
    "match request._sent.object:\n    case dict(clear=wipe): wipe()",
    "import copy\ncopy.deepcopy([], request._sent.object)",
]


def asked_with_a_deep_item() -> Request:
    sent = asked()
    assert sent.object
    sent.object["spec"]["list"][0]["deep"] = {"x": {}}
    return sent


class TestChangingPastTheViews:
    """Only the values can show it: they are restored, and the policy's evaluation is an error."""

    @pytest.mark.parametrize("policy", ["Fail", "Ignore"])
    @pytest.mark.parametrize("body", CHANGING)
    def test_is_undone_and_an_error(self, tmp_path: Path, body: str, policy: str) -> None:
        code = HEADER.format(decorator="validate").replace('reads=["', f'failure_policy="{policy}", reads=["')
        code += "".join(f"    {line}\n" for line in body.splitlines()) + SEE
        policies = tree(tmp_path, code, binding("p", **BOUND), binding("q", name="c", **BOUND))
        objects = copy.deepcopy([PARAMS, LOOKED_UP])
        sent = asked_with_a_deep_item()
        assert sent.object
        before, same, labels = copy.deepcopy(sent), sent.object, sent.object["metadata"]["labels"]
        decision = decide(sent, policies, ManifestsView(objects, assume_namespaces=True))
        assert sent == before
        assert sent.object is same
        assert labels == {"a": "1"}
        assert objects == [PARAMS, LOOKED_UP]
        assert seen(decision)[:3] == json.loads(json.dumps([before.object, before.old_object, PARAMS]))
        errors = [finding for finding in decision.findings if finding.error]
        assert bool(errors) == (policy == "Fail")
        assert all(finding.policy == "p" for finding in errors)
        if errors:
            assert any("ReadOnlyError" in finding.message for finding in errors)

    @pytest.mark.parametrize("body", [body for body in CHANGING if "params" not in body])
    def test_a_cel_policy_after_it_denies(self, tmp_path: Path, body: str) -> None:
        expression = (
            "object.spec.containers.size() == 0 || object.spec.list.size() != 100 || object.spec.list[0].n != 0"
            " || object.metadata.labels != {'a': '1'} || oldObject.metadata.labels != {'a': '0'}"
        )
        cel = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "z"},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
                    ]
                },
                "validations": [{"expression": expression, "message": "denied by CEL"}],
            },
        }
        code = '\n@validate(resources=["*"], failure_policy="Ignore")\ndef p(request):\n'
        code += "".join(f"    {line}\n" for line in body.splitlines())
        (tmp_path / "z.json").write_text(json.dumps(cel))  # policies are evaluated in the order of their files
        policies = tree(tmp_path, code, binding("p"), binding("z", name="z"))
        assert [policy.name for policy in policies.validating] == ["p", "z"]
        decision = decide(asked_with_a_deep_item(), policies, ManifestsView([], assume_namespaces=True))
        assert [text for text in messages(decision) if "denied by CEL" in text]

    def test_what_is_not_json_is_restored_too(self, tmp_path: Path) -> None:
        body = 'dict.__getitem__(request.object, "spec")["containers"] = []'
        code = f"""
@validate(resources=["*"])
def p(request):
    {body}
"""
        sent = asked()
        assert sent.object
        sent.object["when"] = {"day": {1, 2}}
        before = copy.deepcopy(sent.object)
        decision = decide(sent, tree(tmp_path, code, binding("p")), ManifestsView([], assume_namespaces=True))
        assert sent.object == before
        assert "the policy changed request.object" in messages(decision)[0]

    @pytest.mark.parametrize(
        "body",
        [
            'dict.__getitem__(request.old_object, "metadata")["labels"]["a"] = "2"',
            'dict.__getitem__(params, "data")["x"] = "2"',
            'request._sent.object["spec"].clear()',
        ],
    )
    def test_in_a_mutating_policy(self, tmp_path: Path, body: str) -> None:
        decision = decided(tmp_path, body, "mutate")
        assert not decision.allowed
        assert "the policy changed" in decision.message


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

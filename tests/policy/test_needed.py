from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from webhook.cluster.lookups import NAMESPACES, Lookups, Target
from webhook.policy.load.loading import load
from webhook.policy.needed import lookups_of

SHIPPED = Path(__file__).parents[2] / "policies"
SYSTEM = "gatewright-system"


def policy(name: str = "p", **spec: object) -> str:
    import json

    rules = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}]}
    full = {"matchConstraints": rules, "validations": [{"expression": "true"}], **spec}
    kind = "ValidatingAdmissionPolicy"
    api_version = "admissionregistration.k8s.io/v1"
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": full})


def binding(name: str = "b", of: str = "p", **spec: object) -> str:
    import json

    full = {"policyName": of, "validationActions": ["Deny"], **spec}
    kind = "ValidatingAdmissionPolicyBinding"
    api_version = "admissionregistration.k8s.io/v1"
    return json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": full})


def looked_up(root: Path, *documents: str, python: str = "") -> Lookups:
    if documents:
        (root / "policies.yaml").write_text("\n---\n".join(documents))
    if python:
        (root / "policy.py").write_text("from gatewright import mutate, validate\n" + dedent(python))
    return lookups_of(load(root))


def ref(**fields: object) -> dict[str, Any]:
    return {"paramRef": {"parameterNotFoundAction": "Deny", **fields}}


CONFIG_MAPS: dict[str, Any] = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}


def test_the_shipped_policies_look_up_their_params_and_namespaces_alone() -> None:
    modes = [
        f"pod-security-{level}-{mode}" for level in ("baseline", "restricted") for mode in ("audit", "enforce", "warn")
    ]
    names = ("finalizer-enforcement", *modes, "protocol-whitelist", "replica-bounds")
    params = tuple(Target("v1", "ConfigMap", SYSTEM, name) for name in names)
    assert lookups_of(load(SHIPPED)) == Lookups((*params, Target("v1", "Namespace")))


def test_a_policy_without_params_and_namespaces_looks_up_nothing(tmp_path: Path) -> None:
    assert looked_up(tmp_path, policy(), binding()) == Lookups()


@pytest.mark.parametrize(
    ("param_ref", "target"),
    [
        (ref(name="x", namespace="n"), Target("v1", "ConfigMap", "n", "x")),
        (ref(name="x"), Target("v1", "ConfigMap", "", "x")),
        (ref(selector={}, namespace="n"), Target("v1", "ConfigMap", "n")),
        (ref(selector={"matchLabels": {"a": "b"}}), Target("v1", "ConfigMap")),
    ],
)
def test_params_are_looked_up_where_the_binding_says(tmp_path: Path, param_ref: dict[str, Any], target: Target) -> None:
    assert looked_up(tmp_path, policy(**CONFIG_MAPS), binding(**param_ref)).targets == (target,)


def test_what_another_covers_is_not_looked_up_twice(tmp_path: Path) -> None:
    bindings = (
        binding("a", **ref(name="x", namespace="n")),
        binding("b", **ref(name="y", namespace="n")),
        binding("c", **ref(selector={}, namespace="n")),
        binding("d", **ref(name="x")),
        binding("e", **ref(name="x", namespace="m")),
    )
    found = looked_up(tmp_path, policy(**CONFIG_MAPS), *bindings).targets
    assert found == (Target("v1", "ConfigMap", "", "x"), Target("v1", "ConfigMap", "n"))


def test_without_a_binding_nothing_is_looked_up(tmp_path: Path) -> None:
    uses = policy("q", validations=[{"expression": "authorizer.path('/x').check('get').allowed()"}], **CONFIG_MAPS)
    assert looked_up(tmp_path, policy(), binding(), uses) == Lookups()


SELECTOR = {"namespaceSelector": {"matchLabels": {"a": "b"}}}
NAMESPACED = {
    "a selector of the policy": (
        policy(
            matchConstraints={
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
                ],
                **SELECTOR,
            }
        ),
        binding(),
    ),
    "a selector of a binding": (policy(), binding(matchResources=SELECTOR)),
    "a validation": (policy(validations=[{"expression": "namespaceObject == null"}]), binding()),
    "a variable": (
        policy(variables=[{"name": "v", "expression": "[namespaceObject].size()"}]),
        binding(),
    ),
    "a message": (
        policy(validations=[{"expression": "true", "messageExpression": "namespaceObject.metadata.name"}]),
        binding(),
    ),
}


@pytest.mark.parametrize("documents", NAMESPACED.values(), ids=NAMESPACED.keys())
def test_namespaces_are_looked_up_for(tmp_path: Path, documents: tuple[str, str]) -> None:
    assert looked_up(tmp_path, *documents) == Lookups((NAMESPACES,))


def test_match_conditions_come_before_the_namespace(tmp_path: Path) -> None:
    conditions = [{"name": "c", "expression": "namespaceObject == null"}]
    assert looked_up(tmp_path, policy(matchConditions=conditions), binding()) == Lookups()


@pytest.mark.parametrize(
    "expression",
    ["authorizer.path('/x').check('get').allowed()", "authorizer.requestResource.check('get').allowed()"],
)
def test_access_is_asked_about_where_an_expression_does(tmp_path: Path, expression: str) -> None:
    assert looked_up(tmp_path, policy(validations=[{"expression": expression}]), binding()).access
    conditions = [{"name": "c", "expression": expression}]
    assert looked_up(tmp_path, policy(matchConditions=conditions), binding()).access


def test_python_policies_look_up_what_they_declare(tmp_path: Path) -> None:
    code = """
    @validate(resources=["v1/pods"], reads=["v1/Service", "apps/v1/Deployment", "v1/Namespace"])
    def p(request): ...

    @validate(resources=["v1/pods"], reads=["authorization.k8s.io/v1/SubjectAccessReview"])
    def q(request): ...

    @mutate(resources=["v1/pods"], reads=["v1/Secret"])
    def unbound(request): ...
    """
    found = looked_up(tmp_path, binding("a", "p"), binding("b", "q"), python=code)
    assert found == Lookups((Target("apps/v1", "Deployment"), NAMESPACES, Target("v1", "Service")), access=True)

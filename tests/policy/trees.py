"""Policy trees, requests and verdicts for tests, each in one line."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest
import yaml

import gatewright
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import Problem
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import GroupVersionKind, GroupVersionResource, Request, User

V1 = "admissionregistration.k8s.io/v1"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
ALL = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
MUTABLE = {**ALL, "operations": ["CREATE", "UPDATE"]}
POLICY = """\
    apiVersion: admissionregistration.k8s.io/v1
    kind: ValidatingAdmissionPolicy
    metadata:
      name: p
    spec:
      matchConstraints:
        resourceRules:
        - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
      validations:
      - expression: "false"
    """
BINDING = """\
    apiVersion: admissionregistration.k8s.io/v1
    kind: ValidatingAdmissionPolicyBinding
    metadata:
      name: b
    spec:
      policyName: p
      validationActions: [Deny]
    """

EXCEPTION: dict[str, Any] = {
    "policies": [{"name": "p"}],
    "objects": {"namespaces": ["legacy"]},
    "reason": "the agent reads the node's log",
    "approvedBy": "security",
    "expires": "2999-12-31",
}


def policy(name: str = "p", *, rules: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    """A ValidatingAdmissionPolicy of everything, whose one validation fails, unless told otherwise."""
    constraints = {"resourceRules": [ALL] if rules is None else rules, **spec.pop("match", {})}
    body = {"matchConstraints": constraints, "validations": [{"expression": "false", "message": "no"}], **spec}
    return {"apiVersion": V1, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": body}


def binding(policy_name: str = "p", *actions: str, name: str = "b", **spec: Any) -> dict[str, Any]:
    """A binding with Deny, unless told otherwise."""
    body = {"policyName": policy_name, "validationActions": list(actions or ("Deny",)), **spec}
    return {"apiVersion": V1, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": body}


def mutating_policy(
    name: str = "p", *mutations: dict[str, str], rules: list[dict[str, Any]] | None = None, **spec: Any
) -> dict[str, Any]:
    """A MutatingAdmissionPolicy of everything; its mutations are {patchType: expression}."""
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    constraints = {"resourceRules": [MUTABLE] if rules is None else rules, **spec.pop("match", {})}
    body = {
        "matchConstraints": constraints,
        "reinvocationPolicy": "Never",
        "failurePolicy": "Fail",
        "mutations": [
            {"patchType": patch_type, fields[patch_type]: {"expression": expression}}
            for mutation in mutations
            for patch_type, expression in mutation.items()
        ],
        **spec,
    }
    return {"apiVersion": V1, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": body}


def mutating_binding(policy_name: str, *, name: str = "b", **spec: Any) -> dict[str, Any]:
    body = {"policyName": policy_name, **spec}
    return {"apiVersion": V1, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": body}


def config_map(
    name: str, values: dict[str, str] | None = None, namespace: str = "default", **metadata: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": values or {},
    }


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(name: str = "web", *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {"containers": [{"name": "main", "image": "nginx"}], **spec},
    }


def loaded(*objects: dict[str, Any]) -> PolicySet:
    """The set of these objects. Raises PolicyTreeError."""
    return loaded_text(yaml.safe_dump_all(objects, sort_keys=False))


def loaded_text(text: str) -> PolicySet:
    """The set of a YAML file with this text. Raises PolicyTreeError."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tree.yaml"
        file.write_text(text)
        return load(file)


def loaded_files(root: Path, **files: str) -> PolicySet:
    """The set of a tree of these files: `policy_py` is policy.py."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (root / f"{stem}.{suffix}").write_text(dedent(text))
    return load(root, imports=("msgspec", "pickle"))  # with which tests try to reach past what policies are given


def problems(*objects: dict[str, Any]) -> list[str]:
    """What is wrong with these objects: the messages alone."""
    try:
        loaded(*objects)
    except PolicyTreeError as error:
        return [re.sub(r"\S*/tree\.yaml", "tree.yaml", problem.message) for problem in error.problems]
    return []


def wrong(root: Path, **files: str) -> list[Problem]:
    """What is wrong with a tree of these files."""
    with pytest.raises(PolicyTreeError) as caught:
        loaded_files(root, **files)
    return caught.value.problems


def places(found: list[Problem], root: Path) -> list[tuple[str, int | None, int | None]]:
    """File, line and column of each."""
    return [(str(Path(problem.file).relative_to(root)), problem.line, problem.column) for problem in found]


def request(
    obj: dict[str, Any] | None = None,
    operation: str = "CREATE",
    *,
    resource: str = "v1/pods",
    kind: str = "Pod",
    **fields: Any,
) -> Request:
    """A request for a Pod in `default`, unless told otherwise; `resource` is [GROUP/]VERSION/RESOURCE[/SUBRESOURCE]."""
    parts = resource.split("/")
    if parts[0].startswith("v") and parts[0][1:2].isdigit():
        parts = ["", *parts]
    group, version, plural, subresource = (*parts, "")[:4]
    if operation != "DELETE" and obj is None:
        obj = pod()
    metadata = (obj or fields.get("old_object") or {}).get("metadata", {})
    fields.setdefault("name", metadata.get("name", ""))
    fields.setdefault("namespace", "default")
    return Request(
        operation=operation,
        resource=GroupVersionResource(group, version, plural),
        kind=GroupVersionKind(group, version, kind),
        subresource=subresource,
        object=obj,
        user=fields.pop("user", User("jane", groups=("dev",))),
        **fields,
    )


def verdict(
    policies: PolicySet, asked: Request | None = None, *cluster: dict[str, Any], assume: bool = True
) -> Decision:
    """The decision, in a cluster of the tree's objects and these."""
    view = ManifestsView([*policies.objects, *cluster], assume_namespaces=assume)
    return decide(asked or request(), policies, view)


def messages(decision: Decision) -> list[str]:
    """The messages of the findings, in their order."""
    return [finding.message for finding in decision.findings]


def tree(root: Path, code: str, *bindings: dict[str, Any], **files: str) -> PolicySet:
    """A tree with this code after `from gatewright import …`, bound by `p`'s binding unless others are given."""
    for bound in bindings or (binding(),):
        (root / f"{bound['kind']}-{bound['metadata']['name']}.json").write_text(json.dumps(bound))
    header = "from gatewright import Request, Violation, mutate, validate\n"
    return loaded_files(root, policy_py=header + dedent(code), **files)


def exception(name: str = "x", **spec: Any) -> dict[str, Any]:
    changed = {**copy.deepcopy(EXCEPTION), **spec}
    body = {key: value for key, value in changed.items() if value is not ...}
    return {"apiVersion": "gatewright.dev/v1", "kind": "PolicyException", "metadata": {"name": name}, "spec": body}


def unit_test_request() -> gatewright.Request:
    """A request as an author's own test makes one."""
    return gatewright.Request(
        operation="CREATE",
        resource=gatewright.GroupVersionResource("", "v1", "pods"),
        kind=gatewright.GroupVersionKind("", "v1", "Pod"),
        name="web",
        object=pod("web"),
    )

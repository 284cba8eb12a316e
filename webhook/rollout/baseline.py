"""Findings -> the PolicyExceptions that let exactly these objects pass, each until a day.

An exception names the policy, the binding and the number of the validation where there are several, and the object: by
namespace and name, and the Pods of a workload, which have names of their own, by the labels by which they are known.
Objects that differ in their names only share an exception.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.documents import yamlwriting
from webhook.paths import render
from webhook.policy.cel.validating import CELValidator
from webhook.policy.exceptions import OWNER, ObjectsModel, refused_objects
from webhook.policy.matching import RequestKey
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import CREATE, DELETE, UPDATE
from webhook.policy.written import policykinds
from webhook.policy.written.model import LabelSelector
from webhook.rollout.reports import Finding, Object
from webhook.schema import Kinds, Resource
from webhook.visible import visible

Exception_ = dict[str, Any]

_WRITTEN: Final = (CREATE, UPDATE)
_NAME: Final = 180  # characters of a name before its hash, of the 253 that there may be
_PODS: Final = ("", "pods")
_REPLICA_SETS: Final = ("apps", "replicasets")


class Terms(Struct, frozen=True):
    """The fields that all exceptions of a baseline share: who approved them, the last day as written, the reason."""

    approved_by: str
    expires: str
    reason: str


class LeftOut(Struct, frozen=True):
    """A finding that an exception cannot cover, and the reason."""

    finding: Finding
    why: str


class Baseline(Struct, frozen=True):
    """`exceptions`: Kubernetes objects, by name. `covered`: the number of findings that they cover."""

    exceptions: Sequence[Exception_]
    covered: int
    left_out: Sequence[LeftOut]


class _Objects(Struct, frozen=True, order=True):
    """The objects of an exception without their names. `labels`: those of Pods; empty if the exception has names."""

    policy: str
    kind: str
    namespace: str
    resources: tuple[str, ...]
    owner: str
    operations: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]


class _Unexceptable(Exception):
    """An exception cannot cover the finding; the text says why."""


_Failing = dict[tuple[_Objects, str], dict[str, set[int | None]]]
"""Objects, and the name of one or "" -> binding -> the numbers of validations; None for the whole policy."""


def baseline(findings: Iterable[Finding], policies: PolicySet, kinds: Kinds, terms: Terms) -> Baseline:
    """The exceptions for findings on existing objects. kinds: all kinds that objects may have."""
    known = {(policy.kind, policy.name): policy for policy in policies.policies}
    failing: _Failing = defaultdict(lambda: defaultdict(set))
    left_out: list[LeftOut] = []
    covered = 0
    for finding in findings:
        try:
            policy = _policy(finding, known)
            found = list(_objects(finding, policy, kinds))
        except _Unexceptable as error:
            left_out.append(LeftOut(finding, str(error)))
            continue
        covered += 1
        for objects, name in found:
            failing[objects, name][finding.binding].add(finding.validation)
        if finding.object is not None and _makes_jobs(finding.object) and _matches(policy, ("batch", "jobs")):
            left_out.append(LeftOut(finding, "the policy is about its Jobs too, which have names of their own"))
    made = _exceptions(failing, known, terms, {each.name for each in policies.exceptions})
    return Baseline(made, covered, left_out)


def _policy(finding: Finding, known: dict[tuple[str, str], Policy[Any]]) -> Policy[Any]:
    """The policy of a finding. Raises _Unexceptable."""
    if not finding.policy:
        raise _Unexceptable("the API server refuses the object before any policy is asked")
    if finding.error:
        raise _Unexceptable("the policy could not be evaluated; correct it, or add what it lacks")
    policy = known.get((finding.kind, finding.policy))
    if policy is None:
        raise _Unexceptable("the policy tree has no such policy")
    if finding.binding not in {each.name for each in policy.bindings}:
        raise _Unexceptable(f"the policy tree has no binding '{finding.binding}' of it")
    if policy.language == "cel" and finding.validation is None:
        raise _Unexceptable("the report does not say which validation failed")
    numbered = len(policy.evaluator.validations) if isinstance(policy.evaluator, CELValidator) else 0
    if finding.validation is not None and finding.validation not in range(numbered):
        raise _Unexceptable(f"the policy has no validation {finding.validation}")
    return policy


def _objects(finding: Finding, policy: Policy[Any], kinds: Kinds) -> Iterable[tuple[_Objects, str]]:
    """The objects that an exception for a finding must name: the object, its Pods, or both. Raises _Unexceptable."""
    of = finding.object
    if of is None:
        raise _Unexceptable("it is about no object")
    own = kinds.for_kind(of.api_version, of.kind)
    deleted = finding.operation == DELETE
    operations = (DELETE,) if deleted else _WRITTEN
    itself = own is not None and _matches(policy, (own.group, own.plural), operations)
    is_pod = own is not None and (own.group, own.plural) == _PODS
    through_pods = not is_pod and not deleted and _matches(policy, _PODS)
    if own is None and not through_pods:
        raise _Unexceptable(f"no CustomResourceDefinition in the policy tree says what resource {of.kind} is")
    selected = through_pods and bool(finding.pod_labels) and bool(of.namespace)
    if not itself and not selected:
        if through_pods:
            raise _Unexceptable("its Pods have no labels by which an exception could name them")
        raise _Unexceptable("the policy is not about this resource itself")
    if itself and finding.generated_name:
        raise _Unexceptable("the API server makes up the object's name")

    # A report is a file that anybody may have written: an exception without a namespace covers all of them.
    if own is not None and own.namespaced and not of.namespace:
        raise _Unexceptable(f"the report does not say in which namespace the {of.kind} is")
    named = ObjectsModel(
        namespaces=[of.namespace] if of.namespace else None,
        names=[of.name] if itself else None,
        label_selector=LabelSelector(match_labels=finding.pod_labels) if selected else None,
    )
    for path, why in refused_objects(named, ()):
        raise _Unexceptable(f"an exception cannot name it: {visible(render(path))}: {visible(why)}")

    def objects(resources: tuple[str, ...], labels: dict[str, str]) -> _Objects:
        pairs = tuple(sorted(labels.items()))
        return _Objects(policy.name, policy.kind, of.namespace, resources, finding.owner, operations, pairs)

    if itself and own is not None:
        yield objects((_written(own),), {}), of.name
    if selected:
        with_sets = of.kind == "Deployment" and _matches(policy, _REPLICA_SETS)
        yield objects(("pods", "replicasets.apps") if with_sets else ("pods",), finding.pod_labels), ""


def _matches(policy: Policy[Any], resource: tuple[str, str], operations: Sequence[str] = _WRITTEN) -> bool:
    """Whether the policy may be about a resource, by its rules."""
    group, plural = resource
    keys = [RequestKey(group, "", plural, "", operation) for operation in operations]
    return any(rule.covers_another_version(key) for rule in policy.match.rules for key in keys)


def _makes_jobs(of: Object) -> bool:
    return (of.api_version, of.kind) == ("batch/v1", "CronJob")


def _written(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _exceptions(
    failing: _Failing, known: dict[tuple[str, str], Policy[Any]], terms: Terms, taken: Collection[str]
) -> list[Exception_]:
    together: dict[tuple[_Objects, tuple[str, ...], tuple[int, ...]], set[str]] = defaultdict(set)
    for (objects, name), by_binding in failing.items():
        # Bindings of which other validations fail are excepted apart: together, each would be excepted from all.
        alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for binding, numbers in by_binding.items():
            alike[tuple(sorted(each for each in numbers if each is not None))].append(binding)
        for validations, of in alike.items():
            together[objects, tuple(sorted(of)), validations].add(name)
    made: list[Exception_] = []
    names = set(taken)
    order = sorted(together.items(), key=lambda pair: (pair[0], sorted(pair[1])))
    for (objects, bindings, validations), called in order:
        spec = _spec(objects, bindings, validations, sorted(called), known, terms)
        name = _name(objects, spec, names)
        names.add(name)
        metadata: dict[str, Any] = {"name": name}
        if objects.owner:
            metadata["annotations"] = {OWNER: objects.owner}
        head = {"apiVersion": policykinds.OWN_VERSION, "kind": policykinds.EXCEPTION}
        made.append({**head, "metadata": metadata, "spec": spec})
    return made


def _spec(
    objects: _Objects,
    bindings: tuple[str, ...],
    validations: tuple[int, ...],
    names: list[str],
    known: dict[tuple[str, str], Policy[Any]],
    terms: Terms,
) -> dict[str, Any]:
    policy: dict[str, Any] = {"name": objects.policy}
    if sum(name == objects.policy for _, name in known) > 1:
        policy["kind"] = objects.kind
    if len(known[objects.kind, objects.policy].bindings) > 1:
        policy["bindings"] = list(bindings)
    if validations:
        policy["validations"] = list(validations)
    of: dict[str, Any] = {"resources": list(objects.resources)}
    if objects.namespace:
        of["namespaces"] = [objects.namespace]
    if objects.labels:
        of["labelSelector"] = {"matchLabels": dict(objects.labels)}
    else:
        of["names"] = names
    return {
        "policies": [policy],
        "objects": of,
        "operations": list(objects.operations),
        "reason": terms.reason,
        "approvedBy": terms.approved_by,
        "expires": terms.expires,
    }


def _name(objects: _Objects, spec: dict[str, Any], taken: Collection[str]) -> str:
    """The name of an exception: the same in each run. taken: the names of other exceptions."""
    what = json.dumps([spec["policies"], spec["objects"], objects.kind], sort_keys=True)
    number = hashlib.sha256(what.encode()).hexdigest()[:8]
    where = objects.namespace or "cluster"
    stem = f"baseline-{objects.policy}-{where}"[:_NAME].rstrip("-.")
    name = f"{stem}-{number}"
    further = 2
    while name in taken:
        name, further = f"{stem}-{number}-{further}", further + 1
    return name


def text(made: Baseline) -> str:
    """The exceptions as a file of a policy tree."""
    return yamlwriting.stream(made.exceptions)

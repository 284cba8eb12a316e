"""What a case of a policy test is decided with: the tested policy alone, and the objects that it may look up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.decision import MUTATING
from webhook.admission.record import Record
from webhook.admission.redaction import Redaction
from webhook.apiserver.admitted import ApiServer
from webhook.cluster.manifestsview import ManifestsView
from webhook.offline.authorizations import rules
from webhook.offline.cases.policytest import PlannedCase
from webhook.policy.policyset import Action, Binding, ParamRef, Policy, PolicySet
from webhook.policy.request import JSONObject, Request
from webhook.schema import Kinds

_UNBOUND = ParamRef(name="params", namespace="default")


class Setup(Struct, frozen=True):
    """What one case is decided with. `policies`: those of the tested name, with the bindings that the case leaves them.
    `server`: what the API server makes of objects beside these policies."""

    planned: PlannedCase
    policies: PolicySet
    view: ManifestsView
    server: ApiServer


class Unmatched(Struct, frozen=True):
    """Why a policy was not evaluated on the request of a case. `binding`: under this one, or "" for any.

    `why`: such as `matchConstraints.resourceRules are about CREATE of these, not about DELETE`, without content of
    Secrets.
    """

    kind: str
    binding: str
    why: str


class Setups:
    """Sets up the cases of one policy tree."""

    def __init__(self, policies: PolicySet) -> None:
        self._tree = policies
        self._tested: dict[tuple[str, bool, bool, tuple[Action, ...]], PolicySet] = {}

    def of(self, planned: PlannedCase) -> Setup:
        """What a case is decided with."""
        case = planned.case
        # A binding's conditions belong to the params that it names; they do not apply to the case's own params.
        key = (planned.policy, case.params is None, bool(case.excepted_by), planned.actions)
        if key not in self._tested:
            tested = _tested(planned.policy, self._tree, with_conditions=key[1], with_exceptions=key[2])
            self._tested[key] = _acting(tested, planned.actions) if planned.actions else tested
        return _setup(planned, self._tested[key])


def why_unmatched(setup: Setup, record: Record, redaction: Redaction) -> tuple[Unmatched, ...]:
    """Why no policy of the case was evaluated, from the engine's record; empty if one was. The record is of a decision
    without findings: a policy that is in error is evaluated."""
    found: dict[Unmatched, None] = {}
    for policy in setup.policies.policies:
        if policy.kind == MUTATING and setup.planned.case.validate_only:
            continue
        if any(each.result.ran for each in record.evaluations(policy)):
            return ()
        for binding, why in _skipped(policy, record):
            found[Unmatched(policy.kind, binding, redaction.applied(why))] = None
    return tuple(found)


def _skipped(policy: Policy[Any], record: Record) -> Iterator[tuple[str, str]]:
    """The bindings ("": any) under which a policy was not evaluated, each with the reason."""
    skipped = record.skip(policy)
    if skipped is not None:
        yield "", _ignored(skipped.why) if skipped.faulty else skipped.why
        return
    for binding in policy.bindings:
        skipped = record.skip(policy, binding)
        if skipped is not None:
            yield binding.name, _ignored(skipped.why) if skipped.faulty else skipped.why
        for each in record.evaluations(policy, binding):
            condition = each.result.unmet
            yield (
                binding.name,
                f"its matchCondition {condition} is false"
                if condition
                else _ignored("its matchConditions are in error"),
            )


def _ignored(error: str) -> str:
    return f"{error}; failurePolicy Ignore lets the request pass"


def _tested(name: str, policies: PolicySet, *, with_conditions: bool, with_exceptions: bool) -> PolicySet:
    """The set with only the policies of this name: a validating one, a mutating one, or both."""
    alone = policies.where(lambda policy: policy.name == name)
    changes: list[Callable[[Policy[Any]], Policy[Any]]] = []
    if not alone.bindings:
        changes.append(lambda policy: _bound(policy, policies.objects))
    if not with_exceptions:  # a test checks the policy without its exceptions
        changes.append(_unexcepted)
    if not with_conditions:
        changes.append(_unconditional)
    validating, mutating = alone.validating, alone.mutating
    for change in changes:
        validating, mutating = tuple(map(change, validating)), tuple(map(change, mutating))
    return PolicySet(validating, mutating, objects=policies.objects, target=policies.target)


def _acting(policies: PolicySet, actions: tuple[Action, ...]) -> PolicySet:
    """The set whose validating bindings have these actions."""
    validating = [
        replace(policy, bindings=tuple(replace(binding, actions=actions) for binding in policy.bindings))
        for policy in policies.validating
    ]
    return PolicySet(validating, policies.mutating, objects=policies.objects, target=policies.target)


def _unexcepted(policy: Policy[Any]) -> Policy[Any]:
    return replace(policy, exceptions=())


def _unconditional(policy: Policy[Any]) -> Policy[Any]:
    return replace(policy, bindings=tuple(replace(binding, conditions=None) for binding in policy.bindings))


def _bound(policy: Policy[Any], objects: Iterable[JSONObject]) -> Policy[Any]:
    """The policy, bound with Deny to everything it matches, and with the tree's param of the policy's name if there is
    exactly one."""
    binding = Binding(
        kind=f"{policy.kind}Binding",
        name=policy.name,
        policy=policy.name,
        actions=("Deny",),
        param_ref=_param_ref(policy, objects),
        match=None,
        file=policy.file,
        line=policy.line,
    )
    return replace(policy, bindings=(binding,))


def _param_ref(policy: Policy[Any], objects: Iterable[JSONObject]) -> ParamRef | None:
    if policy.param_kind is None:
        return None
    kind = (policy.param_kind.api_version, policy.param_kind.kind)
    named = [
        each["metadata"].get("namespace", "")
        for each in objects
        if (each.get("apiVersion"), each.get("kind")) == kind and each["metadata"].get("name") == policy.name
    ]
    return ParamRef(name=policy.name, namespace=named[0]) if len(named) == 1 else _UNBOUND


def _setup(planned: PlannedCase, policies: PolicySet) -> Setup:
    case, request = planned.case, planned.request
    objects = [*policies.objects, *case.cluster]
    if case.params is not None:
        kinds = {(kind.api_version, kind.kind) for policy in policies.policies if (kind := policy.param_kind)}
        objects = [each for each in objects if (each.get("apiVersion"), each.get("kind")) not in kinds]
        objects += _params(case.params, policies, request)
    if request.namespace:
        metadata = {"name": request.namespace, "labels": case.namespace.labels}
        # First in the list: a Namespace object of the tree or the case replaces this one.
        objects.insert(0, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    view = ManifestsView(
        objects,
        Kinds.builtin(policies.target).with_crds(objects),
        assume_namespaces=True,
        access_rules=rules(case.authorizations),
    )
    return Setup(planned, policies, view, ApiServer(objects, lambda: view, policies.target))


def _params(params: JSONObject, policies: PolicySet, request: Request) -> Iterator[JSONObject]:
    """The case's params, as one object for each name that a binding looks up."""
    for policy in policies.policies:
        if policy.param_kind is None:
            continue
        for binding in policy.bindings:
            ref = binding.param_ref
            if ref is None:
                continue
            metadata = dict(params.get("metadata") or {})
            if ref.selector is None:
                metadata["name"] = ref.name
            metadata.setdefault("name", "params")
            metadata["namespace"] = ref.namespace or request.namespace
            kind = policy.param_kind
            yield {**params, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}

"""Where in the object a CEL policy's finding belongs: the part of it that decided the validation that failed."""

from __future__ import annotations

from webhook.admission.decision import Finding
from webhook.admission.params import NONE, ConfigurationError, collect, resource_of
from webhook.cel.program import Recording
from webhook.cluster.view import ClusterView
from webhook.paths import Path
from webhook.policy import authorization
from webhook.policy.evaluation import Validator
from webhook.policy.matching import RequestNamespace
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import Request
from webhook.policy.validating import CELValidator


def witness(finding: Finding, request: Request, policies: PolicySet, cluster: ClusterView) -> Path | None:
    """The Path into the request's object that the failed validation turned on; None where it is no part of the object.

    The validation is evaluated once more, recording. `request` is as validation saw it: after mutation.
    """
    if finding.error or request.object is None:
        return None
    policy = next((policy for policy in policies.validating if policy.name == finding.policy), None)
    if policy is None or not isinstance(policy.evaluator, CELValidator):
        return None
    validator = policy.evaluator
    program = validator.validations[finding.index].program
    namespace = RequestNamespace(request, lambda name: cluster.namespace(name).value)
    for param in _params(policy, finding, request, cluster):
        lazy = {"request": request.cel, "namespaceObject": namespace.object}
        if validator.authorizing is not None:
            lazy |= authorization.bindings(request)
        recording = Recording(
            {"object": request.object, "oldObject": request.old_object, "params": param}, lazy, validator.variables
        )
        found = program.witnesses(recording)
        if recording.record.get(id(program.tree)) is False and found:  # else another of the params failed it
            return found[0]
    return None


def _params(policy: Policy[Validator], finding: Finding, request: Request, cluster: ClusterView) -> tuple[object, ...]:
    binding = next((binding for binding in policy.bindings if binding.name == finding.binding), None)
    if policy.param_kind is None or binding is None:
        return NONE
    try:
        resource = resource_of(policy.param_kind, cluster)
        return collect(policy.param_kind, resource, binding, request.namespace, cluster)
    except ConfigurationError:
        return ()

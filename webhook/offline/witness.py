"""Where in the object a CEL policy's finding belongs: the part of it that decided the validation that failed."""

from __future__ import annotations

from webhook.admission.decision import Finding
from webhook.admission.params import ConfigurationError
from webhook.cel.program import Recording
from webhook.cluster.view import ClusterView
from webhook.offline.explaining import params_of
from webhook.paths import Path
from webhook.policy.cel.validating import CELValidator
from webhook.policy.matching import RequestNamespace
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request


def witnesses_of(finding: Finding, request: Request, policies: PolicySet, cluster: ClusterView) -> tuple[Path, ...]:
    """The Paths into the request's object that the failed validation turned on, the best first; see Program.witnesses.

    The validation is evaluated once more, recording. `request` is as validation saw it: after mutation.
    """
    policy = next((policy for policy in policies.validating if policy.name == finding.policy), None)
    if policy is None or not isinstance(policy.evaluator, CELValidator):
        return ()
    validator = policy.evaluator
    program = validator.validations[finding.index].program
    namespace = RequestNamespace(request, lambda name: cluster.namespace(name).value)
    binding = next((binding for binding in policy.bindings if binding.name == finding.binding), None)
    if binding is None:
        return ()
    try:
        params = params_of(policy, binding, request, cluster)
    except ConfigurationError:
        return ()
    for param in params:
        recording = Recording(
            {"object": request.object, "oldObject": request.old_object, "params": param},
            validator.lazy(request, namespace),
            validator.variables,
        )
        found = program.witnesses(recording)
        value = recording.record.get(id(program.tree))
        if found and (value is None if finding.error else value is False):  # else another of the params failed it
            return found
    return ()

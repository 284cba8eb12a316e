"""GW301: params in the namespace of the request, with Deny. GW302: a paramKind that nothing defines. GW308: params that
the tree does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Subject, operations_of
from webhook.nearest import nearest
from webhook.paths import lookup
from webhook.policy.evaluation import ParamKind
from webhook.policy.matching import labels_of
from webhook.policy.policyset import ParamRef
from webhook.policy.request import CONNECT, CREATE

IN_REQUEST: Final = "GW301"
UNKNOWN: Final = "GW302"
MISSING: Final = "GW308"

RULES: Final = (
    Rule(IN_REQUEST, "params-in-request-namespace", "warning", "missing params keep a namespace from ending"),
    Rule(UNKNOWN, "unknown-param-kind", "warning", "a paramKind that neither Kubernetes nor the tree defines"),
    Rule(MISSING, "missing-params", "note", "a binding's params are not in the tree"),
)


def check(subject: Subject) -> Iterator[Alarm]:
    for policy in subject.policies.policies:
        kind = policy.param_kind
        if kind is None:
            continue
        known = subject.kinds.for_kind(kind.api_version, kind.kind)
        if known is None:
            names = {f"{each.api_version} {each.kind}" for each in subject.kinds}
            close = nearest(f"{kind.api_version} {kind.kind}", sorted(names))
            group = kind.api_version.rpartition("/")[0]
            hint = (
                f"did you mean {close}?"
                if close and "." not in group
                else "add its CustomResourceDefinition to the tree"
            )
            message = f"neither Kubernetes nor the tree defines the kind {kind.kind} in {kind.api_version}; {hint}"
            yield subject.of_policy(UNKNOWN, policy, ("spec", "paramKind", "kind"), message)
            continue
        stuck = [each for each in operations_of(policy) if each not in (CREATE, CONNECT)]
        for binding in policy.bindings:
            ref, document = binding.param_ref, subject.document(binding)
            if document is None or ref is None:
                continue
            if (missing := _missing(subject, kind, ref, namespaced=known.namespaced)) is not None:
                consequence = (
                    "every request that the policy matches is denied"
                    if ref.deny_if_not_found
                    else "the policy does not run"
                )
                message = (
                    f"the tree has no {missing}. Unless the cluster has one, {consequence}, and so it is in check and "
                    "test, which look up params in the tree and among the manifests"
                )
                yield subject.alarm(MISSING, document, ("spec", "paramRef"), message)
            if not known.namespaced or ref.namespace or not ref.deny_if_not_found:
                continue
            if policy.failure_policy == "Fail" and stuck:
                message = (
                    "the params are looked up in the namespace of each request, and a missing one denies "
                    f"{' and '.join(stuck)}: when a namespace is deleted, its params go first, and then nothing else "
                    "can go. Name a namespace for them, or set parameterNotFoundAction Allow"
                )
                yield subject.alarm(IN_REQUEST, document, ("spec", "paramRef"), message)


def _missing(subject: Subject, kind: ParamKind, ref: ParamRef, *, namespaced: bool) -> str | None:
    """The params that a paramRef names and the tree lacks; None if it has them, or if they are in the namespace of each
    request."""
    if namespaced and not ref.namespace:
        return None
    where = ref.namespace if namespaced else ""
    found = [
        each
        for each in subject.policies.objects
        if (each.get("apiVersion"), each.get("kind")) == (kind.api_version, kind.kind)
        and (not namespaced or (lookup(each, ("metadata", "namespace")) or "default") == where)
    ]
    within = f" in namespace '{where}'" if where else ""
    if ref.selector is None:
        names = [lookup(each, ("metadata", "name")) for each in found]
        if ref.name in names:
            return None
        close = nearest(ref.name, [each for each in names if isinstance(each, str)])
        return f"{kind.kind} '{ref.name}'{within}" + (f" (did you mean '{close}'?)" if close else "")
    return (
        None
        if any(ref.selector.matches(labels_of(each)) for each in found)
        else f"{kind.kind} with these labels{within}"
    )

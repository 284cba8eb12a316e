"""GW301: params in the namespace of the request, with Deny. GW302: a paramKind that nothing defines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Subject, operations_of
from webhook.nearest import nearest
from webhook.policy.request import CONNECT, CREATE

IN_REQUEST: Final = "GW301"
UNKNOWN: Final = "GW302"

RULES: Final = (
    Rule(IN_REQUEST, "params-in-request-namespace", "warning", "missing params keep a namespace from ending"),
    Rule(UNKNOWN, "unknown-param-kind", "warning", "a paramKind that neither Kubernetes nor the tree defines"),
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
            if document is None or ref is None or not known.namespaced or ref.namespace or not ref.deny_if_not_found:
                continue
            if policy.failure_policy == "Fail" and stuck:
                message = (
                    "the params are looked up in the namespace of each request, and a missing one denies "
                    f"{' and '.join(stuck)}: when a namespace is deleted, its params go first, and then nothing else "
                    "can go. Name a namespace for them, or set parameterNotFoundAction Allow"
                )
                yield subject.alarm(IN_REQUEST, document, ("spec", "paramRef"), message)

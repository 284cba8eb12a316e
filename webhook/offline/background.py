"""Details of findings that the API server does not report: missing params, and tracebacks of Python policies."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from webhook.admission.decision import Finding
from webhook.policy.policyset import PolicySet
from webhook.policy.python.raised import Raised
from webhook.policy.selectors import Requirement, Selector
from webhook.schema import Kinds

_NONE_FOUND = "no params found"
_UNBOUND = "the policy has no binding; its cases have only the params that they name"


class LookedFor(Struct, frozen=True):
    """A binding's lookup of params that found none.

    `name` or `selector` (as text) is set, and the other is "". `namespace`: "" if the kind is cluster-scoped. `file`,
    `line`: of the binding. `among`: where params may be besides the policy tree.
    """

    api_version: str
    kind: str
    name: str
    selector: str
    namespace: str
    binding: str
    file: str
    line: int
    among: str = "among the manifests"

    def __str__(self) -> str:
        kind = f"{self.api_version} {self.kind}"
        what = f"{kind} '{self.name}'" if self.name else f"a {kind} with the labels {self.selector}"
        where = f" in namespace '{self.namespace}'" if self.namespace else ""
        return (
            f"looked for {what}{where}, as binding '{self.binding}' says ({self.file}:{self.line}); "
            f"there is none in the policy tree, nor {self.among}"
        )


class Background(Struct, frozen=True):
    """Looks up the details of findings: from the policies with their bindings, and from exceptions that were raised.

    `among`: where params are found besides the policy tree.
    """

    policies: PolicySet
    raised: Sequence[Raised] = ()
    among: str = "among the manifests"

    def looked_for(self, finding: Finding, namespace: str) -> LookedFor | None:
        """The lookup behind a finding that reports missing params; None for other findings.

        namespace: the request's."""
        if _NONE_FOUND not in finding.message:
            return None
        for policy in self.policies.policies:
            if (policy.kind, policy.name) != (finding.kind, finding.policy) or policy.param_kind is None:
                continue
            for binding in policy.bindings:
                ref = binding.param_ref
                if binding.name != finding.binding or ref is None:
                    continue
                kind = policy.param_kind
                kinds = Kinds.builtin().with_crds(self.policies.objects)
                resource = kinds.for_kind(kind.api_version, kind.kind)
                namespaced = resource is None or resource.namespaced
                return LookedFor(
                    api_version=kind.api_version,
                    kind=kind.kind,
                    name=ref.name,
                    selector=_shown(ref.selector) if ref.selector is not None else "",
                    namespace=(ref.namespace or namespace) if namespaced else "",
                    binding=binding.name,
                    file=binding.file,
                    line=binding.line,
                    among=self.among,
                )
        return None

    def lookup(self, finding: Finding, namespace: str) -> str:
        """What is known of the lookup behind a finding that reports missing params, as text; "" of other findings."""
        looked_for = self.looked_for(finding, namespace)
        if looked_for is not None:
            return str(looked_for)
        if _NONE_FOUND not in finding.message:
            return ""
        of = (each for each in self.policies.policies if (each.kind, each.name) == (finding.kind, finding.policy))
        return _UNBOUND if any(each.param_kind is not None and not each.bindings for each in of) else ""

    def traceback(self, finding: Finding) -> tuple[str, ...]:
        """The lines of the traceback behind an error of a Python policy; empty for other findings."""
        if not finding.error:
            return ()
        found = (
            each.lines
            for each in self.raised
            if (each.kind, each.policy, each.message) == (finding.kind, finding.policy, finding.message)
        )
        return next(found, ())


def _shown(selector: Selector) -> str:
    """A label selector in kubectl's syntax: `app=web,tier in (a,b),!old`."""
    return ",".join(map(_requirement, selector.requirements)) or "(any)"


def _requirement(requirement: Requirement) -> str:
    values = sorted(requirement.values)
    match requirement.operator:
        case "In" if len(values) == 1:
            return f"{requirement.key}={values[0]}"
        case "In" | "NotIn":
            return f"{requirement.key} {'in' if requirement.operator == 'In' else 'notin'} ({','.join(values)})"
        case "Exists":
            return requirement.key
        case _:
            return f"!{requirement.key}"
